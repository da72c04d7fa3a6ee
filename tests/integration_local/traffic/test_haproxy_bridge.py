# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a real HAProxy comes from one structure to another: what is reloaded, with which weights, and killed anywhere."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import switch

from .apps import App, Load, get, until
from .proxies import RealHaproxy
from .shop import BLUE, GREEN, Shop


@pytest.fixture
def shop(haproxy: RealHaproxy, port: int) -> t.Iterator[Shop]:
    shop = Shop(haproxy, port)
    haproxy.switch(shop.old())
    yield shop
    shop.stop()


def test_a_plain_release_is_not_a_reload(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    worker = haproxy.worker()
    for weights in (GREEN, BLUE):
        result = haproxy.switch({**params, "weights": weights})
        assert haproxy.worker() == worker and not result["reloaded"]
        assert len(result["actions"]) == 4, "gate, two weights, one file"


def test_the_bridge_routes_as_before_and_knows_both_versions(haproxy: RealHaproxy, shop: Shop) -> None:
    killed = haproxy.provider()
    plan = killed.plan(build_traffic(shop.new()), shift=True)
    killed.configure(plan)
    weights = haproxy.provider().observe()["weights"]
    assert set(weights) == {"frontend", "backend", "legacy", "fresh"} and shop.answers() == "old"
    assert weights["legacy"] == BLUE and weights["fresh"] == {"blue": 0, "green": 0}
    haproxy.restart()
    assert shop.answers() == "old"


def test_only_routes_that_move_are_one_reload(haproxy: RealHaproxy, shop: Shop) -> None:
    result = haproxy.switch({**shop.old(), "routes": shop.old()["routes"][:1]})
    assert [action for action in result["actions"] if action.startswith("reload")] == [
        "reload HAProxy (a new structure, with the weights wanted); idle keep-alive connections are closed"
    ]
    assert get(shop.port, "/old") == (200, "frontend blue")


def test_the_weights_wanted_win_over_those_that_a_state_file_remembers(haproxy: RealHaproxy, shop: Shop) -> None:
    """HAProxy believes a weight in a state file when the process was started with the weight of the configuration."""
    shop.proxy.switch(shop.new())
    haproxy.restart()  # started with all weight on green ...
    back = {**shop.new(), "weights": BLUE, "services": {**shop.new()["services"], "fresh": either(shop, "fresh")}}
    shop.proxy.switch(back)  # ... moved to blue at run time ...
    assert get(shop.port) == (200, "frontend blue")
    moved = [*shop.new()["routes"][:-1], {"path": "/newer", "service": "fresh", "host": None}]
    shop.proxy.switch({**back, "weights": GREEN, "routes": moved})  # ... and to green with a reload
    assert set(map(str, haproxy.provider().observe()["weights"].values())) == {str(GREEN)}
    assert {get(shop.port)[1] for _each in range(10)} == {"frontend green"}


def either(shop: Shop, name: str) -> dict[str, t.Any]:
    """A service whose two sides are one program."""
    port = shop.apps[f"{name} green"].port
    sides = {side: [{"name": f"{side}_app1_1", "address": "127.0.0.1", "port": port}] for side in BLUE}
    return {"health": {"path": "/health"}, "sides": sides}


def test_the_check_of_the_new_version_does_not_take_the_old_one_down(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    old = haproxy.params(port, [blue], [green])
    haproxy.switch(old)
    new = haproxy.params(port, [blue], [green], weights=GREEN)
    new["services"]["backend"]["health"] = {"path": "/health/v2"}
    blue.unknown, green.unknown = "/health/v2", "/health"
    with Load(port) as load:
        killed = haproxy.provider()
        killed.configure(killed.plan(build_traffic(new), shift=True))
        until(lambda: "no check" in haproxy.ask("show stat") and "L7OK" in haproxy.ask("show stat"), "a check of green")
        load.seen(20)
        haproxy.switch(new)
        until(lambda: "DOWN" in haproxy.ask("show stat"), "blue to be checked again")
        load.seen(20)
        assert load.answers[-1] == (200, "green")
        haproxy.switch(old)
        until(lambda: "DOWN" in haproxy.ask("show stat"), "green to be checked again")
        load.seen(20)
    assert load.failures == [] and load.answers[-1] == (200, "blue")


def test_a_new_service_of_a_known_platform_starts_on_the_live_side(haproxy: RealHaproxy, shop: Shop) -> None:
    shop.proxy.switch(shop.new())
    result = shop.proxy.configure({**shop.new(), **more(shop)})
    assert result["weights"]["more"] == GREEN and get(shop.port, "/more") == (200, "fresh green")
    assert not shop.proxy.configure({**shop.new(), **more(shop)})["changed"]


def more(shop: Shop) -> dict[str, t.Any]:
    """One service and one route more."""
    routes = [*shop.new()["routes"], {"path": "/more", "service": "more", "host": None}]
    return {"routes": routes, "services": {**shop.new()["services"], "more": either(shop, "fresh")}}


class Killed(BaseException):
    """The process is gone."""


class Killing(System):
    """Is killed at the n-th file that comes into place, before a reload, or (``amid``) while HAProxy is about it."""

    def __init__(self, after: int, *, amid: bool) -> None:
        self.left = after
        self.amid = amid
        self.gone = False

    def _count(self) -> None:
        if self.left == 0:
            self.gone = True
            raise Killed
        self.left -= 1

    def rename(self, source: str, target: str) -> None:
        if "/check-" not in target:
            self._count()
        super().rename(source, target)

    def run(self, argv: t.Sequence[str], **more: t.Any) -> Completed:
        reload = argv[0] == "sh"
        if reload:
            self._count()
        done = super().run(argv, **more)
        if reload and self.amid:
            self._count()
        return done

    def unlink(self, path: str) -> None:
        if not self.gone:  # then it cleans nothing up
            super().unlink(path)


def kill(haproxy: RealHaproxy, wanted: dict[str, t.Any], after: int, *, amid: bool) -> bool:
    """Whether the switch was killed before its end."""
    system = Killing(after, amid=amid)
    proxy = provider("haproxy", system, platform="shop", environment="production", settings=haproxy.settings())
    try:
        switch(proxy, System(), build_traffic(wanted), gate=5.0, watch=None, drain=None, check=False)
    except Killed:
        return True
    return False


def test_killed_anywhere_a_restart_finds_one_version_and_the_next_run_the_other(
    haproxy: RealHaproxy, shop: Shop
) -> None:
    """Not amid a reload: the files are the same as before it, and a HAProxy that begins anew misses a SIGTERM."""
    found: list[str] = []
    while kill(haproxy, shop.new(), len(found), amid=False):
        haproxy.restart()
        found.append(shop.answers())
        haproxy.switch(shop.old())
        assert shop.answers() == "old"
    assert found == sorted(found, reverse=True) and set(found) == {"old", "new"} and len(found) > 10


def test_killed_anywhere_the_next_run_goes_on_or_back_and_no_request_fails(haproxy: RealHaproxy, shop: Shop) -> None:
    points = 0
    with shop.asked() as asked:
        while kill(haproxy, shop.new(), points, amid=True):
            if points % 2:
                haproxy.switch(shop.new())
                assert shop.answers() == "new"
            haproxy.switch(shop.old())
            assert shop.answers() == "old" and not haproxy.switch(shop.old())["changed"]
            points += 1
    assert asked.failures() == [] and points > 10
