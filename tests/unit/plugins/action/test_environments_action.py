# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook migrations over several inventories at once, as people run it."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.slipway.deploy.plugins.module_utils.config import schema
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

COLLECTIONS = next(parent.parent for parent in Path(schema.__file__).parents if parent.name == "ansible_collections")
COMMAND = "from ansible.cli.playbook import main; main()"
SECRET = "planted-{{ nothing }}-secret"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def environment(site: Path, name: str, machine: dict[str, t.Any], **variables: t.Any) -> None:
    """An inventory whose groups, machines and variables are called as in every other one."""
    directory = site / name / "group_vars" / "all"
    directory.mkdir(parents=True)
    (site / name / "hosts.yml").write_text(yaml.safe_dump({"slipway_app": {"hosts": {"app1": machine}}}))
    of_site = {
        "slipway_platform": "shop",
        "slipway_environment": name,
        "slipway_services": {"worker": {"image": "shop:{{ slipway_version }}", "traffic": False}},
        "slipway_secrets": {"TOKEN": "{{ vault_token }}"},
        "slipway_database": {"engine": "sqlite", "url": "{{ inventory_dir }}/{{ hostvars.app1.file }}"},
        "slipway_migrations": {"tool": "sql", "path": "migrations/"},
        "file": "db.sqlite",
        **variables,
    }
    (directory / "slipway.yml").write_text(yaml.safe_dump(of_site))
    vault = VaultLib([("default", VaultSecret(b"of-the-vault"))])
    lines = vault.encrypt(SECRET).decode().splitlines()
    (directory / "vault.yml").write_text("\n  ".join(["vault_token: !vault |", *lines]) + "\n")


def migrate(site: Path, name: str, **options: t.Any) -> None:
    database = site / name / "db.sqlite"
    database.touch()
    url = base64.b64encode(str(database).encode()).decode()
    given = {"engine": "sqlite", "url": url, "locations": [str(site / "migrations")], "proven": True, **options}
    done = perform(checked(given, MIGRATION_RUNNER), check=False)
    assert not done.get("failed"), done


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Production is behind staging; nobody listens where qa is; what is written of trial cannot be used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    (tmp_path / "migrations").mkdir()
    for number in (1, 2):
        (tmp_path / "migrations" / f"V{number}__step.sql").write_text(f"CREATE TABLE t{number} (a int);\n")
    environment(tmp_path, "production", LOCAL)
    environment(tmp_path, "staging", LOCAL)
    environment(tmp_path, "qa", {"ansible_host": "127.0.0.1", "ansible_port": free})
    environment(tmp_path, "trial", LOCAL, slipway_databse={})
    migrate(tmp_path, "production", state="target", target="1")
    migrate(tmp_path, "staging")
    (tmp_path / "password").write_text("of-the-vault")
    (tmp_path / "ansible.cfg").write_text("")
    return tmp_path


def play(site: Path, *options: str) -> tuple[int, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CONFIG": str(site / "ansible.cfg"),
        "HOME": str(site),
    }
    words = [sys.executable, "-c", COMMAND, "slipway.deploy.migrations", "--vault-password-file", "password", *options]
    done = subprocess.run(
        words, cwd=site, env={**own, **settings}, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_environments_are_shown_side_by_side_and_one_that_is_away_hides_no_other(site: Path) -> None:
    before = (site / "production" / "db.sqlite").read_bytes()
    code, said = play(site, "-i", "production", "-e", "slipway_also=staging,qa,trial,nowhere", "-vvv")
    rows = [line.split() for line in said.splitlines() if line.startswith("  ")]
    columns = ["production", "staging", "qa", "trial", "nowhere"]
    assert ["version", "description", *columns] in rows, said
    one, two = next(row for row in rows if row[:1] == ["1"]), next(row for row in rows if row[:1] == ["2"])
    assert (one[2], one[4], one[6:], two[2], two[3], two[5:]) == (
        "applied",
        "applied",
        ["?"] * 3,
        "pending",
        "applied",
        ["?"] * 3,
    ), said
    assert "qa: unreachable: " in said and "trial: The configuration has 1 problem" in said
    assert "slipway_databse: unknown, did you mean slipway_database?" in said
    assert f"nowhere: there is no inventory {site / 'nowhere'} on the controller" in said
    assert code == 2 and "planted" not in said
    assert (site / "production" / "db.sqlite").read_bytes() == before


def test_all_that_can_be_read_is_a_success(site: Path) -> None:
    code, said = play(site, "-i", "production", "-e", '{"slipway_also": ["staging"]}')
    assert (code, "changed=1" in said) == (0, False), said
    assert "production: at 1, 1 pending" in said and "staging: at 2, nothing pending" in said
