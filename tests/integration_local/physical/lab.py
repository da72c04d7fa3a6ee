# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL cluster of this machine whose WAL pgBackRest archives, and the module's own entry to its backups."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import typing as t

import psycopg2
import psycopg2.extensions
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

PASSWORD = "p@ss: wörd'\\"
BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("[0-9]*/bin"))[-1]
STANZA = "shop"
NAMES = {"platform": "shop", "environment": "test"}

CONFIG = """\
[global]
repo1-path={lab}/repo
repo1-retention-full=90
log-path={lab}/log
lock-path={lab}/lock
spool-path={lab}/spool
start-fast=y
job-retry=0
compress-level=1
process-max=2

[{stanza}]
pg1-path={lab}/data
pg1-port={port}
pg1-socket-path={lab}
pg1-user=admin
"""


def as_postgres(*argv: str | pathlib.Path) -> list[str]:
    owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    return [*owner, *map(str, argv)]


class Cluster:
    """A cluster and its superuser C(admin), below one directory."""

    initdb: t.ClassVar[tuple[str, ...]] = ()  # options of its own

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.directory / "log").mkdir()
        password = self.directory / "password"
        password.write_text(PASSWORD)
        for path in (self.directory, *self.directory.iterdir()):
            own(path)
        initdb = [
            BIN / "initdb",
            "-D",
            self.directory / "data",
            "-U",
            "admin",
            "--pwfile",
            password,
            "--data-checksums",
        ]
        run(*as_postgres(*initdb, "--auth-host=scram-sha-256", "--auth-local=trust", "--no-sync", *self.initdb))
        with (self.directory / "data" / "postgresql.conf").open("a") as conf:
            conf.write("archive_mode = on\n")  # comes with a restored copy
        settings = {
            "port": self.port,
            "fsync": "off",
            "unix_socket_directories": self.directory,
            "wal_level": "logical",
            "max_prepared_transactions": "5",
            "shared_buffers": "32MB",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "log" / "server").open("wb") as log:
            self._process = subprocess.Popen(
                as_postgres(BIN / "postgres", "-D", self.directory / "data", *words), stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while subprocess.run(
            [BIN / "pg_isready", "-q", "-h", self.directory, "-p", str(self.port)], check=False
        ).returncode:
            assert time.monotonic() < deadline, (self.directory / "log" / "server").read_text()

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(3)
        self._process.wait()

    def url(self, database: str, user: str = "admin", password: str = PASSWORD) -> str:
        return psycopg2.extensions.make_dsn(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname=database
        )

    def execute(self, database: str, *statements: str) -> None:
        with contextlib.closing(psycopg2.connect(self.url(database))) as link, link.cursor() as cursor:
            link.autocommit = True
            for statement in statements:
                cursor.execute(statement)

    def ask(self, database: str, question: str) -> list[tuple[t.Any, ...]]:
        with contextlib.closing(psycopg2.connect(self.url(database))) as link, link.cursor() as cursor:
            cursor.execute(question)
            return list(cursor.fetchall())


class Lab(Cluster):
    """A cluster with a stanza and a repository."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        self.config = directory / "pgbackrest.conf"

    def start(self) -> None:
        for name in ("repo", "lock", "spool"):
            (self.directory / name).mkdir()
        self.config.write_text(CONFIG.format(lab=self.directory, stanza=STANZA, port=self.port))
        super().start()
        self.archive()
        self.backrest("stanza-create")

    def archive(self, command: str = "") -> None:
        """Set C(archive_command), and wait until it is what the server goes by."""
        command = command or f"pgbackrest --config={self.config} --stanza={STANZA} archive-push %p"
        self.execute("postgres", f"ALTER SYSTEM SET archive_command = '{command}'", "SELECT pg_reload_conf()")
        while self.ask("postgres", "SELECT current_setting('archive_command')")[0][0] != command:
            pass

    def backrest(self, *words: str) -> str:
        return run(*as_postgres("pgbackrest", f"--config={self.config}", f"--stanza={STANZA}", *words))

    # --- the repository

    def labels(self) -> list[str]:
        (found,) = json.loads(self.backrest("info", "--output=json"))
        return [backup["label"] for backup in found["backup"]]

    def stored(self, label: str) -> list[pathlib.Path]:
        """Files of tables of a backup, smallest first."""
        base = self.directory / "repo" / "backup" / STANZA / label / "pg_data" / "base"
        return sorted((path for path in base.glob("*/*") if path.is_file()), key=lambda path: path.stat().st_size)

    def wal(self, segment: str) -> pathlib.Path:
        (found,) = (self.directory / "repo" / "archive" / STANZA).glob(f"*/*/{segment}-*")
        return found


class WholeCluster:
    """One database of a cluster, backed up by the module as a machine with its own state does."""

    def __init__(self, cluster: Cluster, database: str, path: pathlib.Path, scratch: pathlib.Path) -> None:
        self.cluster, self.database, self.path, self.scratch = cluster, database, path, scratch
        self.machine = Machine(System(), root=str(path / "root"), **NAMES)

    def params(self, **changes: t.Any) -> dict[str, t.Any]:
        params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
        url = changes.pop("url", self.cluster.url(self.database))
        return {
            **params,
            **NAMES,
            "name": "shop-test",
            "url": base64.b64encode(url.encode()).decode(),
            "root": str(self.path / "root"),
            "scratch_dir": str(self.scratch),
            **changes,
        }

    def run(self, state: str = "present", *, check: bool = False, **changes: t.Any) -> dict[str, t.Any]:
        return database_backup.perform(self.params(state=state, **changes), check)

    def good(self, state: str = "present", **changes: t.Any) -> dict[str, t.Any]:
        result = self.run(state, **changes)
        assert not result.get("failed"), result["msg"]
        return result

    def fails(self, cause: str, words: str, state: str = "present", **changes: t.Any) -> dict[str, t.Any]:
        result = self.run(state, **changes)
        assert result.get("failed"), result
        assert (result["error"]["cause"], words in result["msg"]) == (cause, True), result["msg"]
        return result

    def release(self, token: int = 1, **changes: t.Any) -> dict[str, t.Any]:
        """The stage backup of a release."""
        self.machine.grant(ReleaseToken(f"r{token}", token, {}), 600.0, about={"version": f"1.{token}.0"})
        order = {"id": f"r{token}", "token": token, "holder": {}, "stage": "backup", "deadline": 600.0}
        result = self.run(**{"release": order, "in_release_max": 300.0, **changes})
        with self.machine.stage(ReleaseToken(f"r{token}", token, {}), "record", 10.0) as step:
            step.outcome("failed" if result.get("failed") else "succeeded")
            step.release_lease()
        return result

    def notes(self, token: int = 1) -> list[dict[str, t.Any]]:
        return list(self.machine.read().journal.find(f"r{token}").notes)


class Site:
    """A platform on this machine, with nothing but a database."""

    def __init__(self, target: WholeCluster, path: pathlib.Path, backup: dict[str, t.Any]) -> None:
        self.path = path
        backup = {**backup, "scratch_dir": str(target.scratch)}
        variables = {
            "slipway_platform": "shop",
            "slipway_environment": "test",
            "slipway_services": {"web": {"image": "web:1", "port": 80}},
            "slipway_traffic": {"provider": "haproxy", "routes": [{"service": "web"}]},
            "slipway_state_root": str(path / "root"),
            "slipway_database": {"engine": "postgresql", "url": target.cluster.url(target.database), "backup": backup},
        }
        machine = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
        groups = {name: {"hosts": {"here": machine}} for name in ("slipway_app", "slipway_proxy")}
        (path / "inventory.json").write_text(json.dumps(groups))

    def play(self, name: str, **extra: str) -> str:
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        words = [word for key, value in extra.items() for word in ("-e", json.dumps({f"slipway_{key}": value}))]
        command = [str(program), f"slipway.deploy.{name}", "-i", str(self.path / "inventory.json"), "-v", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(self.path)}
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said


class Target(WholeCluster):
    """Backed up by pgBackRest."""

    def __init__(self, lab: Lab, database: str, path: pathlib.Path, scratch: pathlib.Path) -> None:
        super().__init__(lab, database, path, scratch)
        self.lab = lab

    def params(self, **changes: t.Any) -> dict[str, t.Any]:
        physical = {"stanza": STANZA, "config": str(self.lab.config), **changes.pop("physical", {})}
        return super().params(physical=physical, **changes)

    def records(self) -> list[str]:
        """What is written down about backups."""
        return sorted(path.name for path in (self.path / "root" / "backups" / "shop-test.physical").glob("*"))


def other(lab: Lab, **changes: str) -> dict[str, str]:
    """A configuration that differs from the lab's."""
    text = lab.config.read_text()
    for before, after in changes.items():
        text = text.replace(before, after)
    path = lab.directory / "other.conf"
    path.write_text(text)
    return {"config": str(path)}


@contextlib.contextmanager
def cluster_in(
    data: pathlib.Path, sockets: pathlib.Path
) -> t.Iterator[t.Callable[[str, str], list[tuple[t.Any, ...]]]]:
    """Start a restored cluster as a person would, and ask it."""
    own(sockets)
    words = [
        "-c",
        f"unix_socket_directories={sockets}",
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
        "-c",
        "port=5432",
    ]
    run(*as_postgres(BIN / "pg_ctl", "-D", data, "-w", "-l", sockets / "log", "-o", " ".join(words), "start"))

    def ask(database: str, question: str) -> list[tuple[t.Any, ...]]:
        link = psycopg2.connect(host=str(sockets), user="admin", dbname=database)
        with contextlib.closing(link), link.cursor() as cursor:
            cursor.execute(question)
            return list(cursor.fetchall())

    try:
        yield ask
    finally:
        run(*as_postgres(BIN / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"))


@contextlib.contextmanager
def writing(lab: Cluster, database: str, statement: str) -> t.Iterator[list[int]]:
    """Somebody writes all the time; how often, in a list of one."""
    ends, count, begun = threading.Event(), [0], threading.Event()

    def write() -> None:
        with contextlib.closing(psycopg2.connect(lab.url(database))) as link, link.cursor() as cursor:
            link.autocommit = True
            while not ends.is_set():
                cursor.execute(statement)
                count[0] += 1
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    try:
        yield count
    finally:
        ends.set()
        writer.join()


@contextlib.contextmanager
def flipped(path: pathlib.Path) -> t.Iterator[None]:
    """A file with one bit that is another one."""
    whole = path.read_bytes()
    content = bytearray(whole)
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(whole)


@contextlib.contextmanager
def gone(path: pathlib.Path) -> t.Iterator[None]:
    """A file or a directory that is not there."""
    kept = path.with_name(f"{path.name}.kept")
    if path.is_dir():
        kept = path.parents[2] / "kept"
    path.rename(kept)
    try:
        yield
    finally:
        kept.rename(path)


def own(path: pathlib.Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout
