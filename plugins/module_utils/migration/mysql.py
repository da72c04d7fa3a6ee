# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL and MariaDB, as a migration needs them (private to the collection).

Every change of a table commits what came before it (MySQL manual, "Statements That Cause an Implicit Commit"), so that a
script with one is never all or nothing there.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..database.mysql_login import DENIED as DENIED_CODES
from ..database.mysql_login import LOST as LOST_CODES
from ..errors import SlipwayError
from .database import Database
from .postgresql import java_hash
from .refused import DENIED, LATE, LOCK, LOST, OTHER, RefusedError

# Of the server (MariaDB, "Error Codes"): waited too long, deadlock; interrupted, and ended by a limit of MySQL or of MariaDB;
# only reads are allowed, for two reasons.
DEADLOCK, NO_SAVEPOINT = 1213, 1305
CAUSES = {1205: LOCK, DEADLOCK: LOCK, 1317: LATE, 3024: LATE, 1969: LATE, 1290: DENIED, 1792: DENIED}
CAUSES = {**dict.fromkeys(LOST_CODES, LOST), **dict.fromkeys(DENIED_CODES, DENIED), **CAUSES}
YEAR = 31536000  # seconds
AGAIN = 10.0  # seconds for the server to notice that our last connection was closed
MARK = "slipway"  # a savepoint
# Bits of what the server says of a session after each statement (MySQL, "Server Status Flags").
IN_TRANSACTION, NO_BACKSLASH_ESCAPES = 1, 512


