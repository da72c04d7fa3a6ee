# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain SQL files, run as Flyway runs them and recorded where it records them (private to the collection)."""

from __future__ import annotations

import contextlib
import random
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import history, model
from .database import FENCE, LATE, LOST, Database, RefusedError
from .history import Row
from .model import Done, Migration, Report, Status
from .names import Version
from .scripts import Script, Scripts
from .splitter import COPY, Statement
from .sql_failure import failed
from .states import Rules, resolve
from .tool import Order, Sources, Text, Tool
from .validate import expect_none, problems_of

FIRST_PAUSE = 0.1  # seconds before a script is tried again that waited too long for a lock; doubled each time
LONGEST_PAUSE = 10.0
FIRST = "1"  # version of a baseline, unless another one is said
TYPES = {model.BASELINE: history.SQL_BASELINE, model.UNDO: history.UNDO_SQL}


class Patience(t.NamedTuple):
    """How long to wait, in seconds.

    :param lock: for others who migrate the same schema.
    :param retry: for a script that the program in use keeps from its locks, tried again and again.
    """

    lock: float = 60.0
    retry: float = 60.0


def pauses(system: System, patience: Patience, deadline: float | None) -> t.Iterator[bool]:
    """True after each pause, as long as there is patience; longer each time, and never for two at the same moment."""
    end = system.monotonic() + patience.retry
    end = end if deadline is None else min(end, deadline)
    pause = FIRST_PAUSE
    while system.monotonic() < end:
        system.sleep(min(pause * _jitter(), max(0.0, end - system.monotonic())))
        yield True
        pause = min(pause * 2, LONGEST_PAUSE)


