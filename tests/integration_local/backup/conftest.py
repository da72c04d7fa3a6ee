# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers of this machine, each with a data directory and a port of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time
import typing as t

import psycopg2
import psycopg2.extensions
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import postgresql_scratch
from ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.backup.sqlite import SQLite
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools import Host

from tests import sampling
from tests.integration_local.places import free_port

from .faults import Site, copied

if t.TYPE_CHECKING:
    from .faults_postgresql import PostgreSQLSite

PASSWORD = "p@ss: wörd'\\"
BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("[0-9]*/bin"))[-1]


class Server:
    """A server that listens on 127.0.0.1, whose superuser has a password."""

    def __init__(self, directory: pathlib.Path, port: int) -> None:
        self.directory, self.port = directory, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data, password = self.directory / "data", self.directory / "password"
        password.write_text(PASSWORD)
        self._own(password)
        self._own(self.directory)
        initdb = [str(BIN / "initdb"), "-D", str(data), "-U", "admin", "--pwfile", str(password)]
        subprocess.run([*self._owner(), *initdb, "--auth=scram-sha-256", "--no-sync"], check=True, capture_output=True)
        self._run(f"port={self.port}", "fsync=off", f"unix_socket_directories={self.directory}")

    def _run(self, *options: str) -> None:
        data = self.directory / "data"
        words = [word for option in options for word in ("-c", option)]
        log = (self.directory / "log").open("wb")
        self._process = subprocess.Popen(
            [*self._owner(), str(BIN / "postgres"), "-D", str(data), *words], stdout=log, stderr=log
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, (self.directory / "log").read_text()
                with contextlib.suppress(subprocess.TimeoutExpired):  # a server that starts needs the processor, too
                    self._process.wait(0.02)

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(3)
        self._process.wait()

    def url(self, database: str, user: str = "admin", password: str = PASSWORD, port: int = 0) -> str:
        return psycopg2.extensions.make_dsn(
            host="127.0.0.1", port=port or self.port, user=user, password=password, dbname=database
        )

    def connect(self, database: str) -> t.Any:
        link = psycopg2.connect(self.url(database))
        link.autocommit = True
        return link

    def execute(self, database: str, *statements: str) -> None:
        with contextlib.closing(self.connect(database)) as link, link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _owner(self) -> list[str]:
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []

    def _own(self, path: pathlib.Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")


class Replica(Server):
    """A hot standby of another server (PostgreSQL manual, 27.2 and 27.4)."""

    def follow(self, primary: Server) -> None:
        password = self.directory / "pgpass"
        password.write_text("*:*:*:*:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:") + "\n")
        password.chmod(0o600)
        self._own(password)
        self._own(self.directory)
        copy = [
            str(BIN / "pg_basebackup"),
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--wal-method=stream",
        ]
        where = [f"--dbname=host=127.0.0.1 port={primary.port} user=admin", f"--pgdata={self.directory / 'data'}"]
        environment = {**os.environ, "PGPASSFILE": str(password)}
        subprocess.run([*self._owner(), *copy, *where], check=True, capture_output=True, env=environment)
        self._run(f"port={self.port}", "fsync=off", f"unix_socket_directories={self.directory}")

    def caught_up(self, position: str) -> bool:
        with contextlib.closing(self.connect("postgres")) as link, link.cursor() as cursor:
            cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,))
            return bool(cursor.fetchone()[0])

    def received(self, position: str) -> bool:
        with contextlib.closing(self.connect("postgres")) as link, link.cursor() as cursor:
            cursor.execute("SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn", (position,))
            return bool(cursor.fetchone()[0])


@pytest.fixture(scope="session")
def server() -> t.Iterator[Server]:
    """One for all tests, each of which has a database of its own."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    server = Server(directory, free_port())
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """The name of an empty database."""
    name = f"t{abs(hash(request.node.nodeid))}"
    server.execute("postgres", f"CREATE DATABASE {name}")
    yield name
    server.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


# --- databases that have one good backup each


@pytest.fixture(scope="session")
def place() -> t.Iterator[pathlib.Path]:
    """A directory that everybody may pass, also the user of a throw-away server."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-f-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


