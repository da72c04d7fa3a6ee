# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A statement that changes many rows, run again and again for some of them until it finds no more (private to the collection).

Each batch is a transaction of its own, and what was done so far is counted in it. So a run that is cut off anywhere has lost
nothing: what the statement's own WHERE still finds is what is left.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import conf
from .backfill_count import Count, Counter
from .database import Database
from .history import Row
from .patience import Patience, pauses
from .refused import LATE, LOST, RefusedError
from .replicas import Replicas
from .scripts import Script
from .splitter import COPY, Statement
from .sql_failure import failed

CHANGES = frozenset(("UPDATE", "INSERT", "DELETE", "REPLACE", "MERGE", "WITH"))
EVERYTHING = (1 << 31) - 1  # rows of a batch that has all of them


class Backfiller:
    """Carries backfills out on one database.

    :param patience: with locks that others hold.
    :param say: told how far it is, in words.
    """

    def __init__(self, database: Database, system: System, patience: Patience, say: t.Callable[[str], None]) -> None:
        self._database, self._system, self._patience, self._say = database, system, patience, say

    def carry_out(self, script: Script, row: Row, deadline: float | None, *, begun: bool) -> Count:
        """All of it, or what is left.

        :param row: its line, as it is while the script runs.
        :param deadline: of RV(System.monotonic).
        :param begun: by an earlier run, which has written the line.
        :raises SlipwayError: C(timeout), C(replica_lag), C(lock_timeout), C(migration_failed), C(fenced), …; what was done stays,
            and the next run goes on.
        """
        work = _Work(script, deadline, expect_backfill(script), Counter(self._database, row))
        replicas = self._replicas(script)
        count, total = Count(), None
        try:
            count = self._patiently(work, lambda: work.counter.begin(deadline, begun=begun))
            left = self._database.estimate(_text(script, EVERYTHING))
            total = None if left is None else count.rows + left
            while True:
                self._expect_time(work)
                batch = self._patiently(work, lambda: self._batch(work))
                if not batch.rows:
                    return count
                count += batch
                self._say(f"{script.name.script}: {told(count, total)}")
                self._rest(work, batch.milliseconds / 1000, replicas)
        except SlipwayError as error:
            now = count
            with contextlib.suppress(SlipwayError):  # without a connection it is what was known last
                now = work.counter.read()
            error.evidence.update(script=script.name.script, rows=now.rows, batches=now.batches, estimate=total)
            error.remedy = f"{error.remedy} So far {told(now, total)}; the next run of its phase goes on."
            raise

    # One batch ----------------------------------------------------------------------------------------------

    def _batch(self, work: _Work) -> Count:
        """What it has done; no rows when all are done, which the history says then."""
        began = self._system.monotonic()
        with self._database.transaction(work.deadline):
            with self._database.until(self._database.limit(work.deadline)):
                changed = self._database.change(work.statement.text)
            self._expect_batch(work, changed)
            done = Count(changed, 1, round((self._system.monotonic() - began) * 1000))
            if changed:
                work.counter.add(done)
            else:
                work.counter.end()
        return done

    def _patiently(self, work: _Work, do: t.Callable[[], Count]) -> Count:
        """Again, as long as it only waited too long for a lock; each time what it did is taken back before."""
        tries = pauses(self._system, self._patience, work.deadline)
        while True:
            try:
                return do()
            except RefusedError as refused:
                if refused.lock and next(tries, False):
                    continue
                self._expect_time(work)
                said = "this batch, or nothing of it" if refused.cause == LOST else "nothing of this batch"
                raise failed(work.script, work.statement.line, work.statement.text, refused, changed=said) from None

    def _expect_batch(self, work: _Work, changed: int) -> None:
        """MySQL counts a row that is replaced twice, and one of each table that is joined."""
        most = _limits(work.script).batch
        if changed < 0:
            raise _wrong(work.script, work.statement, "answers with rows instead of changing some", "")
        if changed > most and self._database.dialect != "mysql":
            raise _wrong(work.script, work.statement, "changes more rows than its batch has", f"{changed}, not {most}")

    # Between two --------------------------------------------------------------------------------------------

    def _rest(self, work: _Work, took: float, replicas: Replicas | None) -> None:
        """Others have their turn: for as long as a slow batch took, and until the replicas have followed."""
        limits = _limits(work.script)
        pause = max(limits.pause, took if took > limits.slow else 0.0)
        if pause:
            left = pause if work.deadline is None else max(0.0, work.deadline - self._system.monotonic())
            self._system.sleep(min(pause, left))
        if replicas is not None:
            replicas.wait(work.deadline, lambda behind: self._say(f"{work.script.name.script}: {behind}"))

    def _replicas(self, script: Script) -> Replicas | None:
        """:raises SlipwayError: C(bad_input), C(denied) where they cannot be seen and the file says how far they may be behind."""
        return Replicas.of(self._database, self._system, _limits(script).max_lag, script.name.script)

    def _expect_time(self, work: _Work) -> None:
        if work.deadline is not None and self._system.monotonic() >= work.deadline:
            raise SlipwayError(
                "was not done when the time for all of it was over",
                obj=work.script.name.script,
                remedy="Run it again, or allow more with timeout.",
                cause=LATE,
            )


class _Work(t.NamedTuple):
    script: Script
    deadline: t.Optional[float]
    statement: Statement
    counter: Counter


def expect_backfill(script: Script) -> Statement:
    """The one statement of a backfill.

    :raises SlipwayError: C(bad_input) for what cannot be run in batches.
    """
    found = list(script.statements())
    if script.name.kind != "versioned" or len(found) != 1:
        raise _wrong(script, None, "is no backfill", f"{len(found)} statements of a file that is {script.name.kind}")
    statement = found[0]
    if statement.kind == COPY or statement.words[:1] == () or statement.words[0] not in CHANGES:
        raise _wrong(script, statement, "changes no rows", " ".join(statement.words[:2]))
    if statement.text == _text(script, EVERYTHING):
        raise _wrong(script, statement, "does not say how many rows it changes at most", "")
    if script.conf.transaction is not None or script.notes.transaction is not None:
        raise _wrong(script, statement, "is run in transactions of its own", "transaction=…")
    return statement


def expect_backfills(scripts: t.Iterable[Script]) -> None:
    """Before any of them is run.

    :raises SlipwayError: as RV(expect_backfill).
    """
    for script in scripts:
        if script.phase == "backfill":
            expect_backfill(script)


def told(count: Count, total: int | None) -> str:
    """How far it is, for people."""
    of = f" of about {total}" if total and total >= count.rows else ""
    return f"{count.rows} rows{of} in {count.batches} batches"


def _text(script: Script, batch: int) -> str:
    return next(iter(script.statements(batch))).text


def _limits(script: Script) -> conf.Backfill:
    return script.notes.backfill or conf.Backfill()


def _wrong(script: Script, statement: Statement | None, what: str, actual: str) -> SlipwayError:
    return SlipwayError(
        what,
        obj=f"{script.name.script}:{statement.line}" if statement else script.name.script,
        actual=actual or None,
        wanted="one UPDATE, INSERT or DELETE in a file V…, with ${slipway:batch} where it limits its rows",
        remedy="Correct it, or take phase=backfill away.",
        cause="bad_input",
    )
