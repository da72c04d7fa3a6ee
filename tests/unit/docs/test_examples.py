# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README, docs, role READMEs and the modules' EXAMPLES show is right: it parses, validates, and exists."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import re
import shlex
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap import files as bootstrap
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import OPTIONS
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema_service import SERVICE
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate

ROOT = Path(__file__).resolve().parents[3]
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
PAGES = [*WRITTEN, *sorted((ROOT / "examples").glob("*/README.md")), ROOT / "tests/lab/README.md"]
GENERATED = {"configuration.md", "figures.md"}
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
PLAYBOOKS = {f"slipway.deploy.{path.stem}" for path in (ROOT / "playbooks").glob("*.yml")}
SITE_PLAYBOOKS = {path.name for path in (ROOT / "examples/shop").glob("*.yml")}
SITE_PLAYBOOKS |= {f"{name}.yml" for name in bootstrap.PLAYBOOKS}
# What init asks for belongs to no site.
ASKED = set(re.findall(r"slipway_init_\w+", (ROOT / "playbooks/init.yml").read_text(encoding="utf-8")))
GROUPS = {"slipway_app", "slipway_proxy", "slipway_db"}
HOST_OPTIONS = {option.name for option in OPTIONS if option.host}
OTHER_COMMANDS = {
    "ansible-galaxy",
    "ansible-vault",
    "ansible-runner",
    "cp",
    "curl",
    "docker",
    "mkdir",
    "python3",
    "sed",
    "zstd",
}


class Block(t.NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(pages: t.Iterable[Path], language: str) -> list[Block]:
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            if match[1] == language:
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, match[2]))
    return found


def commands(pages: t.Iterable[Path]) -> list[list[str]]:
    """The words of every command of the pages, each once."""
    lines = [line for block in blocks(pages, "console") for line in block.text.splitlines()]
    return [shlex.split(line[2:]) for line in dict.fromkeys(lines) if line.startswith("$ ")]


# -- what is shown as YAML ------------------------------------------------------------------------------------------


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


# -- modules --------------------------------------------------------------------------------------------------------


def plain_spec(about: dict[str, t.Any]) -> dict[str, t.Any]:
    """An option's documentation as an argument specification."""
    kept = {key: about[key] for key in ("type", "elements", "required", "default", "choices") if key in about}
    inner = about.get("suboptions") or about.get("options")
    if inner:
        kept["options"] = {name: plain_spec(option) for name, option in inner.items()}
    return kept


def specification(module: str) -> dict[str, t.Any]:
    """The module's own argument specification; of those without a module side, what their documentation says."""
    python = importlib.import_module(f"ansible_collections.slipway.deploy.plugins.modules.{module}")
    if hasattr(python, "argument_spec"):
        return python.argument_spec()
    if hasattr(python, module.upper()):
        return getattr(python, module.upper()).options
    documented = yaml.safe_load(python.DOCUMENTATION)
    options = dict(documented.get("options") or {})
    fragments = documented.get("extends_documentation_fragment") or []
    for name in [fragments] if isinstance(fragments, str) else fragments:
        fragment = importlib.import_module(
            f"ansible_collections.slipway.deploy.plugins.doc_fragments.{name.split('.')[2]}"
        )
        options.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"])
    return {name: plain_spec(option) for name, option in options.items()}


def filled_in(value: t.Any, spec: dict[str, t.Any]) -> t.Any:
    """Templates replaced by something of the wanted type."""
    if isinstance(value, str) and value.startswith("{{") and value.endswith("}}"):
        wanted = {"dict": {"id": "1.0.0-x", "token": 1}, "list": [], "int": 1, "float": 1.0, "bool": True}
        return wanted.get(spec.get("type", "str"), "text")
    if isinstance(value, dict) and spec.get("options"):
        return {key: filled_in(item, spec["options"].get(key, {})) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, {**spec, "type": spec.get("elements", "str")}) for item in value]
    return value


def check_arguments(module: str, arguments: dict[str, t.Any]) -> None:
    assert module in MODULES
    spec = specification(module)
    arguments = dict(arguments)
    if module == "container_deploy" and isinstance(arguments.get("secrets"), dict):
        arguments["secrets"] = ""  # the action plugin encodes the mapping
    given = {name: filled_in(value, spec.get(name, {})) for name, value in arguments.items()}
    assert ArgumentSpecValidator(spec).validate(given).error_messages == []


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


# -- commands -------------------------------------------------------------------------------------------------------

