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
from .history import COLUMNS, Row
from .watch import watched

FENCE = "slipway_fence"

Connect = t.Callable[[], t.Any]


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


# Why a statement was not carried out, where that decides what to do; also the causes of errors.
LOCK = "lock_timeout"  # the same may work later
LATE = "timeout"  # it took longer than it may
DENIED = "denied"
LOST = "connection_lost"
OTHER = "question_failed"

_SAYING = {
    LOCK: ("waited too long for a lock", "See who holds it, and run again."),
    LATE: ("took longer than it may", "Allow more, or see what it waits for."),
    DENIED: ("does not let this user do that", "Give the user the right that it names, or use the owner instead."),
    LOST: ("the connection was lost", "See the server's log, then run again."),
    OTHER: ("does not do what it is asked for", "See what it says; what is in force, state: status tells."),
}


class RefusedError(SlipwayError):
    """A statement that the database did not carry out.

    :param said: the database's own words.
    :param code: the database's own code.
    :param cause: C(LOCK), C(LATE), C(DENIED), C(LOST), or C(OTHER) where nobody can say more of it.
    :param position: 1-based character of the statement, where the database says one.
    """

    def __init__(self, said: str, code: str = "", cause: str = OTHER, *, position: int = 0) -> None:
        what, remedy = _SAYING[cause]
        super().__init__(what, obj="the database", actual=said, remedy=remedy, cause=cause, evidence={"code": code})
        self.said = said
        self.code = code
        self.position = position

    @property
    def lock(self) -> bool:
        """Whether the same may work later."""
        return self.cause == LOCK


class Database(abc.ABC):
    """One database, with one connection on which each statement stands alone unless a transaction is open."""

    dialect: t.ClassVar[str]
    mark: t.ClassVar[str] = "%s"  # for a value in a statement
    begin: t.ClassVar[str] = "BEGIN"

    def __init__(self, connect: Connect, settings: Settings, system: System) -> None:
        self._connect = connect
        self.settings = settings
        self.system = system
        self._link: t.Any = None
        self._schema = settings.schema
        self.held: tuple[int, ...] = ()  # descriptors of what holds the lock: it lasts as long as anybody has them

    # What differs from one kind of database to the other ------------------------------------------------------

    @abc.abstractmethod
    def prepare(self) -> None:
        """Set what a new connection needs."""

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
    def in_transaction(self) -> bool:
        """Whether a transaction is open; asks nobody."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """End the statement at work; called by another thread."""

    @abc.abstractmethod
    def refused(self, error: Exception) -> RefusedError | None:
        """What the driver raised, in words; None when it is not the driver's."""

    @abc.abstractmethod
    def facts(self) -> dict[str, str]:
        """C(user) and C(database)."""

    def major(self) -> int:
        """Major version of the server, where it decides what a transaction can hold; else 0."""
        return 0

    def regain(self) -> None:  # noqa: B027  # most have nothing to regain
        """Within a transaction, be again who and where this session was at first, whatever a script has set."""

    def renew(self) -> None:
        """Begin a session anew, so that nothing that a script has set is there for the next one."""
        self.close()

    def expect_unchanged(self, words: t.Sequence[str], script: str) -> None:  # noqa: B027  # most cannot be changed
        """After a statement that begins with these words.

        :raises SlipwayError: C(bad_input) for what would let the server misread all that follows.
        """

    def unbroken(self, refused: RefusedError | None) -> bool:
        """Whether the transaction holds all that was done since it began.

        :param refused: the statement that has failed in it; what the others did is taken back then.
        """
        return refused is not None or self.in_transaction()

    def clear_the_way(self, statement: str) -> None:  # noqa: B027  # most have nothing to clear
        """Take away what an earlier try of this statement has left; nothing by default."""

    @functools.cached_property
    def user(self) -> str:
        """As whom the connection works."""
        return self.facts()["user"]

    # Statements ---------------------------------------------------------------------------------------------

    @property
    def link(self) -> t.Any:
        """The connection, made when it is first needed."""
        if self._link is None:
            self._link = self._connect()
            self.prepare()
        return self._link

    def close(self) -> None:
        """End the connection; an open transaction ends with it, undone."""
        if self._link is not None:
            with contextlib.suppress(Exception):  # a connection that is lost is closed too
                self._link.close()
            self._link = None

    def run(self, statement: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
        """Carry a statement out, and return the rows that it answers.

        :raises RefusedError:
        """
        with self.told(), contextlib.closing(self.link.cursor()) as cursor:
            if values:
                cursor.execute(statement, values)
            else:
                cursor.execute(statement)  # a per cent sign is only a per cent sign
            return list(cursor.fetchall()) if cursor.description else []

    @contextlib.contextmanager
    def told(self) -> t.Iterator[None]:
        """What the driver raises, in words."""
        try:
            yield
        except Exception as error:
            told = self.refused(error)
            if told is None:
                raise
            raise told from None

    def copy(self, statement: str, data: t.Iterable[str]) -> None:
        """PostgreSQL's C(COPY … FROM stdin); others have none."""
        raise RefusedError(f"{self.dialect} has no COPY")

    @contextlib.contextmanager
    def until(self, deadline: float | None) -> t.Iterator[None]:
        """What is still at work at this moment of RV(System.monotonic) is refused as C(LATE)."""
        with watched(self.cancel, self.system, deadline):
            yield
        if deadline is not None and self.system.monotonic() >= deadline:
            raise RefusedError(
                "its time was over before it ended", cause=LATE
            )  # some functions end well when they are ended

    @contextlib.contextmanager
    def transaction(self, deadline: float | None = None) -> t.Iterator[None]:
        """All or nothing; nobody with an older token comes through.

        :param deadline: until when to wait for its beginning.
        """
        with self._whole(deadline):
            self.check_fence()
            yield

    @contextlib.contextmanager
    def _whole(self, deadline: float | None = None) -> t.Iterator[None]:
        with self.until(deadline):
            self.run(self.begin)
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with contextlib.suppress(RefusedError):  # what went wrong first is what is told
                self.run("ROLLBACK")
            raise

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
        """All lines; None where there is no table of that name."""
        rows = self.lines(*COLUMNS)
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
            for statement in self.definition():
                self.run(statement)
            if first is not None:
                self.add(first)

    def add(self, row: Row) -> None:
        """One line more; the database says when."""
        columns = [column for column in COLUMNS if column != "installed_on"]
        names = ", ".join(self.quoted(column) for column in columns)
        marks = ", ".join([self.mark] * len(columns))
        values = (row.rank, row.version, row.description, row.type, row.script, row.checksum, row.by)
        self.run(f"INSERT INTO {self.table} ({names}) VALUES ({marks})", *values, row.milliseconds, row.success)

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
        name, token = self.settings.fence
        fence = f"{self.quoted(self.schema)}.{self.quoted(FENCE)}"
        highest = int(self.run(f"SELECT token FROM {fence} WHERE name = {self.mark}{self.for_share()}", name)[0][0])
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
