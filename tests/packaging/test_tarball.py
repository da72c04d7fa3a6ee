# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What works after installing the built tarball into an empty directory."""

from __future__ import annotations

import json
import tarfile
import typing as t
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, Run

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ROLES = sorted(path.parent.parent.name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
WANTED = {
    "CHANGELOG.rst", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "changelogs", "docs", "inventories",
    "meta", "playbooks", "plugins", "roles",
}  # fmt: skip


@pytest.fixture(scope="session")
def members(tarball: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(tarball) as archive:
        return archive.getmembers()


def test_it_holds_what_a_user_needs_and_nothing_else(members: list[tarfile.TarInfo]) -> None:
    assert {member.name.split("/")[0] for member in members} == WANTED


def test_no_directory_in_it_is_empty(members: list[tarfile.TarInfo]) -> None:
    parents = {str(Path(member.name).parent) for member in members}
    assert [member.name for member in members if member.isdir() and member.name not in parents] == []


def test_nothing_large_got_into_it(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        assert max(member.size for member in archive if member.name != "FILES.json") < 100_000
    assert tarball.stat().st_size < 2_000_000


def test_its_checksums_are_right(run: Run) -> None:
    done = run("ansible-galaxy", "collection", "verify", "--offline", "slipway.deploy")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_is_found_by_its_full_name(run: Run, inventory: Path, playbook: str) -> None:
    done = run("ansible-playbook", "--syntax-check", "-i", inventory, f"slipway.deploy.{playbook}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_is_found_by_ansible_runner(run: Run, inventory: Path, playbook: str) -> None:
    private = inventory.parents[1]
    done = run("ansible-runner", "run", private, "-p", f"slipway.deploy.{playbook}", "--cmdline=--syntax-check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_under_ansible_runner_a_refusal_is_an_event_that_says_why(run: Run, inventory: Path) -> None:
    private = inventory.parents[1]
    variables = {"slipway_platform": "shop", "slipway_environment": "test", "slipway_version": "1.0.0"}
    variables["slipway_services"] = {"backend": {"image": "shop/backend:1.0.0", "port": 8080, "helth": {}}}  # type: ignore[assignment]
    (private / "env").mkdir()
    (private / "env" / "extravars").write_text(json.dumps(variables), encoding="utf-8")
    done = run("ansible-runner", "run", private, "-p", "slipway.deploy.deploy", "--ident", "refused")
    assert done.returncode != 0
    events = [json.loads(path.read_text()) for path in private.glob("artifacts/refused/job_events/*.json")]
    failed = [event["event_data"]["res"] for event in events if event["event"] == "runner_on_failed"]
    assert len(failed) == 1
    assert "slipway_services.backend.helth" in failed[0]["msg"]
    assert "did you mean health?" in failed[0]["msg"]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_documented(run: Run, module: str) -> None:
    done = run("ansible-doc", "--json", f"slipway.deploy.{module}")
    assert done.returncode == 0, done.stderr
    assert f"slipway.deploy.{module}" in json.loads(done.stdout)


def test_roles_are_documented(run: Run) -> None:
    done = run("ansible-doc", "--json", "--type", "role", *[f"slipway.deploy.{role}" for role in ROLES])
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)) == [f"slipway.deploy.{role}" for role in ROLES]


def test_an_execution_environment_can_be_made_of_it(run: Run, installed: Path) -> None:
    done = run("ansible-builder", "introspect", "--sanitize", installed)
    assert done.returncode == 0, done.stderr
    found: dict[str, t.Any] = yaml.safe_load(done.stdout)
    assert not found["python"]  # the controller needs ansible-core alone
    assert [package.split()[0] for package in found["system"]] == ["openssh-client", "openssh-clients"]


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_an_example_inventory_is_a_valid_configuration(
    run: Run, installed: Path, tmp_path: Path, environment: str
) -> None:
    directory = installed / "ansible_collections" / "slipway" / "deploy" / "inventories" / environment
    play = {"hosts": "slipway_app:slipway_proxy", "gather_facts": False}
    task = {"slipway.deploy.config": {"goal": "deploy"}, "run_once": True}
    (tmp_path / "validate.yml").write_text(json.dumps([{**play, "tasks": [task]}]), encoding="utf-8")
    variables = ["-e", "slipway_version=1.4.2", "-e", "vault_database_url=postgresql://shop@db1/shop"]
    done = run("ansible-playbook", "-i", directory, "validate.yml", *variables)
    assert done.returncode == 0, done.stdout + done.stderr
