# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL servers whose backups are measured: one as it would be run, and one as the throw-away server is."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.slipway.deploy.plugins.module_utils.backup import postgresql_scratch

from tests.integration_local.backup.conftest import BIN, PASSWORD, Server
from tests.integration_local.places import free_port

DATABASE, STANZA = "shop", "bench"
PARTS = 4  # tables that the rows are spread over, so that several jobs have something to do

CONFIG = """\
[global]
repo1-path={place}/repo
repo1-retention-full=1
log-path={place}/log
lock-path={place}/lock
spool-path={place}/spool
start-fast=y
compress-type=zst
process-max={jobs}

[{stanza}]
pg1-path={data}
pg1-port={port}
pg1-socket-path={socket}
pg1-user=admin
"""


class Cluster(Server):
    """What is committed is on disk; pgBackRest archives the WAL from the moment it is asked for."""

    settings: t.Mapping[str, str] = {
        "fsync": "on",
        "max_wal_size": "4GB",
        "shared_buffers": "256MB",
        "archive_mode": "on",
    }

    def _run(self, *options: str) -> None:
        super()._run(*options, *(f"{name}={value}" for name, value in self.settings.items()))

    def archive(self, jobs: int) -> None:
        """Give pgBackRest a stanza."""
        place = self.directory / "backrest"
        for path in (place, *(place / name for name in ("repo", "log", "lock", "spool"))):
            path.mkdir()
            self._own(path)
        password = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
        (place / "pgpass").write_text(f"*:*:*:*:{password}\n")
        (place / "pgpass").chmod(0o600)
        self._own(place / "pgpass")
        where = {"data": self.directory / "data", "port": self.port, "socket": self.directory, "place": place}
        (place / "conf").write_text(CONFIG.format(stanza=STANZA, jobs=jobs, **where))
        self.backrest("stanza-create")
        push = " ".join([*self._backrest(), "archive-push", "%p"])
        self.execute("postgres", f"ALTER SYSTEM SET archive_command = '{push}'", "SELECT pg_reload_conf()")
        self.backrest("check")

    def backrest(self, *words: str) -> None:
        """One of pgBackRest's commands."""
        environment = {**os.environ, "PGPASSFILE": str(self.directory / "backrest" / "pgpass")}
        run([*self._owner(), *self._backrest(), *words], env=environment)

    def stored(self) -> int:
        """Bytes of pgBackRest's backups, without the archive."""
        backups = self.directory / "backrest" / "repo" / "backup"
        return sum(path.stat().st_size for path in backups.rglob("*") if path.is_file() and not path.is_symlink())

    def size(self) -> int:
        """Bytes of the databases."""
        with contextlib.closing(self.connect("postgres")) as link, link.cursor() as cursor:
            cursor.execute("SELECT sum(pg_database_size(oid)) FROM pg_database")
            return int(cursor.fetchone()[0])

    def _backrest(self) -> list[str]:
        return ["pgbackrest", f"--config={self.directory / 'backrest' / 'conf'}", f"--stanza={STANZA}"]


class Bare(Cluster):
    """A server with the settings of the throw-away one."""

    settings: t.Mapping[str, str] = {
        name: value for name, value in postgresql_scratch.SETTINGS.items() if name != "listen_addresses"
    }


@contextlib.contextmanager
def running(directory: Path, kind: type[Cluster] = Cluster) -> t.Iterator[Cluster]:
    """One that answers, with an empty database; gone with the context."""
    place = Path(tempfile.mkdtemp(prefix="slipway-pg-", dir=directory))
    server = kind(place, free_port())
    server.start()
    try:
        server.execute("postgres", "ALTER SYSTEM SET archive_command = '/bin/true'", "SELECT pg_reload_conf()")
        server.execute("postgres", f"CREATE DATABASE {DATABASE}")
        yield server
    finally:
        server.stop()
        shutil.rmtree(place)


def accounts(server: Cluster, scale: int) -> list[str]:
    """The tables of pgbench; gives those with the rows."""
    options = ["-i", "-q", "-s", str(scale), f"--partitions={PARTS}", "--init-steps=dtGvp"]
    run([BIN / "pgbench", *options, server.url(DATABASE)])
    return [f"pgbench_accounts_{part}" for part in range(1, PARTS + 1)]


def noise(server: Cluster, mebibytes: int) -> list[str]:
    """Values of a MiB of random bytes each; gives the tables."""
    tables = [f"noise_{part}" for part in range(1, PARTS + 1)]
    server.execute(DATABASE, "CREATE EXTENSION pgcrypto")
    for table in tables:
        server.execute(
            DATABASE,
            f"CREATE TABLE {table} (id int PRIMARY KEY, value bytea)",
            f"ALTER TABLE {table} ALTER value SET STORAGE EXTERNAL",
            f"INSERT INTO {table} SELECT n, (SELECT string_agg(gen_random_bytes(1024), '') FROM generate_series(1, 1024)"
            f" WHERE n = n) FROM generate_series(1, {mebibytes // PARTS}) AS n",
        )
    return tables


def run(command: t.Sequence[str | Path], **options: t.Any) -> None:
    """A program that must not fail; what it writes goes nowhere."""
    words, pipe = [str(word) for word in command], subprocess.PIPE
    done = subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=pipe, cwd="/", **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
