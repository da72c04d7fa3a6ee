# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: one moment of a database by an exported snapshot, dumped by pg_dump (private to the collection)."""

from __future__ import annotations

import contextlib
import copy
import glob
import os
import re
import tempfile
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import postgresql_directory, postgresql_facts
from .engine import Engine, Facts, Scratch, Snapshot, Source
from .pipeline import Chunks, Program, flow, not_started
from .scratch_place import place

LOCK_WAIT = 60  # seconds that a dump waits for a lock on a table
LONGEST = 63  # bytes of a name (PostgreSQL manual, C(NAMEDATALEN))
CONNECT = 10  # seconds
SECRETS = ("password", "sslpassword")  # of a connection string; never on a command line
Wrapped = t.Callable[[Program], Program]
ENCODING = {"client_encoding": "UTF8"}  # names are read in it, whatever the database's own is
UNTIMED = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c row_security=off"


class Login:
    """Where a database is, and as whom.

    :param dsn: a connection string of libpq, URI or keywords (PostgreSQL manual, "Connection Strings").
    :raises SlipwayError: C(driver_missing), C(bad_input).
    """

    def __init__(self, dsn: str) -> None:
        self._driver = _driver()
        try:
            given = self._driver.extensions.parse_dsn(dsn)
        except self._driver.ProgrammingError as error:
            raise SlipwayError(
                "is not a connection string of PostgreSQL",
                obj="url",
                actual=_without_values(str(error)),
                wanted="postgresql://user:password@host:5432/database",
                remedy="Correct it; what is special in a password is percent-encoded.",
                cause="bad_input",
            ) from None
        self._given: dict[str, t.Any] = dict(given)

    @property
    def password(self) -> str:
        """Empty without one."""
        return str(self._given.get("password", ""))

    @property
    def public(self) -> dict[str, str]:
        """All that is no secret."""
        return {name: str(value) for name, value in self._given.items() if name not in SECRETS}

    def to(self, database: str) -> Login:
        """The same login to another database of the server."""
        other = copy.copy(self)
        other._given = {**self._given, "dbname": database}
        return other

    @property
    def where(self) -> dict[str, str]:
        """Host and database, for people."""
        return {"host": self.public.get("host", "local socket"), "database": self.database}

    @property
    def database(self) -> str:
        """By the rule of libpq the user's name where none is given."""
        return self.public.get("dbname") or self.public.get("user") or "postgres"

    def connect(self) -> t.Any:
        """A connection that reads only.

        :raises SlipwayError: C(unreachable) or C(login).
        """
        options = f"{self.public.get('options', '')} {UNTIMED}".strip()
        try:
            usual = {"connect_timeout": CONNECT, "application_name": "slipway"}
            link = self._driver.connect(**{**usual, **self._given, **ENCODING, "options": options})
        except self._driver.OperationalError as error:
            raise _connect_error(str(error), self.where) from None
        link.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return link

    @contextlib.contextmanager
    def for_programs(self) -> t.Iterator[tuple[str, dict[str, str]]]:
        """A connection string without secrets, and the environment in which a program finds the password."""
        dsn = self._driver.extensions.make_dsn(**self.public)
        if not self.password:
            yield dsn, {}
            return
        # A file without a name, mode 0600: whatever ends this process, it is gone with it.
        with tempfile.TemporaryFile("w", encoding="utf-8") as file:
            escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
            file.write(f"*:*:*:*:{escaped}\n")
            file.flush()
            yield dsn, {"PGPASSFILE": f"/proc/{os.getpid()}/fd/{file.fileno()}"}


