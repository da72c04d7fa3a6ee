# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full, from any byte on: what ends or reverts a release is recorded all the same."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.state.journal import RESERVE_BYTES
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import FullDisk

ANN = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "1", "boot_id": "c"}
R1 = ReleaseToken("r1", 1, ANN)
R2 = ReleaseToken("r2", 2, ANN)
PLENTY = 10 * RESERVE_BYTES


def machine_on(system, tmp_path):
    return Machine(system, root=str(tmp_path / "slipway"), platform="shop", environment="production")


def whole_release(machine):
    with machine.stage(R1, "prepare", 60.0):
        pass
    with machine.stage(R1, "decision", 5.0) as step:
        step.decision({"version": "1.1.0", "hosts": ["h" * 20] * 100})
    with machine.stage(R1, "shift", 60.0):
        pass
    with machine.stage(R1, "revert", 60.0) as step:
        step.mark_bad("i1", version="1.1.0", why="watch")
        step.outcome("reverted", diagnosis={"cause": "watch_errors"})
        step.release_lease()


@pytest.mark.parametrize("free", [0, 1, 50, 100, 200, 300, 500, 700, 1000, 1500, 2500, 4000, 6000, 9000])
def test_a_release_that_began_ends_on_a_full_disk(tmp_path, free):
    system = FullDisk(PLENTY)
    machine = machine_on(system, tmp_path)
    machine.grant(R1, 60.0)
    system.free = free
    whole_release(machine)
    view = machine.read()
    assert view.journal.releases[0].outcome == "reverted"
    assert set(view.journal.bad) == {"i1"}
    assert view.lock.lease is None


def test_a_revert_on_a_full_disk_can_be_taken_up_by_the_next_run(tmp_path):
    system = FullDisk(PLENTY)
    machine = machine_on(system, tmp_path)
    machine.grant(R1, 60.0)
    system.free = 0
    with machine.stage(R1, "prepare", 60.0):
        pass
    assert not os.path.exists(os.path.join(machine.directory, "journal.reserve")), "it was given up"
    system.pass_time(60)
    machine.grant(R2, 60.0)
    with machine.stage(R1._replace(token=2), "revert", 5.0) as step:
        step.outcome("reverted")
    assert machine.read().journal.find("r1").outcome == "reverted"
    with pytest.raises(SlipwayError) as caught, machine.stage(R2, "prepare", 5.0):
        pass
    assert caught.value.cause == "no_space"


def test_a_new_release_is_refused_until_the_reserve_can_be_made_again(tmp_path):
    system = FullDisk(PLENTY)
    machine = machine_on(system, tmp_path)
    machine.grant(R1, 60.0)
    system.free = 0
    whole_release(machine)
    with pytest.raises(SlipwayError) as caught:
        machine.grant(R2, 60.0)
    assert caught.value.cause == "no_space"
    assert "reserve" in caught.value.message
    assert "Free disk space" in caught.value.message
    assert not [name for name in os.listdir(machine.directory) if name.endswith(".partial")]
    system.free = PLENTY
    assert machine.grant(R2, 60.0)
    assert os.path.exists(os.path.join(machine.directory, "journal.reserve"))


@pytest.mark.parametrize("free", range(0, 1400, 100))
def test_without_reserve_a_record_that_does_not_fit_leaves_the_file_as_it_was(tmp_path, free):
    system = FullDisk(PLENTY)
    machine = machine_on(system, tmp_path)
    machine.grant(R1, 60.0)
    os.unlink(os.path.join(machine.directory, "journal.reserve"))
    path = os.path.join(machine.directory, "journal.jsonl")
    with open(path, "rb") as stream:
        before = stream.read()
    system.free = free
    try:
        machine.mark_bad("i1", version="1", why="x" * 700)
        assert free >= 700
    except SlipwayError as error:
        assert error.cause == "no_space"
        with open(path, "rb") as stream:
            assert stream.read() == before
    assert machine.read().lock.fence == 1
