# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused or goes wrong on a side, and what is left alone then."""

from __future__ import annotations

import json

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.courses import (
    NEW_KEPT,
    OLD_LIVE,
    STATES,
    refused,
)


@pytest.mark.parametrize(
    ("more", "why"),
    [({}, "the record says that blue is live"), ({"live_side": "blue"}, "the caller says so")],
)
def test_the_live_side_is_never_prepared_over(live, more, why):
    assert refused(live, "prepared", "blue", "r2", live.services(2), **more).cause == "live_side", why
    assert live.seen() == OLD_LIVE


def test_the_live_side_is_never_taken_back(live):
    assert refused(live, "reverted", "blue", "r1", live.services(1), live_side="blue").cause == "live_side"
    assert live.seen() == OLD_LIVE


def test_what_an_earlier_attempt_left_running_on_the_idle_side_is_stopped_first(live):
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    live.run("reverted", "green", "r2", live.services(2))
    live.engine.start(live.engine.inspect("slipway-shop-test-web-r2-1"))
    live.run("prepared", "green", "r3", live.services(3))
    assert live.seen()["web-r2-1"] == ("exited", "no")
    assert live.seen()["web-r3-1"] == ("running", "no")


def test_every_missing_image_is_reported_and_nothing_is_made(world):
    services = world.services(1)
    services["web"]["image"], services["job"]["image"] = "gone:1", "gone:2"
    error = refused(world, "prepared", "blue", "r1", services)
    assert error.cause == "image_missing"
    assert len(error.evidence["images"]) == 2
    assert world.seen() == {}


@pytest.mark.parametrize(
    ("pull", "present", "pulled"),
    [("missing", True, False), ("missing", False, True), ("always", True, True), ("never", True, False)],
)
def test_pulling_follows_the_policy(world, pull, present, pulled):
    world.engine.registry["web:1"] = "sha-web-1"
    if not present:
        del world.engine.tags["web:1"]
    services = {"web": {**world.services(1)["web"], "pull": pull}}
    world.run("prepared", "blue", "r1", services)
    assert world.engine.pulls == (["web:1"] if pulled else [])


def test_an_image_that_moved_under_its_name_makes_new_containers(live):
    live.release("green", "r2", live.services(2))
    live.engine.tags["web:1"] = "sha-web-other"
    live.run("prepared", "blue", "r3", live.services(1), version="r1")
    assert live.seen()["web-r3-1"] == ("running", "no")


@pytest.mark.parametrize("how", ["sick", "crashing", "broken"])
def test_what_fails_is_kept_with_its_log_and_the_live_side_untouched(live, how):
    {
        "sick": lambda: live.sick.add("sha-web-2"),
        "crashing": lambda: live.engine.crashing.add("sha-web-2"),
        "broken": lambda: live.engine.broken.update({"sha-web-2": "port_taken"}),
    }[how]()
    error = refused(live, "prepared", "green", "r2", live.services(2))
    assert error.cause == {"sick": "status", "crashing": "exited", "broken": "port_taken"}[how]
    failed = error.evidence["containers"]
    assert sorted(failed) == ["slipway-shop-test-web-r2-1", "slipway-shop-test-web-r2-2"]
    assert all(item["logs"] for item in failed.values())
    assert "s3cret" not in json.dumps(error.result())
    assert {name: value for name, value in live.seen().items() if "r1" in name} == OLD_LIVE
    assert not [name for name, (status, _policy) in live.seen().items() if "r2" in name and status == "running"]


def test_a_failed_attempt_can_be_repeated_under_the_same_release(live):
    live.sick.add("sha-web-2")
    refused(live, "prepared", "green", "r2", live.services(2))
    live.sick.clear()
    live.run("prepared", "green", "r2", live.services(2))
    assert live.seen()["web-r2-1"] == ("running", "no")


def test_a_name_taken_by_an_attempt_with_another_specification_is_made_free(live):
    live.run("prepared", "green", "r2", live.services(2))
    live.run("prepared", "green", "r2", live.services(3))
    assert live.engine.inspect("slipway-shop-test-web-r2-1").image == "sha-web-3"


@pytest.mark.parametrize("state", ["decided", "settled"])
def test_what_was_never_prepared_is_refused(live, state):
    assert refused(live, state, "green", "r9", live.services(2)).cause == "not_prepared"
    assert live.seen() == OLD_LIVE


@pytest.mark.parametrize("state", ["decided", "settled"])
def test_a_new_side_that_died_meanwhile_leaves_the_old_one_as_it_is(live, state):
    for earlier in STATES[: STATES.index(state)]:
        live.run(earlier, "green", "r2", live.services(2))
    live.engine.stop(live.engine.inspect("slipway-shop-test-web-r2-1"), 1)
    before = {name: value for name, value in live.seen().items() if "r1" in name}
    assert refused(live, state, "green", "r2", live.services(2)).cause == "exited"
    assert {name: value for name, value in live.seen().items() if "r1" in name} == before


def test_an_old_side_that_cannot_come_back_leaves_the_new_one_running(live):
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    live.engine.remove(live.engine.inspect("slipway-shop-test-web-r1-1"))
    assert refused(live, "reverted", "green", "r2", live.services(2)).cause == "gone"
    assert live.seen()["web-r2-1"][0] == "running"


def test_the_first_release_of_all_can_be_reverted(world):
    for state in STATES[:2]:
        world.run(state, "green", "r2", world.services(2))
    world.run("reverted", "green", "r2", world.services(2))
    assert world.seen() == NEW_KEPT


def test_a_worker_that_its_restart_policy_keeps_starting_again_has_failed(live):
    live.run("prepared", "green", "r2", live.services(2))
    start = live.engine.start

    def crash_once(container):
        start(container)
        live.engine._set(container, restarts=1)

    live.engine.start = crash_once
    assert refused(live, "decided", "green", "r2", live.services(2)).cause == "exited"


def test_a_full_disk_does_not_stop_a_revert(live):
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    live.system.full = True
    result = live.run("reverted", "green", "r2", live.services(2))
    assert {name: live.seen()[name] for name in OLD_LIVE} == OLD_LIVE
    assert "no space left" in result["warnings"][0]


def test_a_program_killed_after_its_grace_is_mentioned(live):
    live.engine.stubborn.add("sha-web-1")
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    warnings = live.run("settled", "green", "r2", live.services(2))["warnings"]
    assert len(warnings) == 2 and "was killed" in warnings[0]


def test_observe_reports_an_engine_that_is_away_instead_of_failing(live):
    def away():
        raise SlipwayError("cannot reach the Docker Engine", cause="engine_stopped", remedy="Start it.")

    live.engine.facts = away
    found = observe("shop", "test", live.system, root=live.scope.directory[: -len("/shop/test")], engine=live.engine)
    assert found["engine"]["ok"] is False
    assert found["engine"]["problem"]["cause"] == "engine_stopped"
    assert [item["ready"] for item in found["releases"]] == [False]
