# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real MariaDB server of this machine, with a data directory and a port of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import typing as t
import urllib.parse

import pymysql
import pytest

from tests.integration_local.places import free_port

from .target import Target

PASSWORD = " p@ss: wörd'\\\"#;%\t€ "
EVERYTHING = (pathlib.Path(__file__).parent / "everything.sql").read_text()

OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--event-scheduler=ON",
    "--log-bin=binlog",
    "--server-id=1",
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--lock-wait-timeout=20",
    "--performance-schema=0",
)


class Server:
    """A server that listens on 127.0.0.1, whose user C(admin) has a password and every right."""

    def __init__(self, directory: pathlib.Path, port: int) -> None:
        self.directory, self.port = directory, port
        self.socket = directory / "s"
        self.certificate = directory / "certificate"  # its own authority
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._own(self.directory)
        data = f"--datadir={self.directory / 'data'}"
        install = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal"]
        env = {**os.environ, "TMPDIR": str(self.directory)}
        subprocess.run([*self._owner(), *install, "--skip-test-db"], check=True, capture_output=True, env=env)
        self._certify()
        mariadbd = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert mariadbd is not None
        own = [data, f"--socket={self.socket}", f"--port={self.port}", f"--pid-file={self.directory / 'pid'}"]
        own += [f"--tmpdir={self.directory}", f"--ssl-cert={self.certificate}", f"--ssl-key={self.directory / 'key'}"]
        log = (self.directory / "log").open("wb")
        self._process = subprocess.Popen(
            [*self._owner(), mariadbd, "--no-defaults", *own, *OPTIONS], stdout=log, stderr=log
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                link = pymysql.connect(unix_socket=str(self.socket), user="root")
                break
            except pymysql.err.OperationalError:
                assert time.monotonic() < deadline, (self.directory / "log").read_text()
                with contextlib.suppress(subprocess.TimeoutExpired):  # a server that starts needs the processor, too
                    self._process.wait(0.02)
        with contextlib.closing(link), link.cursor() as cursor:
            cursor.execute("CREATE USER admin IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT ALL ON *.* TO admin WITH GRANT OPTION")

    def _certify(self) -> None:
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "30"]
        files = ["-out", str(self.certificate), "-keyout", str(self.directory / "key")]
        names = ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*words, *files, *names], check=True, capture_output=True)
        self._own(self.directory / "key")

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def url(self, database: str, user: str = "admin", password: str = PASSWORD, port: int = 0) -> str:
        words = [urllib.parse.quote(word, safe="") for word in (user, password, database)]
        return f"mariadb://{words[0]}:{words[1]}@127.0.0.1:{port or self.port}/{words[2]}"

    def connect(self, database: str | None = None, user: str = "admin", password: str = PASSWORD) -> t.Any:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password.encode(),
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def execute(self, database: str | None, *statements: str) -> None:
        with contextlib.closing(self.connect(database)) as link, link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, database: str | None, question: str) -> list[t.Any]:
        with contextlib.closing(self.connect(database)) as link, link.cursor() as cursor:
            cursor.execute(question)
            return list(cursor.fetchall())

    def script(self, database: str, text: str) -> None:
        client = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--comments"]
        words = [*client, "--default-character-set=utf8mb4", database]
        subprocess.run(words, input=text.encode(), check=True, capture_output=True)

    def databases(self, beginning: str) -> list[str]:
        return [row[0] for row in self.ask(None, "SHOW DATABASES") if row[0].startswith(beginning)]

    def _owner(self) -> list[str]:
        return ["setpriv", "--reuid=mysql", "--regid=mysql", "--init-groups"] if os.geteuid() == 0 else []

    def _own(self, path: pathlib.Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, "mysql", "mysql")


@pytest.fixture(scope="session")
def server() -> t.Iterator[Server]:
    """One for all tests, each of which has a database of its own."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-my-"))
    server = Server(directory, free_port())
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """The name of an empty database, one that has to be quoted; with it go all whose names begin with it."""
    name = f"t {abs(hash(request.node.nodeid))}ü`"
    quoted = name.replace("`", "``")
    server.execute(None, f"CREATE DATABASE `{quoted}` CHARACTER SET utf8mb4")
    yield name
    for one in server.databases(name):
        server.execute(None, f"DROP DATABASE `{one.replace('`', '``')}`")


@pytest.fixture
def user(server: Server, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """The name of a user without rights, whose password is C(poor)."""
    name = f"u{abs(hash(request.node.nodeid)) % 10**12}"
    server.execute(None, f"CREATE USER {name} IDENTIFIED BY 'poor'")
    yield name
    server.execute(None, f"DROP USER {name}")


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    return Target(server.url(database), tmp_path / "store", scratch)
