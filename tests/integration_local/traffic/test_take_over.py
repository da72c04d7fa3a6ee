# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address that somebody's own configuration has, and the servers behind it, are taken over by the same proxy under load."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.traffic_switch import take_over

from .apps import App, Load, get
from .proxies import Proxy, RealCaddy, RealHaproxy

HAPROXY = """
frontend www
    bind 127.0.0.1:{port}
    default_backend www
backend www
    server one 127.0.0.1:{server}
"""
NGINX = """\
server {{
    listen 127.0.0.1:{port} default_server;
    location / {{
        proxy_pass http://127.0.0.1:{server};
    }}
}}
"""


class ByHand(t.NamedTuple):
    """What somebody has written, and the file without it."""

    proxy: Proxy
    path: pathlib.Path
    before: str

    def write(self, port: int, server: App) -> None:
        text = HAPROXY if isinstance(self.proxy, RealHaproxy) else NGINX
        self.path.write_text(self.before + text.format(port=port, server=server.port))
        self.proxy.restart()
        assert get(port) == (200, server.name)

    def let_go(self) -> None:
        self.path.write_text(self.before)


@pytest.fixture(params=["haproxy", "nginx"])
def by_hand(request: pytest.FixtureRequest) -> ByHand:
    proxy = t.cast(Proxy, request.getfixturevalue(request.param))
    if isinstance(proxy, RealHaproxy):
        return ByHand(proxy, proxy.main, proxy.main.read_text())
    return ByHand(proxy, proxy.dir / "conf.d" / "by-hand.conf", "")


def test_nobody_notices_that_the_proxy_takes_over_and_that_the_traffic_moves(
    by_hand: ByHand, blue: App, green: App, port: int
) -> None:
    proxy = by_hand.proxy
    by_hand.write(port, blue)
    params = proxy.params(port, [blue], [green])
    params["services"]["backend"]["sides"]["blue"][0]["name"] = "blue_by-hand_1"
    before = {"routes": params["routes"], "services": params["services"], "weights": {"blue": 100}}
    if proxy.kind == "haproxy":
        assert "do not reload HAProxy" in proxy.provider().refused_listen("127.0.0.1", port, None)[0]
    with Load(port) as load:
        load.seen(50)
        by_hand.let_go()
        load.seen(50)
        assert proxy.provider().refused_listen("127.0.0.1", port, None) == []
        assert take_over(proxy.provider(), {**params, "before": before}, False)
        load.seen(50)
        proxy.switch({**params, "weights": {"blue": 0, "green": 100}}, drain=5.0)
        load.seen(50)
    assert load.failures == [] and {status for status, _name in load.answers} == {200}
    assert load.answers[0] == (200, "blue") and load.answers[-1] == (200, "green")
    served = [name for _status, name in load.answers]
    assert "green" not in served[: len(served) // 4]
    proxy.restart()
    assert get(port) == (200, "green")


def test_caddy_says_that_it_cannot(caddy: RealCaddy, port: int) -> None:
    assert caddy.provider().refused_listen("127.0.0.1", port, None) == []
    (words,) = caddy.provider().refused_listen("127.0.0.1", caddy.by_hand_port, None)
    assert "a site written by hand" in words and "another port" in words
