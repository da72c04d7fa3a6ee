# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server that lives as long as one restore (private to the collection).

A restore into a live cluster would write its WAL and fill its disk. This one has a data directory of its own, answers on
a socket alone, and makes nothing durable.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..database.copied import Copy
from ..database.postgresql_login import Login
from . import postgresql_directory, postgresql_facts
from .engine import Facts, Scratch
from .pipeline import Chunks
from .scratch_place import place
from .scratch_server import SOCKETS, ScratchServer

if t.TYPE_CHECKING:
    from .postgresql import PostgreSQL

OWNER = "postgres"  # the server refuses to run as root
ADMIN = "slipway_scratch"
CONNECTIONS = 100  # at least: each brings room for locks, of which the dump of a large schema takes many
FACTOR = 1.3  # room for indexes being built, of the source's size

RESTORE = ("--exit-on-error", "--create", "--no-tablespaces")
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "maintenance_work_mem": "128MB",
    "max_locks_per_transaction": "1024",
    "logging_collector": "off",
    "max_logical_replication_workers": "0",
    "cron.launch_active_jobs": "off",  # of pg_cron, which must be loaded where the source has it
}


@contextlib.contextmanager
def throw_away(engine: PostgreSQL, server: str, facts: Facts, size: int) -> t.Iterator[Scratch]:
    """A server with the roles of the source, gone with everything in it when the context ends.

    :raises SlipwayError: C(no_space), C(command_missing), C(scratch_failed).
    """
    needed = int(size * FACTOR)
    with (
        place(engine.scratch_dir, needed) as directory,
        place(SOCKETS, 0) as socket,
        _Server(engine, server, directory, socket, facts, needed=needed) as scratch,
    ):
        yield scratch


class _Server(ScratchServer):
    """The server, while its context lasts."""

    owner = OWNER
    ends = "QUIT"  # immediate shutdown
    package = "postgresql"
    hint = "See what it says; the source's shared_preload_libraries must be installed here too."

    def __init__(
        self, engine: PostgreSQL, server: str, directory: str, sockets: str, facts: Facts, *, needed: int
    ) -> None:
        super().__init__(engine.tools, engine.system, directory, sockets)
        self._engine, self._facts, self._version = engine, facts, server
        self._bytes = needed  # of the restored copy

    def restore(self, dump: Chunks) -> None:
        with self._engine.logged_in("pg_restore", self._version, *RESTORE, login=self._login("postgres")) as restores:
            jobs, scratch_dir = postgresql_directory.in_jobs(self._engine), self._engine.scratch_dir
            postgresql_directory.restore(restores, dump, scratch_dir, jobs, beside=self._bytes)

    def differences(self, facts: Facts) -> list[str]:
        login = self._login(str(self._facts["database"]))
        schema = self._engine.output("pg_dump", self._version, *postgresql_facts.SCHEMA, login=login)
        with contextlib.closing(login.connect()) as link:
            return postgresql_facts.differences(link, schema, facts, self._engine.progress)

    def where(self, role: str = "") -> Copy:
        database, known = str(self._facts["database"]), role in self._facts["roles"]
        if known:
            self._change(f"ALTER ROLE {_quoted(role)} LOGIN")
        return Copy("postgresql", database, role if known else ADMIN, ADMIN, self._sockets, self._tools.reaches())

    # --- its life

    def _start(self) -> None:
        initdb, postgres = self._needed()
        data = os.path.join(self._directory, "data")
        self._do(
            *(initdb, f"--pgdata={data}", f"--username={ADMIN}", "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
        )
        settings = {**SETTINGS, "unix_socket_directories": self._sockets}
        settings["max_connections"] = str(max(CONNECTIONS, self._engine.jobs + 10))
        if self._facts.get("preload"):
            settings["shared_preload_libraries"] = self._facts["preload"]
        self._run(
            postgres, "-D", data, *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        )
        self._make_roles()

    def _needed(self) -> t.Iterable[str]:
        beside = os.path.dirname(self._engine.program("postgres", self._version))
        return [os.path.join(beside, name) for name in ("initdb", "postgres")]

    def _answers(self) -> None:
        self._login("postgres").connect().close()

    def _make_roles(self) -> None:
        roles = self._facts["roles"].items()
        self._change(*(f"CREATE ROLE {_quoted(role)} {'SUPERUSER' if is_super else ''}" for role, is_super in roles))
        members = self._facts.get("members", ())
        self._change(*(f"GRANT {_quoted(role)} TO {_quoted(member)}" for role, member in members))

    def _change(self, *statements: str) -> None:
        with contextlib.closing(self._login("postgres").connect()) as link:
            link.set_session(readonly=False, autocommit=True)
            with link.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def _login(self, database: str) -> Login:
        import psycopg2.extensions

        return Login(psycopg2.extensions.make_dsn(host=self._sockets, user=ADMIN, dbname=database))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
