# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL, as a migration needs it (private to the collection)."""

from __future__ import annotations

import contextlib
import functools
import random
import re
import typing as t

from ..errors import SlipwayError
from .database import Database
from .history import Row
from .refused import DENIED, LATE, LOCK, LOST, OTHER, RefusedError
from .replicas import Replication

# Flyway's own number, so that both keep each other out: the letters of its name, plus Java's hash of the table's name
# (flyway-database-postgresql, C(PostgreSQLAdvisoryLockTemplate)).
FLYWAY = int.from_bytes(b"Flyway", "big")
POLL = (0.02, 0.5)  # seconds between two tries to get the lock, at first and at most
# Classes and codes of SQLSTATE (PostgreSQL manual, appendix A).
CAUSES = {
    "55P03": LOCK,
    "40P01": LOCK,
    "57014": LATE,
    "42501": DENIED,
    "25006": DENIED,
    "08": LOST,
    "57P": LOST,
}
SINCE_IDLE_TIMEOUT = 140000  # a server ends sessions that do nothing, if it is told to
CLEARING = "CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES"  # C(DISCARD ALL), but for the locks
ITSELF = "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE"  # the user as whom the connection was made
# Milliseconds since the server got the message (PostgreSQL manual, "Date/Time Functions", "Current Date/Time").
TOOK = " + (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::pg_catalog.int4"
# What is reported of each change; with another value the server reads a script in another way than we do.
READ_BY = {"client_encoding": "UTF8", "standard_conforming_strings": "on"}


