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
from .database import Database, RefusedError
from .history import Row
from .model import Done, Migration, Report, Status
from .names import Version
from .scripts import Script, Scripts
from .splitter import COPY
from .sql_failure import failed
from .states import Rules, resolve
from .tool import Order, Tool
from .validate import expect_none, problems_of

FIRST_PAUSE = 0.1  # seconds before a script is tried again that waited too long for a lock; doubled each time
LONGEST_PAUSE = 10.0


class Patience(t.NamedTuple):
    """How long to wait, in seconds.

    :param lock: for others who migrate the same schema.
    :param retry: for a script that the program in use keeps from its locks, tried again and again.
    """

    lock: float = 60.0
    retry: float = 60.0


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
        scripts = [self._scripts.of(one) for one in self._wanted(order)]
        return "".join(f"-- {one.name.script}\n{''.join(one.pieces()).rstrip()}\n" for one in scripts)

    def apply(self, order: Order) -> Report:
        deadline = self._system.monotonic() + order.timeout if order.timeout else None
        work = {"undone": self._undo, "baselined": self._baseline, "repaired": self._repair}.get(
            order.state, self._migrate
        )
        before = self._status(self._rules_of(order))
        if order.state in ("latest", "target") and before.recorded and not before.problems and not self._wanted(order):
            return Report(before, before)
        with self._database.lock(self._patience.lock) as waited:
            before = self._status(self._rules_of(order))
            done = work(order, before, deadline)
            return Report(before, self._status(self._rules_of(order)), tuple(done), waited)

    # States -------------------------------------------------------------------------------------------------

    def _migrate(self, order: Order, before: Status, deadline: float | None) -> list[Done]:
        expect_none(before, self._where)
        self._prepare(before)
        done: list[Done] = []
        for number, one in enumerate(self._held(order, before), before.last + 1):
            kind = history.SQL_BASELINE if one.kind == model.BASELINE else history.SQL
            done.append(self._carry_out(self._scripts.of(one), number, kind, done, deadline))
        return done

    def _undo(self, order: Order, before: Status, deadline: float | None) -> list[Done]:
        expect_none(before, self._where)
        done: list[Done] = []
        for number, one in enumerate(self._undoing(order, before), before.last + 1):
            done.append(self._carry_out(self._scripts.of(one), number, history.UNDO_SQL, done, deadline))
        return done

    def _baseline(self, order: Order, before: Status, _deadline: float | None) -> list[Done]:
        version = order.target or "1"
        applied = [one for one in before.migrations if one.rank]
        if [one.version for one in applied if one.state == model.BASELINE] == [version]:
            return []
        if applied:
            raise SlipwayError(
                "has a history already",
                obj=self._where,
                actual=f"{len(applied)} lines",
                wanted="none",
                remedy="A baseline is for a database that no tool has migrated yet; use state: latest.",
                cause="exists",
            )
        if not before.recorded:
            self._database.create_history()
        self._database.create_fence()
        text = history.BASELINE_TEXT
        with self._database.transaction():
            self._database.add(Row(1, version, text, history.BASELINE, text, None, self._database.user, "", 0, True))
        return []

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

    def _wanted(self, order: Order) -> list[Migration]:
        status = self._status(self._rules_of(order))
        return self._undoing(order, status) if order.state == "undone" else self._held(order, status)

    def _held(self, order: Order, status: Status) -> list[Migration]:
        """Pending, without those of the other phase."""
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

    # One script ---------------------------------------------------------------------------------------------

    def _prepare(self, before: Status) -> None:
        if not before.recorded:
            self._expect_empty()
            self._database.create_history()
        self._database.create_fence()

    def _expect_empty(self) -> None:
        others = self._database.tables()
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

    def _carry_out(
        self, script: Script, rank: int, kind: str, before: t.Sequence[Done], deadline: float | None
    ) -> Done:
        began = self._system.monotonic()
        try:
            script.read_through()
            run = self._whole if script.transactional else self._piecemeal
            milliseconds = run(script, rank, kind, deadline)
        except SlipwayError as error:
            error.evidence.setdefault("applied", [one._asdict() for one in before])
            error.evidence.setdefault("ms", round((self._system.monotonic() - began) * 1000))
            raise
        name = script.name
        return Done(
            str(name.version or ""), name.description, name.script, script.checksum, milliseconds, script.transactional
        )

    def _whole(self, script: Script, rank: int, kind: str, deadline: float | None) -> int:
        """The script and its line of the history, both or neither."""
        pauses = self._pauses(deadline)
        while True:
            began = self._system.monotonic()
            try:
                with self._database.transaction():
                    self._statements(script, iter(()))
                    milliseconds = round((self._system.monotonic() - began) * 1000)
                    self._database.add(self._row_of(script, rank, kind, milliseconds, True))
                return milliseconds
            except _FailedError as error:
                if not error.refused.lock or not next(pauses, False):
                    raise failed(script, error.line, error.statement, error.refused, changed="nothing of it") from None
            except RefusedError as refused:  # its line, or the end of its transaction, where constraints may be checked
                if not refused.lock or not next(pauses, False):
                    raise failed(script, 0, "", refused, changed="nothing of it, or all: state: status tells") from None

    def _piecemeal(self, script: Script, rank: int, kind: str, deadline: float | None) -> int:
        """Each statement by itself. What ends this process leaves a line that says that it had begun."""
        began = self._system.monotonic()
        with self._database.transaction():
            self._database.add(self._row_of(script, rank, kind, history.RUNNING, False))
        pauses = self._pauses(deadline)
        try:
            self._statements(script, pauses)
        except _FailedError as error:
            with contextlib.suppress(RefusedError):  # without a connection the line says already that it had begun
                self._database.fail(rank, round((self._system.monotonic() - began) * 1000))
            what = f"all before line {error.line}" if error.number else "nothing of it"
            raise failed(script, error.line, error.statement, error.refused, changed=what) from None
        milliseconds = round((self._system.monotonic() - began) * 1000)
        with self._database.transaction():
            self._database.finish(rank, milliseconds)
        return milliseconds

    def _statements(self, script: Script, pauses: t.Iterator[bool]) -> None:
        for number, statement in enumerate(script.statements()):
            while True:
                try:
                    self._statement(statement)
                    break
                except RefusedError as refused:
                    if refused.lock and statement.kind != COPY and next(pauses, False):
                        continue  # the data of COPY are read but once
                    raise _FailedError(number, statement.line, statement.text, refused) from None

    def _statement(self, statement: t.Any) -> None:
        if statement.kind == COPY:
            self._database.copy(statement.text, statement.data)
            return
        self._database.clear_the_way(statement.text)
        self._database.run(statement.text)

    def _pauses(self, deadline: float | None) -> t.Iterator[bool]:
        """True after each pause, as long as there is patience; longer each time, and never for two at the same moment."""
        end = self._system.monotonic() + self._patience.retry
        end = end if deadline is None else min(end, deadline)
        pause = FIRST_PAUSE
        while self._system.monotonic() < end:
            self._system.sleep(min(pause * _jitter(), max(0.0, end - self._system.monotonic())))
            yield True
            pause = min(pause * 2, LONGEST_PAUSE)

    # Lines --------------------------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        return f"{self._database.schema} of {self._database.facts()['database']}"

    def _row_of(self, script: Script, rank: int, kind: str, milliseconds: int, success: bool) -> Row:
        name = script.name
        version, by = str(name.version) if name.version else None, self._database.user
        return Row(rank, version, name.description, kind, name.script, script.checksum, by, "", milliseconds, success)


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
