# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared, decided, settled, reverted: what they do, do again, and do after a kill at any instant."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.fakes import Killed, World

STATES = ("prepared", "decided", "settled")
OLD_LIVE = {
    "web-r1-1": ("running", "always"),
    "web-r1-2": ("running", "always"),
    "job-r1-1": ("running", "always"),
}
NEW_LIVE = {name.replace("r1", "r2"): value for name, value in OLD_LIVE.items()}
OLD_KEPT = dict.fromkeys(OLD_LIVE, ("exited", "no"))
NEW_KEPT = dict.fromkeys(NEW_LIVE, ("exited", "no"))


def refused(world, *args, **kwargs):
    with pytest.raises(SlipwayError) as caught:
        world.run(*args, **kwargs)
    return caught.value


@pytest.fixture
def live(world):
    """Release 1 is live on blue."""
    world.release("blue", "r1", world.services(1))
    assert world.seen() == OLD_LIVE
    return world


def test_prepared_starts_what_has_traffic_and_only_creates_the_workers(live):
    live.run("prepared", "green", "r2", live.services(2))
    assert live.seen() == {
        **OLD_LIVE,
        "web-r2-1": ("running", "no"),
        "web-r2-2": ("running", "no"),
        "job-r2-1": ("created", "no"),
    }


def test_decided_hands_the_work_over_and_arms_the_new_side(live):
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    assert live.seen() == {**OLD_LIVE, "job-r1-1": ("exited", "no"), **NEW_LIVE}
    assert live.notes == ["workers_hand_over", "workers_handed_over"] * 2  # of both releases


def test_settled_stops_and_keeps_the_old_side(live):
    live.release("green", "r2", live.services(2))
    assert live.seen() == {**OLD_KEPT, **NEW_LIVE}


@pytest.mark.parametrize("reached", [1, 2], ids=["prepared", "decided"])
def test_reverted_restores_the_old_side_and_keeps_the_new_one(live, reached):
    for state in STATES[:reached]:
        live.run(state, "green", "r2", live.services(2))
    result = live.run("reverted", "green", "r2", live.services(2))
    job = ("created", "no") if reached == 1 else ("exited", "no")
    assert live.seen() == {**OLD_LIVE, **NEW_KEPT, "job-r2-1": job}
    logs = result["containers"]["slipway-shop-test-web-r2-1"]["logs"]
    assert logs == ["log of slipway-shop-test-web-r2-1 with ********"]


def test_reverting_an_old_release_leaves_alone_what_has_gone_live_on_its_side_since(live):
    live.run("prepared", "green", "r2", live.services(2))
    live.release("green", "r3", live.services(3))
    before = {name: value for name, value in live.seen().items() if "-r3-" in name}
    live.run("reverted", "green", "r2", live.services(2))
    assert (
        {name: live.seen()[name] for name in before}
        == before
        == {name.replace("r1", "r3"): value for name, value in OLD_LIVE.items()}
    )


@pytest.mark.parametrize("states", [STATES, ("prepared", "reverted")], ids=["forward", "back"])
def test_a_second_run_changes_nothing_and_the_preview_touches_nothing(live, states):
    for state in states:
        before, calls = live.seen(), list(live.engine.calls)
        predicted = live.run(state, "green", "r2", live.services(2), check=True)
        assert (live.seen(), live.engine.calls) == (before, calls)
        done = live.run(state, "green", "r2", live.services(2))
        assert predicted["actions"] == done["actions"] != []
        if state == "decided":
            assert predicted["diff"] == done["diff"]
        again = live.run(state, "green", "r2", live.services(2))
        assert (again["changed"], again["actions"]) == (False, [])
        assert live.run(state, "green", "r2", live.services(2), check=True)["changed"] is False


def test_a_preview_of_every_stage_predicts_what_happens_to_the_old_side_although_nothing_was_prepared(live):
    decided = live.run("decided", "green", "r2", live.services(2), check=True)
    assert "stop slipway-shop-test-job-r1-1" in " ".join(decided["actions"])
    settled = live.run("settled", "green", "r2", live.services(2), check=True)
    after = {name: facts["status"] for name, facts in settled["diff"]["after"].items()}
    assert after and set(after) == set(settled["diff"]["before"]) and set(after.values()) == {"exited"}


def changes_of(path, state):
    """How many changes a state makes when nothing goes wrong."""
    world = fresh(path, state)
    world.fuse.disarm()
    world.run(state, "green", "r2", world.services(2))
    return world.fuse.burnt


