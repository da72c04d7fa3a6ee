# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite, as a migration needs it (private to the collection)."""

from __future__ import annotations

import contextlib
import sqlite3
import typing as t

from ..errors import SlipwayError
from .database import Database
from .refused import DENIED, LATE, LOCK, OTHER, RefusedError

CAUSES = {
    "locked": LOCK,
    "interrupted": LATE,
    "readonly": DENIED,
}  # by a word of the message: older drivers give no code


class SQLite(Database):
    """See RV(Database). Changes of tables are part of a transaction (SQLite, "Transaction")."""

    dialect = "sqlite"
    mark = "?"
    begin = "BEGIN IMMEDIATE"  # one that only reads at first may be refused its lock at any later time

    def prepare(self) -> None:
        self._link.isolation_level = None  # the driver opens no transaction of its own
        self._wait_for_locks(self.settings.lock_timeout)

    def _wait_for_locks(self, seconds: float) -> None:
        self.run(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    @contextlib.contextmanager
    def until(self, deadline: float | None) -> t.Iterator[None]:
        """Nothing ends a wait for a lock, so it is made as short as it must be."""
        if deadline is not None:
            self._wait_for_locks(max(0.0, min(self.settings.lock_timeout, deadline - self.system.monotonic())))
        with super().until(deadline):
            yield

    def in_transaction(self) -> bool:
        return bool(self.link.in_transaction)

    def cancel(self) -> None:
        self._link.interrupt()

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def own_schema(self) -> str:
        return "main"

    def tables(self) -> set[str]:
        return {str(name) for (name,) in self.run("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def definition(self) -> list[str]:
        return [
            f'CREATE TABLE {self.table} ("installed_rank" INT NOT NULL PRIMARY KEY, "version" VARCHAR(50),'
            ' "description" VARCHAR(200) NOT NULL, "type" VARCHAR(20) NOT NULL, "script" VARCHAR(1000) NOT NULL,'
            ' "checksum" INT, "installed_by" VARCHAR(100) NOT NULL,'
            " \"installed_on\" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),"
            ' "execution_time" INT NOT NULL, "success" BOOLEAN NOT NULL)',
            f'CREATE INDEX "main".{self.quoted(self.settings.table + "_s_idx")} ON {self.quoted(self.settings.table)}'
            ' ("success")',
        ]

    @contextlib.contextmanager
    def lock(self, wait: float) -> t.Iterator[int]:
        """A lock on a file beside the database: SQLite's own would keep out the one at work too."""
        path = self._path()
        if not path:  # in memory, and so nobody else's
            yield 0
            return
        began = self.system.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.system.flock(f"{path}-migrations.lock", timeout=wait))
            except SlipwayError as error:
                raise SlipwayError(
                    "somebody else is migrating it",
                    obj=path,
                    actual=error.actual,
                    wanted=f"the lock within {wait:g} s",
                    remedy="Wait for the other run; its lock ends with its process.",
                    cause="lock_held" if error.cause == "flock_timeout" else error.cause,
                ) from None
            yield round((self.system.monotonic() - began) * 1000)

    def refused(self, error: Exception) -> RefusedError | None:
        if not isinstance(error, (sqlite3.Error, sqlite3.Warning)):
            return None
        said = str(error)
        cause = next((cause for word, cause in CAUSES.items() if word in said), OTHER)
        return RefusedError(said, getattr(error, "sqlite_errorname", ""), cause)

    def change(self, statement: str) -> int:
        """The driver does not count what a statement with WITH has changed."""
        return -1 if self.run(statement) else int(self.run("SELECT changes()")[0][0])

    def facts(self) -> dict[str, str]:
        return {"user": "", "database": self._path()}

    def for_share(self) -> str:
        return ""

    def _path(self) -> str:
        return next((str(file) for _number, name, file in self.run("PRAGMA database_list") if name == "main"), "")


def opener(path: str) -> t.Callable[[], t.Any]:
    """Connects to a database that is there.

    :raises SlipwayError: C(no_such_database).
    """

    def connect() -> t.Any:
        try:
            return sqlite3.connect(f"file:{_escaped(path)}?mode=rw", uri=True)
        except sqlite3.OperationalError as error:
            raise SlipwayError(
                "cannot be opened",
                obj=path,
                actual=str(error),
                remedy="Check the path, and that the program has made the database.",
                cause="no_such_database",
            ) from None

    return connect


def _escaped(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
