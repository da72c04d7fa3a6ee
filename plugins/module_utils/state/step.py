# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage under way on one machine, and what it records (private to the collection)."""

from __future__ import annotations

import json
import os
import typing as t

from ..errors import SlipwayError
from .history import CLOSING
from .journal import Record
from .lease import ReleaseToken
from .session import MachineView, Session, release_directory

BETWEEN = 30.0  # seconds that a lease outlives its last stage


class Step:
    """The stage under way; what its methods record is durable when they return."""

    def __init__(self, session: Session, view: MachineView, release: ReleaseToken, stage: str) -> None:
        self.release = release
        self.stage = stage
        self._session = session
        self._before = view.journal.find(release.id)
        self._started = session.system.monotonic()
        self._releasing = self._closed = self._waiting = False

    @property
    def directory(self) -> str:
        """C(releases/<id>) of this release."""
        return release_directory(self._session.directory, self.release.id)

    def note(self, event: str, **data: t.Any) -> None:
        """An extra record inside the stage, named C(event)."""
        self._append("note", {**data, "name": event})

    def decision(self, spec: t.Mapping[str, t.Any]) -> bool:
        """The commit point: releases/<id>/spec.json, then the C(decision) record.

        :param spec: the frozen specification, JSON values only and no secret; C(version), C(identity) and C(side) at
            its top level are what the history shows.
        :returns: whether it is new; the same again changes nothing.
        """
        plain = json.loads(json.dumps(spec))
        if self._before is not None and self._before.decision == plain:
            return False
        self._session.system.make_directory(self.directory)
        content = json.dumps(plain, indent=1, sort_keys=True).encode() + b"\n"
        self._session.put(os.path.join(self.directory, "spec.json"), content)
        self._append("decision", {"spec": plain})
        return True

    def outcome(self, outcome: str, *, diagnosis: t.Mapping[str, t.Any] | None = None, **about: t.Any) -> bool:
        """How the release ended on this machine.

        :param outcome: C(succeeded), C(reverted), C(restored) (the database, with the services put back) or C(failed).
        :param about: C(version), C(identity), C(side), where no decision told them.
        :returns: whether it is new.
        """
        if outcome not in CLOSING:
            raise SlipwayError("not an outcome", obj="outcome", actual=outcome, wanted=list(CLOSING), cause="invalid")
        if self._before is not None and self._before.outcome == outcome:
            return False
        self._append("outcome", {"outcome": outcome, "diagnosis": dict(diagnosis or {}), "about": about})
        self._closed = True
        return True

    def mark_bad(self, identity: str, *, version: str, why: str) -> bool:
        """Refuse this identity from now on, until it is forgiven or succeeds under an override. Returns whether new."""
        return self._session.mark_bad(identity, version=version, why=why, release=self.release.id)

    def rewrite(self, change: t.Callable[[list[Record]], list[Record]]) -> None:
        """Put other records in place of all; those that this release has written must be among them."""
        self._session.journal.rewrite(change(self._session.journal.records))

    def release_lease(self) -> None:
        """Give the lease back when this stage ends, well or not."""
        self._releasing = True

    def wait_for_others(self) -> None:
        """Keep the lease for the stage's whole deadline: other machines are at work, and this one has nothing to do."""
        self._waiting = True

    # For Machine.stage alone ----------------------------------------------------------------------------------

    def begin(self, deadline: float, margin: float) -> None:
        """Record C(begin) and hold the lease for as long as the stage may take."""
        lease = self._held = self._session.lease_for(self.release, deadline + margin)
        self._append("begin", {"deadline": deadline, "lease": lease.times()})
        self._session.write_lock(lease)

    def end(self, error: BaseException | None) -> None:
        """Record C(end); hold the lease until the next stage, or give it back."""
        lease = self._held if self._waiting else self._session.lease_for(self.release, BETWEEN)
        data = {
            "ok": error is None,
            "cause": "" if error is None else getattr(error, "cause", type(error).__name__),
            "message": "" if error is None else str(error),
            "seconds": round(self._session.system.monotonic() - self._started, 3),
            "lease": lease.times(),
        }
        self._append("end", data)
        if self._releasing:
            self._session.drop_lease("released", self.release)
        else:
            self._session.write_lock(lease)
        if self._closed:
            self._session.compact()

    def _append(self, event: str, data: dict[str, t.Any]) -> None:
        release = self.release
        self._session.journal.append(event, release=release.id, token=release.token, stage=self.stage, data=data)
