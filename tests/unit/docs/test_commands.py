# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that README, docs and role READMEs show name what exists."""

from __future__ import annotations

import re
import shlex

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import OPTIONS
from ansible_collections.slipway.deploy.tests.unit.docs.arguments import check_arguments
from ansible_collections.slipway.deploy.tests.unit.docs.pages import (
    ASKED,
    MODULES,
    PLAYBOOKS,
    ROOT,
    SITE_PLAYBOOKS,
    WRITTEN,
    commands,
    name_of,
)

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
