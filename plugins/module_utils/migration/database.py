# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration needs of a database: a lock, transactions, a history (private to the collection)."""

from __future__ import annotations

import abc
import contextlib
import functools
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import history
from .connection import Connect, Connection
from .history import COLUMNS, Row
from .patience import Patience, patiently, pauses
from .refused import RefusedError

if t.TYPE_CHECKING:
    from .replicas import Replication

FENCE = "slipway_fence"


class Fence(t.NamedTuple):
    """The release's fencing token: whoever has an older one may change nothing any more.

    :param name: platform and environment.
    :param token: rises with each release that takes the lock.
    """

    name: str
    token: int


class Settings(t.NamedTuple):
    """How a database is treated.

    :param schema: where the history is; empty for the connection's own.
    :param lock_timeout: seconds that a statement waits for a lock; 0 for the server's own.
    :param statement_timeout: seconds that a statement may take; 0 for no limit.
    """

    schema: str = ""
    table: str = history.TABLE
    lock_timeout: float = 0.0
    statement_timeout: float = 0.0
    fence: Fence | None = None


class Database(Connection):
    """One database, with one connection on which each statement stands alone unless a transaction is open."""

    takes_last: t.ClassVar[bool] = False  # whether the last statement of a script may go along with what concludes it

    def __init__(self, connect: Connect, settings: Settings, system: System) -> None:
        super().__init__(connect, system)
        self.settings = settings
        self._schema = settings.schema
        self.held: tuple[int, ...] = ()  # descriptors of what holds the lock: it lasts as long as anybody has them
        self._open = False  # whether a transaction of ours is

    # What differs from one kind of database to the other ------------------------------------------------------

    @abc.abstractmethod
    def quoted(self, name: str) -> str:
        """A name as it stands in a statement."""

    @abc.abstractmethod
    def own_schema(self) -> str:
        """The schema that the connection works in."""

    @abc.abstractmethod
    def tables(self) -> set[str]:
        """The tables of the schema."""

    @abc.abstractmethod
    def definition(self) -> list[str]:
        """The statements that make the history's table, as Flyway makes it."""

    @abc.abstractmethod
    def lock(self, wait: float) -> t.ContextManager[int]:
        """Keep everybody else from migrating this schema, Flyway included; milliseconds that it took.

        :param wait: seconds.
        :raises SlipwayError: C(lock_held) with who holds it, where the database tells.
        """

    @abc.abstractmethod
    def facts(self) -> dict[str, str]:
        """C(user) and C(database)."""

    def major(self) -> int:
        """Major version of the server, where it decides what a transaction can hold; else 0."""
        return 0

    def regain(self) -> None:  # most have nothing to regain
        """Within a transaction, be again who and where this session was at first, whatever a script has set."""

    def renew(self) -> None:
        """Begin a session anew, so that nothing that a script has set is there for the next one."""
        if not self.fresh:
            self._renew()
            self.fresh = True

    def _renew(self) -> None:
        self.close()

    def conclude(self, row: Row, deadline: float | None, *, followed: bool, last: str = "") -> None:
        """Behind the last statement of a script: write its line, end the transaction, and begin the session anew.

        :param followed: whether the next thing asked for is RV(transaction); then it may be begun here.
        :param deadline: until when to wait for that.
        :param last: that statement, where it is still to be carried out; only where RV(takes_last).
        """
        self.regain()
        self.add(row)
        self._commit()
        self.renew()

    def expect_unchanged(self, words: t.Sequence[str], script: str) -> None:  # most cannot be changed
        """After a statement that begins with these words.

        :raises SlipwayError: C(bad_input) for what would let the server misread all that follows.
        """

    def set_off(self) -> None:  # most see it without
        """Behind the beginning of a transaction: mark it for RV(unbroken)."""

    def unbroken(self, refused: RefusedError | None) -> bool:
        """Whether the transaction holds all that was done since it began.

        :param refused: the statement that has failed in it; what the others did is taken back then.
        """
        return refused is not None or self.in_transaction()

    def replication(self) -> Replication | None:
        """How far replicas are; None where this server does not know."""
        return None

    def estimate(self, _statement: str) -> int | None:
        """Rows that a statement would change; None where the server does not tell."""
        return None

    def clear_the_way(self, statement: str) -> None:  # most have nothing to clear
        """Take away what an earlier try of this statement has left; nothing by default."""

    @functools.cached_property
    def user(self) -> str:
        """As whom the connection works."""
        return self.facts()["user"]

    # Transactions -------------------------------------------------------------------------------------------

    def limit(self, deadline: float | None) -> float | None:
        """When a statement that begins now must have ended; None where nobody says."""
        own = self.settings.statement_timeout
        if not own:
            return deadline
        end = self.system.monotonic() + own
        return end if deadline is None else min(end, deadline)

    @contextlib.contextmanager
    def transaction(self, deadline: float | None = None) -> t.Iterator[None]:
        """All or nothing; nobody with an older token comes through.

        :param deadline: until when to wait for its beginning.
        """
        with self._whole():
            with self.until(deadline):
                self._begin()
            yield

    @contextlib.contextmanager
    def _whole(self) -> t.Iterator[None]:
        self._open = True
        try:
            yield
            if self._open:
                self._commit()
        except BaseException:
            with contextlib.suppress(SlipwayError):  # what went wrong first is what is told
                if self._link is not None:
                    self.run("ROLLBACK")
            raise

    def _begin(self) -> None:
        """For whoever has the newest token."""
        self.run(self.begin)
        self.check_fence()

    def _commit(self) -> None:
        self.run("COMMIT")
        self._open = False

    # History ------------------------------------------------------------------------------------------------

    @property
    def schema(self) -> str:
        """Where the history is."""
        if not self._schema:
            self._schema = self.own_schema()
        return self._schema

    @property
    def table(self) -> str:
        """The history's full name."""
        return f"{self.quoted(self.schema)}.{self.quoted(self.settings.table)}"

    def history(self) -> list[Row] | None:
        """All lines; None where there is no table of that name.

        A file of SQLite is closed to all while one commits, for long on a slow disk; that is waited for.
        """
        rows = patiently(lambda: self.lines(*COLUMNS), pauses(self.system, Patience(), None))
        return None if rows is None else [history.row_of(values) for values in rows]

    def lines(self, *columns: str, table: str = "") -> list[tuple[t.Any, ...]] | None:
        """What a table has in some columns, by the first of them; None where there is no such table.

        :param table: beside that of the history, which it is by default.
        """
        table = table or self.settings.table
        if table not in self.tables():
            return None
        names = [self.quoted(column) for column in columns]
        where = f"{self.quoted(self.schema)}.{self.quoted(table)}"
        return self.run(f"SELECT {', '.join(names)} FROM {where} ORDER BY {names[0]}")

    def create_history(self, first: Row | None = None) -> None:
        """Make the history's table, as a whole where the database can.

        :param first: its first line.
        """
        with self._whole():
            self.run(self.begin)
            for statement in self.definition():
                self.run(statement)
            if first is not None:
                self.add(first)

    def add(self, row: Row) -> None:
        """One line more; the database says when."""
        self.run(self._adding, *self._values(row))

    @functools.cached_property
    def _adding(self) -> str:
        return self._inserting([self.mark] * len(self._names))

    @functools.cached_property
    def _names(self) -> list[str]:
        return [self.quoted(column) for column in COLUMNS if column != "installed_on"]

    def _inserting(self, values: t.Sequence[str]) -> str:
        return f"INSERT INTO {self.table} ({', '.join(self._names)}) VALUES ({', '.join(values)})"

    @staticmethod
    def _values(row: Row) -> tuple[t.Any, ...]:
        values = (row.rank, row.version, row.description, row.type, row.script, row.checksum, row.by)
        return (*values, row.milliseconds, row.success)

    def finish(self, rank: int, milliseconds: int) -> None:
        """A line whose script has ended well."""
        took, done, key = (self.quoted(name) for name in ("execution_time", "success", "installed_rank"))
        self.run(
            f"UPDATE {self.table} SET {took} = {self.mark}, {done} = {self.mark} WHERE {key} = {self.mark}",
            milliseconds,
            True,
            rank,
        )

    def fail(self, rank: int, milliseconds: int) -> None:
        """A line whose script has ended badly, outside a transaction."""
        took, key = self.quoted("execution_time"), self.quoted("installed_rank")
        self.run(f"UPDATE {self.table} SET {took} = {self.mark} WHERE {key} = {self.mark}", milliseconds, rank)

    def forget(self, rank: int) -> None:
        """Take a line away."""
        self.run(f"DELETE FROM {self.table} WHERE {self.quoted('installed_rank')} = {self.mark}", rank)

    def align(self, rank: int, description: str, kind: str, checksum: int | None) -> None:
        """Let a line say what the file says."""
        names = [self.quoted(name) for name in ("description", "type", "checksum", "installed_rank")]
        what = ", ".join(f"{name} = {self.mark}" for name in names[:3])
        self.run(f"UPDATE {self.table} SET {what} WHERE {names[3]} = {self.mark}", description, kind, checksum, rank)

    # Fence --------------------------------------------------------------------------------------------------

    def create_fence(self) -> None:
        """Make the table of the highest tokens, and write this one down."""
        if self.settings.fence is None:
            return
        fence = f"{self.quoted(self.schema)}.{self.quoted(FENCE)}"
        if FENCE not in self.tables():
            self.run(f"CREATE TABLE {fence} (name VARCHAR(200) NOT NULL PRIMARY KEY, token BIGINT NOT NULL)")
        name, token = self.settings.fence
        known = self.run(f"SELECT token FROM {fence} WHERE name = {self.mark}", name)
        if not known:
            self.run(f"INSERT INTO {fence} (name, token) VALUES ({self.mark}, {self.mark})", name, token)
        elif int(known[0][0]) < token:
            self.run(
                f"UPDATE {fence} SET token = {self.mark} WHERE name = {self.mark} AND token < {self.mark}",
                token,
                name,
                token,
            )
        self.check_fence()

    def check_fence(self) -> None:
        """Refuse when a later release has been here.

        :raises SlipwayError: C(fenced).
        """
        if self.settings.fence is None:
            return
        name, _token = self.settings.fence
        self._expect_newest(self.run(self._token_question(), name))

    def _token_question(self) -> str:
        fence = f"{self.quoted(self.schema)}.{self.quoted(FENCE)}"
        return f"SELECT token FROM {fence} WHERE name = {self.mark}{self.for_share()}"

    def _expect_newest(self, answer: t.Sequence[tuple[t.Any, ...]]) -> None:
        name, token = t.cast(Fence, self.settings.fence)
        highest = int(answer[0][0])
        if highest > token:
            raise SlipwayError(
                "a later release has taken the lock meanwhile, and this one may change the database no more",
                obj=f"{name} in {self.schema}.{FENCE}",
                actual=token,
                wanted=highest,
                remedy="See what the other release did with the playbook status, then run this one again.",
                cause="fenced",
            )

    def for_share(self) -> str:
        """Makes whoever wants to raise the token wait until this transaction has ended."""
        return " FOR SHARE"