class SqlRunner(Tool):
    """See RV(Tool)."""

    name = "sql"

    def __init__(self, database: Database, scripts: Scripts, system: System, rules: Rules, patience: Patience) -> None:
        self._database = database
        self._scripts = scripts
        self._system = system
        self._rules = rules
        self._patience = patience

    # What there is ------------------------------------------------------------------------------------------

    def status(self) -> Status:
        return self._status(self._rules)

    def _status(self, rules: Rules) -> Status:
        rows = self._database.history()
        migrations = resolve(self._scripts.all, rows or [], rules)
        problems = [problem.told() for problem in problems_of(migrations)]
        inforce = [one.version for one in migrations if one.version and one.rank and one.state not in VOID]
        last = max((row.rank for row in rows or []), default=0)
        return Status(_highest(inforce), rows is not None, tuple(migrations), tuple(problems), last)

    def preview(self, order: Order) -> str:
        status = self._status(self._rules_of(order))
        if order.state == "repaired":
            return ""
        if order.state == "baselined":
            self._expect_unmigrated(status, order)
            return ""
        expect_none(status, self._where)
        if order.state != "undone":
            self._expect_empty(status)
        scripts = [self._scripts.of(one) for one in self._wanted(order, status)]
        return "".join(f"-- {one.name.script}\n{''.join(one.pieces()).rstrip()}\n" for one in scripts)

    def sources(self, order: Order) -> Sources:
        status = self._status(self._rules_of(order))
        tables = frozenset(self._database.tables() - {FENCE, self._database.settings.table})
        # What keeps them from being applied at all is told by that.
        blocked = order.state != "status" and bool(status.problems or (tables and not status.recorded))
        wanted = [] if blocked else [self._scripts.of(one) for one in self._wanted(order, status)]
        texts = [Text(one.name.script, one.pieces(), one.notes, one.transactional) for one in wanted]
        return Sources(texts, self._database.dialect, self._database.major(), tables)

    def apply(self, order: Order) -> Report:
        deadline = self._system.monotonic() + order.timeout if order.timeout else None
        work = {"undone": self._undo, "baselined": self._baseline, "repaired": self._repair}.get(
            order.state, self._migrate
        )
        rules = self._rules_of(order)
        before = self._status(rules)
        idle = order.state in ("latest", "target") and before.recorded and not before.problems
        if idle and not self._wanted(order, before):
            return Report(before, before)
        with self._database.lock(min(self._patience.lock, order.timeout or self._patience.lock)) as waited:
            before = self._status(rules)
            done = work(order, before, deadline)
            return Report(before, self._status(rules), tuple(done), waited)

    # States -------------------------------------------------------------------------------------------------

    def _migrate(self, order: Order, before: Status, deadline: float | None) -> list[Done]:
        expect_none(before, self._where)
        self._expect_empty(before)
        if not before.recorded:
            self._database.create_history()
        return self._carry_out(order, before, deadline)

    def _undo(self, order: Order, before: Status, deadline: float | None) -> list[Done]:
        expect_none(before, self._where)
        return self._carry_out(order, before, deadline)

    def _baseline(self, order: Order, before: Status, _deadline: float | None) -> list[Done]:
        if not self._expect_unmigrated(before, order):
            return []
        text, version = history.BASELINE_TEXT, order.target or FIRST
        line = Row(1, version, text, history.BASELINE, text, None, self._database.user, "", 0, True)
        self._database.create_fence()
        if not before.recorded:
            self._database.create_history(line)
            return []
        with self._database.transaction():
            self._database.add(line)
        return []

    def _expect_unmigrated(self, before: Status, order: Order) -> bool:
        """Whether there is no history yet, rather than one that begins where it should."""
        applied = [one for one in before.migrations if one.rank]
        if [one.version for one in applied if one.state == model.BASELINE] == [order.target or FIRST]:
            return False
        if applied:
            raise SlipwayError(
                "has a history already",
                obj=self._where,
                actual=f"{len(applied)} lines",
                wanted="none",
                remedy="A baseline is for a database that no tool has migrated yet; use state: latest.",
                cause="exists",
            )
        return True

    def _repair(self, _order: Order, before: Status, _deadline: float | None) -> list[Done]:
        if not before.recorded:
            return []
        self._database.create_fence()
        rank, by = before.last, self._database.user
        with self._database.transaction():
            for one in before.of(model.DIRTY):
                self._database.forget(one.rank)
            for one in before.of(model.SUCCESS, model.OUT_OF_ORDER):
                if one.kind == model.VERSIONED and isinstance(one.checksum, int) and one.checksum != one.applied:
                    script = self._scripts.of(one)
                    self._database.align(one.rank, script.name.description, history.SQL, script.checksum)
            for number, one in enumerate(before.of(model.MISSING), rank + 1):
                version, applied = one.version or None, t.cast("int | None", one.applied)
                row = Row(number, version, one.description, history.DELETE, one.script, applied, by, "", 0, True)
                self._database.add(row)
        return []

    # What is wanted -----------------------------------------------------------------------------------------

    def _rules_of(self, order: Order) -> Rules:
        return self._rules._replace(target=order.target) if order.state == "target" else self._rules

    def _wanted(self, order: Order, status: Status) -> list[Migration]:
        """What is to be carried out, in order; of what is pending not that of the other phase."""
        if order.state == "undone":
            return self._undoing(order, status)
        return [one for one in status.pending if order.phase in ("all", one.phase)]

    def _undoing(self, order: Order, status: Status) -> list[Migration]:
        """The scripts that undo what is above the target, or the last one alone: the newest first."""
        applied = [one for one in status.of(model.SUCCESS, model.OUT_OF_ORDER) if one.kind == model.VERSIONED]
        applied.sort(key=lambda one: Version(one.version), reverse=True)
        if order.target:
            above = Version(order.target)
            applied = [one for one in applied if Version(one.version) > above]
        else:
            applied = applied[:1]
        undo = {Version(one.version): one for one in status.of(model.AVAILABLE)}
        without = [one.label for one in applied if Version(one.version) not in undo]
        if without:
            raise SlipwayError(
                "cannot be undone: there is no script for it",
                obj=", ".join(without),
                wanted="a file whose name begins with U and the same version",
                remedy="Write it, or undo by hand; nothing was undone.",
                cause="no_undo",
            )
        return [undo[Version(one.version)] for one in applied]

    def _expect_empty(self, before: Status) -> None:
        others = set() if before.recorded else self._database.tables() - {FENCE}
        if not others:
            return
        raise SlipwayError(
            "has tables, and no history that says how they came there",
            obj=self._where,
            actual=", ".join(sorted(others)[:5]) + (", …" if len(others) > 5 else ""),
            wanted=f"the table {self._database.settings.table}, or nothing",
            remedy="Say with state: baselined and target which version the database is at.",
            cause="not_baselined",
        )

    # One script after the other -----------------------------------------------------------------------------

    def _carry_out(self, order: Order, before: Status, deadline: float | None) -> list[Done]:
        self._database.create_fence()
        done: list[Done] = []
        for rank, one in enumerate(self._wanted(order, before), before.last + 1):
            began = self._system.monotonic()
            try:
                done.append(self._apply_one(one, rank, deadline))
                self._database.renew()
            except SlipwayError as error:
                error.evidence.setdefault("applied", [earlier._asdict() for earlier in done])
                error.evidence.setdefault("ms", round((self._system.monotonic() - began) * 1000))
                raise
        return done

    def _apply_one(self, one: Migration, rank: int, deadline: float | None) -> Done:
        script = self._scripts.of(one)
        if deadline is not None and self._system.monotonic() >= deadline:
            raise SlipwayError(
                "was not begun: the time for all of it is over",
                obj=script.name.script,
                remedy="Allow more with timeout, or run again; what was applied before stays.",
                cause="timeout",
            )
        name, version = script.name, str(script.name.version or "")
        row = Row(
            rank,
            version or None,
            name.description,
            TYPES.get(one.kind, history.SQL),
            name.script,
            script.checksum,
            self._database.user,
            "",
            history.RUNNING,
            False,
        )
        run = self._whole if script.transactional else self._piecemeal
        milliseconds = run(script, row, deadline)
        return Done(version, name.description, name.script, script.checksum, milliseconds, script.transactional)

    def _whole(self, script: Script, row: Row, deadline: float | None) -> int:
        """The script and its line of the history, both or neither."""
        pauses = self._pauses(deadline)
        while True:
            began = self._system.monotonic()
            try:
                with self._database.transaction(deadline):
                    self._within(script, row, deadline)
                    row = row._replace(milliseconds=self._since(began))
                    self._database.regain()
                    self._database.add(row._replace(success=True))
                return row.milliseconds
            except _FailedError as error:
                if not error.refused.lock or not next(pauses, False):
                    raise failed(script, error.line, error.statement, error.refused, changed="nothing of it") from None
            except RefusedError as refused:  # its line, or the end of its transaction, where constraints may be checked
                if not refused.lock or not next(pauses, False):
                    raise failed(script, 0, "", refused, changed="nothing of it, or all: state: status tells") from None

    def _within(self, script: Script, row: Row, deadline: float | None) -> None:
        """Its statements, which the transaction must hold; where it did not, its line says that it had begun."""
        failure: _FailedError | None = None
        try:
            self._statements(script, iter(()), deadline)
        except _FailedError as error:
            failure = error
        if not self._database.unbroken(failure.refused if failure else None):
            self._database.add(row)
            stands = f"What is before line {failure.line}" if failure else "All of it"
            raise SlipwayError(
                "something in it has ended the transaction that it was run in, so that it was not all or nothing",
                obj=script.name.script,
                actual=str(failure) if failure else None,
                remedy=f"{stands} is there. Write"
                " -- slipway: transaction=off at its top; state: repaired takes its line back, and then it will run again.",
                cause="dirty",
            )
        if failure is not None:
            raise failure

    def _piecemeal(self, script: Script, row: Row, deadline: float | None) -> int:
        """Each statement by itself. What ends this process leaves a line that says that it had begun."""
        began = self._system.monotonic()
        with self._database.transaction(deadline):
            self._database.add(row)
        try:
            self._statements(script, self._pauses(deadline), deadline)
            self._expect_ended(script)
        except (_FailedError, SlipwayError) as error:
            with contextlib.suppress(SlipwayError):  # without a connection the line says already that it had begun
                self._database.renew()
                self._database.fail(row.rank, self._since(began))
            if not isinstance(error, _FailedError):
                raise
            what = f"all before line {error.line}" if error.number else "nothing of it"
            what += ", and perhaps that line" if error.refused.cause in (LATE, LOST) else ""
            raise failed(script, error.line, error.statement, error.refused, changed=what) from None
        milliseconds = self._since(began)
        self._database.renew()
        with self._database.transaction():
            self._database.finish(row.rank, milliseconds)
        return milliseconds

    def _expect_ended(self, script: Script) -> None:
        if self._database.in_transaction():
            raise SlipwayError(
                "begins a transaction and does not end it",
                obj=script.name.script,
                remedy="End it with COMMIT; what was in it has been taken back. Then state: repaired, and run again.",
                cause="dirty",
            )

    def _statements(self, script: Script, pauses: t.Iterator[bool], deadline: float | None) -> None:
        for number, statement in enumerate(script.statements()):
            while True:
                within = self._database.in_transaction()
                try:
                    with self._database.until(self._limit(deadline)):
                        self._statement(statement)
                    break
                except RefusedError as refused:
                    # The data of COPY are read but once, and what failed in a transaction took that with it.
                    if refused.lock and statement.kind != COPY and not within and next(pauses, False):
                        continue
                    raise _FailedError(number, statement.line, statement.text, refused) from None
            self._database.expect_unchanged(statement.words, f"{script.name.script}:{statement.line}")

    def _limit(self, deadline: float | None) -> float | None:
        """When a statement that begins now must have ended."""
        own = self._database.settings.statement_timeout
        limits = [self._system.monotonic() + own] if own else []
        return min([*limits, *([] if deadline is None else [deadline])], default=None)

    def _statement(self, statement: Statement) -> None:
        if statement.kind == COPY:
            self._database.copy(statement.text, statement.data)
            return
        self._database.clear_the_way(statement.text)
        self._database.run(statement.text)

    def _pauses(self, deadline: float | None) -> t.Iterator[bool]:
        return pauses(self._system, self._patience, deadline)

    @property
    def _where(self) -> str:
        return f"{self._database.schema} of {self._database.facts()['database']}"

    def _since(self, began: float) -> int:
        return round((self._system.monotonic() - began) * 1000)


class _FailedError(Exception):
    """The statement of a script that was refused."""

    def __init__(self, number: int, line: int, statement: str, refused: RefusedError) -> None:
        super().__init__(refused.said)
        self.number = number
        self.line = line
        self.statement = statement
        self.refused = refused


VOID = (model.UNDONE, model.DELETED, model.SUPERSEDED, model.DIRTY)


def _highest(versions: t.Sequence[str]) -> str:
    return max(versions, key=Version, default="")


def _jitter() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311  # no secret
