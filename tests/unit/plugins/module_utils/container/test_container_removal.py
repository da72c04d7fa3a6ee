# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform is removed from the engine: everything of it, and nothing of anybody else's."""

from __future__ import annotations

from ansible_collections.slipway.deploy.plugins.module_utils.container.removal import belongings, remove
from ansible_collections.slipway.deploy.plugins.module_utils.container.spec import Scope


def removed(world):
    gone = belongings(world.scope, world.system, world.engine)
    remove(gone, world.engine)
    return gone


def test_everything_of_it_goes_and_what_runs_is_stopped_first(live):
    live.release("green", "r2", live.services(2))
    live.engine.calls.clear()
    gone = removed(live)
    assert {item.name for item in gone.containers} == {
        f"slipway-shop-test-{service}"
        for service in ("web-r1-1", "web-r1-2", "job-r1-1", "web-r2-1", "web-r2-2", "job-r2-1")
    }
    assert live.engine.all == {}
    assert [tag for tag in live.engine.tags if tag.startswith("slipway/")] == []
    assert sorted(call for call in live.engine.calls if call.startswith("stop")) == [
        f"stop slipway-shop-test-{name}" for name in ("job-r2-1", "web-r2-1", "web-r2-2")
    ]
    assert "image slipway/shop-test-web:r1" in gone.told() and "container slipway-shop-test-web-r2-1" in gone.told()
    again = belongings(live.scope, live.system, live.engine)
    assert (again.told(), again.volumes) == ([], [])


def test_nothing_of_another_platform_goes(live):
    other = Scope("shop", "other", live.scope.directory.replace("/test", "/other"))
    live.engine.create(other.container_name("web", "r1", 1), "web:1", labels={**other.labels, "slipway.service": "web"})
    live.engine.create("by-hand", "web:1", labels={})
    live.engine.tags[other.kept_image("web", "r1")] = "sha-web-1"
    removed(live)
    assert {item.name for item in live.engine.all.values()} == {other.container_name("web", "r1", 1), "by-hand"}
    assert other.kept_image("web", "r1") in live.engine.tags


def test_of_images_only_those_go_that_slipway_has_brought_and_nobody_else_uses(world):
    for number in (1, 2, 3):
        world.engine.registry[f"web:{number}"] = world.engine.tags.pop(f"web:{number}")
    world.release("blue", "r1", world.services(1))
    world.release("green", "r2", world.services(2))
    world.release("blue", "r3", world.services(3))
    world.engine.create("by-hand", "web:2", labels={})
    world.engine.tags["mine:3"] = "sha-web-3"
    gone = removed(world)
    assert gone.references == ["web:1"]
    assert {"web:2", "web:3", "mine:3", "web:4"} <= set(world.engine.tags) and "web:1" not in world.engine.tags


def test_volumes_that_have_a_name_stay_and_are_said(live):
    live.engine.mounted = ["shop_uploads", "a" * 64]
    assert removed(live).volumes == ["shop_uploads"]


def test_without_records_it_goes_by_what_is_there(live):
    path = f"{live.scope.directory}/releases/r1/containers.json"
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("{")
    removed(live)
    assert live.engine.all == {} and not [tag for tag in live.engine.tags if tag.startswith("slipway/")]