TESTS = {
    "unit": ["tests/unit"],
    "local": ["tests/integration_local", "tests/lab"],
    "acceptance": ["tests/acceptance"],
}


def selectable(target: str) -> list[str]:
    """Every test that a target of the Makefile runs, as file and function."""
    return [
        f"{path.name} {name}"
        for directory in TESTS[target]
        for path in sorted((ROOT / directory).rglob("test_*.py"))
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals:
            assert name in targets
            continue
        if (words[1], name) == ("fuzz", "FUZZ"):  # words for the program itself, whose own tests read them
            continue
        if (words[1], name) == ("demo", "WITHOUT_DOCKER"):
            continue
        assert name == "PYTEST_ADDOPTS"
        option, expression = shlex.split(value)
        assert option == "-k"
        for wanted in re.split(r" or ", expression):
            assert any(wanted in found for found in selectable(words[1])), f"{words[1]} has no test {wanted}"


def check_playbook(words: list[str]) -> None:
    for word in words[1:]:
        name, equals, _value = word.partition("=")
        if equals:
            assert name in {option.name for option in OPTIONS} | ASKED
    named = [word for word in words[1:] if word.endswith(".yml") or word.startswith("slipway.deploy.")]
    assert len(named) == 1 and named[0] in PLAYBOOKS | SITE_PLAYBOOKS


def check_ad_hoc(words: list[str]) -> None:
    module, arguments = words[words.index("-m") + 1], words[words.index("-a") + 1]
    check_arguments(module.rpartition(".")[2], dict(pair.split("=", 1) for pair in shlex.split(arguments)))


def check_python(words: list[str]) -> None:
    assert words[1:3] == ["-m", "tests.lab"]
    assert f'add("{words[3]}"' in (ROOT / "tests/lab/cli.py").read_text(encoding="utf-8")


CHECKS = {"make": check_make, "ansible-playbook": check_playbook, "ansible": check_ad_hoc, "python": check_python}


@pytest.mark.parametrize("words", commands(WRITTEN), ids=" ".join)
def test_a_command_names_what_exists(words):
    if words[0] in CHECKS:
        CHECKS[words[0]](words)
    else:
        assert words[0] in OTHER_COMMANDS or (ROOT / "roles/vm_provision/files" / words[0]).is_file()


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_a_command_in_the_middle_of_a_page_names_what_exists(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for command in re.findall(r"`(make [^`]+)`", text):
        check_make(shlex.split(command))
    for playbook in re.findall(r"`(slipway\.deploy\.\w+)`", text):
        assert playbook in PLAYBOOKS or playbook.rpartition(".")[2] in MODULES


# -- pages ----------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _hash, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("page", [page for page in WRITTEN if page.name not in GENERATED], ids=name_of)
def test_a_page_is_short_enough_to_be_read(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 250


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = {page.name for page in (ROOT / "docs").glob("*.md") if f"({page.name})" in index}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} == linked


def test_a_site_of_ones_own_takes_less_than_twenty_lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    own = text[text.index("## Your own site") : text.index("## Guarantees")]
    lines = "".join(re.findall(r"^```\w+\n(.*?)^```$", own, re.DOTALL | re.MULTILINE)).splitlines()
    assert 5 < len(lines) < 20


def test_every_cause_of_an_error_is_explained():
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "plugins").rglob("*.py"))]
    causes = {cause for text in texts for cause in re.findall(r'\bcause(?:: str)?="(\w+)"', text)}
    table = re.compile(r'^    \("[^"]+", "(\w+)", "[^"]+"\),', re.MULTILINE)  # the words of the Docker Engine
    causes |= {cause for text in texts for cause in table.findall(text)}
    page = "".join(
        (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("operations.md", "database_errors.md")
    )
    assert len(causes) > 60
    assert {cause for cause in causes if f"`{cause}`" not in page} == set()


@pytest.mark.parametrize("role", sorted(path.parent.name for path in (ROOT / "roles").glob("*/README.md")))
def test_the_readme_of_a_role_names_its_own_options(role):
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    own = {name for name in specs["argument_specs"]["main"].get("options", {}) if name.startswith(f"{role}_")}
    page = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert {name for name in own if f"`{name}`" not in page} == set()


def test_the_picture_is_what_the_script_draws():
    place = importlib.util.spec_from_file_location("slipway_draw_release", ROOT / "tools/draw_release.py")
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)
    assert tool.TARGET.read_text(encoding="utf-8") == tool.picture(), "run tools/draw_release.py"