class PostgreSQL(Engine):
    """See RV(Engine).

    :param url: connection string.
    :param bin_dir: directory of C(pg_dump) and the others; by default that of the oldest version that fits the server.
    :param scratch_dir: where a throw-away server has its data, and a dump in directory format its files.
    :param closed_file: where it is written down that a database is closed to connections while it is replaced.
    :param layout: of new dumps, C(custom) or C(directory).
    :param jobs: of dumps and restores in directory format; 0 for as many as there are processors.
    """

    name = "postgresql"
    floor = 200

    def __init__(
        self,
        url: str,
        system: System,
        *,
        bin_dir: str = "",
        scratch_dir: str,
        closed_file: str,
        layout: str = "custom",
        jobs: int = 0,
    ) -> None:
        self.login = Login(url)
        self.format = layout
        self.jobs = jobs or postgresql_directory.processors()
        self.system = system
        self.scratch_dir = scratch_dir
        self.closed_file = closed_file
        self._bin_dir = bin_dir

    @property
    def database(self) -> str:
        return self.login.database

    def inspect(self) -> Source:
        with contextlib.closing(self.login.connect()) as link, link.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num'), pg_database_size(current_database())")
            number, size = cursor.fetchone()
        server = version_of(int(number))
        client = self.version(self.program("pg_dump", server))
        if major(client) < major(server):
            raise SlipwayError(
                "is older than the server, and would refuse to dump it",
                obj="pg_dump",
                actual=client,
                wanted=f"{major(server)} or newer",
                remedy=f"Install postgresql-client-{major(server)} on this machine, or name a container that has it.",
                cause="client_too_old",
            )
        return Source(server, client, int(size), self.login.where)

    def program(self, name: str, server: str) -> str:
        """The path of a program whose version is at least the server's; the newest when none is."""
        if self._bin_dir:
            return os.path.join(self._bin_dir, name)
        found = {int(path.split("/")[4]): path for path in glob.glob(f"/usr/lib/postgresql/[0-9]*/bin/{name}")}
        fitting = sorted(number for number in found if number >= major(server))
        return found[fitting[0]] if fitting else found[max(found)] if found else name

    def version(self, program: str) -> str:
        """What a program says of itself."""
        try:
            said = self.system.run([program, "--version"], timeout=30).stdout
        except OSError as error:
            raise not_started(program, error) from None
        match = re.search(r"(\d+(?:\.\d+)*)", said)
        return match[1] if match else "0"

    def named(self, ending: str) -> str:
        return self.database.encode()[: LONGEST - len(ending)].decode(errors="ignore") + ending

    def restore_beside(self, dump: Chunks, facts: Facts, name: str) -> None:
        from .postgresql_restore import restore_beside

        restore_beside(self, dump, facts, name)

    def discard(self, name: str) -> None:
        from .postgresql_restore import discard

        discard(self, name)

    def take_the_place(self, new: str, kept: str) -> list[str]:
        from .postgresql_restore import take_the_place

        return take_the_place(self, new, kept)

    def recover(self) -> list[str]:
        from .postgresql_restore import open_again

        return open_again(self) if self.system.read_file(self.closed_file) else []

    @contextlib.contextmanager
    def snapshot(self) -> t.Iterator[Snapshot]:
        with contextlib.ExitStack() as places, contextlib.closing(self.login.connect()) as link:
            with _told(self.login.where):
                snapshot = _Exported(self, link, places)
            yield snapshot

    def check(self, dump: Chunks) -> None:
        reads = Program((self.program("pg_restore", "0"), "--file=-"))
        postgresql_directory.restore(reads, dump, self.scratch_dir)

    def scratch(self, server: str, facts: Facts, size: int) -> t.ContextManager[Scratch]:
        from .postgresql_scratch import throw_away

        return throw_away(self, server, facts, size)


