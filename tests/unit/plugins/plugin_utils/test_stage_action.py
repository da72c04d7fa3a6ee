# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a stage runs by the engines that are kept on a machine, and when by its module."""

from __future__ import annotations

import types

import pytest
from ansible_collections.slipway.deploy.plugins.action import migration_runner, release_state
from ansible_collections.slipway.deploy.plugins.plugin_utils import stage_action

PYTHON = {"ansible_python_interpreter": "/usr/bin/python3"}
PLACE = {"platform": "shop", "environment": "test"}
ACTS = {**PLACE, "state": "granted", "release": {"id": "r1", "token": 1}}


class Kept:
    """Engines on a machine: installed or not, and what was asked of them."""

    def __init__(self, *, installed=True, installable=True, home=True):
        self.installed, self.installable, self.installs, self.orders = installed, installable, 0, []
        self.home = home

    def run(self, module, params, *, check):
        if not self.installed:
            return None
        self.orders.append((module, params["state"], check))
        return {"by": "engine"}

    def is_at_home(self):
        return self.home

    def install(self):
        self.installs += 1
        self.installed = self.installable
        return self.installable


@pytest.fixture
def stage(monkeypatch):
    """Runs an action's attempt on a machine with these engines; says by what it was done."""

    def run(
        kept, args, *, variables=None, check=False, pipelining=True, action=release_state.ActionModule, alone=False
    ):
        plugin = action.__new__(action)
        plugin._task = types.SimpleNamespace(args=args, check_mode=check)
        plugin._templar = types.SimpleNamespace(template=lambda value: value)
        monkeypatch.setattr(stage_action, "HostEngine", lambda *_where: kept)
        monkeypatch.setattr(plugin, "_compute_environment_string", lambda: "", raising=False)
        monkeypatch.setattr(plugin, "_is_pipelining_enabled", lambda _style: pipelining, raising=False)
        monkeypatch.setattr(plugin, "_execute_module", lambda **_keywords: {"by": "module"}, raising=False)
        return (plugin._alone if alone else plugin._try)(args, PYTHON if variables is None else variables)

    return run


def test_a_stage_runs_by_the_engines_that_are_there(stage):
    kept = Kept()
    assert stage(kept, ACTS) == {"by": "engine"}
    assert (kept.orders, kept.installs) == ([("release_state", "granted", False)], 0)


def test_a_stage_that_acts_installs_them_and_one_that_only_looks_does_not(stage):
    looking, acting = Kept(installed=False), Kept(installed=False)
    assert stage(looking, {**PLACE, "state": "read"}) == {"by": "module"}
    assert stage(acting, ACTS) == {"by": "engine"}
    assert (looking.installs, acting.installs) == (0, 1)


def test_a_preview_installs_nothing(stage):
    kept = Kept(installed=False)
    assert stage(kept, ACTS, check=True) == {"by": "module"}
    assert kept.installs == 0


@pytest.mark.parametrize(
    ("kept", "args", "check", "expected"),
    [
        (Kept(), {"state": "latest"}, False, ("engine", 0)),
        (Kept(), {"state": "status"}, False, ("engine", 0)),
        (Kept(installed=False), {}, False, ("engine", 1)),
        (Kept(installed=False), {"state": "status"}, False, ("module", 0)),
        (Kept(installed=False), {}, True, ("module", 0)),
        (Kept(installed=False, home=False), {}, False, ("module", 0)),
        (Kept(installed=False, installable=False), {}, False, ("module", 1)),
        (Kept(), {"locations": ["~/migrations"]}, False, ("module", 0)),
    ],
    ids=[
        "there",
        "only looks",
        "acts",
        "only looks, none there",
        "a preview",
        "no state there",
        "refused",
        "a path of the machine",
    ],
)
def test_migrations_outside_of_a_release_run_by_them_too(stage, kept, args, check, expected):
    found = stage(kept, args, check=check, action=migration_runner.ActionModule, alone=True)
    assert (found["by"], kept.installs) == expected


def test_other_modules_outside_of_a_release_run_as_modules(stage):
    kept = Kept()
    assert stage(kept, {**PLACE, "state": "read"}, alone=True) == {"by": "module"}
    assert not kept.orders


def test_where_they_cannot_be_installed_the_module_does_it(stage):
    assert stage(Kept(installed=False, installable=False), ACTS) == {"by": "module"}


@pytest.mark.parametrize(
    ("variables", "pipelining"),
    [({}, True), ({"ansible_python_interpreter": "auto_silent"}, True), (PYTHON, False)],
    ids=["interpreter not found yet", "interpreter to be found", "no pipelining"],
)
def test_what_ansible_has_to_find_out_itself_is_left_to_the_module(stage, variables, pipelining):
    assert stage(Kept(), ACTS, variables=variables, pipelining=pipelining) == {"by": "module"}


def test_the_interpreter_that_ansible_has_found_is_used(stage):
    found = {"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.11"}}
    assert stage(Kept(), ACTS, variables=found) == {"by": "engine"}


def test_mitogen_is_left_to_keep_modules_its_own_way(stage):
    """It gives every action class a mixin of its own."""
    mixin = type("ActionModuleMixin", (), {"__module__": "ansible_mitogen.mixins"})
    action = type("ActionModule", (mixin, release_state.ActionModule), {})
    assert stage(Kept(), ACTS, action=action) == {"by": "module"}


def test_parameters_that_cannot_be_used_are_refused_before_anything_is_sent(stage):
    kept = Kept()
    outcome = stage(kept, {**ACTS, "state": "gone"})
    assert (outcome["failed"], outcome["error"]["cause"], kept.orders) == (True, "invalid", [])
    assert "gone" in outcome["msg"]
