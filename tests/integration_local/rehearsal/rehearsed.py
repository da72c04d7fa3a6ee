# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database whose pending migrations are rehearsed, as the action plugin would have it done."""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages import (
    database_backup,
    migration_rehearsal,
    migration_runner,
)
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.rehearsal_arguments import MIGRATION_REHEARSAL
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

from tests.integration_local.backup.conftest import BIN, PASSWORD, Server

ROWS = 20_000
TABLES = f"""
CREATE ROLE {{role}} LOGIN PASSWORD 'secret';
GRANT CREATE ON SCHEMA public TO {{role}};
SET ROLE {{role}};
CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, price text);
INSERT INTO item SELECT n, 'name ' || n, n::text FROM generate_series(1, {ROWS}) AS n;
CREATE TABLE empty (id integer);
"""

Result = dict[str, t.Any]


class Site:
    """One database, its backups, and what is pending."""

    engine = "postgresql"

    def __init__(self, server: Server, database: str, directory: pathlib.Path, scratch: pathlib.Path) -> None:
        self.server, self.database, self.directory, self.scratch = server, database, directory, scratch
        self.files = directory / "migrations"
        self.files.mkdir()
        self.role = f"r{database}"
        server.execute(database, TABLES.format(role=self.role))
        baseline(self.engine, server.url(database, self.role, "secret"), self.files)

    def write(self, **scripts: str) -> None:
        """Migrations, by name."""
        for name, sql in scripts.items():
            (self.files / f"{name}.sql").write_text(sql)

    # --- what is asked for

    @property
    def backup(self) -> Result:
        return {
            "engine": self.engine,
            "name": "shop",
            "store": {"path": str(self.directory / "store")},
            "scratch_dir": str(self.scratch),
            "root": str(self.directory / "root"),
        }

    @property
    def url(self) -> str:
        return self.server.url(self.database)

    def back_up(self, verify: str = "none") -> Result:
        url = base64.b64encode(self.url.encode()).decode()
        params = checked({**self.backup, "url": url, "verify": verify}, DATABASE_BACKUP)
        return expect_good(database_backup.perform(params, check=False))

    def rehearse(self, **given: t.Any) -> Result:
        return rehearsed(self.backup, self.files, **{"role": self.role, **given})

    def params(self, **given: t.Any) -> Result:
        return params_of(self.backup, self.files, **{"role": self.role, **given})

    def passes(self, **given: t.Any) -> Result:
        before = self.live()
        found = expect_good(self.rehearse(**given))
        assert self.live() == before
        return found

    def refuses(self, cause: str, **given: t.Any) -> Result:
        """It fails for this cause, and the live database is as it was; its error."""
        before = self.live()
        found = self.rehearse(**given)
        assert found.get("failed"), found
        assert found["error"]["cause"] == cause, found["msg"]
        assert self.live() == before
        return t.cast(Result, found["error"])

    # --- what is there

    def live(self) -> tuple[str, list[t.Any]]:
        """The schema and the rows of the live database."""
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        where = ["--host=127.0.0.1", f"--port={self.server.port}", "--username=admin"]
        dump = [str(BIN / "pg_dump"), "--schema-only", "--restrict-key=same", *where, self.database]
        schema = subprocess.run(dump, env=environment, check=False, capture_output=True, text=True)
        if schema.returncode:  # an older one, which has no such keys
            dump.remove("--restrict-key=same")
            schema = subprocess.run(dump, env=environment, check=True, capture_output=True, text=True)
        with contextlib.closing(self.server.connect(self.database)) as link, link.cursor() as cursor:
            cursor.execute("SELECT relname, n_live_tup FROM pg_stat_user_tables ORDER BY 1")
            tables = [name for name, _rows in cursor.fetchall()]
            counts = []
            for table in tables:
                cursor.execute(f"SELECT count(*), sum(hashtext(t::text)) FROM {table} t")
                counts.append((table, *cursor.fetchone()))
        return schema.stdout, counts

    def expect_nothing_left(self) -> None:
        """No process of a throw-away server; directories are looked at by their fixtures."""
        assert self.servers() == []
        self.server.execute(self.database, f"DROP OWNED BY {self.role}; DROP ROLE {self.role}")

    def servers(self) -> list[int]:
        """Processes that work for a copy."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.scratch).encode() in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found


def baseline(engine: str, url: str, files: pathlib.Path) -> None:
    """Let the history of a database begin where it is."""
    given = {"state": "baselined", "target": "0", "engine": engine, "locations": [str(files)]}
    params = checked({**given, "url": base64.b64encode(url.encode()).decode()}, MIGRATION_RUNNER)
    expect_good(migration_runner.perform(params, check=False))


def params_of(backup: Result, files: pathlib.Path, **given: t.Any) -> Result:
    """Parameters of the module, as its action plugin makes them.

    :param backup: options of database_backup.
    :param files: a directory with migrations.
    """
    engine = backup["engine"]
    migrations = {"engine": engine, "locations": [str(files)], "phase": "expand", "lint": "warn", "here": True}
    migrations.update(given.pop("migrations", {}))
    whole = checked({**backup, "state": "verified", "id": "latest"}, DATABASE_BACKUP)
    taken = {"root": backup["root"], "backup": whole, "migrations": checked(migrations, MIGRATION_RUNNER), **given}
    return checked(taken, MIGRATION_REHEARSAL)


def rehearsed(backup: Result, files: pathlib.Path, **given: t.Any) -> Result:
    """What a rehearsal of them returns."""
    return migration_rehearsal.perform(params_of(backup, files, **given), check=False)


def expect_good(result: Result) -> Result:
    if result.get("failed"):
        pytest.fail(f"{result['msg']}\n{result.get('exception', '')}")
    return result
