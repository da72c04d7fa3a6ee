# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another program in the place of the one that runs, under load by TLS: what a package's upgrade does."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import typing as t

import pytest

from .apps import App, Load, until, websocket
from .authority import connector, https
from .proxies import Proxy, RealHaproxy, RealNginx
from .tls_shop import Fresh, Shop

UPGRADES = 5


def test_an_upgrade_of_haproxy_fails_no_request(haproxy: RealHaproxy, blue: App, green: App) -> None:
    def upgrade(master: int, place: pathlib.Path) -> None:
        worker = haproxy.worker()
        os.kill(master, signal.SIGUSR2)  # as systemctl reload, which the package calls
        until(lambda: haproxy.worker() not in ("", worker), "a new worker")
        assert os.stat(f"/proc/{master}/exe").st_ino == place.stat().st_ino

    shop = Shop(haproxy, blue, green)
    load, fresh = upgraded(shop, upgrade, lambda: int(haproxy.pid.read_text()))
    assert load.failures == fresh.failures == []


def test_an_upgrade_of_nginx_fails_no_request(nginx: RealNginx, blue: App, green: App) -> None:
    file = nginx.dir / "nginx.pid"

    def upgrade(master: int, place: pathlib.Path) -> None:
        os.kill(master, signal.SIGUSR2)  # as the package does: control.html, "Upgrading Executable on the Fly"
        until(lambda: file.exists() and file.read_text().strip() not in ("", str(master)), "a new master")
        new = int(file.read_text())
        assert os.stat(f"/proc/{new}/exe").st_ino == place.stat().st_ino
        os.kill(master, signal.SIGQUIT)
        until(lambda: not os.path.exists(f"/proc/{master}/exe"), "the old master to end")

    # In the foreground it takes the signal for one to itself as a new program, and does nothing.
    nginx.main.write_text(nginx.main.read_text().replace("daemon off;", "daemon on;"))
    shop = Shop(nginx, blue, green)
    try:
        load, fresh = upgraded(shop, upgrade, lambda: int(file.read_text()))
    finally:
        os.kill(int(file.read_text()), signal.SIGTERM)  # no child of this test
    assert load.failures == fresh.failures == []


def upgraded(
    shop: Shop, upgrade: t.Callable[[int, pathlib.Path], None], master: t.Callable[[], int]
) -> tuple[Load, Load]:
    """Upgrade several times while a platform is busy; the load on kept connections, and that on new ones."""
    place = own_program(shop.proxy)
    shop.proxy.switch(shop.params())
    with Load(shop.port, connect=connector(shop.port, shop.client)) as load, Fresh(shop) as fresh:
        for _each in range(UPGRADES):
            load.seen(100)
            replace_program(place)
            upgrade(master(), place)
        load.seen(100)
        assert https(shop.port, shop.client).body == "blue"
    print(
        f"{shop.proxy.kind}: {UPGRADES} upgrades; kept connections: {len(load.answers)} requests, {load.closed} closed when idle;"
        f" new ones: {len(fresh.answers)} requests"
    )
    return load, fresh


def own_program(proxy: Proxy) -> pathlib.Path:
    """Let it run from a copy of its own, which a test may replace."""
    proxy.stop()
    place = proxy.dir / proxy.kind
    shutil.copy(t.cast(str, shutil.which(proxy.kind, path="/usr/sbin:/usr/bin")), place)
    proxy.program = str(place)
    proxy.start()
    return place


def replace_program(place: pathlib.Path) -> None:
    """As a package does: another file under the same name."""
    shutil.copy(place, f"{place}.new")
    os.replace(f"{place}.new", place)


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_websocket_stays_with_the_program_that_was_replaced(
    request: pytest.FixtureRequest, kind: str, blue: App, green: App, port: int
) -> None:
    proxy = t.cast(Proxy, request.getfixturevalue(kind))
    proxy.switch(proxy.params(port, [blue], [green]))
    stream = websocket(port)
    if isinstance(proxy, RealHaproxy):
        proxy.reload()
    else:
        proxy.configure({**proxy.params(port, [blue], [green]), "routes": [{"path": "/ws", "service": "backend"}]})
    until(lambda: blue.waiting == 1, "the stream to be open still")
    stream.settimeout(0.2)
    with pytest.raises(TimeoutError):
        stream.recv(1)
    stream.close()