class MySQL(Database):
    """See RV(Database). The schema is the database."""

    dialect = "mysql"
    _wait: float | None = None  # for what each connection at work must have, while there is a lock

    def prepare(self) -> None:
        if self.settings.lock_timeout:
            seconds = max(1, round(self.settings.lock_timeout))  # the server knows whole seconds only
            self.run(f"SET SESSION lock_wait_timeout = {seconds}, SESSION innodb_lock_wait_timeout = {seconds}")
        if self._wait is not None:
            with self.told(), contextlib.closing(self._link.cursor()) as cursor:
                self._acquire(cursor, self._work_lock, self._wait)

    def close(self) -> None:
        if self._link is not None and self._wait is not None:
            with contextlib.suppress(
                RefusedError
            ):  # the server may take its time to notice that a connection is closed
                self.run("SELECT RELEASE_LOCK(%s)", self._work_lock)
        super().close()

    def set_off(self) -> None:
        self.run(f"SAVEPOINT {MARK}")

    def unbroken(self, refused: RefusedError | None) -> bool:
        """A stored procedure may end the transaction that it is called in; what was marked in it is gone then."""
        if refused is not None and refused.code == str(DEADLOCK):
            return True  # the server has taken all of it back
        try:
            self.run(f"RELEASE SAVEPOINT {MARK}")
        except RefusedError as error:
            return error.code != str(NO_SAVEPOINT)
        return True

    def in_transaction(self) -> bool:
        return bool(self.link.server_status & IN_TRANSACTION)

    def cancel(self) -> None:
        number = int(self._link.thread_id())
        with contextlib.closing(self._connect()) as other, contextlib.closing(other.cursor()) as cursor:
            cursor.execute(f"KILL QUERY {number}")

    def expect_unchanged(self, words: t.Sequence[str], script: str) -> None:
        if words[:1] != ("SET",):
            return
        encoding = str(self.run("SELECT @@character_set_client")[0][0])
        if encoding.startswith("utf8") and not self.link.server_status & NO_BACKSLASH_ESCAPES:
            return
        raise SlipwayError(
            "changes how the server reads what follows",
            obj=script,
            actual=f"character_set_client {encoding}" if not encoding.startswith("utf8") else "NO_BACKSLASH_ESCAPES",
            wanted="utf8mb4, and backslashes that escape",
            remedy="Take that away. Of a file that is not in UTF-8, its .conf names the encoding.",
            cause="bad_input",
        )

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def own_schema(self) -> str:
        found = self.run("SELECT DATABASE()")[0][0]
        if found is None:
            raise SlipwayError(
                "names no database",
                obj="url",
                wanted="mysql://USER:PASSWORD@HOST/DATABASE",
                remedy="Name it.",
                cause="bad_input",
            )
        return str(found)

    def tables(self) -> set[str]:
        question = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        return {str(name) for (name,) in self.run(question, self.schema)}

    def definition(self) -> list[str]:
        return [
            f"CREATE TABLE {self.table} (`installed_rank` INT NOT NULL, `version` VARCHAR(50),"
            " `description` VARCHAR(200) NOT NULL, `type` VARCHAR(20) NOT NULL, `script` VARCHAR(1000) NOT NULL,"
            " `checksum` INT, `installed_by` VARCHAR(100) NOT NULL,"
            " `installed_on` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, `execution_time` INT NOT NULL,"
            " `success` BOOL NOT NULL, CONSTRAINT PRIMARY KEY (`installed_rank`),"
            f" KEY {self.quoted(self.settings.table + '_s_idx')} (`success`)) ENGINE=InnoDB",
        ]

    @contextlib.contextmanager
    def lock(self, wait: float) -> t.Iterator[int]:
        """The named lock that Flyway takes too (flyway-mysql, C(MySQLNamedLockTemplate)), on a connection of its own.

        Each connection at work has one more. The server carries a statement on whose client was killed, and Flyway's lock is free
        by then.
        """
        other = self._connect()
        began = self.system.monotonic()
        try:
            with self.told(), contextlib.closing(other.cursor()) as cursor:
                cursor.execute(f"SET SESSION wait_timeout = {YEAR}")
                self._acquire(cursor, self.lock_name(), wait)
            self.close()
            self._wait = max(0.0, wait - (self.system.monotonic() - began))
            self.link  # noqa: B018  # takes its own
            self._wait = max(wait, AGAIN)
            self.held = (other._sock.fileno(),)
            yield round((self.system.monotonic() - began) * 1000)
        finally:  # the locks end with their connections, whatever happens to those
            self.held = ()
            self._wait = None
            self.close()
            with contextlib.suppress(Exception):
                other.close()

    def _acquire(self, cursor: t.Any, name: str, wait: float) -> None:
        cursor.execute("SELECT GET_LOCK(%s, %s)", (name, round(wait)))
        if cursor.fetchone()[0] != 1:
            cursor.execute("SELECT IS_USED_LOCK(%s)", (name,))
            raise self._held(cursor.fetchone()[0], wait)

    def _held(self, connection: int | None, wait: float) -> SlipwayError:
        return SlipwayError(
            "somebody else is migrating it",
            obj=self.schema,
            actual=f"connection {connection}" if connection else "nobody now",
            wanted=f"the lock within {wait:g} s",
            remedy="Wait for the other run; its lock ends with its connection. A statement of one that was killed goes on until"
            " KILL ends it (SHOW PROCESSLIST).",
            cause="lock_held",
        )

    @property
    def _work_lock(self) -> str:
        return self.lock_name() + "-work"

    def lock_name(self) -> str:
        """Of the named lock."""
        return f"Flyway-{java_hash(self.table)}"

    def refused(self, error: Exception) -> RefusedError | None:
        import pymysql.err

        if not isinstance(error, pymysql.err.Error):
            return None
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        said = str(error.args[1]) if len(error.args) > 1 else str(error)
        lost = isinstance(error, pymysql.err.InterfaceError)
        return RefusedError(said, str(code or ""), CAUSES.get(code, LOST if lost else OTHER))

    def for_share(self) -> str:
        return " LOCK IN SHARE MODE"  # MariaDB knows no other word for it

    def facts(self) -> dict[str, str]:
        user, database = self.run("SELECT SUBSTRING_INDEX(USER(), '@', 1), DATABASE()")[0]
        return {"user": str(user), "database": str(database or "")}
