# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that change the structure, under real requests: nothing is lost, and every step leads back."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import SwitchError, Watch

from .apps import Load
from .proxies import ASKED_FOR, Proxy
from .shop import Shop, turns

WATCH = Watch(bake=10.0, interval=0.05, max_error_ratio=0.02, min_requests=20, revert=True)


@pytest.fixture(
    params=["haproxy", "nginx", pytest.param("caddy", marks=pytest.mark.sample(3, of=" caddy")), *ASKED_FOR]
)
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return t.cast(Proxy, request.getfixturevalue(request.param))


@pytest.fixture
def shop(proxy: Proxy, port: int) -> t.Iterator[Shop]:
    shop = Shop(proxy, port)
    proxy.switch(shop.old())
    yield shop
    shop.stop()


def test_every_path_changes_once_from_old_to_new_and_no_request_fails(shop: Shop) -> None:
    assert shop.answers() == "old"
    with shop.asked() as asked:
        result = shop.proxy.switch(shop.new(), watch=Watch(1.0, 0.05, 0.02, 20, True), drain=5.0)
        asked.seen(50)
    assert asked.failures() == [] and asked.turns() == turns("old", "new")
    assert result["changed"] and result["reloaded"] and result["live_side"] == "green" and result["switched_ms"] > 0
    assert result["watch"]["ok"] and result["watch"]["judged"] and set(result["weights"]) == set(shop.new()["services"])
    shop.proxy.restart()
    assert shop.answers() == "new"


def test_the_same_again_changes_nothing(shop: Shop) -> None:
    shop.proxy.switch(shop.new())
    file = shop.proxy.file().stat().st_mtime_ns
    result = shop.proxy.switch({**shop.new(), "routes": shop.new()["routes"][::-1]})
    assert (result["changed"], result["actions"], result["reloaded"], result["switched_ms"]) == (False, [], False, None)
    assert shop.proxy.file().stat().st_mtime_ns == file


def test_check_mode_says_the_same_and_touches_nothing(shop: Shop) -> None:
    before = shop.proxy.file().read_text()
    predicted = shop.proxy.switch(shop.new(), check=True)
    assert shop.proxy.file().read_text() == before and shop.answers() == "old"
    result = shop.proxy.switch(shop.new())
    assert {key: result[key] for key in predicted} == predicted and result["config"]["before"] == before
    assert result["config"]["after"] == shop.proxy.file().read_text()
    assert "route /move has backend instead of frontend" in result["actions"]
    assert "legacy/blue_app1_1 leaves" in result["actions"] and "fresh/green_app1_1 joins" in result["actions"]


def test_a_watch_that_fails_brings_back_services_routes_and_weights(shop: Shop) -> None:
    before, seen = shop.proxy.file().read_text(), shop.proxy.provider().observe()
    shop.apps["fresh green"].status = 500
    with shop.asked() as asked:
        with pytest.raises(SwitchError) as failed:
            shop.proxy.switch(shop.new(), watch=WATCH)
        asked.seen(50)
    result = failed.value.result()
    assert result["error"]["cause"] == "watch_errors" and result["reverted"] and result["live_side"] == "blue"
    assert asked.turns() == turns("old", "new", "old")
    assert set(asked.failures()) == {"/new: status 500"}
    assert shop.proxy.file().read_text() == before and shop.answers() == "old"
    assert shop.proxy.provider().observe()["weights"] == seen["weights"] == result["weights"]
    shop.proxy.restart()
    assert shop.answers() == "old"


def test_a_service_that_left_must_be_healthy_to_come_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch.BACK_GATE", 1.0)
    legacy, fresh = shop.apps["legacy blue"], shop.apps["fresh green"]
    fresh.status, fresh.on_request = 500, lambda: setattr(legacy, "health", 503)
    with shop.asked() as asked:
        with pytest.raises(SwitchError) as failed:
            shop.proxy.switch(shop.new(), watch=WATCH)
        asked.seen(10)
    result = failed.value.result()
    assert result["error"]["cause"] == "watch_errors" and not result["reverted"]
    assert "legacy/blue_app1_1" in result["actions"][-1] and asked.turns() == turns("old", "new")


@pytest.mark.parametrize("asked_for", ["old", "new"])
def test_killed_before_the_shift_either_version_can_be_asked_for(shop: Shop, asked_for: str) -> None:
    before = shop.proxy.file().read_text()
    with shop.asked() as asked:
        killed = shop.proxy.provider()
        killed.configure(killed.plan(build_traffic(shop.new()), shift=True))
        asked.seen(20)
        shop.proxy.switch(getattr(shop, asked_for)())
        asked.seen(20)
        assert not shop.proxy.switch(getattr(shop, asked_for)())["changed"]
        if asked_for == "old":
            assert shop.proxy.file().read_text() == before
        shop.proxy.switch(shop.new())
        asked.seen(20)
    assert asked.failures() == [] and asked.turns() == turns("old", "new")


def test_a_side_that_is_ill_leaves_everything_as_it_is(shop: Shop) -> None:
    shop.apps["fresh green"].health = 503
    with shop.asked() as asked:
        with pytest.raises(SlipwayError) as refused:
            shop.proxy.switch(shop.new(), gate=0.5)
        asked.seen(20)
    assert refused.value.cause == "gate" and "fresh" in refused.value.message
    assert asked.failures() == [] and asked.turns() == turns("old")


def test_the_port_changes_with_the_traffic(shop: Shop) -> None:
    there = shop.proxy.another_port()
    shop.proxy.switch(shop.new(listen=there))
    assert not shop.proxy.switch(shop.new(listen=there))["changed"]
    assert not shop.proxy.serves(shop.port)
    shop.port = there
    assert shop.answers() == "new"


def test_the_port_comes_back_when_the_watch_fails(shop: Shop) -> None:
    before, there = shop.proxy.file().read_text(), shop.proxy.another_port()
    shop.apps["frontend green"].status = 500
    with Load(there), pytest.raises(SwitchError) as failed:
        shop.proxy.switch(shop.new(listen=there), watch=WATCH)
    assert failed.value.result()["reverted"] and shop.proxy.file().read_text() == before and shop.answers() == "old"
    assert not shop.proxy.serves(there)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: re.sub(r"# slipway-specification: .*\n", "", text),
        lambda text: re.sub(r"(# slipway-specification: .{200}).*\n", r"\1\n", text),
        lambda text: text.replace("# slipway-specification: 1 ", "# slipway-specification: 2 "),
        lambda text: text.replace('"legacy"', '"tempered"'),
    ],
    ids=["missing", "torn", "newer", "edited"],
)
def test_a_structure_that_cannot_be_read_back_is_brought_to_what_is_wanted(
    shop: Shop, damage: t.Callable[[str], str]
) -> None:
    text = shop.proxy.file().read_text()
    assert damage(text) != text
    shop.proxy.file().write_text(damage(text))
    assert shop.proxy.switch(shop.old())["changed"] and shop.proxy.file().read_text() == text
    shop.proxy.file().write_text(damage(text))
    shop.proxy.switch(shop.new())
    assert shop.answers() == "new" and not shop.proxy.switch(shop.new())["changed"]