def fresh(path, state):
    world = World(str(path))
    world.release("blue", "r1", world.services(1))
    until = "decided" if state == "reverted" else state
    for earlier in STATES[: STATES.index(until) + (state == "reverted")]:
        world.run(earlier, "green", "r2", world.services(2))
    return world


@pytest.mark.parametrize("state", [*STATES, "reverted"])
def test_killed_at_any_instant_the_same_again_converges(tmp_path, state):
    wanted = None
    for number in range(changes_of(tmp_path / "count", state) + 1):
        world = fresh(tmp_path / str(number), state)
        if number:
            world.fuse.arm(number)
            with pytest.raises(Killed):
                world.run(state, "green", "r2", world.services(2))
            world.fuse.disarm()
        world.run(state, "green", "r2", world.services(2))
        wanted = wanted or world.seen()
        assert world.seen() == wanted, number
        assert not world.run(state, "green", "r2", world.services(2))["changed"]


@pytest.mark.parametrize("state", ["prepared", "decided"])
def test_killed_at_any_instant_before_the_shift_it_can_be_reverted(tmp_path, state):
    for number in range(1, changes_of(tmp_path / "count", state) + 1):
        world = fresh(tmp_path / str(number), state)
        world.fuse.arm(number)
        with pytest.raises(Killed):
            world.run(state, "green", "r2", world.services(2))
        world.fuse.disarm()
        world.run("reverted", "green", "r2", world.services(2))
        seen = world.seen()
        assert {name: seen[name] for name in OLD_LIVE} == OLD_LIVE, number
        assert all(
            value in (("exited", "no"), ("created", "no")) for name, value in seen.items() if name not in OLD_LIVE
        )


@pytest.mark.parametrize("state", [*STATES, "reverted"])
def test_at_every_instant_something_serves_and_no_two_versions_work(tmp_path, state):
    world = fresh(tmp_path, state)
    instants = []

    def look():
        instants.append(
            (
                bool(world.running("traffic") & world.back_after_reboot("traffic")),
                len(world.running("worker")),
                len(world.back_after_reboot("worker")),
            )
        )

    world.engine.watch = look
    world.run(state, "green", "r2", world.services(2))
    assert instants
    assert all(serves for serves, _workers, _armed in instants)
    assert max(workers for _serves, workers, _armed in instants) <= 1
    assert max(armed for _serves, _workers, armed in instants) <= 1
    assert sum(not armed for _serves, _workers, armed in instants) <= 1


def test_a_rollback_starts_what_was_kept_and_makes_nothing(live):
    live.release("green", "r2", live.services(2))
    live.engine.calls.clear()
    live.secrets["TOKEN"] = "s3cret-of-today"
    live.run("prepared", "blue", "r3", live.services(1), version="r1")
    assert not [call for call in live.engine.calls if call.startswith(("create", "pull"))]
    assert live.seen()["web-r1-1"] == ("running", "no")
    with open(f"{live.scope.directory}/secrets/blue/web/TOKEN", encoding="utf-8") as stream:
        assert stream.read() == "s3cret-of-today"


def test_what_was_decided_on_is_not_restarted_for_a_secret_of_today(live):
    """An interrupted release is resumed with today's secrets, and its new side may have the traffic already."""
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    live.secrets["TOKEN"] = "s3cret-of-today"
    calls = len(live.engine.calls)
    live.run("prepared", "green", "r2", live.services(2))
    assert [call for call in live.engine.calls[calls:] if call.split()[0] in ("stop", "start", "create")] == []
    assert live.seen() == {**OLD_LIVE, "job-r1-1": ("exited", "no"), **NEW_LIVE}


def test_a_kept_container_with_yesterdays_secret_in_its_environment_is_not_started(world):
    services = world.services(1, env_secrets=["KEY"])
    world.release("blue", "r1", services, version="1")
    world.release("green", "r2", world.services(2))
    world.secrets["KEY"] = "s3cret-of-today"
    world.run("prepared", "blue", "r3", services, version="1")
    assert world.seen()["web-r3-1"] == ("running", "no")
    assert world.seen()["web-r1-1"] == ("exited", "no")
    assert world.engine.inspect("slipway-shop-test-web-r3-1").environment["KEY"] == "s3cret-of-today"


def test_a_release_that_was_pruned_by_hand_comes_from_its_kept_image(live):
    live.release("green", "r2", live.services(2))
    for name in OLD_LIVE:
        live.engine.remove(live.engine.inspect(f"slipway-shop-test-{name}"))
    del live.engine.tags["web:1"]
    assert refused(live, "prepared", "blue", "r3", live.services(1)).cause == "image_missing"
    live.run("prepared", "blue", "r3", live.services(1), kept_release="r1")
    assert live.seen()["web-r3-1"] == ("running", "no")


