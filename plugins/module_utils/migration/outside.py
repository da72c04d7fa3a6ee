# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same for every tool that is a program of its own (private to the collection).

The lock is ours, on a connection of its own, and held while the tool runs; the history is read by us, before and after.
"""

from __future__ import annotations

import abc
import contextlib
import re
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import model
from .address import Address
from .child import Child, Ended
from .conf import Notes, read_notes
from .database import Database
from .model import Done, Migration, Report, Status
from .patience import Patience, pauses
from .tool import Order, Sources, Tool
from .validate import expect_none

NOTE = re.compile(r"\s*(?:#|//|--)\s*(slipway:.*)")
LOCKED = re.compile(r"55P03|40P01|lock timeout|[Dd]eadlock|Lock wait timeout|database is locked")


T = t.TypeVar("T")


class Setup(t.NamedTuple):
    """What a tool is made of.

    :param database: where the history is.
    :param lock: whose lock is held; the same, but for a tool that takes that one itself.
    :param child: how the tool is started.
    :param config: its own file of settings, or what it has instead.
    """

    database: Database
    lock: Database
    address: Address
    child: Child
    patience: Patience
    system: System
    config: str = ""
    placeholders: t.Mapping[str, str] = {}


class Run(t.NamedTuple):
    """One attempt: how long it may take, and what of the lock it shares."""

    child: Child
    timeout: float | None
    keep: tuple[int, ...]

    def __call__(
        self, *words: str, stdin: str = "", env: t.Mapping[str, str] | None = None, mine: t.Sequence[str] = ()
    ) -> Ended:
        return self.child.run(*words, stdin=stdin, env=env, timeout=self.timeout, keep=self.keep, mine=mine)


class Outside(Tool):
    """See RV(Tool)."""

    states: t.ClassVar[tuple[str, ...]] = ("latest", "target", "status", "undone", "baselined")

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._database = setup.database
        self._told: dict[str, t.Any] = {}  # what the project said; its files stay as they are during a run
        self._notes: dict[str, Notes] = {}  # by script, where the files have any

    # What differs from one tool to the other ------------------------------------------------------------------

    @abc.abstractmethod
    def _read(self, target: str, run: Run) -> Status:
        """Compare what the project has with what the history has."""

    @abc.abstractmethod
    def _carry_out(self, order: Order, before: Status, wanted: t.Sequence[Migration], run: Run) -> t.Mapping[str, int]:
        """Let the tool work; milliseconds by version, where it tells them."""

    @abc.abstractmethod
    def _show(self, order: Order, status: Status, wanted: t.Sequence[Migration], run: Run) -> str:
        """The SQL of that."""

    def _done(self, before: Status, after: Status, took: t.Mapping[str, int]) -> list[Done]:
        return changes(before, after, took)

    # The same for all ---------------------------------------------------------------------------------------

    def status(self) -> Status:
        return self._read("", self._run(None))

    def preview(self, order: Order) -> str:
        self._expect(order)
        run = self._run(None)
        status = self._read(_target(order), run)
        wanted = self._wanted(order, status)
        return self._show(order, status, wanted, run) if wanted or order.state == "undone" else ""

    def sources(self, order: Order) -> Sources | None:
        from .lint.apart import texts_of

        order = order._replace(state="latest") if order.state == "status" else order
        run = self._run(None)
        status = self._read(_target(order), run)
        wanted = [] if status.problems else self._wanted(order, status)
        try:
            texts = texts_of(self._show(order, status, wanted, run), wanted) if wanted else []
        except SlipwayError as error:
            if error.cause != "unable":
                error.remedy = (
                    f"The lint wants to see the SQL: mend what hinders that, or set lint: off. {error.remedy}"
                )
                raise
            return None
        noted = [one._replace(notes=self._notes.get(one.script, one.notes)) for one in texts]
        return Sources(noted, self._database.dialect, self._database.major(), comment=self.comment)

    def apply(self, order: Order) -> Report:
        self._expect(order)
        deadline = self._setup.system.monotonic() + order.timeout if order.timeout else None
        before = self._read(_target(order), self._run(deadline))
        if order.state in ("latest", "target") and not before.problems and not self._wanted(order, before):
            return Report(before, before)
        with self._setup.lock.lock(self._setup.patience.lock) as waited:
            self._setup.child.place.alone()
            self._prepare(before)
            before = self._read(_target(order), self._run(deadline))
            took = self._attempts(order, before, deadline)
            after = self._read(_target(order), self._run(deadline))
            self._expect_applied(order, after)
            return Report(before, after, tuple(self._done(before, after, took)), waited)

    def _once(self, key: str, ask: t.Callable[[], T]) -> T:
        """What is asked of the project but once."""
        if key not in self._told:
            self._told[key] = ask()
        return t.cast(T, self._told[key])

    def _prepare(self, _before: Status) -> None:
        """Under the lock, before anything else: nobody with an older token comes through."""
        self._database.create_fence()

    def _attempts(self, order: Order, before: Status, deadline: float | None) -> dict[str, int]:
        """Again, as long as it only waited too long for a lock; each time what is pending then."""
        again = pauses(self._setup.system, self._setup.patience, deadline)
        took: dict[str, int] = {}
        now = before
        while True:
            if order.state in ("latest", "target"):
                expect_none(now, self._where)
            wanted = self._wanted(order, now)
            if not wanted and order.state in ("latest", "target"):
                return took
            more = f" and {len(wanted) - 1} more" if len(wanted) > 1 else ""
            self.say(f"{self.name} is at work on {wanted[0].label}{more}" if wanted else f"{self.name} is at work")
            try:
                took.update(self._carry_out(order, now, wanted, self._run(deadline)))
                return took
            except SlipwayError as error:
                if error.cause == "lock_timeout" and next(again, False):
                    now = self._read(_target(order), self._run(deadline))
                    continue
                self._setup.child.place.blame(error)
                with contextlib.suppress(SlipwayError):  # what failed first is what is told
                    after = self._read(_target(order), self._run(None))
                    error.evidence.setdefault("applied", [one._asdict() for one in self._done(before, after, took)])
                raise

    def _wanted(self, order: Order, status: Status) -> list[Migration]:
        """The first of what is pending, as far as the phase goes: what comes after one of the other phase waits with it."""
        if order.state not in ("latest", "target"):
            return []
        pending = status.pending
        if order.phase == "all":
            return pending
        others = [index for index, one in enumerate(pending) if one.phase != order.phase]
        return pending[: others[0]] if others else pending

    def _run(self, deadline: float | None) -> Run:
        left = None if deadline is None else max(1.0, deadline - self._setup.system.monotonic())
        return Run(self._setup.child, left, self._setup.lock.held)

    def _expect(self, order: Order) -> None:
        if order.state not in self.states:
            raise unable(self.name, f"state: {order.state}", f"It can do {', '.join(self.states)}.")

    def _expect_applied(self, order: Order, after: Status) -> None:
        """:raises SlipwayError: C(migration_failed) where it ended well and has not done what it was to do."""
        left = self._wanted(order, after)
        if left:
            said = f"no error, and still pending: {', '.join(one.label for one in left)}"
            raise failed(self.name, said)

    def _expect_no_history(self, before: Status) -> bool:
        """Whether a baseline is to be set; not where everything is applied.

        :raises SlipwayError: C(exists).
        """
        applied = [one for one in before.migrations if one.rank]
        if not applied:
            return True
        if not before.pending:
            return False
        raise SlipwayError(
            "has a history already",
            obj=self._where,
            actual=f"{len(applied)} lines",
            wanted="none",
            remedy="A baseline is for a database that no tool has migrated yet; use state: latest.",
            cause="exists",
        )

    def _expect_known(self, undoing: t.Sequence[Migration]) -> None:
        """:raises SlipwayError: C(unable) for what is of a later version, whose files are not here."""
        foreign = [one.label for one in undoing if one.state == model.AHEAD]
        if foreign:
            remedy = "Undo it with the version of the program that has its file."
            raise unable(self.name, f"undo what a later version has applied: {', '.join(foreign)}", remedy)

    def _failed(self, what: str, ended: Ended, **evidence: t.Any) -> SlipwayError:
        return failed(f"{self.name} {what}", ended.said or f"exit status {ended.rc}", **evidence)

    @property
    def _where(self) -> str:
        return f"{self._database.schema} of {self._database.facts()['database']}"


def unable(name: str, what: str, remedy: str) -> SlipwayError:
    """What a tool has no way to do."""
    return SlipwayError("cannot do that", obj=name, actual=what, remedy=remedy, cause="unable")


def failed(obj: str, said: str, **evidence: t.Any) -> SlipwayError:
    """What a tool, or the database by way of it, refused."""
    locked = LOCKED.search(said) is not None
    return SlipwayError(
        "waited too long for a lock, each time it was tried" if locked else "ended badly",
        obj=obj,
        actual=said,
        remedy="Another session holds what it needs: see who, and run again."
        if locked
        else "Correct what it names and run again; what is in force, state: status tells.",
        cause="lock_timeout" if locked else "migration_failed",
        evidence=evidence,
    )


def compared(
    known: t.Sequence[Migration], applied: t.Sequence[Migration], within: t.Container[str] | None = None
) -> list[Migration]:
    """What the history has, in its order, then what is to be applied; what only the history has is of a later version of the
    program, or of one that is gone.

    :param known: of the project, in the order in which they are to be applied.
    :param applied: with their ranks.
    :param within: versions up to a target; None for all.
    """
    ours, there = {one.version: one for one in known}, {one.version for one in applied}
    found = []
    for one in applied:
        mine = ours.get(one.version)
        if mine is None:
            found.append(one._replace(state=model.AHEAD))
        else:
            kept = {name: getattr(one, name) for name in ("rank", "applied", "installed_on", "milliseconds")}
            found.append(mine._replace(state=model.SUCCESS, **kept))
    for one in known:
        if one.version not in there:
            state = model.PENDING if within is None or one.version in within else model.ABOVE_TARGET
            found.append(one._replace(state=state))
    return found


def changes(before: Status, after: Status, took: t.Mapping[str, int]) -> list[Done]:
    """What is in the history now and was not, in order; or what was and is no longer, the last one first."""
    was = {(one.version, one.applied): one for one in before.migrations if one.rank}
    now = {(one.version, one.applied): one for one in after.migrations if one.rank}
    more = [one for key, one in now.items() if key not in was]
    less = [one for key, one in was.items() if key not in now]
    return [
        Done(
            one.version,
            one.description,
            one.script,
            one.checksum,
            took.get(one.version, one.milliseconds or 0),
            one.transactional,
        )
        for one in (more or reversed(less))
    ]


def notes_of(lines: t.Iterable[str], script: str) -> Notes:
    """What comments of a file say, C(slipway: phase=contract), in the language of the file.

    :param lines: those that may be annotations; the tool has read them, where the files are.
    :raises SlipwayError: C(bad_input) as RV(read_notes).
    """
    return read_notes([f"-- {found[1].rstrip()}\n" for found in map(NOTE.match, lines) if found], script)


def _target(order: Order) -> str:
    return order.target if order.state == "target" else ""
