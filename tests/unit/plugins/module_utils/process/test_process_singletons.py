# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of which there is one in the whole fleet: never two, and for how long there was none is told."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process import acts
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import (
    STATES,
    Killed,
    World,
)


class Clocked(World):
    """Ending takes it two seconds, starting three; a boot has clocks of its own."""

    def __init__(self, root):
        super().__init__(root)
        self.boot = 1
        self.system.boot_id = lambda: f"boot-{self.boot}"
        self.system.boottime = lambda: self.system.now - 1000.0 * self.boot
        self.system.wall = lambda: 1e9 + self.system.now
        start, stop = self.manager.start, self.manager.stop

        def slowly(act, seconds):
            def do(items):
                done = act(items)
                self.system.now += seconds if items else 0.0
                return done

            return do

        self.manager.start, self.manager.stop = slowly(start, 3.0), slowly(stop, 2.0)

    def services(self, version, **more):
        found = super().services(version, **more)
        return {**found, "job": {**found["job"], "singleton": True}}

    def reboot(self):
        self.boot += 1
        self.manager.reboot()


@pytest.fixture
def world(tmp_path):
    return Clocked(str(tmp_path))


def working(world):
    return {name.split()[1] for name, (status, _b) in world.seen().items() if "job" in name and status == "running"}


def test_the_gap_between_the_end_of_the_old_and_the_start_of_the_new_is_measured(world):
    assert "handed_over" not in world.run("prepared", "blue", "r1", world.services(1))
    assert "handed_over" not in world.run("decided", "blue", "r1", world.services(1))  # there was none before
    world.run("settled", "blue", "r1", world.services(1))
    world.run("prepared", "green", "r2", world.services(2))
    done = world.run("decided", "green", "r2", world.services(2))
    assert done["handed_over"] == {"job": {"seconds": 3.0, "exact": True}}
    assert "handed_over" not in world.run("decided", "green", "r2", world.services(2))
    back = world.run("reverted", "green", "r2", world.services(2), live_side="blue")
    assert back["handed_over"]["job"]["seconds"] >= 3.0  # the web of release 1 was never stopped
    assert working(world) == {"r1"}


def test_where_the_whole_side_stops_first_the_gap_is_that_long(world):
    world.release("blue", "r1", world.services(1))
    world.run("paused", "green", "r2", world.services(2), live_side="blue")
    world.system.now += 60
    world.run("prepared", "green", "r2", world.services(2), live_side="blue")
    done = world.run("decided", "green", "r2", world.services(2), live_side="blue")
    assert 60 < done["handed_over"]["job"]["seconds"] < 80


@pytest.mark.parametrize("rebooted", [False, True], ids=["", "and the machine rebooted"])
def test_it_is_killed_at_any_change_and_there_is_one_after_the_next_run(tmp_path, monkeypatch, rebooted):
    monkeypatch.setattr(acts, "WORKER_MINIMUM", 0.0)
    measured = []
    for change in range(1, 200):
        world = Clocked(f"{tmp_path}/{change}")
        world.release("blue", "r1", world.services(1))
        world.run("prepared", "green", "r2", world.services(2))

        def never_two(world=world):
            assert len(working(world)) < 2

        world.manager.watch = never_two
        world.fuse.arm(change)
        killed = False
        try:
            world.run("decided", "green", "r2", world.services(2))
        except Killed:
            killed = True
        world.fuse.arm(None)
        if not killed:
            break
        none, told = not working(world), len(measured)
        if rebooted:
            world.reboot()
        for state in STATES:
            done = world.run(state, "green", "r2", world.services(2), live_side="blue")
            if "handed_over" in done:
                measured.append(done["handed_over"]["job"])
        assert working(world) == {"r2"}
        assert len(measured) > told or not none, (
            f"killed at change {change} there was none, and nobody says for how long"
        )
    assert change > 5
    assert {gap["exact"] for gap in measured} == {True, False}


def test_one_that_somebody_started_by_hand_keeps_the_new_one_from_starting(world):
    world.release("blue", "r1", world.services(1))
    world.run("prepared", "green", "r2", world.services(2))
    stop = world.manager.stop

    def and_comes_back(items):
        done = stop(items)
        world.manager.state.update({item.name: ("running", item.labels.spec) for item in items if "job" in item.name})
        return done

    world.manager.stop = and_comes_back
    with pytest.raises(SlipwayError) as caught:
        world.run("decided", "green", "r2", world.services(2))
    assert (caught.value.cause, caught.value.obj) == ("runs_already", "services.job")
    assert working(world) == {"r1"}


def test_what_was_only_measured_holds_nothing_up_when_it_is_damaged(world):
    world.release("blue", "r1", world.services(1))
    world.run("prepared", "green", "r2", world.services(2))
    world.fuse.arm(3)
    with contextlib.suppress(Killed):
        world.run("decided", "green", "r2", world.services(2))
    world.fuse.arm(None)
    with open(f"{world.scope.directory}/handed_over.json", "w", encoding="utf-8") as file:
        file.write("{")
    assert "handed_over" not in world.run("decided", "green", "r2", world.services(2))
    assert working(world) == {"r2"}


@pytest.mark.parametrize(
    ("more", "where"), [({"traffic": True, "port": 80}, "singleton"), ({"replicas": 2}, "replicas")]
)
def test_what_cannot_be_one_is_refused(world, more, where):
    services = world.services(1)
    services["job"].update(more, ports={"blue": [20000, 20001]})
    with pytest.raises(SlipwayError) as caught:
        world.run("prepared", "blue", "r1", services)
    assert (caught.value.cause, caught.value.obj) == ("invalid", f"services.job.{where}")
