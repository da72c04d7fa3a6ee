# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that are paused for maintenance stay so, whatever happens meanwhile, until they are to work again."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.side.held import read_held
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import (
    STATES,
    Killed,
    World,
)

UP, KEPT = ("running", True), ("stopped", False)
LIVE = {"web r1 1": UP, "web r1 2": UP, "job r1 1": UP}
PAUSED = {**LIVE, "job r1 1": KEPT}


def fresh(path, *states):
    world = World(str(path))
    world.release("blue", "r1", world.services(1))
    for state in states:
        do(world, state)
    return world


def do(world, state, **more):
    """For the live side, as the playbook maintenance calls it."""
    return world.run(state, "green", "m1", world.services(1), live_side="blue", **more)


def of_old(world):
    return {name: value for name, value in world.seen().items() if name in LIVE}


@pytest.fixture
def live(tmp_path):
    world = fresh(tmp_path)
    assert world.seen() == LIVE
    return world


def test_they_stop_alone_and_are_back_afterwards(live):
    assert do(live, "workers_paused")["said"] == "workers paused" and live.seen() == PAUSED
    assert do(live, "workers_resumed")["said"].startswith("workers at work again after ") and live.seen() == LIVE
    assert live.notes[-2:] == ["workers_paused", "workers_resumed"]
    assert read_held(live.system, live.scope) is None


def test_a_reboot_leaves_them_paused(live):
    do(live, "workers_paused")
    live.manager.reboot()
    assert live.seen() == PAUSED


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
    live.run("reverted", "green", "r2", live.services(2))
    assert of_old(live) == PAUSED and live.seen()["job r2 1"] == KEPT
    do(live, "workers_resumed")
    assert of_old(live) == LIVE


def test_a_release_gives_the_work_to_its_own_and_nothing_is_paused_then(live):
    do(live, "workers_paused")
    live.release("green", "r2", live.services(2))
    assert live.seen()["job r2 1"] == UP and read_held(live.system, live.scope) is None
    assert not live.run("workers_resumed", "blue", "m2", live.services(2), live_side="green")["changed"]


def test_a_restore_meanwhile_leaves_them_paused(live):
    do(live, "workers_paused")
    do(live, "paused")
    assert "running" not in [status for status, _boot in live.seen().values()]
    do(live, "reverted")
    assert live.seen() == PAUSED


def test_without_a_pause_nothing_is_started_that_somebody_has_stopped(live):
    live.manager.state["slipway-shop.test.job.blue@1"] = ("stopped", "")
    assert not do(live, "workers_resumed")["changed"] and live.seen()["job r1 1"] == ("stopped", True)


@pytest.mark.parametrize(
    "before, state, after", [((), "workers_paused", PAUSED), (("workers_paused",), "workers_resumed", LIVE)]
)
def test_killed_at_any_instant_the_next_run_does_the_rest(tmp_path, before, state, after):
    """The next run first puts the cut one back, and that is no reason for workers to be where nobody wants them."""
    number = 0
    while True:
        number += 1
        world = fresh(tmp_path / str(number), *before)
        world.fuse.arm(number)
        try:
            do(world, state)
        except Killed:
            world.fuse.arm(None)
        else:
            break
        held = read_held(world.system, world.scope)
        do(world, "reverted")
        still = held is not None and not held.ending
        assert world.seen() == (PAUSED if still else LIVE), number
        do(world, state)
        assert world.seen() == after, number
        assert (read_held(world.system, world.scope) is None) is (after == LIVE), number
    assert number > 3


def test_one_that_does_not_stay_up_counts_as_paused_until_another_run_has_started_it(live):
    do(live, "workers_paused")
    live.manager.crashing = {"r1"}
    with pytest.raises(SlipwayError) as caught:
        do(live, "workers_resumed")
    assert caught.value.cause == "exited"
    assert observe(live.scope, live.system, live.manager)["workers_paused"]["seconds"] >= 0
    live.manager.crashing = set()
    do(live, "workers_resumed")
    assert live.seen() == LIVE and observe(live.scope, live.system, live.manager)["workers_paused"] is None
