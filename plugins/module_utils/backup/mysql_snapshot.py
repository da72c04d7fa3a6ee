# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One moment of a MySQL or MariaDB database, for its dump and for all questions about it (private to the collection).

A dump cannot take over the snapshot of another connection, as that of PostgreSQL can. So commits are kept waiting by
C(FLUSH TABLES WITH READ LOCK) until both have begun a transaction of their own: nothing lies between them. That the dump has
begun its own is seen by what it writes, for it begins before it looks at the first table; that holds for each vendor and
version, and needs no right. It takes some milliseconds; whatever goes wrong, the lock is gone within seconds.

A table without transactions (MyISAM, Aria, MEMORY) has no moments, so it stays locked against writers until the dump ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import typing as t

from ..database.mysql_login import quoted, rows, value
from ..errors import SlipwayError
from . import binlog, mysql_facts
from . import mysql_objects as objects
from .engine import Facts, Snapshot
from .mysql import DUMP, MARIADB, Release, release_of, whole
from .pipeline import CHUNK, chained

if t.TYPE_CHECKING:
    from .mysql import MySQL

TRY = 2  # seconds that writers wait behind a lock that is not granted
PAUSE = 3.0  # seconds between two tries
PATIENCE = 60.0  # seconds until it must have been granted
BEGIN = 20.0  # seconds that a dump has to begin, while writers wait
SANDBOX = re.compile(rb"\A/\*M?!999999\\- [^\n]*\n")
BEGUN = re.compile(rb"^-- .*structure for |^-- Dump completed", re.MULTILINE)  # each comes after its transaction began

KINDS = """
SELECT t.TABLE_NAME, t.TABLE_TYPE, COALESCE(e.TRANSACTIONS, 'NO') FROM information_schema.TABLES t
LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1
"""


@contextlib.contextmanager
def moment(engine: MySQL) -> t.Iterator[Snapshot]:
    """The moment, with its dump begun; held as long as the context."""
    with contextlib.ExitStack() as stack:
        yield _Moment(engine, stack)


