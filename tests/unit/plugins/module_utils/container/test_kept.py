# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept: what a rollback starts, what retention removes, what is reported of it."""

from __future__ import annotations

import os

from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.courses import (
    NEW_LIVE,
    OLD_LIVE,
    STATES,
    refused,
)


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
