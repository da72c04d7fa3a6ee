# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook migrate waits for a replica, or fails because of it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from tests.integration_local.backup.conftest import PASSWORD, Replica, Server
from tests.integration_local.places import free_port

from .projects import PostgreSQLProject
from .test_replicas_replayed import paused

PLATFORM: dict[str, t.Any] = {
    "slipway_platform": "shop",
    "slipway_environment": "test",
    "slipway_services": {"web": {"image": "web:1", "port": 80}},
    "slipway_traffic": {"provider": "haproxy", "routes": [{"service": "web"}]},
    "slipway_waive_backup": "the tables are empty",
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
}


class Site:
    """A platform on this machine, with nothing but a database and a replica of it."""

    def __init__(self, project: PostgreSQLProject, directory: pathlib.Path) -> None:
        self.project, self.directory = project, directory
        self.said = ""

    def migrate(self, replica: str, *options: str) -> int:
        own = {
            "slipway_state_root": str(self.directory / "root"),
            "slipway_site_dir": str(self.directory),
            "slipway_database": {"engine": "postgresql", "url": self.project.url, "replicas": [replica]},
            "slipway_migrations": {"tool": "sql", "path": "sql", "replica_wait": 1},
        }
        groups = {name: {"hosts": {"here": {**PLATFORM, **own}}} for name in ("slipway_app", "slipway_proxy")}
        inventory = self.directory / "inventory.json"
        inventory.write_text(json.dumps(groups))
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "slipway.deploy.migrate", "-i", str(inventory), "-vvvv", *options]
        environment = {**os.environ, "HOME": str(self.directory), "ANSIBLE_PIPELINING": "true"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        self.said = done.stdout + done.stderr
        assert PASSWORD not in self.said and "wörd" not in self.said and "p@ss" not in self.said
        return done.returncode

    def columns(self) -> list[str]:
        """Of the table that the migrations make."""
        asked = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('item') AND attnum > 0 ORDER BY attnum"
        return [name for (name,) in self.project.ask(asked)]


@pytest.fixture
def site(followed: tuple[Server, Replica], tmp_path: pathlib.Path) -> Site:
    return Site(PostgreSQLProject(followed[0], tmp_path / "sql"), tmp_path)


def test_migrations_end_when_the_replica_has_them(followed: tuple[Server, Replica], site: Site) -> None:
    replica = followed[1]
    url, name = replica.url(site.project.database), f"replica 127.0.0.1:{replica.port}"
    site.project.write(V1__item="CREATE TABLE item (id int);")
    with paused(replica):
        assert site.migrate(replica.url("postgres")) != 0
        assert f"here: {name}: has not replayed what the migrations have written" in site.said
        assert "its replay is paused" in site.said and "What was applied before stays" in site.said
    assert site.columns() == ["id"]

    site.project.write(V2__name="ALTER TABLE item ADD COLUMN name text;")
    assert site.migrate(url, "--check") == 0, site.said
    assert f"would wait for {name}" in site.said and site.columns() == ["id"]
    assert site.migrate(url) == 0, site.said
    assert f"{name} has replayed all after" in site.said and site.columns() == ["id", "name"]


def test_a_replica_that_is_down_or_stands_still_is_passed_over_for_a_reason(
    followed: tuple[Server, Replica], site: Site
) -> None:
    replica = followed[1]
    waived = ("-e", "slipway_waive_replicas='it is being rebuilt'")
    site.project.write(V1__item="CREATE TABLE item (id int);")
    nobody = replica.url(site.project.database, port=free_port())
    assert site.migrate(nobody) != 0
    assert "cannot be asked how far it is" in site.said and "slipway_waive_replicas" in site.said
    assert site.columns() == []
    assert site.migrate(nobody, *waived) == 0, site.said
    assert "not waited for, because it is being rebuilt: replica" in site.said and site.columns() == ["id"]

    site.project.write(V2__name="ALTER TABLE item ADD COLUMN name text;")
    with paused(replica):
        assert site.migrate(replica.url("postgres"), *waived) == 0, site.said
        assert "its replay is paused" in site.said and site.columns() == ["id", "name"]
    journal = (site.directory / "root/shop/test/journal.jsonl").read_text()
    assert journal.count('"replicas_waived"') == 4  # of each run in what the lock was taken for, and in a note
