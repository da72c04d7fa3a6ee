# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runs of a backfill have done so far, counted in the database (private to the collection).

The history's table has no place for it that Flyway would not read.
"""

from __future__ import annotations

import typing as t

from .database import Database
from .history import Row

TABLE = "slipway_backfill"
KEY = "installed_rank"
COUNTS = ("changed_rows", "batches", "milliseconds")


class Count(t.NamedTuple):
    """By all runs.

    :param milliseconds: of the batches, without the pauses between them.
    """

    rows: int = 0
    batches: int = 0
    milliseconds: int = 0

    def __add__(self, other: tuple[t.Any, ...]) -> Count:
        return Count(*(mine + its for mine, its in zip(self, other)))


class Counter:
    """The line of one backfill, beside its line in the history.

    :param row: that one.
    """

    def __init__(self, database: Database, row: Row) -> None:
        self._database, self._row = database, row
        self._where = f"WHERE {database.quoted(KEY)} = {database.mark}"
        self._names = [database.quoted(name) for name in COUNTS]
        self._table = f"{database.quoted(database.schema)}.{database.quoted(TABLE)}"

    def begin(self, deadline: float | None, *, begun: bool) -> Count:
        """Write both lines where they are not there; what was counted before.

        :param begun: whether the history has its line.
        """
        database, key = self._database, self._database.quoted(KEY)
        if TABLE not in database.tables():
            columns = ", ".join(f"{name} BIGINT NOT NULL" for name in [key, *self._names])
            database.run(f"CREATE TABLE {self._table} ({columns}, PRIMARY KEY ({key}))")
        if begun and database.run(f"SELECT 1 FROM {self._table} {self._where}", self._row.rank):
            return self.read()
        with database.transaction(deadline):
            if not begun:
                database.add(self._row)
            database.run(f"DELETE FROM {self._table} {self._where}", self._row.rank)
            names = ", ".join([key, *self._names])
            database.run(f"INSERT INTO {self._table} ({names}) VALUES ({database.mark}, 0, 0, 0)", self._row.rank)
        return Count()

    def read(self) -> Count:
        """With a batch of whose end this process was not told."""
        found = self._database.run(f"SELECT {', '.join(self._names)} FROM {self._table} {self._where}", self._row.rank)
        return Count(*map(int, found[0])) if found else Count()

    def add(self, more: Count) -> None:
        """In the transaction of a batch."""
        what = ", ".join(f"{name} = {name} + {self._database.mark}" for name in self._names)
        self._database.run(f"UPDATE {self._table} SET {what} {self._where}", *more, self._row.rank)

    def end(self) -> None:
        """In the transaction that has found nothing more to do: the history says so."""
        self._database.finish(self._row.rank, self.read().milliseconds)
        self._database.run(f"DELETE FROM {self._table} {self._where}", self._row.rank)
