# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that are paused for maintenance stay so, whatever happens meanwhile, until they are to work again."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.side.held import read_held
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.courses import (
    NEW_LIVE,
    OLD_KEPT,
    OLD_LIVE,
    STATES,
    refused,
)
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.fakes import Killed, World

PAUSED = {**OLD_LIVE, "job-r1-1": ("exited", "no")}


def do(world, state, **more):
    """For the live side, as the playbook maintenance calls it."""
    return world.run(state, "green", "m1", world.services(1), live_side="blue", **more)


def of_old(world):
    return {name: value for name, value in world.seen().items() if name in OLD_LIVE}


def fresh(path, *states):
    world = World(str(path))
    world.release("blue", "r1", world.services(1))
    for state in states:
        do(world, state)
    return world


def test_they_stop_alone_and_are_back_afterwards(live):
    done = do(live, "workers_paused")
    assert live.seen() == PAUSED and done["said"] == "workers paused"
    live.system.now += 40
    done = do(live, "workers_resumed")
    assert live.seen() == OLD_LIVE and done["said"].startswith("workers at work again after ")
    assert live.notes[-2:] == ["workers_paused", "workers_resumed"]
    assert read_held(live.system, live.scope) is None


@pytest.mark.parametrize("states", [["workers_paused"], ["workers_paused", "workers_resumed"]], ids=["pause", "resume"])
def test_a_second_run_changes_nothing_and_a_preview_touches_nothing(live, states):
    for state in states:
        before, held = live.seen(), read_held(live.system, live.scope)
        predicted = do(live, state, check=True)
        assert (live.seen(), read_held(live.system, live.scope)) == (before, held)
        assert predicted["actions"] == do(live, state)["actions"] != []
        assert not do(live, state)["changed"]


@pytest.mark.parametrize("reached", [1, 2], ids=["prepared", "decided"])
def test_a_release_that_is_put_back_meanwhile_leaves_them_paused(live, reached):
    do(live, "workers_paused")
    for state in STATES[:reached]:
        live.run(state, "green", "r2", live.services(2))
    assert live.running("worker") == ({"r2"} if reached == 2 else set())
    live.run("reverted", "green", "r2", live.services(2))
    assert of_old(live) == PAUSED and not live.running("worker")
    do(live, "workers_resumed")
    assert of_old(live) == OLD_LIVE


def test_a_release_gives_the_work_to_its_own_and_nothing_is_paused_then(live):
    do(live, "workers_paused")
    live.release("green", "r2", live.services(2))
    assert live.seen() == {**OLD_KEPT, **NEW_LIVE} and read_held(live.system, live.scope) is None
    assert not live.run("workers_resumed", "blue", "m2", live.services(2), live_side="green")["changed"]


def test_a_restore_meanwhile_leaves_them_paused(live):
    do(live, "workers_paused")
    do(live, "paused")
    assert not live.running("traffic") and not live.running("worker")
    do(live, "reverted")
    assert live.seen() == PAUSED


def test_without_a_pause_nothing_is_started_that_somebody_has_stopped(live):
    (job,) = [item for item in live.engine.all.values() if item.label("role") == "worker"]
    live.engine.stop(job, 1.0)
    assert not do(live, "workers_resumed")["changed"] and not live.running("worker")


def changes_of(path, state, *before):
    world = fresh(path, *before)
    world.fuse.disarm()
    world.fuse.burnt = 0
    do(world, state)
    return world.fuse.burnt


@pytest.mark.parametrize(
    "before, state, after", [((), "workers_paused", PAUSED), (("workers_paused",), "workers_resumed", OLD_LIVE)]
)
def test_killed_at_any_instant_the_next_run_does_the_rest(tmp_path, before, state, after):
    """The next run first puts the cut one back, and that is no reason for workers to be where nobody wants them."""
    changes = changes_of(tmp_path / "count", state, *before)
    assert changes > 2
    for number in range(1, changes + 1):
        world = fresh(tmp_path / str(number), *before)
        world.fuse.arm(number)
        with pytest.raises(Killed):
            do(world, state)
        world.fuse.disarm()
        held = read_held(world.system, world.scope)
        do(world, "reverted")
        still = held is not None and not held.ending
        assert world.seen() == (PAUSED if still else OLD_LIVE), number
        assert (read_held(world.system, world.scope) is not None) is still, number
        do(world, state)
        assert world.seen() == after, number
        assert (read_held(world.system, world.scope) is None) is (after == OLD_LIVE), number


def test_one_that_does_not_stay_up_counts_as_paused_until_another_run_has_started_it(live):
    do(live, "workers_paused")
    since = live.system.now
    live.engine.crashing = {item.image for item in live.engine.all.values()}
    assert refused(live, "workers_resumed", "green", "m1", live.services(1), live_side="blue").cause == "exited"
    root = os.path.dirname(os.path.dirname(live.scope.directory))
    seen = observe("shop", "test", live.system, root=root, engine=live.engine)
    assert seen["workers_paused"]["since"] == since
    live.engine.crashing = set()
    do(live, "workers_resumed")
    assert live.seen() == OLD_LIVE and read_held(live.system, live.scope) is None
