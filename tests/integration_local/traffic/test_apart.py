# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that move one after the other, and a door that opens only on what runs: real proxies."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.traffic_switch import opener
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import switch

from .apps import App, Load, get, until
from .proxies import Proxy

OLD, NEW = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}
OUT = {"blue": 0, "green": 0}
KINDS = pytest.mark.parametrize("kind", ["haproxy", "nginx", "caddy"])


@pytest.fixture
def proxy(kind: str, request: pytest.FixtureRequest) -> Proxy:
    found: Proxy = request.getfixturevalue(kind)
    return found


@pytest.fixture
def apps() -> t.Iterator[dict[str, list[App]]]:
    """Both versions on four machines."""
    found = {side: [App(f"{side} {number}") for number in range(1, 5)] for side in OLD}
    yield found
    for app in [*found["blue"], *found["green"]]:
        app.stop()


def who(port: int) -> set[str]:
    """Who answers, each asked over a connection of its own."""
    found = [get(port) for _ask in range(40)]
    assert {status for status, _name in found} == {200}
    return {name for _status, name in found}


@KINDS
def test_half_of_the_machines_have_moved_and_that_stays(proxy: Proxy, port: int, apps: dict[str, list[App]]) -> None:
    """Read back, told, and kept over a reload and a restart; and all of it goes back at once."""
    params = proxy.params(port, apps["blue"], apps["green"])
    proxy.switch(params)
    half = {**params, "apart": {"app1": NEW, "app2": NEW}}
    mixed = {"green 1", "green 2", "blue 3", "blue 4"}
    with Load(port) as load:
        proxy.switch({**params, "apart": {"app1": {"blue": 50, "green": 50}}})
        assert who(port) == {"green 1", "blue 1", "blue 2", "blue 3", "blue 4"}
        proxy.switch({**params, "apart": {"app1": NEW}})
        result = proxy.switch(half)
        until(lambda: len(load.answers) > 50, "answers")
    assert load.failures == []
    assert (result["live_side"], result["weights"]) == ("mixed", {"backend": {"blue": 50, "green": 50}})
    assert who(port) == mixed
    assert proxy.provider().observe()["live_side"] == "mixed"
    assert not proxy.switch(half)["changed"]
    proxy.reload()
    until(lambda: who(port) == mixed, "the same after a reload")
    proxy.restart()
    until(lambda: who(port) == mixed, "the same after a restart")
    assert proxy.switch(params)["live_side"] == "blue"
    assert who(port) == {"blue 1", "blue 2", "blue 3", "blue 4"}


@KINDS
def test_a_machine_that_is_out_has_no_traffic_until_it_comes_back(
    proxy: Proxy, port: int, apps: dict[str, list[App]]
) -> None:
    """Its program stops meanwhile, and another one starts in its place; nobody is missed."""
    params = proxy.params(port, apps["blue"], apps["green"])
    proxy.switch(params)
    with Load(port) as load:
        result = proxy.switch({**params, "apart": {"app1": OUT}}, drain=5.0)
        assert result["drain"]["empty"] and result["live_side"] == "blue"
        apps["blue"][0].stop()
        assert who(port) == {"blue 2", "blue 3", "blue 4"}
        proxy.switch({**params, "apart": {"app1": NEW}})
        assert who(port) == {"green 1", "blue 2", "blue 3", "blue 4"}
        until(lambda: len(load.answers) > 50, "answers")
    assert load.failures == []


@KINDS
def test_on_the_way_back_a_machine_that_has_died_holds_nobody_up(
    proxy: Proxy, port: int, apps: dict[str, list[App]]
) -> None:
    """As long as there is another one, that serves or is healthy."""
    params = proxy.params(port, apps["blue"][:2], apps["green"][:2])
    proxy.switch({**params, "weights": NEW})
    apps["blue"][0].stop()
    with pytest.raises(SlipwayError):
        proxy.switch(params, gate=1.0)
    assert who(port) == {"green 1", "green 2"}
    half = {**params, "apart": {"app2": NEW}}
    if proxy.kind == "caddy":  # which would send half of the requests to the old side all the same
        with pytest.raises(SlipwayError):
            proxy.switch(half, gate=1.0, spares=True)
    else:
        result = proxy.switch(half, gate=1.0, spares=True)
        assert any(action.startswith("go on without ") for action in result["actions"])
        until(lambda: who(port) == {"green 2"}, "the one that is left")
    proxy.switch(params, gate=1.0, spares=True)
    until(lambda: who(port) == {"blue 2"}, "the one that is left")
    apps["blue"][1].stop()
    proxy.switch({**params, "weights": NEW})
    with pytest.raises(SlipwayError):
        proxy.switch(params, gate=1.0, spares=True)
    assert who(port) == {"green 1", "green 2"}