class _Moment(Snapshot):
    """See RV(Snapshot).

    :param stack: has what lives as long as the moment.
    """

    def __init__(self, engine: MySQL, stack: contextlib.ExitStack) -> None:
        self._engine = engine
        self._link = self._opened(stack)
        self._server = release_of(self._link)
        self._known = self._about()
        rows(self._link, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with contextlib.ExitStack() as frozen:
            locker = self._opened(frozen)
            freeze(engine, locker)
            self._kinds = rows(locker, KINDS)
            self._hold(self._opened(stack))
            rows(self._link, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            self.position = _position(locker, self._server)
            place = binlog.now(locker, self._server.vendor, engine.database)
            self._known["binlog"] = place and place._asdict()
            program = stack.enter_context(engine.logged_in(engine.program(DUMP[self._server.vendor]), *self._options()))
            self._chain = stack.enter_context(chained([program], subprocess.DEVNULL))
            self._first = self._begun()

    def dump(self) -> t.Iterator[bytes]:
        """As any client can read it: without a first line that tells that of MariaDB not to start programs, on which
        others end. Ours is started so that it does not anyway.
        """
        return whole(self._output())

    def beside(self) -> dict[str, t.Iterator[bytes]]:
        return {}

    def facts(self) -> Facts:
        found = mysql_facts.of_source(self._link, self._known, self._engine.progress)
        # Where there is a binary log, it holds the definition of each table that it has read until it ends. Somebody's change
        # of one would wait for that, and the dump for the change: nobody would ever go on.
        rows(self._link, "COMMIT")
        return found

    def cancel(self) -> None:
        """Which fails only where the questions have failed already."""
        with contextlib.suppress(SlipwayError), contextlib.closing(self._engine.login.connect()) as link:
            rows(link, f"KILL {self._link.thread_id()}")

    def completed(self, facts: Facts) -> Facts:
        with contextlib.closing(self._engine.login.connect()) as link:
            after, now = mysql_facts.counters(link, self._engine.database), mysql_facts.loose(link)
        before = {name: made for name, made in facts["schema"].items() if name.startswith(mysql_facts.LOOSE)}
        changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if changed:
            raise SlipwayError(
                "was changed while it was dumped, so the dump may have either",
                obj=self._engine.database,
                actual=", ".join(changed),
                wanted="no change of views, routines and events meanwhile",
                remedy="Take the backup again when nothing is migrated.",
                cause="changed_meanwhile",
            )
        return mysql_facts.with_counters_after(facts, after)

    # --- how it begins

    def _opened(self, stack: contextlib.ExitStack) -> t.Any:
        return stack.enter_context(contextlib.closing(self._engine.login.connect()))

    def _hold(self, holder: t.Any) -> None:
        """Keep writers off what has no transactions, on a connection of its own that the moment has to its end."""
        without = [name for name, _kind, transactions in self._kinds if transactions != "YES"]
        if without:
            _locked(self._engine, holder, f"LOCK TABLES {', '.join(f'{quoted(name)} READ' for name in without)}")

    def _about(self) -> Facts:
        """Asked before anybody has to wait, and before there is a transaction that would hold what it is asked of."""
        database = self._engine.database
        charset, collation, case, page = rows(
            self._link,
            "SELECT @@character_set_database, @@collation_database, @@lower_case_table_names, @@innodb_page_size",
        )[0]
        return {
            "vendor": self._server.vendor,
            "database": database,
            "properties": {"charset": charset, "collation": collation},
            "settings": {"lower_case_table_names": int(case), "innodb_page_size": int(page)},
            "counters": mysql_facts.counters(self._link, database),
        }

    def _options(self) -> tuple[str, ...]:
        return (
            "--single-transaction",
            "--quick",
            "--routines",
            "--triggers",
            "--events",
            "--hex-blob",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--no-tablespaces",
            "--skip-add-locks",  # a table whose default is of a sequence could not be filled: nobody locked that one
            "--skip-dump-date",
            # The rows that were; else a restored table has none of them.
            *(["--dump-history"] if "SYSTEM VERSIONED" in [kind for _name, kind, _has in self._kinds] else []),
            *([] if self._server.vendor == MARIADB else ["--set-gtid-purged=OFF"]),
            "--",
            self._engine.database,
        )

    def _begun(self) -> bytes:
        """What the dump has written when its transaction has begun.

        :raises SlipwayError: C(command_failed), C(busy).
        """
        stream, system = t.cast("t.IO[bytes]", self._chain.processes[0].stdout), self._engine.system
        written, deadline = b"", system.monotonic() + BEGIN
        while not BEGUN.search(written) and not self._chain.ended(written):
            if not select.select([stream], [], [], max(0.0, deadline - system.monotonic()))[0]:
                raise SlipwayError(
                    "did not begin",
                    obj=self._chain.programs[0].name,
                    wanted=f"the first table within {BEGIN:g} s",
                    remedy="See SHOW FULL PROCESSLIST for what it waits for: a table that is being changed.",
                    cause="busy",
                )
            chunk = os.read(stream.fileno(), CHUNK)
            if not chunk:
                break
            written += chunk
        if not BEGUN.search(written):
            for _rest in self._chain.output(written):
                pass
            self._chain.finish()
        return SANDBOX.sub(b"", written)

    def _output(self) -> t.Iterator[bytes]:
        yield from self._chain.output(self._first)
        self._chain.finish()


def freeze(engine: MySQL, link: t.Any) -> None:
    """Keep all commits waiting as long as a connection lives; with fewer rights, those to the tables of the database.

    :raises SlipwayError: C(busy), C(denied).
    """
    try:
        _locked(engine, link, "FLUSH TABLES WITH READ LOCK")
    except SlipwayError as error:
        if error.cause != "denied":
            raise
        tables = objects.tables(link, engine.database)
        while tables:
            _locked(engine, link, f"LOCK TABLES {', '.join(f'{quoted(name)} READ' for name in tables)}")
            now = objects.tables(link, engine.database)
            if now == tables:  # one that was made in between is not locked
                return
            tables = now


def _locked(engine: MySQL, link: t.Any, statement: str) -> None:
    """Lock in short tries, for whoever comes after a lock that is not granted waits, too."""
    rows(link, f"SET SESSION lock_wait_timeout = {TRY}")
    deadline = engine.system.monotonic() + PATIENCE
    while True:
        try:
            rows(link, statement)
            return
        except SlipwayError as error:
            if error.cause != "busy":
                raise
            if engine.system.monotonic() >= deadline:
                raise SlipwayError(
                    "could not be locked for the moment in which a dump begins",
                    obj=engine.database,
                    actual=error.actual,
                    wanted=f"a lock within {PATIENCE:g} s, in tries of {TRY} s",
                    remedy="See SHOW FULL PROCESSLIST for a statement or a transaction that does not end.",
                    cause="busy",
                ) from None
        engine.system.sleep(PAUSE)


def _position(link: t.Any, server: Release) -> str:
    """The GTID, else file and place of the binary log; empty where there is none, or nobody may see it."""
    if not int(value(link, "SELECT @@log_bin")):
        return ""
    gtid = "@@GLOBAL.gtid_current_pos" if server.vendor == MARIADB else "@@GLOBAL.gtid_executed"
    found = str(value(link, f"SELECT {gtid}") or "").replace("\n", "")
    if found:
        return found
    with contextlib.suppress(SlipwayError):  # needs a right of its own, and MySQL 8.4 calls it otherwise
        for name, place, *_others in rows(link, "SHOW MASTER STATUS"):
            return f"{name}:{place}"
    return ""
