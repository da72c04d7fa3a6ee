# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is generated from the schema is what stands in the repository, and what it says is true."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import OPTIONS
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate

ROOT = Path(__file__).resolve().parents[3]
MACHINES = {
    "groups": {"slipway_app": ["app1", "app2"], "slipway_proxy": ["lb1"]},
    "hosts": {name: {} for name in ("app1", "app2", "lb1")},
}


def load():
    spec = importlib.util.spec_from_file_location("slipway_generate_docs", ROOT / "tools" / "generate_docs.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


TOOL = load()
PAGE = (ROOT / "docs" / "configuration.md").read_text()


def templated(text):
    """The templates that the examples use, evaluated."""
    known = {
        "slipway_version": "1.4.2",
        "vault_database_url": "postgresql://u:p@db/shop",
        "inventory_dir | dirname": "/site",
    }
    return re.sub(r"\{\{ (.*?) \}\}", lambda found: known[found.group(1)], text)


def blocks(language, page=PAGE):
    return [templated(text) for text in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)]


PROCESSES = """
slipway_model: process
slipway_services:
  backend: {source: {kind: directory, path: app}, user: shop, command: [python3, -m, shop], port: 8080}
  worker: {code: backend, user: shop, command: [python3, -m, shop.worker]}
slipway_secrets: {DEPLOY_KEY: a-key-that-opens-it, DATABASE_URL: "postgresql://u:p@db/shop"}
"""
OF_PROCESSES = {
    option.name
    for known in OPTIONS
    for option in (known, *(known.element.options if known.element else ()))
    if option.models == ("process",)
}


def of_its_model(changes):
    """The whole example, or what is of it where services are processes."""
    site = yaml.safe_load(blocks("yaml")[0])
    if not OF_PROCESSES & set(changes):
        return site
    return {**site, **yaml.safe_load(PROCESSES), "slipway_traffic": {"routes": [{"path": "/", "service": "backend"}]}}


@pytest.mark.parametrize("path", sorted(TOOL.generate()), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_file_is_what_the_generator_makes(path):
    assert path.read_text() == TOOL.generate()[path], "run tools/generate_docs.py"


def test_the_whole_example_of_the_page_is_right():
    site = {**yaml.safe_load(blocks("yaml")[0]), "slipway_version": "1.4.2"}
    assert validate(site, MACHINES)["identity"]


@pytest.mark.parametrize("example", [text for text in blocks("yaml")[1:] if text.startswith("slipway_")])
def test_every_example_fits_into_the_whole_one(example):
    changes = yaml.safe_load(example)
    site = {**of_its_model(changes), "slipway_version": "1.4.2", **changes}
    own = {name: site.pop(name) for name in ("slipway_address", "slipway_publish") if name in site}
    hosts = {**MACHINES["hosts"], "app1": own}
    assert validate(site, {"groups": MACHINES["groups"], "hosts": hosts})


@pytest.mark.parametrize("example", [text for text in blocks("yaml")[1:] if not text.startswith("slipway_")])
def test_every_example_of_a_service_fits_into_one(example):
    changes = yaml.safe_load(example)
    site = {**of_its_model(changes), "slipway_version": "1.4.2"}
    site["slipway_services"]["backend"].update(changes)
    assert validate(site, MACHINES)


def test_every_option_is_on_the_page():
    def names(option):
        yield option.name
        inner = option.options or (option.element.options if option.element else ())
        for one in inner:
            yield from names(one)

    missing = {name for option in OPTIONS for name in names(option) if f"`{name}`" not in PAGE}
    assert missing == set()


def test_what_others_wrote_into_an_argument_specification_stays(tmp_path):
    path = tmp_path / "argument_specs.yml"
    main = {"short_description": "Mine", "options": {"vm_provision_x": {"type": "str"}, "slipway_old": {"type": "str"}}}
    path.write_text(yaml.safe_dump({"argument_specs": {"main": main, "other": {"options": {}}}}))
    found = yaml.safe_load(TOOL.argument_specs("vm_provision", path))["argument_specs"]
    assert found["main"]["short_description"] == "Mine" and found["other"] == {"options": {}}
    assert list(found["main"]["options"]) == ["vm_provision_x", "slipway_traffic"]


def test_no_argument_specification_holds_a_template():
    # Ansible templates the specification itself when it validates a role's arguments.
    for path, text in TOOL.generate().items():
        assert path.suffix == ".md" or "{{" not in text, path


def test_secrets_are_marked_in_the_argument_specifications():
    text = TOOL.generate()[ROOT / "roles" / "release" / "meta" / "argument_specs.yml"]
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    assert options["slipway_secrets"]["no_log"] is True
    assert options["slipway_database"]["options"]["url"]["no_log"] is True
