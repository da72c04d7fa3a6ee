# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One script, carried out together with its line of the history (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..errors import SlipwayError
from ..system import System
from .database import Database
from .history import Row
from .patience import Patience, patiently, pauses
from .refused import LATE, LOST, RefusedError
from .scripts import Script
from .splitter import COPY, Statement
from .sql_failure import failed


class Execution:
    """Carries scripts out on one database.

    :param patience: with locks that others hold.
    """

    def __init__(self, database: Database, system: System, patience: Patience) -> None:
        self._database = database
        self._system = system
        self._patience = patience

    def carry_out(self, script: Script, row: Row, deadline: float | None, *, followed: bool) -> int:
        """All of it; milliseconds that it took.

        :param row: its line, as it is while the script runs.
        :param deadline: of RV(System.monotonic).
        :param followed: whether another one in a transaction comes next.
        :raises SlipwayError: C(migration_failed), C(lock_timeout), C(timeout), C(dirty), C(fenced), …
        """
        if script.transactional:
            return self._whole(script, row, deadline, followed)
        return self._piecemeal(script, row, deadline)

    def _whole(self, script: Script, row: Row, deadline: float | None, followed: bool) -> int:
        """The script and its line of the history, both or neither."""
        tries, last = self.pauses(deadline), script.last() if self._database.takes_last else None
        while True:
            began = self._system.monotonic()
            try:
                with self._database.transaction(deadline):
                    self._within(script, row, deadline, last)
                    done = row._replace(milliseconds=self._since(began), success=True)
                    self._database.conclude(done, deadline, followed=followed, last=last.text if last else "")
                return self._since(began)
            except _FailedError as error:
                if not error.refused.lock or not next(tries, False):
                    raise failed(script, error.line, error.statement, error.refused, changed="nothing of it") from None
            except RefusedError as refused:  # its line, or the end of its transaction, where constraints may be checked
                if not refused.lock or not next(tries, False):
                    raise self._unconcluded(script, last, refused) from None

    def _unconcluded(self, script: Script, last: Statement | None, refused: RefusedError) -> SlipwayError:
        line, statement = (last.line, last.text) if last and refused.of_last else (0, "")
        known = refused.of_last or refused.cause not in (LATE, LOST)  # with the transaction still open it was nothing
        what = "nothing of it" if known else "nothing of it, or all: state: status tells"
        return failed(script, line, statement, refused, changed=what)

    def _within(self, script: Script, row: Row, deadline: float | None, last: Statement | None) -> None:
        """Its statements but the last, where that goes along with what concludes it.

        The transaction must hold them; where it did not, its line says that it had begun.
        """
        failure: _FailedError | None = None
        try:
            self._database.set_off()
            self._statements(script, iter(()), deadline, last)
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
        self._note(lambda: self._database.add(row), deadline)
        try:
            self._statements(script, self.pauses(deadline), deadline)
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
        self._note(lambda: self._database.finish(row.rank, milliseconds), None)
        self._database.fresh = True
        return milliseconds

    def _note(self, write: t.Callable[[], None], deadline: float | None) -> None:
        """Write a line of its history in a transaction of its own."""

        def noted() -> None:
            with self._database.transaction(deadline):
                write()

        patiently(noted, self.pauses(deadline))

    def _expect_ended(self, script: Script) -> None:
        if self._database.in_transaction():
            raise SlipwayError(
                "begins a transaction and does not end it",
                obj=script.name.script,
                remedy="End it with COMMIT; what was in it has been taken back. Then state: repaired, and run again.",
                cause="dirty",
            )

    def _statements(
        self, script: Script, pauses: t.Iterator[bool], deadline: float | None, last: Statement | None = None
    ) -> None:
        for number, statement in enumerate(script.statements()):
            if statement is last:
                return
            while True:
                within = self._database.in_transaction()
                try:
                    with self._database.until(self._database.limit(deadline)):
                        self._statement(statement)
                    break
                except RefusedError as refused:
                    # The data of COPY are read but once, and what failed in a transaction took that with it.
                    if refused.lock and statement.kind != COPY and not within and next(pauses, False):
                        continue
                    raise _FailedError(number, statement.line, statement.text, refused) from None
            self._database.expect_unchanged(statement.words, f"{script.name.script}:{statement.line}")

    def _statement(self, statement: Statement) -> None:
        if statement.kind == COPY:
            self._database.copy(statement.text, statement.data)
            return
        self._database.clear_the_way(statement.text)
        self._database.run(statement.text)

    def pauses(self, deadline: float | None) -> t.Iterator[bool]:
        """Between one try to get a lock and the next."""
        return pauses(self._system, self._patience, deadline)

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
