# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain SQL files, run as Flyway runs them and recorded where it records them (private to the collection)."""

from __future__ import annotations

import functools
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import history, model
from .database import FENCE, Database
from .history import Row
from .model import Done, Migration, Report, Status
from .names import Version
from .patience import Patience
from .scripts import Scripts
from .states import Rules, resolve
from .tool import Order, Sources, Text, Tool
from .validate import expect_none, problems_of
from .wanted import wanted

if t.TYPE_CHECKING:
    from .execution import Execution

FIRST = "1"  # version of a baseline, unless another one is said
TYPES = {model.BASELINE: history.SQL_BASELINE, model.UNDO: history.UNDO_SQL}


class SqlRunner(Tool):
    """See RV(Tool)."""

    name = "sql"

    def __init__(self, database: Database, scripts: Scripts, system: System, rules: Rules, patience: Patience) -> None:
        self._database = database
        self._scripts = scripts
        self._system = system
        self._rules = rules
        self._patience = patience
        self._seen: tuple[t.Any, ...] = ()  # by which rules, in what history, and the status that this makes

    @functools.cached_property
    def _execution(self) -> Execution:
        from .execution import Execution

        return Execution(self._database, self._system, self._patience)

    # What there is ------------------------------------------------------------------------------------------

    def status(self) -> Status:
        return self._status(self._rules)

    def _status(self, rules: Rules) -> Status:
        rows = self._database.history()
        if self._seen[:2] != (rules, rows):
            self._seen = (rules, rows, self._resolved(rules, rows))
        return t.cast(Status, self._seen[2])

    def _resolved(self, rules: Rules, rows: t.Sequence[Row] | None) -> Status:
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
        scripts = [self._scripts.of(one) for one in wanted(order, status)]
        from .backfill import expect_backfills

        expect_backfills(scripts)
        return "".join(f"-- {one.name.script}\n{''.join(one.pieces()).rstrip()}\n" for one in scripts)

    def sources(self, order: Order) -> Sources:
        status = self._status(self._rules_of(order))
        tables = frozenset(self._database.tables() - {FENCE, self._database.settings.table})
        # What keeps them from being applied at all is told by that.
        blocked = order.state != "status" and bool(status.problems or (tables and not status.recorded))
        scripts = [] if blocked else [self._scripts.of(one) for one in wanted(order, status)]
        texts = [Text(one.name.script, one.pieces(), one.notes, one.transactional, one.statements()) for one in scripts]
        return Sources(texts, self._database.dialect, self._database.major(), tables)

    def apply(self, order: Order) -> Report:
        deadline = self._system.monotonic() + order.timeout if order.timeout else None
        work = {"undone": self._undo, "baselined": self._baseline, "repaired": self._repair}.get(
            order.state, self._migrate
        )
        rules = self._rules_of(order)
        before = self._status(rules)
        idle = order.state in ("latest", "target") and before.recorded and not before.problems
        if idle and not wanted(order, before):
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

    def _expect_empty(self, before: Status) -> None:
        others = set() if before.recorded else self._database.tables() - {FENCE}
        if not others:
            return
        raise SlipwayError(
            "has tables, and no history that says how they came there",
            obj=self._where,
            actual=", ".join(sorted(others)[:5]) + (", …" if len(others) > 5 else ""),
            wanted=f"the table {self._database.settings.table}, or nothing",
            remedy="Say which version the database is at: state: baselined with target, or the playbook migrate with"
            " slipway_migrate_baseline.",
            cause="not_baselined",
        )

    # One script after the other -----------------------------------------------------------------------------

    def _carry_out(self, order: Order, before: Status, deadline: float | None) -> list[Done]:
        self._database.create_fence()
        done: list[Done] = []
        todo = wanted(order, before)
        from .backfill import expect_backfills

        expect_backfills(map(self._scripts.of, todo))
        whole = [self._scripts.of(one).transactional for one in todo]
        for number, one in enumerate(todo):
            began = self._system.monotonic()
            try:
                followed = any(whole[number + 1 : number + 2])
                done.append(self._apply_one(one, before.last + 1 + number, deadline, followed))
                self._database.renew()
            except SlipwayError as error:
                error.evidence.setdefault("applied", [earlier._asdict() for earlier in done])
                error.evidence.setdefault("ms", round((self._system.monotonic() - began) * 1000))
                raise
        return done

    def _apply_one(self, one: Migration, rank: int, deadline: float | None, followed: bool) -> Done:
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
        self.begun(name.script)
        if one.phase == "backfill":
            from .backfill import Backfiller

            row = row._replace(rank=one.rank or rank)
            backfiller = Backfiller(self._database, self._system, self._patience, self.say)
            count = backfiller.carry_out(script, row, deadline, begun=bool(one.rank))
            return Done(version, name.description, name.script, script.checksum, count.milliseconds, False, count.rows)
        milliseconds = self._execution.carry_out(script, row, deadline, followed=followed)
        return Done(version, name.description, name.script, script.checksum, milliseconds, script.transactional)

    @property
    def _where(self) -> str:
        return f"{self._database.schema} of {self._database.facts()['database']}"


VOID = (model.UNDONE, model.DELETED, model.SUPERSEDED, model.DIRTY, model.BACKFILLING)


def _highest(versions: t.Sequence[str]) -> str:
    return max(versions, key=lambda version: Version(version).parts, default="")
