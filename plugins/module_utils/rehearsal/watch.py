# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured while migrations are applied to a copy (private to the collection)."""

from __future__ import annotations

import abc
import contextlib
import threading
import typing as t

from ..database.copied import Copy
from ..system import System
from .locks import Held, Ledger, Lock

PAUSE = 0.005  # seconds between two looks
EXCERPT = 200  # characters of a statement


class Table(t.NamedTuple):
    """A table as it was before.

    :param file: which changes when all of it is written anew.
    :param size: bytes of its rows.
    """

    name: str
    file: int
    size: int


class Measures(t.NamedTuple):
    """What was measured.

    :param tables: that were there before, by name.
    :param rewritten: those of them that were written anew, or emptied.
    :param gap: seconds, for which a lock was perhaps held longer, twice; None where locks are not seen at all.
    """

    locks: t.Sequence[Lock] = ()
    tables: t.Mapping[str, Table] = {}
    rewritten: t.Sequence[Table] = ()
    gap: t.Optional[float] = None


class Watch(abc.ABC):
    """A context in which migrations are applied, and what was seen of them."""

    script = ""

    def begun(self, script: str) -> None:
        """The next migration is at work."""
        self.script = script

    def __enter__(self) -> Watch:
        return self

    @abc.abstractmethod
    def __exit__(self, kind: object, *error: object) -> None:
        """Look no longer."""

    @abc.abstractmethod
    def measures(self) -> Measures:
        """After the context: all that was seen."""


class Blind(Watch):
    """For databases that do not tell who holds what."""

    def __exit__(self, kind: object, *error: object) -> None:
        """There is nothing."""

    def measures(self) -> Measures:
        return Measures()


_TABLES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname), coalesce(pg_relation_filenode(c.oid), 0),
  CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_relation_size(relid)), 0) FROM pg_partition_tree(c.oid) WHERE isleaf)
    ELSE pg_relation_size(c.oid) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

_LOCKS = """
SELECT l.pid || ' ' || coalesce(a.xact_start::text, ''), l.relation, l.mode, a.query
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY (%s) AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  AND l.pid <> ALL (%s) AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# What Slipway itself has open calls itself so, and what a tool opens is not there yet.
_OTHERS = "SELECT pid FROM pg_stat_activity WHERE application_name <> 'slipway'"


class PostgreSQLWatch(Watch):
    """By C(pg_locks), on a connection of its own. Sessions that were there before are the old version's, and are left out."""

    def __init__(self, copy: Copy, system: System) -> None:
        from ..database import postgresql_login

        self._told, self._system = postgresql_login.told, system
        dsn = postgresql_login.driver().extensions.make_dsn(host=copy.socket, user=copy.admin, dbname=copy.database)
        self._login = postgresql_login.Login(dsn)
        self._ledger = Ledger()
        self._over = threading.Event()
        self._problem: BaseException | None = None
        self._tables: dict[int, Table] = {}
        self._rewritten: list[Table] = []

    def __enter__(self) -> Watch:
        self._link = self._login.open()
        self._link.autocommit = True
        try:
            self._ask("SET lock_timeout = '10s'")  # to see how large a table is, it must be to be had
            self._tables = self._read_tables()
            self._others = [int(pid) for (pid,) in self._ask(_OTHERS)]
            self._thread = threading.Thread(target=self._look_on, daemon=True)
            self._thread.start()
        except BaseException:
            self._link.close()
            raise
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self._over.set()
        self._thread.join()
        with contextlib.closing(self._link):
            if self._problem is not None and kind is None:
                raise self._problem
            if kind is None:
                after = self._read_tables()
                pairs = [(table, after[oid]) for oid, table in self._tables.items() if oid in after]
                self._rewritten = [was for was, now in pairs if now.file != was.file and was.size]

    def measures(self) -> Measures:
        tables = {table.name: table for table in self._tables.values()}
        return Measures(self._ledger.locks(), tables, self._rewritten, self._ledger.gap)

    def _look_on(self) -> None:
        try:
            while True:
                over = self._over.is_set()  # the last look comes after the last migration
                self._ledger.look(self._system.monotonic(), self._held(), self.script)
                if over:
                    return
                self._over.wait(PAUSE)
        except BaseException as error:  # told by the thread that waits for this one
            self._problem = error

    def _held(self) -> list[Held]:
        rows = self._ask(_LOCKS, [*self._tables], self._others)
        return [
            Held(str(transaction), self._tables[relation].name, str(mode), " ".join(str(query).split())[:EXCERPT])
            for transaction, relation, mode, query in rows
        ]

    def _read_tables(self) -> dict[int, Table]:
        return {int(oid): Table(str(name), int(file), int(size)) for oid, name, file, size in self._ask(_TABLES)}

    def _ask(self, question: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
        with self._told(self._login.where), self._link.cursor() as cursor:
            if values:
                cursor.execute(question, values)
            else:
                cursor.execute(question)
            return list(cursor.fetchall()) if cursor.description else []


def watch(copy: Copy, system: System) -> Watch:
    """What can be measured on a copy."""
    return PostgreSQLWatch(copy, system) if copy.engine == "postgresql" else Blind()
