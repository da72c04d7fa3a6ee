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
import pwd
import shutil
import subprocess
import tempfile
import typing as t

from ..errors import SlipwayError
from . import postgresql_directory, postgresql_facts
from .engine import Facts, Scratch
from .pipeline import Chunks, Program, flow
from .scratch_place import place

if t.TYPE_CHECKING:
    from .postgresql import PostgreSQL

OWNER = "postgres"  # the server refuses to run as root
ADMIN = "slipway_scratch"
READY = 60.0  # seconds until it must answer
SOCKETS = "/tmp"  # noqa: S108  # a directory of its own in it: a socket's path has at most 107 bytes (unix(7))
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


class _Server(Scratch):
    """The server, while its context lasts."""

    def __init__(
        self, engine: PostgreSQL, server: str, directory: str, socket: str, facts: Facts, *, needed: int
    ) -> None:
        self._engine, self._directory, self._socket, self._facts = engine, directory, socket, facts
        self._needed = needed  # bytes of the restored copy
        self._bin = os.path.dirname(engine.program("postgres", server))
        self._log: t.IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Server:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop()

    def restore(self, dump: Chunks) -> None:
        program = Program((self._program("pg_restore"), *RESTORE, f"--dbname={self._dsn('postgres')}"))
        jobs, scratch_dir = postgresql_directory.in_jobs(self._engine), self._engine.scratch_dir
        postgresql_directory.restore(program, dump, scratch_dir, jobs, beside=self._needed)

    def differences(self, facts: Facts) -> list[str]:
        with contextlib.closing(self._connect(self._restored())) as link:
            schema = flow(
                [
                    Program(
                        (self._program("pg_dump"), *postgresql_facts.SCHEMA, f"--dbname={self._dsn(self._restored())}")
                    )
                ]
            )
            return postgresql_facts.differences(link, schema, facts)

    # --- its life

    def _start(self) -> None:
        data = os.path.join(self._directory, "data")
        self._expect_programs()
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            for directory in (self._directory, self._socket):
                os.chown(directory, owner.pw_uid, owner.pw_gid)
        initdb = (self._program("initdb"), f"--pgdata={data}", f"--username={ADMIN}", "--auth=trust", "--no-sync")
        for _output in flow([Program((*self._as_owner(), *initdb, "--encoding=UTF8", "--locale=C.UTF-8"))]):
            pass
        settings = {**SETTINGS, "unix_socket_directories": self._socket, "unix_socket_permissions": "0700"}
        settings["max_connections"] = str(max(CONNECTIONS, self._engine.jobs + 10))
        if self._facts.get("preload"):
            settings["shared_preload_libraries"] = self._facts["preload"]
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            [*self._as_owner(), self._program("postgres"), "-D", data, *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._process = process
        self._await_ready(process)
        self._make_roles()

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(3)  # SIGQUIT, immediate shutdown: nothing in it is worth keeping
            self._process.wait()
        self._log.close()

    def _expect_programs(self) -> None:
        """What starts them as another user names itself where one is missing."""
        for path in (self._program("initdb"), self._program("postgres")):
            if shutil.which(path) is None:
                raise SlipwayError(
                    "no such program",
                    obj=path,
                    remedy="Install the server's programs on this machine (Debian: postgresql), or verify by read.",
                    cause="command_missing",
                )

    def _as_owner(self) -> tuple[str, ...]:
        """Ends with this process, also where that is killed."""
        ends = ("setpriv", "--pdeathsig", "QUIT")
        return (*ends, f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups") if os.geteuid() == 0 else ends

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        system = self._engine.system
        deadline = system.monotonic() + READY
        while process.poll() is None and system.monotonic() < deadline:
            with contextlib.suppress(SlipwayError):
                self._connect("postgres").close()
                return
            system.sleep(0.05)
        self._log.seek(0)
        said = self._log.read()[-2000:].decode(errors="replace").strip()
        raise SlipwayError(
            "the throw-away server did not start",
            obj=self._directory,
            actual=said,
            remedy="See what it says; the source's shared_preload_libraries must be installed here too.",
            cause="scratch_failed",
        )

    def _make_roles(self) -> None:
        with contextlib.closing(self._connect("postgres")) as link:
            link.set_session(readonly=False, autocommit=True)
            with link.cursor() as cursor:
                for role, is_super in self._facts["roles"].items():
                    quoted = '"' + role.replace('"', '""') + '"'
                    cursor.execute(f"CREATE ROLE {quoted} {'SUPERUSER' if is_super else ''}")

    # --- its addresses

    def _program(self, name: str) -> str:
        return os.path.join(self._bin, name)

    def _dsn(self, database: str) -> str:
        import psycopg2.extensions

        return str(psycopg2.extensions.make_dsn(host=self._socket, user=ADMIN, dbname=database))

    def _connect(self, database: str) -> t.Any:
        from .postgresql import Login

        return Login(self._dsn(database)).connect()

    def _restored(self) -> str:
        return str(self._facts["database"])