class PostgreSQL(Database):
    """See RV(Database)."""

    dialect = "postgresql"
    takes_last = True
    _begun: list[tuple[t.Any, ...]] | None = (
        None  # what the server has answered to the beginning of a transaction to come
    )

    def prepare(self) -> None:
        self._link.autocommit = True
        self.regain()

    def regain(self) -> None:
        self.run(self._regaining())

    def _regaining(self) -> str:
        settings = self.settings
        wanted = [ITSELF, "RESET ALL"]
        if settings.lock_timeout:
            wanted.append(f"SET lock_timeout = {_milliseconds(settings.lock_timeout)}")
        wanted.append(f"SET statement_timeout = {_milliseconds(settings.statement_timeout)}")
        if settings.schema:
            wanted.append(f"SET search_path = {self.quoted(settings.schema)}")
        return "; ".join(wanted)

    def _renew(self) -> None:
        """On the same connection: another one takes far longer."""
        if self.in_transaction():
            self.run("ROLLBACK")
        self.run(f"{CLEARING}; {self._regaining()}")

    # Between any two scripts the server is asked as seldom as may be; it parts the statements itself, and ends with the first
    # that fails. What is renewed stands behind the end of the transaction, whose default may be to write nothing, and in one of
    # its own, or the next one's failure would bring it back.

    def _begin(self) -> None:
        answer, self._begun = self._begun, None
        if answer is None:
            answer = self.run(*self._beginning)
        if self.settings.fence is not None:
            self._expect_newest(answer)

    @functools.cached_property
    def _beginning(self) -> tuple[str, ...]:
        """With its values."""
        fence = self.settings.fence
        return (self.begin,) if fence is None else (f"{self.begin}; {self._token_question()}", fence.name)

    def conclude(self, row: Row, deadline: float | None, *, followed: bool, last: str = "") -> None:
        first, *more = self._beginning if followed else ("",)
        end = self.limit(deadline) if last else deadline if followed else None
        try:
            with self.until(end):
                answer = self.run(self._concluding(last) + first, *self._values(row), *more)
            self._begun, self.fresh = answer if followed else None, True
        except RefusedError as refused:  # what comes behind the line is done by itself then, and is told why not
            # An error in a statement leaves the transaction open, one at its end does not.
            refused.of_last = bool(last) and self.in_transaction() and refused.position <= len(last)
            if not self._has(row):
                raise
        self._open = False

    def _concluding(self, last: str) -> str:
        return self._concluded if not last else last.replace("%", "%%") + self._concluded_by_last

    @functools.cached_property
    def _concluded(self) -> str:
        """The line names its table in full, so that of what a script may have set only the role matters to it."""
        own = self._regaining().replace("%", "%%")
        return f"{ITSELF}; {self._adding}; COMMIT; {self.begin}; {CLEARING}; {own}; COMMIT; "

    @functools.cached_property
    def _concluded_by_last(self) -> str:
        """Behind a statement in the same message: the time that it took is added by the server."""
        *before, took, success = [self.mark] * len(self._names)
        own = self._concluded.replace(self._adding, self._inserting((*before, took + TOOK, success)))
        return f"\n; {own}"

    def _has(self, row: Row) -> bool:
        """Whether a line is in the history as it was to be written: then what was refused is what came behind it."""
        try:
            if self.in_transaction():
                self.run("ROLLBACK")
            lines = self.history() or ()
            return any(one._replace(on=row.on, milliseconds=row.milliseconds) == row for one in lines)
        except RefusedError:
            return False

    def in_transaction(self) -> bool:
        return bool(self.link.info.transaction_status)

    def cancel(self) -> None:
        self._link.cancel()

    def close(self) -> None:
        self._begun = None
        super().close()

    def expect_unchanged(self, words: t.Sequence[str], script: str) -> None:
        for name, wanted in READ_BY.items():
            value = self._link.info.parameter_status(name)
            if value != wanted:
                raise SlipwayError(
                    "changes how the server reads what follows",
                    obj=script,
                    actual=f"{name} {value}",
                    wanted=wanted,
                    remedy="Take that away. Of a file that is not in UTF-8, its .conf names the encoding.",
                    cause="bad_input",
                )

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def own_schema(self) -> str:
        found = self.run("SELECT current_schema()")[0][0]
        if found is None:
            raise SlipwayError(
                "no schema to work in: none of its search_path exists",
                obj=self.facts()["database"],
                actual=self.run("SHOW search_path")[0][0],
                remedy="Create the schema, or name another one with schema.",
                cause="bad_input",
            )
        return str(found)

    def tables(self) -> set[str]:
        question = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p')"
        return {str(name) for (name,) in self.run(question, self.quoted(self.schema))}

    def definition(self) -> list[str]:
        table, name = self.table, self.settings.table
        return [
            f'CREATE TABLE {table} ("installed_rank" INT NOT NULL, "version" VARCHAR(50), "description" VARCHAR(200) NOT NULL,'
            ' "type" VARCHAR(20) NOT NULL, "script" VARCHAR(1000) NOT NULL, "checksum" INTEGER,'
            ' "installed_by" VARCHAR(100) NOT NULL, "installed_on" TIMESTAMP NOT NULL DEFAULT now(),'
            ' "execution_time" INTEGER NOT NULL, "success" BOOLEAN NOT NULL)',
            f'ALTER TABLE {table} ADD CONSTRAINT {self.quoted(name + "_pk")} PRIMARY KEY ("installed_rank")',
            f'CREATE INDEX {self.quoted(name + "_s_idx")} ON {table} ("success")',
        ]

    @contextlib.contextmanager
    def lock(self, wait: float) -> t.Iterator[int]:
        """On a connection of its own that is otherwise idle, and polled.

        A transaction that holds it, or a session that waits for it inside a statement, has a snapshot for which
        C(CREATE INDEX CONCURRENTLY) of the one at work would wait for ever.

        The connection at work has one more. The server carries a statement on whose client was killed, and the lock of the idle
        connection is free by then.
        """
        other = self._connect()
        try:
            other.autocommit = True
            with self.told(), contextlib.closing(other.cursor()) as cursor:
                if other.server_version >= SINCE_IDLE_TIMEOUT:
                    cursor.execute("SET idle_session_timeout = 0")
                waited = self._acquire(cursor, self.number(), wait)
            with self.told(), contextlib.closing(self.link.cursor()) as cursor:
                waited += self._acquire(cursor, -self.number(), max(0.0, wait - waited / 1000))
            self.held = (other.fileno(),)
            yield waited
        finally:  # the locks end with their connections, whatever happens to those
            self.held = ()
            with contextlib.suppress(
                RefusedError
            ):  # the server may take its time to notice that a connection is closed
                self.run("SELECT pg_advisory_unlock(%s)", -self.number())
            self.close()
            with contextlib.suppress(Exception):
                other.close()

    def _acquire(self, cursor: t.Any, number: int, wait: float) -> int:
        began, pause = self.system.monotonic(), POLL[0]
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", (number,))
            if cursor.fetchone()[0]:
                return round((self.system.monotonic() - began) * 1000)
            left = wait - (self.system.monotonic() - began)
            if left <= 0:
                raise self._held(cursor, number, wait)
            self.system.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311  # no secret
            pause = min(pause * 2, POLL[1])

    def _held(self, cursor: t.Any, number: int, wait: float) -> SlipwayError:
        cursor.execute(
            "SELECT a.pid, coalesce(host(a.client_addr), 'this machine'), a.usename, a.application_name, a.backend_start"
            " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted"
            " AND l.objsubid = 1 AND (l.classid::bigint << 32) + l.objid::bigint = %s",
            (number,),
        )
        found = cursor.fetchone()
        who = (
            f"process {found[0]} of {found[2]} from {found[1]} ({found[3]}), since {found[4]}"
            if found
            else "nobody now"
        )
        return SlipwayError(
            "somebody else is migrating it",
            obj=f"{self.schema} of {self.facts()['database']}",
            actual=who,
            wanted=f"the lock within {wait:g} s",
            remedy="Wait for the other run; its lock ends with its connection. A statement of one that was killed goes on until"
            " pg_terminate_backend ends it.",
            cause="lock_held",
        )

    def number(self) -> int:
        """Of the advisory lock."""
        return FLYWAY + java_hash(self.table)

    def copy(self, statement: str, data: t.Iterable[str]) -> None:
        self.fresh = False
        with self.told(), contextlib.closing(self.link.cursor()) as cursor:
            cursor.copy_expert(statement, _Rows(data))

    def refused(self, error: Exception) -> RefusedError | None:
        diagnosis = getattr(error, "diag", None)
        if diagnosis is None:
            return None
        code = getattr(error, "pgcode", None) or ("08" if self._link is None or self._link.closed else "")
        context = str(diagnosis.context or "").partition("\n")[0]
        parts = [diagnosis.message_primary or str(error).strip(), diagnosis.message_detail, diagnosis.message_hint]
        said = " ".join(part for part in (*parts, f"({context})" if context.startswith("COPY") else "") if part)
        cause = next((cause for known, cause in CAUSES.items() if code.startswith(known)), OTHER)
        return RefusedError(said, code, cause, position=int(diagnosis.statement_position or 0))

    def facts(self) -> dict[str, str]:
        user, database = self.run("SELECT current_user, current_database()")[0]
        return {"user": str(user), "database": str(database)}

    def major(self) -> int:
        return int(self.link.server_version) // 10000

    def replication(self) -> Replication | None:
        """What replays nothing, such as pg_receivewal and a backup, is no replica. To a user who may not look, all is NULL."""
        found = self.run(
            "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, min(replay_lsn - '0/0'::pg_lsn),"
            " count(*) FILTER (WHERE pid IS NOT NULL AND state IS NULL)"
            " FROM (SELECT pid, state, replay_lsn FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup') r"
        )
        written, replayed, hidden = found[0]
        return Replication(int(written), None if replayed is None else int(replayed), bool(hidden))

    def estimate(self, statement: str) -> int | None:
        """What the planner expects; the node that changes rows says nothing of them, those below it do."""
        try:
            plan = self.run(f"EXPLAIN (FORMAT JSON) {statement}")[0][0][0]["Plan"]
        except RefusedError:
            return None
        return max((int(node["Plan Rows"]) for node in plan.get("Plans", [])), default=None)

    def clear_the_way(self, statement: str) -> None:
        """Of an index that did not end well, or C(IF NOT EXISTS) would be content with it (PostgreSQL manual, "CREATE INDEX",
        "Building Indexes Concurrently")."""
        match = _CONCURRENT.match(statement)
        if match is None:
            return
        question = (
            "SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t"
            " ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid"
            " AND c.relname = %s AND t.oid = to_regclass(%s)"
        )
        for schema, index in self.run(question, _folded(match["index"]), match["table"]):
            self.run(f"DROP INDEX CONCURRENTLY {self.quoted(schema)}.{self.quoted(index)}")


