# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers of this machine, each with a data directory and a port of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t

import psycopg2
import psycopg2.extensions
import pytest

PASSWORD = "p@ss: wörd'\\"
BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("[0-9]*/bin"))[-1]


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        options = [f"port={self.port}", "fsync=off", f"unix_socket_directories={self.directory}"]
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


@pytest.fixture
def scratch() -> t.Iterator[pathlib.Path]:
    """Where throw-away servers are; nothing may be left there."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-s-"))
    path.chmod(0o755)
    yield path
    left = sorted(path.iterdir())
    shutil.rmtree(path)
    assert left == []