class _Exported(Snapshot):
    """A snapshot that pg_dump and the questions share (PostgreSQL manual, "Snapshot Synchronization Functions")."""

    def __init__(self, engine: PostgreSQL, link: t.Any, places: contextlib.ExitStack) -> None:
        self._engine = engine
        self._places = places
        self._link = link
        self._server = version_of(link.server_version)
        self._failed: SlipwayError | None = None
        with link.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            self._id = str(cursor.fetchone()[0])
            cursor.execute("SELECT pg_database_size(current_database())")
            self._size = int(cursor.fetchone()[0])
            cursor.execute(
                "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
            )
            self.position = str(cursor.fetchone()[0])

    def dump(self) -> t.Iterator[bytes]:
        if self._engine.format != postgresql_directory.FORMAT:
            return self._blamed(self._dump("--format=custom", "--compress=0"))
        # At once, so that nothing is written into a store where there is no room for it.
        where = self._places.enter_context(place(self._engine.scratch_dir, self._size, "a dump"))
        return self._blamed(postgresql_directory.dump(self._dump, self._engine.jobs, where))

    def _blamed(self, dump: t.Iterator[bytes]) -> t.Iterator[bytes]:
        try:
            yield from dump
        except SlipwayError:
            if self._failed is not None:  # a snapshot ends with the transaction whose question failed
                raise self._failed from None
            raise

    def beside(self) -> dict[str, t.Iterator[bytes]]:
        """Roles and tablespaces are of the cluster, not of the database."""
        with _told(self._engine.login.where), self._link.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            sees_passwords = bool(cursor.fetchone()[0])
        options = [] if sees_passwords else ["--no-role-passwords"]
        return {"globals.sql": self._run("pg_dumpall", "--globals-only", *options)}

    def facts(self) -> Facts:
        try:
            with _told(self._engine.login.where):
                return postgresql_facts.of_source(self._link, self._dump(*postgresql_facts.SCHEMA))
        except SlipwayError as error:
            self._failed = error
            raise

    def cancel(self) -> None:
        with contextlib.suppress(_driver().Error):  # a server that is gone has nothing to cancel
            self._link.cancel()

    def completed(self, facts: Facts) -> Facts:
        with _told(self._engine.login.where):
            return postgresql_facts.with_sequences_after(self._link, facts)

    def _dump(self, *options: str, wrapped: Wrapped | None = None) -> t.Iterator[bytes]:
        wait = f"--lock-wait-timeout={LOCK_WAIT}s"
        return self._run("pg_dump", f"--snapshot={self._id}", wait, *options, wrapped=wrapped)

    def _run(self, name: str, *options: str, wrapped: Wrapped | None = None) -> t.Iterator[bytes]:
        with self._engine.login.for_programs() as (dsn, env):
            path = self._engine.program(name, self._server)
            program = Program((path, "--no-password", *options, f"--dbname={dsn}"), env)
            yield from flow([wrapped(program) if wrapped else program])


def version_of(number: int) -> str:
    """15.18 for 150018 (PostgreSQL manual, C(server_version_num))."""
    return f"{number // 10000}.{number % 10000}"


def major(version: str) -> int:
    """15 for 15.18."""
    return int(version.partition(".")[0])


def _driver() -> t.Any:
    try:
        import psycopg2
        import psycopg2.extensions
    except ImportError as error:
        raise SlipwayError(
            "cannot be imported by this machine's Python",
            obj="psycopg2",
            actual=str(error),
            remedy="Install python3-psycopg2 (Debian, Ubuntu) or psycopg2 (PyPI) there.",
            cause="driver_missing",
        ) from None
    return psycopg2


@contextlib.contextmanager
def _told(where: t.Mapping[str, str]) -> t.Iterator[None]:
    """What the driver raises of a question, in words."""
    driver = _driver()
    try:
        yield
    except driver.Error as error:
        lost = isinstance(error, (driver.OperationalError, driver.InterfaceError))
        lost = lost and (error.pgcode or "08")[:3] in (
            "08",
            "080",
            "57P",
        )  # the classes of SQLSTATE that end a connection
        raise SlipwayError(
            "the connection was lost" if lost else "does not answer a question about itself",
            obj=f"{where['database']} on {where['host']}",
            actual=" ".join(str(error).split()),
            remedy="See the server's log, then run again; nothing was changed." if lost else "See the server's log.",
            cause="connection_lost" if lost else "question_failed",
        ) from None


def _connect_error(said: str, where: t.Mapping[str, str]) -> SlipwayError:
    login = re.search(r"authentication|password|pg_hba|role .* does not exist|permission|not permitted", said)
    return SlipwayError(
        "cannot log in" if login else "cannot be reached",
        obj=f"{where['database']} on {where['host']}",
        actual=said.strip().splitlines()[-1].strip(),  # one line for each address that was tried
        remedy="Check user, password and pg_hba.conf." if login else "Check host, port, database and that it runs.",
        cause="login" if login else "unreachable",
    )


def _without_values(said: str) -> str:
    """The driver quotes what it cannot read, and that may be a password."""
    return re.sub(r'"[^"]*"', '"…"', said).strip()
