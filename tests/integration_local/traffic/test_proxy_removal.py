# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform is taken out of a real proxy that another one has traffic on."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .apps import App, Load, get
from .proxies import ASKED_FOR, Proxy


@pytest.fixture(params=["haproxy", "nginx", "caddy", *ASKED_FOR])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return t.cast(Proxy, request.getfixturevalue(request.param))


def test_the_other_platform_serves_on_and_nothing_of_this_one_is_left(
    proxy: Proxy, blue: App, green: App, port: int
) -> None:
    by_hand = proxy.main.read_bytes()
    gone, stays = proxy.params(proxy.another_port(), [blue], []), proxy.params(port, [green], [], platform="store")
    proxy.switch(gone)
    proxy.switch(stays)
    shop = proxy.provider()
    assert str(proxy.file()) in shop.belongings()
    with Load(port) as load:
        load.seen(50)
        with shop.lock():
            shop.remove()
        load.seen(50)
    assert load.failures == [] and all(answer == (200, "green") for answer in load.answers)
    assert not proxy.serves(gone["listen"])
    assert shop.belongings() == [] and proxy.file("store").exists() and proxy.main.read_bytes() == by_hand
    seen = proxy.provider().observe()
    assert (seen["running"], seen["problems"], seen["live_side"], seen["servers"]) == (True, [], None, [])
    shop.remove()
    proxy.restart()
    assert get(port) == (200, "green")
    proxy.switch(gone)
    assert get(gone["listen"]) == (200, "blue")


def test_a_proxy_that_does_not_run_keeps_nothing_of_it(proxy: Proxy, blue: App, port: int) -> None:
    proxy.switch(proxy.params(port, [blue], []))
    proxy.stop()
    proxy.provider().remove()
    assert proxy.provider().belongings() == []


def test_a_proxy_that_would_not_take_it_keeps_the_platform(proxy: Proxy, blue: App, port: int) -> None:
    if proxy.kind in ("caddy", "traefik"):
        return  # the one gets no text, but what runs without the platform; the other does not read its own again
    proxy.switch(proxy.params(port, [blue], []))
    before, by_hand = proxy.file().read_bytes(), proxy.main.read_text()
    proxy.main.write_text(by_hand + "no such directive\n")
    with pytest.raises(SlipwayError) as caught, contextlib.ExitStack() as stack:
        stack.callback(proxy.main.write_text, by_hand)
        proxy.provider().remove()
    assert caught.value.cause == "config_invalid"
    assert proxy.file().read_bytes() == before and get(port) == (200, "blue")
