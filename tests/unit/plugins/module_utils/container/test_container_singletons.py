# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of which there is one in the whole fleet, in containers."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container import acts
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.courses import STATES, refused
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.fakes import Killed, World


def services(world, version):
    found = world.services(version)
    return {**found, "job": {**found["job"], "singleton": True}}


@pytest.mark.parametrize("back", [False, True], ids=["and gone on with", "and taken back"])
def test_killed_at_any_change_there_is_one_after_the_next_run_and_never_two(tmp_path, monkeypatch, back):
    monkeypatch.setattr(acts, "WORKER_MINIMUM", 0.0)
    between = 0
    for change in range(1, 200):
        world = World(f"{tmp_path}/{change}")
        world.release("blue", "r1", services(world, 1))
        world.run("prepared", "green", "r2", services(world, 2))
        world.fuse.arm(change)
        try:
            world.run("decided", "green", "r2", services(world, 2))
        except Killed:
            world.fuse.disarm()
        else:
            break
        assert len(world.running("worker")) < 2
        none, told = not world.running("worker"), []
        for state in ("reverted",) if back else STATES:
            told.append("handed_over" in world.run(state, "green", "r2", services(world, 2), live_side="blue"))
            assert len(world.running("worker")) < 2
        assert world.running("worker") == {"r1" if back else "r2"}
        assert any(told) or not none, f"killed at change {change} there was none, and nobody says for how long"
        between += none
    assert change > 5 and between > 2


def test_the_gap_is_told_by_whoever_starts_the_next_one(live):
    live.release("green", "r2", services(live, 2))
    done = live.run("reverted", "blue", "r3", services(live, 3), live_side="green")
    assert "handed_over" not in done  # nothing was stopped
    live.run("prepared", "blue", "r3", services(live, 3), live_side="green")
    done = live.run("decided", "blue", "r3", services(live, 3), live_side="green")
    assert set(done["handed_over"]) == {"job"} and done["handed_over"]["job"]["exact"] is True


def test_another_instance_keeps_the_new_one_from_starting(live):
    live.run("prepared", "green", "r2", services(live, 2))
    stop = live.engine.stop

    def and_comes_back(item, grace):
        found = stop(item, grace)
        if item.label("service") == "job":
            live.engine.start(live.engine.inspect(item.name))
        return found

    live.engine.stop = and_comes_back
    error = refused(live, "decided", "green", "r2", services(live, 2))
    assert (error.cause, error.obj) == ("runs_already", "services.job")
    assert live.running("worker") == {"r1"}
