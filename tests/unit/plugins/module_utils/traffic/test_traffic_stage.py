# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage of traffic_switch on a machine that is no balancer: what it writes down, and for how long it holds its lease."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import TRAFFIC_SWITCH
from ansible_collections.slipway.deploy.plugins.module_utils.stages.traffic_switch import perform
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

HOLDER = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "1", "boot_id": "c", "command": "deploy", "since": 1.0}
RELEASE = {"id": "r1", "token": 1, "holder": HOLDER, "stage": "shift", "deadline": 300.0}


@pytest.fixture
def machine(tmp_path: t.Any) -> Machine:
    """One that has granted its lease."""
    found = Machine(System(), root=str(tmp_path), platform="shop", environment="production")
    found.grant(ReleaseToken("r1", 1, HOLDER), 60.0)
    return found


def run(tmp_path: t.Any, **more: t.Any) -> dict[str, t.Any]:
    """The module, as its action plugin calls it."""
    names = {"platform": "shop", "environment": "production", "root": str(tmp_path), "proxy": False, "release": RELEASE}
    checked = ArgumentSpecValidator(TRAFFIC_SWITCH.options).validate({**names, **more})
    assert not checked.errors.messages
    return perform(checked.validated_parameters, False)


def notes(machine: Machine) -> list[dict[str, t.Any]]:
    (release,) = machine.read().journal.releases
    return list(release.notes)


def test_a_machine_without_a_balancer_holds_its_lease_while_the_others_watch(machine: Machine, tmp_path: t.Any) -> None:
    assert not run(tmp_path)["changed"]
    assert machine.read().remaining > 300
    assert notes(machine) == []


def test_every_machine_notes_the_batch_that_has_moved(machine: Machine, tmp_path: t.Any) -> None:
    batch = {"number": 2, "of": 3, "machines": ["app2"]}
    run(tmp_path, batch=batch)
    assert notes(machine) == [{"name": "batch", **batch}]


def test_every_machine_notes_an_interruption_that_the_controller_has_measured(
    machine: Machine, tmp_path: t.Any
) -> None:
    run(tmp_path, interrupted=3.14159)
    assert notes(machine) == [{"name": "interrupted", "seconds": 3.1}]