_NAME = r'(?:"(?:[^"]|"")+"|[^\s."(]+)'
_CONCURRENT = re.compile(
    rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<index>{_NAME})"
    rf"\s+ON\s+(?:ONLY\s+)?(?P<table>{_NAME}(?:\.{_NAME})?)",
    re.IGNORECASE,
)


def _milliseconds(seconds: float) -> int:
    """0, which is no limit, for nothing else."""
    return max(1, round(seconds * 1000)) if seconds else 0


def _folded(name: str) -> str:
    """As the catalogue has it (PostgreSQL manual, "Identifiers and Key Words")."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


class _Rows:
    """The data of a COPY, as the driver reads it: some at a time, however many there are."""

    def __init__(self, rows: t.Iterable[str]) -> None:
        self._rows = iter(rows)
        self._left = ""

    def read(self, size: int) -> str:
        """At most so many characters; none at the end."""
        while len(self._left) < size:
            row = next(self._rows, None)
            if row is None:
                break
            self._left += row
        given, self._left = self._left[:size], self._left[size:]
        return given


def java_hash(text: str) -> int:
    """C(String.hashCode()) (Java SE API, C(java.lang.String)): a signed number of 32 bits."""
    number = 0
    units = text.encode("utf-16-be")
    for index in range(0, len(units), 2):
        number = (number * 31 + int.from_bytes(units[index : index + 2], "big")) & 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number
