# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared, decided, settled, reverted: what they do, do again, and do after a kill at any instant."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.courses import (
    NEW_KEPT,
    NEW_LIVE,
    OLD_KEPT,
    OLD_LIVE,
    STATES,
)
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.fakes import Killed, World


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


def test_paused_stops_the_live_side_and_reverted_starts_it_again(live):
    live.run("paused", "green", "r2", live.services(2))
    assert live.seen() == {name: ("exited", policy) for name, (_status, policy) in OLD_LIVE.items()}
    live.run("reverted", "green", "r2", live.services(2))
    assert live.seen() == OLD_LIVE


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


def test_questions_are_asked_where_the_ports_are_published(world):
    services = world.services(1, smoke=[{"path": "/api", "status": 200, "body": {"a": 1}}])
    world.run("prepared", "green", "r1", services)
    assert [check.target["kind"] for check in world.asked] == ["tcp", "tcp", "http", "http"]
    assert (world.asked[0].target["host"], world.asked[1].target["port"]) == ("127.0.0.1", 20011)
    smoke = world.asked[2]
    assert smoke.once and smoke.target["url"] == "http://127.0.0.1:20010/api"
    assert smoke.target["headers"] == {"Content-Type": "application/json"}
    assert smoke.target["status"] == [200]