# What is copied is what the first one asked for; the copies differ in where they are.
COPIES = """#!/bin/sh
for word; do case $word in --pgdata=*) to=${{word#*=}};; esac; done
exec 9>{here}/lock && flock 9 || exit
[ -d {here}/data ] || {{ {real} "$@" && rm -rf {here}/new && cp -a "$to" {here}/new && mv {here}/new {here}/data; exit; }}
exec cp -a {here}/data "$to"
"""


@pytest.fixture(scope="session", autouse=True)
def initdb(place: pathlib.Path) -> t.Iterator[None]:
    """Makes the data directory of a throw-away server once and copies it from then on; in a soak it makes each."""
    if sampling.SOAK:
        yield
        return
    here, real, usual = place / "initdb", BIN / "initdb", postgresql_scratch._Server._needed
    here.mkdir()
    here.chmod(0o1777)
    program = here / "initdb"
    program.write_text(COPIES.format(here=here, real=real))
    program.chmod(0o755)

    def needed(server: postgresql_scratch._Server) -> list[str]:
        asked, *others = usual(server)
        machines_own = isinstance(server._tools, Host) and os.path.realpath(asked) == str(real)
        return [str(program) if machines_own else asked, *others]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql_scratch._Server, "_needed", needed)
        yield


@pytest.fixture
def here(place: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A directory for one row, in which all that a run makes is, sockets and files of passwords too."""
    path = pathlib.Path(tempfile.mkdtemp(dir=place))
    path.chmod(0o755)
    for name in ("scratch", "tmp"):
        (path / name).mkdir()
        (path / name).chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(path / "tmp"))
    monkeypatch.setattr(postgresql_scratch, "SOCKETS", str(path / "tmp"))
    return path


def make_postgresql(site: Site) -> PostgreSQL:
    closed = str(site.directory / "closed")
    return PostgreSQL(site.url, site.system, bin_dir=site.bin_dir, scratch_dir=str(site.scratch), closed_file=closed)


@pytest.fixture(scope="session")
def good_postgresql(server: Server, place: pathlib.Path) -> t.Iterator[tuple[str, pathlib.Path, str]]:
    """A database, and a store with a backup of it that was restored."""
    from . import faults_postgresql

    name = f"f{abs(hash(str(place)))}"
    server.execute("postgres", f"CREATE DATABASE {name}")
    server.execute(name, faults_postgresql.SCHEMA)
    template = place / "postgresql"
    template.mkdir()
    (template / "scratch").mkdir()
    site = faults_postgresql.PostgreSQLSite(template, make_postgresql, server.url(name), template / "scratch")
    yield name, site.path, site.another("restore").manifest.id
    server.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgresql(server: Server, good_postgresql: tuple[str, pathlib.Path, str], here: pathlib.Path) -> PostgreSQLSite:
    from .faults_postgresql import PostgreSQLSite

    name, store, good = good_postgresql
    return PostgreSQLSite(
        copied(here, store),
        make_postgresql,
        server.url(name),
        here / "scratch",
        secrets=(PASSWORD,),
        good=good,
        server=server,
        database=name,
    )


def make_sqlite(site: Site) -> SQLite:
    return SQLite(site.url, site.system, scratch_dir=str(site.scratch))


@pytest.fixture(scope="session")
def good_sqlite(place: pathlib.Path) -> tuple[pathlib.Path, str]:
    """A database with a backup that was restored; both in one directory."""
    from . import faults_sqlite

    template = place / "sqlite"
    (template / "scratch").mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(template / "live.db")) as link:
        link.executescript(faults_sqlite.SCHEMA)
    site = Site(template, make_sqlite, str(template / "live.db"), template / "scratch")
    return template, site.another("restore").manifest.id


@pytest.fixture
def sqlite(good_sqlite: tuple[pathlib.Path, str], here: pathlib.Path) -> Site:
    template, good = good_sqlite
    shutil.copy(template / "live.db", here)
    store = copied(here, template / "store")
    return Site(store, make_sqlite, str(here / "live.db"), here / "scratch", good=good)


@pytest.fixture
def replica(server: Server) -> t.Iterator[Replica]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    replica = Replica(directory, free_port())
    try:
        replica.follow(server)
        yield replica
        replica.stop()
    finally:
        shutil.rmtree(directory)
