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

from ..errors import SlipwayError
from .database import Database, RefusedError
from .postgresql import java_hash

LOCK_WAIT = 1205
DEADLOCK = 1213


class MySQL(Database):
    """See RV(Database). The schema is the database."""

    dialect = "mysql"

    def prepare(self) -> None:
        settings = self.settings
        if settings.lock_timeout:
            seconds = max(1, round(settings.lock_timeout))  # the server knows whole seconds only
            self.run(f"SET SESSION lock_wait_timeout = {seconds}, SESSION innodb_lock_wait_timeout = {seconds}")
        if settings.statement_timeout:
            self._limit_statements(settings.statement_timeout)

    def _limit_statements(self, seconds: float) -> None:
        """MariaDB ends any statement, MySQL only what reads."""
        if "mariadb" in str(self.run("SELECT VERSION()")[0][0]).lower():
            self.run(f"SET SESSION max_statement_time = {seconds:.3f}")
        else:
            self.run(f"SET SESSION max_execution_time = {round(seconds * 1000)}")

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
        table = self.table
        return [
            f"CREATE TABLE {table} (`installed_rank` INT NOT NULL, `version` VARCHAR(50),"
            " `description` VARCHAR(200) NOT NULL, `type` VARCHAR(20) NOT NULL, `script` VARCHAR(1000) NOT NULL,"
            " `checksum` INT, `installed_by` VARCHAR(100) NOT NULL,"
            " `installed_on` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, `execution_time` INT NOT NULL,"
            " `success` BOOL NOT NULL, CONSTRAINT PRIMARY KEY (`installed_rank`)) ENGINE=InnoDB",
            f"CREATE INDEX {self.quoted(self.settings.table + '_s_idx')} ON {table} (`success`)",
        ]

    @contextlib.contextmanager
    def lock(self, wait: float) -> t.Iterator[int]:
        """The named lock that Flyway takes too (flyway-mysql, C(MySQLNamedLockTemplate))."""
        other = self._connect()
        began = self.system.monotonic()
        try:
            with contextlib.closing(other.cursor()) as cursor:
                cursor.execute("SELECT GET_LOCK(%s, %s)", (self.lock_name(), round(wait)))
                if cursor.fetchone()[0] != 1:
                    cursor.execute("SELECT IS_USED_LOCK(%s)", (self.lock_name(),))
                    raise self._held(cursor.fetchone()[0], wait)
            yield round((self.system.monotonic() - began) * 1000)
        finally:
            with contextlib.suppress(Exception):  # the lock ends with its connection, whatever happens to it
                other.close()

    def _held(self, connection: int | None, wait: float) -> SlipwayError:
        return SlipwayError(
            "somebody else is migrating it",
            obj=self.schema,
            actual=f"connection {connection}" if connection else "nobody now",
            wanted=f"the lock within {wait:g} s",
            remedy="Wait for the other run; its lock ends with its connection (SHOW PROCESSLIST).",
            cause="lock_held",
        )

    def lock_name(self) -> str:
        """Of the named lock."""
        return f"Flyway-{java_hash(self.table)}"

    def refused(self, error: Exception) -> RefusedError | None:
        import pymysql.err

        if not isinstance(error, pymysql.err.Error):
            return None
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        said = str(error.args[1]) if len(error.args) > 1 else str(error)
        return RefusedError(said, str(code or ""), lock=code in (LOCK_WAIT, DEADLOCK))

    def facts(self) -> dict[str, str]:
        user, database = self.run("SELECT SUBSTRING_INDEX(USER(), '@', 1), DATABASE()")[0]
        return {"user": str(user), "database": str(database or "")}
