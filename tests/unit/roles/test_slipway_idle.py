# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that asks whether a release is under way, compared with the engine that writes what it reads."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.tests.unit.roles.programs import program

IDLE: t.Any = program("slipway-idle")

RELEASE = ReleaseToken("1.1.0-x", 1, {"host": "controller", "pid": 1})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(System(), root=str(tmp_path), platform="shop", environment="test")


def said(machine: Machine) -> list[str]:
    return list(IDLE.reasons(str(Path(machine.directory).parents[1])))


def test_a_machine_without_any_release_is_idle(machine: Machine) -> None:
    assert said(machine) == []


def test_a_live_lease_and_a_release_without_an_outcome_are_none(machine: Machine) -> None:
    machine.grant(RELEASE, 60)
    assert said(machine) == ["shop/test: release 1.1.0-x holds the lock"]
    with machine.stage(RELEASE, "prepare", 10):
        pass
    held, open_one = said(machine)
    assert "holds the lock" in held and open_one == "shop/test: release 1.1.0-x was interrupted and has to be finished"
    with machine.stage(RELEASE, "record", 10) as step:
        step.outcome("succeeded")
        step.release_lease()
    assert said(machine) == []


def test_a_lease_that_has_run_out_is_idle_unless_something_was_begun(machine: Machine) -> None:
    machine.grant(RELEASE, 0)
    assert said(machine) == []
    machine.grant(RELEASE, 60)
    with machine.stage(RELEASE, "prepare", 10):
        pass
    path = Path(machine.directory, "lock.json")
    lock = json.loads(path.read_text())
    lock["lease"]["expires"] = lock["lease"]["granted"]
    path.write_text(json.dumps(lock))
    assert said(machine) == ["shop/test: release 1.1.0-x was interrupted and has to be finished"]


def test_after_a_reboot_a_lease_lives_for_as_long_as_it_was_granted(machine: Machine) -> None:
    machine.grant(RELEASE, 60)
    path = Path(machine.directory, "lock.json")
    lock = json.loads(path.read_text())
    lock["lease"]["boot_id"] = "another"
    for length, held in ((10**9, True), (0, False)):
        lock["lease"]["expires"] = lock["lease"]["granted"] + length
        path.write_text(json.dumps(lock))
        assert bool(said(machine)) is held


@pytest.mark.parametrize(
    ("name", "tail", "idle"),
    [
        ("journal.jsonl", "{torn", True),
        ("journal.jsonl", '{"torn":\n{"event":"x"}\n', False),
        ("lock.json", "no", False),
    ],
)
def test_a_torn_tail_is_no_release_and_other_damage_may_be_one(
    machine: Machine, name: str, tail: str, idle: bool
) -> None:
    machine.grant(RELEASE, 0)
    with Path(machine.directory, name).open("a") as stream:
        stream.write(tail)
    assert (said(machine) == []) is idle
