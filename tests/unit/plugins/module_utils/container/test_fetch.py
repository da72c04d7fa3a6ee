# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is brought before anything stops, and a new side that ends before the old one starts again."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.courses import (
    NEW_LIVE,
    OLD_LIVE,
    refused,
)


@pytest.fixture
def coming(live):
    """r1 is live; what r2 runs is in the registry only, with assets."""
    live.engine.registry["web:2"] = live.engine.tags.pop("web:2")
    live.engine.assets["sha-web-2"] = {"app-2.js": b"2"}
    return live


def services(world):
    return world.services(2, assets={"path": "/srv/assets", "keep": 60})


def test_images_and_assets_come_and_no_container_does(coming):
    coming.run("fetched", "green", "r2", services(coming))
    assert coming.engine.pulls == ["web:2"]
    assert coming.seen() == OLD_LIVE
    root = f"{coming.scope.directory}/assets"
    assert "app-2.js" in {name for _path, _directories, names in os.walk(root) for name in names}
    calls = len(coming.engine.calls)
    coming.run("prepared", "green", "r2", services(coming))
    assert not [call for call in coming.engine.calls[calls:] if call.startswith("pull")]
    assert {coming.seen()[name] for name in NEW_LIVE if name.startswith("web")} == {("running", "no")}


def test_what_was_fetched_is_taken_away_like_what_was_pulled_when_it_was_prepared(coming):
    coming.run("fetched", "green", "r2", services(coming))
    coming.release("green", "r2", services(coming), keep=1)
    for number, side in ((3, "blue"), (4, "green")):
        coming.release(side, f"r{number}", coming.services(number), keep=1)
    assert "web:2" not in coming.engine.tags


def test_a_preview_brings_nothing(coming):
    predicted = coming.run("fetched", "green", "r2", services(coming), check=True)
    assert (predicted["actions"], coming.engine.pulls) == (["pull web:2"], [])


def test_an_image_that_is_nowhere_stops_it_while_the_old_version_serves(live):
    del live.engine.tags["web:2"]
    assert refused(live, "fetched", "green", "r2", live.services(2)).cause == "image_missing"
    assert live.seen() == OLD_LIVE


@pytest.mark.parametrize("alone", [True, False])
def test_two_versions_never_run_at_once_where_they_may_not(live, alone):
    live.run("paused", "green", "r2", live.services(2))
    live.run("prepared", "green", "r2", live.services(2))
    together = []
    live.engine.watch = lambda: together.append(len(live.running("traffic")))
    live.run("reverted", "green", "r2", live.services(2), alone=alone)
    assert (max(together) == 1) is alone
    assert {name: live.seen()[name] for name in OLD_LIVE} == OLD_LIVE