@KINDS
def test_a_batch_that_is_not_healthy_leaves_the_others_where_they_are(
    proxy: Proxy, port: int, apps: dict[str, list[App]]
) -> None:
    params = proxy.params(port, apps["blue"], apps["green"])
    apps["green"][1].health = 500
    proxy.switch(params)
    proxy.switch({**params, "apart": {"app1": NEW}})
    with pytest.raises(SlipwayError) as caught:
        proxy.switch({**params, "apart": {"app1": NEW, "app2": NEW}}, gate=1.0)
    assert caught.value.cause == "gate"
    assert who(port) == {"green 1", "blue 2", "blue 3", "blue 4"}


@KINDS
def test_the_old_version_serves_on_where_it_does_not_know_the_new_check(
    proxy: Proxy, port: int, apps: dict[str, list[App]]
) -> None:
    params = proxy.params(port, apps["blue"], apps["green"])
    proxy.switch(params)
    for app in apps["blue"]:
        app.unknown = "/health/new"
    params["services"]["backend"]["health"] = {"path": "/health/new"}
    proxy.switch({**params, "apart": {"app1": NEW}})
    with Load(port) as load:
        until(lambda: len(load.answers) > 1000, "answers for longer than checks take", 30)
    assert load.failures == []
    assert {name for _status, name in load.answers} == {"green 1", "blue 2", "blue 3", "blue 4"}
    proxy.switch({**params, "weights": NEW})
    assert who(port) == {"green 1", "green 2", "green 3", "green 4"}


# --- a door that opens


def opened(proxy: Proxy, params: dict[str, t.Any], gate: float, *, spares: bool = False) -> dict[str, t.Any]:
    """Move the traffic behind the door, and open it."""
    provider = proxy.provider()
    opens = opener(provider, System())
    traffic = build_traffic(params)
    return switch(
        provider, System(), traffic, gate=gate, watch=None, drain=None, check=False, opens=opens, spares=spares
    )


@KINDS
def test_a_door_opens_on_the_new_version(proxy: Proxy, port: int, blue: App) -> None:
    """The old version has ended before the new one has begun, on another port."""
    with contextlib.closing(_Late()) as green:
        params = proxy.params(port, [blue], [green])  # type: ignore[list-item]
        proxy.switch(params)
        proxy.close(retry_after=7)
        blue.stop()
        assert get(port)[0] == 503
        green.start()
        result = opened(proxy, {**params, "weights": NEW}, 5.0)
        assert get(port) == (200, "green")
        assert result["closed_seconds"] >= 0 and result["live_side"] == "green"
        assert proxy.provider().observe()["closed"] is None
        again = opened(proxy, {**params, "weights": NEW}, 5.0)
        assert not again["changed"] and again["closed_seconds"] is None


@KINDS
def test_a_door_stays_closed_before_what_was_stopped_runs_again(proxy: Proxy, port: int, blue: App, green: App) -> None:
    """No weight moves, so only a look of its own tells the proxy that nobody is there."""
    params = proxy.params(port, [blue], [green])
    proxy.switch(params)
    proxy.close()
    place = blue.port
    blue.stop()
    with pytest.raises(SlipwayError) as caught:
        opened(proxy, params, 1.0)
    assert caught.value.cause == "gate"
    assert get(port)[0] == 503
    back = App("blue again", place)
    try:
        opened(proxy, params, 5.0)
        assert get(port) == (200, "blue again")
    finally:
        back.stop()


@KINDS
def test_on_the_way_back_a_machine_that_has_died_keeps_nobody_out(
    proxy: Proxy, port: int, apps: dict[str, list[App]]
) -> None:
    params = proxy.params(port, apps["blue"][:2], apps["green"][:2])
    proxy.switch(params)
    proxy.close()
    apps["blue"][1].stop()
    with pytest.raises(SlipwayError):
        opened(proxy, params, 1.0)
    result = opened(proxy, params, 1.0, spares=True)
    assert any(action.startswith("go on without ") for action in result["actions"])
    until(lambda: who(port) == {"blue 1"}, "the one that is left")
    proxy.close()
    apps["blue"][0].stop()
    with pytest.raises(SlipwayError):
        opened(proxy, params, 1.0, spares=True)
    assert get(port)[0] == 503


class _Late:
    """A program whose port is known before it runs."""

    def __init__(self) -> None:
        first = App("green")
        self.port = first.port
        first.stop()
        self._app: App | None = None

    def start(self) -> None:
        self._app = App("green", self.port)

    def close(self) -> None:
        if self._app is not None:
            self._app.stop()
