# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README, docs, role READMEs and the modules' EXAMPLES show is right: it parses and validates."""

from __future__ import annotations

import copy
import importlib
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import OPTIONS
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema_service import SERVICE
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.tests.unit.docs.arguments import check_arguments, plain_spec
from ansible_collections.slipway.deploy.tests.unit.docs.pages import MODULES, PAGES, PLAYBOOKS, ROOT, blocks

GROUPS = {"slipway_app", "slipway_proxy", "slipway_db"}
HOST_OPTIONS = {option.name for option in OPTIONS if option.host}


def known_site() -> dict[str, t.Any]:
    """The whole example of docs/configuration.md, which has a test of its own."""
    first = blocks([ROOT / "docs/configuration.md"], "yaml")[0].text
    return {**yaml.safe_load(templated(first)), "slipway_version": "1.4.2"}


def templated(text: str) -> str:
    """The templates that the examples use, evaluated."""
    known = {
        "slipway_version": "1.4.2",
        "vault_database_url": "postgresql://u:p@db/shop",
        "inventory_dir | dirname": "/site",
    }
    for name, value in known.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    return text


def check_site(variables: dict[str, t.Any]) -> None:
    """A block of slipway_* variables, put into a site that is right."""
    site = known_site()
    if "web" in variables.get("slipway_services", {}):
        site.pop("slipway_traffic")  # its routes belong to other services
    if "slipway_process" in variables:
        site.update(slipway_model="process", slipway_services=plain_services(site["slipway_services"]))
    site.update(variables)
    own = {name: site.pop(name) for name in HOST_OPTIONS if name in site}
    for route in (site.get("slipway_traffic") or {}).get("routes", []):
        site["slipway_services"].setdefault(route["service"], copy.deepcopy(site["slipway_services"]["backend"]))
    for service in site["slipway_services"].values():
        for name in [*service.get("secrets", []), *service.get("env_secrets", [])]:
            site["slipway_secrets"].setdefault(name, "s3cret value")
    machines = {"app1": own, "app2": {}, "lb1": {}}
    assert validate(site, {"groups": {"slipway_app": ["app1", "app2"], "slipway_proxy": ["lb1"]}, "hosts": machines})


def plain_services(names: t.Iterable[str]) -> dict[str, t.Any]:
    """Services of these names that are right as processes."""
    source = {"kind": "git", "repository": "https://git.example.com/shop", "tag": "v1"}
    return {name: {"source": source, "user": "shop", "command": "run", "port": 8080} for name in names}


def check_service(options: dict[str, t.Any]) -> None:
    """A block of a service's options, put into a service that is right."""
    models = {model for option in SERVICE.options if option.name in options for model in option.models}
    services = known_site()["slipway_services"]
    if models == {"process"}:
        services = plain_services(services)
    if "code" in options:
        services["worker"] = {**options, "command": "work"}
    else:
        services["backend"].update(options)
    secrets = {"DEPLOY_KEY": "what opens the repository"}
    check_site(
        {"slipway_model": "".join(models) or "container", "slipway_services": services, "slipway_secrets": secrets}
    )


def check_inventory(inventory: dict[str, t.Any]) -> None:
    groups = inventory.get("all", {}).get("children", inventory)
    assert set(groups) <= GROUPS
    assert all(group["hosts"] for group in groups.values())


def check_role_variables(variables: dict[str, t.Any], role: str) -> None:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    assert set(variables) <= set(options)
    accepted = ArgumentSpecValidator({name: plain_spec(options[name]) for name in variables}).validate(variables)
    assert accepted.error_messages == []


def check_play(play: dict[str, t.Any]) -> None:
    if "import_playbook" in play:
        assert play["import_playbook"] in PLAYBOOKS
        return
    if "hosts" not in play:
        check_task(play)
        return
    assert set(play["hosts"].split(":")) <= GROUPS | {"app1", "app2", "lb1"}
    for role in play.get("roles", []):
        assert (ROOT / "roles" / role["role"].rpartition(".")[2]).is_dir()
        check_role_variables(role.get("vars", {}), role["role"].rpartition(".")[2])
    for task in play.get("tasks", []):
        check_task(task)


def check(content: t.Any) -> None:
    """Find out what a block is, and validate it as that. What is nothing known is an error."""
    services = {option.name for option in SERVICE.options}
    if isinstance(content, list):
        for play in content:
            check_play(play)
    elif set(content) == {"collections"}:
        assert [one["name"] for one in content["collections"]] == ["slipway.deploy"]
    elif "all" in content or set(content) <= GROUPS:
        check_inventory(content)
    elif all(name.startswith("slipway_") for name in content):
        check_site(content)
    elif all(name.startswith("vm_provision_") for name in content):
        check_role_variables(content, "vm_provision")
    elif all(name.startswith("vault_") for name in content):
        assert all(isinstance(value, str) for value in content.values())
    else:
        assert set(content) <= services, f"neither plays nor variables: {sorted(content)}"
        check_service(content)


@pytest.mark.parametrize("block", blocks(PAGES, "yaml"), ids=str)
def test_what_is_shown_as_yaml_is_valid(block):
    check(yaml.safe_load(templated(block.text)))


def check_task(task: dict[str, t.Any]) -> None:
    keywords = {
        "name",
        "register",
        "run_once",
        "when",
        "check_mode",
        "changed_when",
        "failed_when",
        "loop",
        "delegate_to",
        "no_log",
    }
    names = set(task) - keywords
    assert len(names) == 1, f"not one module: {sorted(names)}"
    name = names.pop()
    if name.startswith("slipway.deploy."):
        check_arguments(name.rpartition(".")[2], task[name] or {})
    else:
        assert name.startswith("ansible.builtin.")


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_pass_its_own_argument_specification(module):
    python = importlib.import_module(f"ansible_collections.slipway.deploy.plugins.modules.{module}")
    tasks = yaml.safe_load(python.EXAMPLES)
    assert any(f"slipway.deploy.{module}" in task for task in tasks)
    for task in tasks:
        check_task(task)