def test_a_release_that_went_back_can_be_finished_after_the_one_it_came_from_was_pruned(live):
    live.release("green", "r2", live.services(2))
    back = {"version": "r1", "identity": "id-r1", "kept_release": "r1"}
    live.release("blue", "r3", live.services(1), **back)
    assert sorted(os.listdir(f"{live.scope.directory}/releases")) == ["r2", "r3"]
    for state in STATES:
        assert not live.run(state, "blue", "r3", live.services(1), **back)["changed"]


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


def test_retention_keeps_the_newest_the_failed_one_and_every_image_they_need(world):
    sides = ["blue", "green"] * 3
    for number, side in enumerate(sides, 1):
        world.release(side, f"r{number}", world.services(number), keep=3)
    world.sick.add("sha-web-7")
    refused(world, "prepared", "blue", "r7", world.services(7))
    world.run("reverted", "blue", "r7", world.services(7))
    world.release("blue", "r8", world.services(8), keep=3)
    assert sorted(os.listdir(f"{world.scope.directory}/releases")) == ["r5", "r6", "r7", "r8"]
    assert {name.split("-")[1] for name in world.seen()} == {"r5", "r6", "r7", "r8"}
    assert {tag.rpartition(":")[2] for tag in world.engine.tags if tag.startswith("slipway/")} == {
        "r5",
        "r6",
        "r7",
        "r8",
    }
    assert "web:1" in world.engine.tags  # Slipway did not bring it


def test_what_slipway_pulled_it_takes_away_unless_somebody_uses_it(world):
    for number in (1, 2, 3, 4):
        world.engine.registry[f"web:{number}"] = world.engine.tags.pop(f"web:{number}")
    for number, side in ((1, "blue"), (2, "green")):
        world.release(side, f"r{number}", world.services(number), keep=1)
    assert "web:1" not in world.engine.tags
    world.engine.create("somebody-elses", "web:2", labels={})
    world.release("blue", "r3", world.services(3), keep=1)
    assert "web:2" in world.engine.tags


def test_the_same_version_over_and_over_takes_no_more_room(world):
    for number in range(1, 9):
        side = ("blue", "green")[number % 2]
        version = 1 + number % 2
        world.release(side, f"r{number}", world.services(version), version=str(version), identity=f"id-{version}")
    assert len(os.listdir(f"{world.scope.directory}/releases")) == 2
    assert len(world.seen()) == 6


def test_secrets_of_a_service_that_is_gone_are_removed(live):
    live.release("green", "r2", {"job": live.services(2)["job"]}, keep=1)
    live.release("blue", "r3", {"job": live.services(3)["job"]}, keep=1)
    assert os.listdir(f"{live.scope.directory}/secrets/blue") == []


def test_observe_tells_what_is_live_and_what_can_come_back(live):
    live.release("green", "r2", live.services(2))
    found = observe("shop", "test", live.system, root=live.scope.directory[: -len("/shop/test")], engine=live.engine)
    assert found["live_side"] == "green"
    assert [(item["release"], item["ready"], item["stopped"]) for item in found["releases"]] == [
        ("r1", True, True),
        ("r2", True, True),
    ]
    replica = found["sides"]["green"]["services"]["web"][0]
    assert (replica["version"], replica["running"], replica["restart"]) == ("r2", True, "always")


def test_observe_reports_an_engine_that_is_away_instead_of_failing(live):
    def away():
        raise SlipwayError("cannot reach the Docker Engine", cause="engine_stopped", remedy="Start it.")

    live.engine.facts = away
    found = observe("shop", "test", live.system, root=live.scope.directory[: -len("/shop/test")], engine=live.engine)
    assert found["engine"]["ok"] is False
    assert found["engine"]["problem"]["cause"] == "engine_stopped"
    assert [item["ready"] for item in found["releases"]] == [False]


def test_questions_are_asked_where_the_ports_are_published(world):
    services = world.services(1, smoke=[{"path": "/api", "status": 200, "body": {"a": 1}}])
    world.run("prepared", "green", "r1", services)
    assert [check.target["kind"] for check in world.asked] == ["tcp", "tcp", "http", "http"]
    assert (world.asked[0].target["host"], world.asked[1].target["port"]) == ("127.0.0.1", 20011)
    smoke = world.asked[2]
    assert smoke.once and smoke.target["url"] == "http://127.0.0.1:20010/api"
    assert smoke.target["headers"] == {"Content-Type": "application/json"}
    assert smoke.target["status"] == [200]
