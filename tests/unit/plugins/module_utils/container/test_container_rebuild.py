# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records, secrets and assets of what runs are written anew, and nothing is started, stopped or made."""

from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.container.rebuild import rebuild
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError


def remember(world, release, side, services, *, live=True, check=False, version=""):
    order = world.order(
        side,
        "rebuild-1",
        services,
        version=version or release,
        identity=f"id-{version or release}",
        kept_release=release,
    )
    order = order._replace(live_side=side if live else "")
    return rebuild(order, world.system, world.engine, check=check).result()


def lose(world):
    """All that the machine remembers."""
    before = world.seen()
    shutil.rmtree(world.scope.directory)
    world.engine.calls.clear()
    return before


def releases(world):
    found = observe(
        "shop", "test", world.system, root=os.path.dirname(os.path.dirname(world.scope.directory)), engine=world.engine
    )
    return {one["release"]: (one["outcome"], one["ready"]) for one in found["releases"]}


def test_what_was_lost_is_known_again_and_a_release_and_a_rollback_go_on(live):
    live.release("green", "r2", live.services(2))
    before = lose(live)
    assert releases(live) == {}
    seen = remember(live, "r1", "blue", live.services(1), live=False, check=True)
    assert seen["actions"] == ["remember release r1 on blue"] and releases(live) == {}
    remember(live, "r1", "blue", live.services(1), live=False)
    remember(live, "r2", "green", live.services(2))
    assert live.engine.calls == [] and live.seen() == before
    assert releases(live) == {"r1": ("settled", True), "r2": ("settled", True)}
    with open(f"{live.scope.directory}/secrets/green/web/TOKEN", encoding="utf-8") as stream:
        assert stream.read() == "s3cret-token"
    assert remember(live, "r2", "green", live.services(2))["changed"] is False
    live.run(
        "prepared", "blue", "r3", live.services(1), version="r1", identity="id-r1", kept_release="r1", live_side="green"
    )
    assert not [call for call in live.engine.calls if call.startswith(("create", "pull"))]


def test_a_release_that_went_back_is_known_by_the_containers_of_the_older_one(live):
    live.release("green", "r2", live.services(2))
    live.release("blue", "r3", live.services(1), version="r1", identity="id-r1", kept_release="r1")
    before = lose(live)
    remember(live, "r3", "blue", live.services(1), version="r1")
    assert live.seen() == before and releases(live) == {"r3": ("settled", True)}


@pytest.mark.parametrize("fault", ["another version", "one is missing", "idle", "a stranger"])
def test_what_runs_and_is_not_what_is_said_is_refused(live, fault):
    services = live.services(1)
    if fault == "another version":
        live.engine.tags["slipway/shop-test-web:r1"] = live.engine.tags["slipway/shop-test-job:r1"] = "sha-web-2"
    elif fault == "one is missing":
        live.engine.remove(live.engine.inspect("slipway-shop-test-web-r1-2"))
    elif fault == "idle":
        for item in list(live.engine.all.values()):
            live.engine.set_restart(item, "no")
    else:
        found = live.engine.inspect("slipway-shop-test-web-r1-1")
        live.engine.all["x"] = found._replace(id="x", name="x", labels={**found.labels, "slipway.spec": "other"})
    lose(live)
    with pytest.raises(SlipwayError) as caught:
        remember(live, "r1", "blue", services)
    assert caught.value.cause == "contradicted"
    assert live.engine.calls == [] and not os.path.exists(live.scope.directory)


def test_a_release_whose_images_are_gone_is_left_out_and_said(live):
    live.release("green", "r2", live.services(2))
    lose(live)
    del live.engine.tags["slipway/shop-test-web:r1"]
    said = remember(live, "r1", "blue", live.services(1), live=False)
    assert "release r1 is not kept any more" in said["warnings"][0] and releases(live) == {}


def test_assets_are_laid_out_for_the_next_start(world):
    world.engine.assets["sha-web-1"] = {"a.js": b"1"}
    services = world.services(1, assets={"path": "/assets"})
    world.release("blue", "r1", services)
    lose(world)
    remember(world, "r1", "blue", services)
    found = [files for _directory, _directories, files in os.walk(f"{world.scope.directory}/assets") if "a.js" in files]
    assert len(found) == 1
