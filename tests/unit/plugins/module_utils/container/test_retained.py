# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine that is new is brought of the releases before it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.container.retained import bring


@pytest.fixture
def new(world):
    """Nothing was ever released here; its images are in the registry only."""
    world.engine.registry = dict(world.engine.tags)
    world.engine.tags.clear()
    return world


def about(world, number: int, side: str = "blue", **changes: t.Any) -> dict[str, t.Any]:
    marks = {"web": f"sha-web-{number}", "job": f"sha-web-{number}"}
    return {
        "release": f"r{number}",
        "version": f"{number}.0",
        "identity": f"id-r{number}",
        "side": side,
        "services": world.services(number),
        "marks": marks,
        **changes,
    }


def brought(world, *retained: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
    order = world.order("green", "r3", world.services(3))
    return bring(order, retained, world.system, world.engine, check=check).result()


def kept(world) -> dict[str, bool]:
    """The releases on this machine, and whether each is ready."""
    found = observe("shop", "test", world.system, root=world.scope.directory[: -len("/shop/test")], engine=world.engine)
    return {item["release"]: item["ready"] for item in found["releases"]}


def test_its_images_come_and_nothing_runs(new):
    said = brought(new, about(new, 1), about(new, 2, "green"))
    assert new.engine.pulls == ["web:1", "web:2"] and new.engine.all == {}
    assert kept(new) == {"r1": True, "r2": True}
    assert "keep 1.0 (r1) to go back to" in said["actions"] and said["warnings"] == []


def test_it_is_gone_back_to_without_a_registry_and_is_never_taken_for_what_was_live(new):
    brought(new, about(new, 1))
    new.release("green", "r3", new.services(3), live_side="")
    new.engine.registry.clear()
    new.release("blue", "r4", new.services(1), kept_release="r1", live_side="green")
    assert new.running("traffic") == {"r4"}
    assert {item.image for item in new.engine.all.values() if item.running} == {"sha-web-1"}


def test_what_it_is_brought_is_older_than_what_goes_out(new):
    """So that the retention lets go of it first."""
    brought(new, about(new, 1), about(new, 2, "green"))
    new.release("green", "r3", new.services(3), live_side="", keep=2)
    assert set(kept(new)) == {"r2", "r3"}
    assert "web:1" not in new.engine.tags


def test_a_tag_that_names_another_image_now_is_not_the_old_release(new):
    new.engine.registry["web:1"] = "sha-web-9"
    said = brought(new, about(new, 1), about(new, 2, "green"))
    assert "[image_changed]" in said["warnings"][0] and "sha-web-9" in said["warnings"][0]
    assert kept(new) == {"r2": True}


def test_what_the_registry_has_lost_holds_nothing_up(new):
    del new.engine.registry["web:1"]
    said = brought(new, about(new, 1), about(new, 2, "green"))
    assert "1.0 (r1) cannot be gone back to on this machine [image_missing]" in said["warnings"][0]
    assert kept(new) == {"r2": True}


def test_a_preview_brings_nothing(new):
    said = brought(new, about(new, 1), check=True)
    assert said["actions"] == ["pull web:1", "keep 1.0 (r1) to go back to"]
    assert (new.engine.pulls, kept(new)) == ([], {})


def test_a_release_whose_image_is_gone_is_not_ready_though_it_never_had_a_container(new):
    brought(new, about(new, 1))
    for tag in [tag for tag in new.engine.tags if tag.startswith("slipway/")]:
        new.engine.untag(tag)
    assert kept(new) == {"r1": False}
