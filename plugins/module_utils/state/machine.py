# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One managed machine's memory of its releases: journal, lease and fence behind one door (private to the collection).

Whoever acts holds the machine's flock from the fence check to the C(end) record, so that what a killed controller left
running and its successor never act side by side. Every change of the lock goes to the journal first and to lock.json
then: see C(lease.resolve) for what is made of a crash between the two.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..errors import SlipwayError
from ..system import System
from .journal import file_errors
from .lease import Lock, ReleaseToken, check_grant, check_stage
from .session import MachineView, Session, release_directory
from .step import Step

__all__ = ["Machine", "MachineView", "ReleaseToken"]

ROOT = "/var/lib/slipway"
MARGIN = 10.0  # seconds that a lease outlives the deadline of its stage
# Stages that may begin without the reserve.
ENDING = ("interrupt", "resume", "revert", "revert_traffic", "settle", "record")
PATIENCE = 10.0  # seconds to wait for a flock that no lease explains


class Machine:
    """The state directory of one platform in one environment on this machine.

    :param root: directory of all platforms.
    :raises SlipwayError: C(invalid) for a name that is not one plain path segment.
    """

    def __init__(self, system: System, *, root: str = ROOT, platform: str, environment: str) -> None:
        for key, name in (("platform", platform), ("environment", environment)):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
                wanted = "letters, digits, '-', '_' and '.'"
                raise SlipwayError("not a usable name", obj=key, actual=name, wanted=wanted, cause="invalid")
        self.system = system
        self.directory = os.path.join(root, platform, environment)
        self._flock_path = os.path.join(self.directory, "machine.lock")

    def release_directory(self, release_id: str) -> str:
        """C(releases/<id>), where all is kept that a rollback needs; made by C(Step.decision)."""
        return release_directory(self.directory, release_id)

    def read(self) -> MachineView:
        """Lock and journal as they are now; takes no flock, writes nothing, and a bare machine gives an empty view.

        :raises SlipwayError: C(journal_damaged), C(journal_newer), C(permission).
        """
        return Session(self.system, self.directory).view()

    def grant(
        self,
        release: ReleaseToken,
        duration: float,
        *,
        takeover: t.Sequence[t.Mapping[str, t.Any]] = (),
        break_glass: bool = False,
        about: t.Mapping[str, t.Any] | None = None,
    ) -> bool:
        """Give this machine's lease to a release; the same again renews it.

        :param duration: seconds.
        :param takeover: leases as they were read, whose holders the controller has proved to be gone.
        :param break_glass: take it from anybody; recorded.
        :param about: C(version), C(identity), C(side), for the history.
        :returns: whether that is new.
        :raises SlipwayError: C(lock_held), C(fence_conflict), C(flock_timeout), C(no_space) also without the reserve.
        """
        self.grantable(release, takeover=takeover, break_glass=break_glass)  # refuse at once, not after the flock
        self.system.make_directory(self.directory)
        with self._session() as session:
            view = session.view()
            new = _grantable(view, release, takeover, break_glass)
            if not any(unfinished.stages for unfinished in view.journal.unfinished):  # one to finish may always go on
                session.reserve.ensure()
            lease = session.lease_for(release, duration)
            data: dict[str, t.Any] = {"lease": lease._asdict(), "about": dict(about or {})}
            if break_glass:
                data["break_glass"] = {"removed": view.lock.lease._asdict() if view.lock.lease else None}
            session.journal.append("granted", release=release.id, token=release.token, data=data)
            session.write_lock(lease)
        return new

    def grantable(
        self, release: ReleaseToken, *, takeover: t.Sequence[t.Mapping[str, t.Any]] = (), break_glass: bool = False
    ) -> bool:
        """What C(grant) would do: whether the lease would be new; raises what it would raise. Writes nothing."""
        return _grantable(self.read(), release, takeover, break_glass)

    def withdraw(self, release: ReleaseToken) -> bool:
        """Take back a grant that others refused; nobody else's lease is touched. Returns whether there was one."""
        return self._give_back("withdrawn", release)

    def release(self, release: ReleaseToken) -> bool:
        """Give the lease back; nobody else's is touched. Returns whether there was one."""
        return self._give_back("released", release)

    def _give_back(self, event: str, release: ReleaseToken) -> bool:
        if not os.path.isdir(self.directory):
            return False
        with self._session() as session:
            lease = session.view().lock.lease
            if lease is None or not lease.belongs_to(release):
                return False
            session.drop_lease(event, release)
        return True

    def unlock(self) -> bool:
        """Break glass: remove whatever lease there is. The fence stays, so its holder can do nothing more.

        :returns: whether there was one; C(read) tells before what it would be.
        """
        if not os.path.isdir(self.directory):
            return False
        with self._session() as session:
            lease = session.view().lock.lease
            if lease is None:
                return False
            session.journal.append("unlocked", release=lease.release_id, data={"removed": lease._asdict()})
            session.write_lock(None)
        return True

    def damage(self) -> dict[str, t.Any] | None:
        """What C(repair) would do, or None when nothing is damaged. Writes nothing."""
        if not os.path.isdir(self.directory):
            return None
        plan = Session(self.system, self.directory).journal.plan_repair()
        return plan.done if plan else None

    def repair(self) -> dict[str, t.Any] | None:
        """Repair a damaged journal.

        :returns: C(kept_aside), C(gaps), C(lines_lost); or None when nothing was damaged.
        :raises SlipwayError: C(journal_newer), C(no_space), C(flock_timeout).
        """
        if self.damage() is None:
            return None
        with self._session(wait=PATIENCE) as session:  # for how long a lease explains the flock is not readable now
            plan = session.journal.plan_repair()
            if plan is None:
                return None
            session.journal.repair(plan)
        return plan.done

    def mark_bad(self, identity: str, *, version: str, why: str, release: str = "") -> bool:
        """Refuse an identity from now on, until it is forgiven or succeeds under an override. Returns whether new."""
        self.system.make_directory(self.directory)
        with self._session() as session:
            return session.mark_bad(identity, version=version, why=why, release=release)

    def forgive(self, identity: str) -> bool:
        """Let an identity out again. Returns whether it was marked."""
        if identity not in self.read().journal.bad:
            return False
        self.tell("forgiven", {"identity": identity})
        return True

    def tell(self, event: str, data: t.Mapping[str, t.Any]) -> None:
        """Append a record that belongs to no release."""
        self.system.make_directory(self.directory)
        with self._session() as session:
            session.journal.append(event, data=dict(data))

    # Acting -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def stage(
        self,
        release: ReleaseToken,
        stage: str,
        deadline: float,
        *,
        margin: float = MARGIN,
        wait: float | None = None,
    ) -> t.Iterator[Step]:
        """Act as one stage of a release: flock, fence check, lease for deadline + margin, C(begin) … C(end), lease for
        30 s.

        :param deadline: seconds that the stage itself may take.
        :param wait: seconds to wait for the flock (an earlier module that runs on); the deadline by default.
        :raises SlipwayError: C(lost_lock), C(lease_lapsed), C(flock_timeout), C(journal_damaged), C(no_space), …
        """
        if not os.path.isdir(self.directory):
            check_stage(Lock(0, None, "none"), release, stage, 0.0)
        with self._session(wait=deadline if wait is None else wait) as session:
            view = session.view()
            check_stage(view.lock, release, stage, view.remaining)
            known = view.journal.find(release.id)
            if not (known and known.stages) and stage not in ENDING:
                session.reserve.ensure()
            step = Step(session, view, release, stage)
            step.begin(deadline, margin)
            try:
                yield step
            except BaseException as error:  # KeyboardInterrupt and SystemExit too: the record says how it ended
                with contextlib.suppress(SlipwayError):  # why it failed matters more than that it went unrecorded
                    step.end(error)
                raise
            step.end(None)

    @contextlib.contextmanager
    def alone(self, *, wait: float = 30.0) -> t.Iterator[None]:
        """Act without a release: this machine's flock and nothing else.

        :raises SlipwayError: C(flock_timeout).
        """
        self.system.make_directory(self.directory)
        with contextlib.ExitStack() as stack:
            with file_errors(self._flock_path):  # of the flock alone, not of what the caller does under it
                stack.enter_context(self.system.flock(self._flock_path, timeout=wait))
            yield

    @contextlib.contextmanager
    def _session(self, *, wait: float | None = None) -> t.Iterator[Session]:
        """Hold the flock. Whoever has it now is done with it, at the latest, when its lease has run out."""
        if wait is None:
            wait = max(0.0, self.read().remaining) + PATIENCE
        with self.alone(wait=wait):
            yield Session(self.system, self.directory)


def _grantable(
    view: MachineView, release: ReleaseToken, takeover: t.Sequence[t.Mapping[str, t.Any]], break_glass: bool
) -> bool:
    lease = view.lock.lease
    broken = [lease._asdict()] if break_glass and lease else []
    check_grant(view.lock, release, view.remaining, [*takeover, *broken])
    return not (lease and lease.belongs_to(release) and view.remaining > 0)
