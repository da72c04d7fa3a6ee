# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validation as users meet it: real playbooks over small inventories, on the controller only."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.slipway.deploy.plugins.module_utils.config import schema
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import config

COLLECTIONS = next(parent.parent for parent in Path(schema.__file__).parents if parent.name == "ansible_collections")
COMMAND = "from ansible.cli.playbook import main; main()"
VAULT_PASSWORD = "of-the-vault"

PLAYBOOK = """
- hosts: {hosts}
  gather_facts: false
  vars: {vars}
  tasks:
    - slipway.deploy.config: {{goal: {goal}}}
      register: site
      run_once: true
      ignore_errors: true
    - ansible.builtin.debug: {{msg: "RESULT:{{{{ site | to_json | b64encode }}}}"}}
      run_once: true
"""
INVENTORY = """
slipway_app: {hosts: {app1: {ansible_host: 10.0.0.1}, app2: {ansible_host: 10.0.0.2}}}
slipway_proxy: {hosts: {lb1: {ansible_host: 10.0.0.3}}}
"""
# The site of sites.py, written as people write it: templates, a vault, a value from another machine.
SITE = """
slipway_platform: shop
slipway_environment: production
slipway_services:
  frontend:
    image: "{{ registry }}/shop/frontend:{{ slipway_version }}"
    port: "{{ frontend_port }}"
    assets: {path: /usr/share/nginx/html/assets, keep: 2h}
  backend:
    image: "{{ registry }}/shop/backend:{{ slipway_version }}"
    port: 8080
    replicas: 2
    health: {path: /health, host: "{{ nobody | default(omit) }}"}
    smoke: [{path: /api/products, status: 200, contains: '"items"'}]
    env: "{{ environment_of_backend }}"
    secrets: [DATABASE_URL]
    container: {mem_limit: 256m}
  worker:
    image: "{{ registry }}/shop/backend:{{ slipway_version }}"
    command: [python, -m, shop.worker]
    traffic: false
slipway_secrets: {DATABASE_URL: "{{ vault_database_url }}"}
slipway_traffic: {listen: 80, routes: [{path: /api, service: backend}, {path: /, service: frontend}]}
slipway_database: {engine: postgresql, url: "{{ vault_database_url }}"}
slipway_keep: "{{ keep_by_machine[inventory_hostname] | default(3) }}"
slipway_drain: "{{ nothing | default(omit) }}"
registry: registry.example.com
frontend_port: 80
keep_by_machine: {}
environment_of_backend: {LOG_LEVEL: info, UNSET: "{{ nothing | default(omit) }}"}
"""


