# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of releases are written anew whose code and definitions are on the machine."""

from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.process.rebuild import rebuild
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import World


@pytest.fixture
def world(tmp_path):
    found = World(str(tmp_path))
    found.release("blue", "r1", found.services(1))
    found.release("green", "r2", found.services(2))
    shutil.rmtree(found.scope.directory)
    return found


def remember(world, release, side, services, *, live=True):
    order = world.order(side, "rebuild-1", services, version=release, identity=f"id-{release}", kept_release=release)
    return rebuild(order._replace(live_side=side if live else ""), world.system, world.manager).result()


def releases(world):
    found = observe(world.scope, world.system, world.manager)
    return {one["release"]: (one["outcome"], one["ready"]) for one in found["releases"]}


def test_what_was_lost_is_known_again_and_nothing_was_touched(world):
    before = world.seen(), world.current(), world.trees()
    remember(world, "r1", "blue", world.services(1), live=False)
    remember(world, "r2", "green", world.services(2))
    assert (world.seen(), world.current(), world.trees()) == before
    assert releases(world) == {"r1": ("settled", True), "r2": ("settled", True)}
    assert not remember(world, "r2", "green", world.services(2))["changed"]


def test_what_runs_and_is_not_what_is_said_is_refused(world):
    with pytest.raises(SlipwayError) as caught:
        remember(world, "r2", "green", world.services(2, replicas=1))
    assert caught.value.cause == "contradicted" and not os.path.exists(world.scope.directory)
    with pytest.raises(SlipwayError) as caught:
        remember(world, "r1", "blue", world.services(1))
    assert caught.value.cause == "contradicted"


def test_a_release_whose_code_is_gone_is_left_out_and_said(world):
    shutil.rmtree(f"{world.scope.base}/releases/r1")
    assert "r1 is not kept any more" in remember(world, "r1", "blue", world.services(1), live=False)["warnings"][0]
    assert releases(world) == {}
