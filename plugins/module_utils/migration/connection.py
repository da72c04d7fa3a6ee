# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a database, and statements on it (private to the collection)."""

from __future__ import annotations

import abc
import contextlib
import typing as t

from ..system import System
from .refused import LATE, RefusedError
from .watch import watched

Connect = t.Callable[[], t.Any]


class Connection(abc.ABC):
    """Made when it is first needed, and anew after it was closed."""

    dialect: t.ClassVar[str]
    mark: t.ClassVar[str] = "%s"  # for a value in a statement
    begin: t.ClassVar[str] = "BEGIN"

    def __init__(self, connect: Connect, system: System) -> None:
        self._connect = connect
        self.system = system
        self._link: t.Any = None
        self._cursor: t.Any = None
        self.fresh = False  # whether nothing but our own was carried out since the session began or was renewed

    # What differs from one kind of database to the other ------------------------------------------------------

    @abc.abstractmethod
    def prepare(self) -> None:
        """Set what a new connection needs."""

    @abc.abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open; asks nobody."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """End the statement at work; called by another thread."""

    @abc.abstractmethod
    def refused(self, error: Exception) -> RefusedError | None:
        """What the driver raised, in words; None when it is not the driver's."""

    # The same for all ---------------------------------------------------------------------------------------

    @property
    def link(self) -> t.Any:
        """The connection, made when it is first needed."""
        if self._link is None:
            self._link = self._connect()
            self.prepare()
        return self._link

    @property
    def cursor(self) -> t.Any:
        """The one for all statements: to make another one takes as long as a small statement."""
        link = self.link
        if self._cursor is None:
            self._cursor = link.cursor()
        return self._cursor

    def close(self) -> None:
        """End the connection; an open transaction ends with it, undone."""
        if self._link is not None:
            with contextlib.suppress(Exception):  # a connection that is lost is closed too
                self._link.close()
            self._link = self._cursor = None

    def run(self, statement: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
        """Carry a statement out, and return the rows that it answers.

        :raises RefusedError:
        """
        self.fresh = False
        try:
            cursor = self.cursor
            if values:
                cursor.execute(statement, values)
            else:
                cursor.execute(statement)  # a per cent sign is only a per cent sign
            return list(cursor.fetchall()) if cursor.description else []
        except Exception as error:
            self._tell(error)

    def change(self, statement: str) -> int:
        """Carry a statement out; how many rows it has changed, or -1 where it answers with rows.

        :raises RefusedError:
        """
        self.fresh = False
        with self.told(), contextlib.closing(self.link.cursor()) as cursor:
            cursor.execute(statement)
            return -1 if cursor.description else int(cursor.rowcount)

    @contextlib.contextmanager
    def told(self) -> t.Iterator[None]:
        """What the driver raises, in words."""
        try:
            yield
        except Exception as error:
            self._tell(error)

    def _tell(self, error: Exception) -> t.NoReturn:
        told = self.refused(error)
        if told is None:
            raise error
        raise told from None

    def copy(self, statement: str, data: t.Iterable[str]) -> None:
        """PostgreSQL's C(COPY … FROM stdin); others have none."""
        raise RefusedError(f"{self.dialect} has no COPY")

    def until(self, deadline: float | None) -> t.ContextManager[None]:
        """What is still at work at this moment of RV(System.monotonic) is refused as C(LATE)."""
        return contextlib.nullcontext() if deadline is None else self._ended(deadline)

    @contextlib.contextmanager
    def _ended(self, deadline: float) -> t.Iterator[None]:
        with watched(self.cancel, self.system, deadline):
            yield
        if self.system.monotonic() >= deadline:  # some functions end well when they are ended
            raise RefusedError("its time was over before it ended", cause=LATE)