class Site:
    """A site in a directory, and runs over it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "hosts.yml").write_text(INVENTORY)
        (directory / "group_vars" / "all").mkdir(parents=True)
        (directory / "host_vars").mkdir()
        (directory / "group_vars" / "all" / "slipway.yml").write_text(SITE)
        self.write_vault("postgresql://shop:planted-secret-1@db/shop")

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def write_vault(self, value: str) -> None:
        self.write("password", VAULT_PASSWORD)
        vault = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))])
        lines = vault.encrypt(value).decode().splitlines()
        self.write("group_vars/all/vault.yml", "\n  ".join(["vault_database_url: !vault |", *lines]) + "\n")

    def run(self, *options, goal="deploy", hosts="slipway_app:slipway_proxy", play_vars="{}", vault=True):
        """The result of the task, and all that was printed at the highest verbosity."""
        self.write("play.yml", PLAYBOOK.format(goal=goal, hosts=hosts, vars=play_vars))
        unlock = ["--vault-password-file", "password"] if vault else []
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "-vvvv", "-i", "hosts.yml", "play.yml", *unlock, *options],
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        printed = done.stdout + done.stderr
        encoded = re.search(r"RESULT:([A-Za-z0-9+/=]+)", printed)
        assert encoded, printed
        result = base64.b64decode(encoded.group(1)).decode()
        return json.loads(result), printed + result

    def _environment(self) -> dict[str, str]:
        self.write("ansible.cfg", "")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
        }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_site_with_templates_and_a_vault_becomes_one_plain_configuration(site):
    result, printed = site.run("-e", "slipway_version=1.4.2")
    found = result["config"]
    assert found.pop("site_dir") == str(site.directory)
    wanted = config()
    wanted.pop("site_dir")
    assert found == wanted
    assert result["changed"] is False
    assert "planted-secret" not in printed and VAULT_PASSWORD not in printed
    assert documented_keys() == {*found, "site_dir", "freeze"}


def documented_keys():
    source = (COLLECTIONS / "ansible_collections/slipway/deploy/plugins/modules/config.py").read_text()
    return set(yaml.safe_load(source.partition('RETURN = r"""')[2].partition('"""')[0])["config"]["contains"])


def test_a_version_with_a_zero_at_its_end_stays_what_it_is(site):
    assert site.run("-e", "slipway_version=1.10")[0]["config"]["version"] == "1.10"


def test_all_mistakes_are_listed_in_one_message_without_any_secret(site):
    site.write("host_vars/app2.yml", "slipway_adress: 10.9.9.9\nslipway_platform: store\n")
    site.write(
        "group_vars/slipway_proxy.yml",
        "slipway_gate: '{{ vault_database_url }}'\nslipway_watch: {bake: '{{ gone }}'}\n",
    )
    result, printed = site.run("-e", '{"slipway_version": 1.10, "slipway_keep": "{{ 3 | no_such_filter }}"}')
    assert result["failed"] is True and result["changed"] is False
    texts = [problem["text"] for problem in result["problems"]]
    assert texts[:3] == [
        "slipway_adress: unknown, did you mean slipway_address?",
        'slipway_platform: must be the same on all machines; found "shop" on app1, "store" on app2.'
        " Write it once, in group_vars/all; only slipway_address and slipway_publish may differ.",
        "slipway_version: cannot be used; found 1.1 (a number), wanted a text. Put it in quotes:"
        ' slipway_version: "1.10" in YAML; on the command line -e slipway_version=1.10,'
        " not -e '{\"slipway_version\": 1.10}'.",
    ]
    assert any(
        text.startswith("slipway_watch.bake: its template cannot be evaluated: 'gone' is undefined.") for text in texts
    )
    assert any(text.startswith('slipway_gate: cannot be used; found "********"') for text in texts)
    assert any(text.startswith("slipway_keep: its template fails (Ansible") for text in texts)
    assert len(texts) == 6
    assert result["msg"].startswith("The configuration has 6 problems; nothing was done:\n  1. slipway_adress: unknown")
    assert "planted-secret" not in printed


def test_a_vault_without_its_password_says_what_to_pass(site):
    texts = [problem["text"] for problem in site.run("-e", "slipway_version=1", vault=False)[0]["problems"]]
    remedy = "Pass --vault-password-file or --ask-vault-pass (vault_password_file in ansible.cfg)."
    assert texts == [
        f"slipway_secrets.DATABASE_URL: it cannot be decrypted. {remedy}",
        f"slipway_database.url: it cannot be decrypted. {remedy}",
    ]


def test_two_machines_that_differ_are_named(site):
    result, _printed = site.run("-e", "slipway_version=1", "-e", '{"keep_by_machine": {"app2": 4}}')
    (problem,) = result["problems"]
    assert problem["path"] == "slipway_keep"
    # Before core 2.19 a template gives a text, since then a number.
    assert re.findall(r"app\d|\d", problem["found"]) == ["3", "app1", "4", "app2"]


def test_a_secret_that_looks_like_json_stays_a_text(site):
    site.write("group_vars/all/more.yml", "slipway_secrets: {DATABASE_URL: '{{ key }}'}\nkey: '{\"planted\": [1]}'\n")
    result, printed = site.run("-e", "slipway_version=1.4.2")
    assert result["config"]["secrets"] == ["DATABASE_URL"]
    assert "planted" not in printed.replace("planted-secret", "")


def test_variables_of_the_play_hold_for_every_machine(site):
    found = site.run(hosts="localhost", play_vars="{slipway_version: 1.4.2, slipway_lock_wait: 5m}")[0]["config"]
    assert (found["version"], found["lock_wait"]) == ("1.4.2", 300.0)
    assert list(found["machines"]) == ["app1", "app2", "lb1"]


def test_a_limit_does_not_hide_a_machine(site):
    found = site.run("-e", "slipway_version=1.4.2", "--limit", "app1")[0]["config"]
    assert list(found["machines"]) == ["app1", "app2", "lb1"]


def test_a_machine_may_have_its_own_address_and_use_that_of_another(site):
    site.write("host_vars/app2.yml", "slipway_address: \"{{ hostvars['app1'].ansible_host | replace('.1', '.7') }}\"\n")
    assert site.run("-e", "slipway_version=1")[0]["config"]["machines"]["app2"]["address"] == "10.0.0.7"


@pytest.mark.parametrize("goal", ["rollback", "status", "unlock"])
def test_only_a_deployment_needs_a_version(site, goal):
    found = site.run(goal=goal)[0]["config"]
    assert (found["version"], found["identity"]) == (None, None)
    assert found["services"]["backend"]["image"] == "registry.example.com/shop/backend:unreleased"


def test_a_deployment_without_version_says_so(site):
    texts = [problem["text"] for problem in site.run()[0]["problems"]]
    assert any(text.startswith("slipway_version: missing.") for text in texts)


def test_what_is_true_on_the_command_line_is_true(site):
    options = ("-e", "slipway_version=1", "-e", "slipway_allow_bad=true", "-e", "slipway_break_glass=no")
    found = site.run(*options)[0]["config"]
    assert (found["allow_bad"], found["break_glass"]) == (True, False)


def test_check_mode_returns_the_same(site):
    real, _printed = site.run("-e", "slipway_version=1")
    assert site.run("-e", "slipway_version=1", "--check")[0] == real


def test_an_unknown_goal_is_refused(site):
    assert "value of goal must be one of" in site.run(goal="conquer")[0]["msg"]
