# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks around migrations, as people run them on one machine: its own Docker Engine, a worker, and a SQLite file."""

from __future__ import annotations

import base64
import os
import pathlib
import sqlite3
import subprocess
import sys
import typing as t

import docker
import pytest
import yaml
from ansible_collections.slipway.deploy.plugins.module_utils.config import schema
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

from tests.integration_local import tool_images

COLLECTIONS = next(up.parent for up in pathlib.Path(schema.__file__).parents if up.name == "ansible_collections")
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
# Ends at once when it is asked to: a shell that waits for a line which nobody writes.
WORK = ["sh", "-c", "trap 'exit 0' TERM; while read -r line; do :; done"]


class Site:
    """A platform of this machine alone, without traffic."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.database = directory, directory / "shop.db"
        self.platform = f"mp{os.getpid()}"
        variables = {
            "slipway_platform": self.platform,
            "slipway_environment": "local",
            "slipway_services": {
                "worker": {
                    "image": f"{tool_images.bare().rpartition(':')[0]}:{{{{ tag }}}}",
                    "pull": "never",
                    "command": WORK,
                    "traffic": False,
                    "container": {"stdin_open": True},
                }
            },
            "tag": tool_images.bare().rpartition(":")[2],
            "slipway_database": {"engine": "sqlite", "url": str(self.database)},
            "slipway_migrations": {"tool": "sql", "path": "migrations/"},
            "slipway_state_root": str(directory / "state"),
            "slipway_waive_backup": "it is made up",
        }
        hosts = {"slipway_app": {"hosts": {"here": {**LOCAL, **variables}}}}
        (directory / "hosts.yml").write_text(yaml.safe_dump(hosts))
        (directory / "ansible.cfg").write_text("")
        (directory / "migrations").mkdir()
        self.ask("CREATE TABLE was_here (a int)")

    def write(self, **scripts: str) -> None:
        for name, text in scripts.items():
            (self.directory / "migrations" / f"{name}.sql").write_text(text)

    def ask(self, question: str) -> list[tuple[t.Any, ...]]:
        link = sqlite3.connect(self.database)
        try:
            with link:
                return link.execute(question).fetchall()
        finally:
            link.close()

    def migrate(self) -> None:
        """By the module alone, whatever comes of it."""
        url = base64.b64encode(str(self.database).encode()).decode()
        given = {"engine": "sqlite", "url": url, "locations": [str(self.directory / "migrations")], "proven": True}
        perform(checked(given, MIGRATION_RUNNER), check=False)

    def history(self) -> list[tuple[t.Any, ...]]:
        return self.ask("SELECT version, type, success FROM flyway_schema_history ORDER BY installed_rank")

    def play(self, playbook: str, *options: str) -> str:
        """What was said; C(changed=) of the only machine is in it."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_PIPELINING": "1",
            "HOME": str(self.directory),
        }
        program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
        words = [program, f"slipway.deploy.{playbook}", "-i", "hosts.yml", *options]
        done = subprocess.run(
            words, cwd=self.directory, env={**own, **settings}, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said


@pytest.fixture
def site(tmp_path: pathlib.Path) -> t.Iterator[Site]:
    made = Site(tmp_path)
    yield made
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"name": made.platform}):
        container.remove(force=True)
    client.close()


def test_a_database_that_has_tables_is_taken_over_and_a_dirty_migration_repaired_by_a_playbook(site: Site) -> None:
    site.write(
        V1__was_here="CREATE TABLE was_here (a int);\n", V2__more="-- slipway: transaction=off\nCREATE TABL more;\n"
    )
    said = site.play("migrate", "-e", "slipway_migrate_baseline=1", "--check")
    assert "the history of migrations begins at version 1" in said
    assert site.ask("SELECT name FROM sqlite_master") == [("was_here",)]
    said = site.play("migrate", "-e", "slipway_migrate_baseline=1")
    assert "the history of migrations begins at version 1" in said and site.history() == [("1", "BASELINE", 1)]
    site.migrate()
    assert site.history() == [("1", "BASELINE", 1), ("2", "SQL", 0)]
    said = site.play("migrate", "-e", "slipway_migrate_repair=true")
    assert "V2__more.sql: its line is taken back, as if it had not been begun" in said
    assert site.history() == [("1", "BASELINE", 1)]


def test_what_has_been_added_since_to_a_version_that_is_live_is_named_and_not_applied(site: Site) -> None:
    site.ask("DROP TABLE was_here")
    site.write(V1__one="CREATE TABLE one (a int);\n")
    site.play("deploy", "-e", "slipway_version=1.0.0")
    site.write(V2__two="CREATE TABLE two (a int);\n", V3__drop="-- slipway: phase=contract\nDROP TABLE one;\n")
    said = site.play("deploy", "-e", "slipway_version=1.0.0")
    assert "1.0.0 is live on blue already" in said and " changed=0 " in said
    assert "1 migration is pending: V2__two.sql. The playbook migrate applies what is pending." in said
    assert "V3__drop.sql waits for the playbook contract" in said
    assert site.history() == [("1", "SQL", 1)]
    assert "1 migration is pending: V2__two.sql." in site.play("status")
