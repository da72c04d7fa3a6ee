# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reload, a restart or a crash makes of a switch, with a real HAProxy."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import switch

from .apps import App, get
from .crashing import Crash, Crashing
from .proxies import RealHaproxy

GREEN = {"blue": 0, "green": 100}
BLUE = {"blue": 100, "green": 0}


def keep(_files: list[pathlib.Path], _older: pathlib.Path) -> None:
    pass


def missing(files: list[pathlib.Path], _older: pathlib.Path) -> None:
    for path in files:
        path.unlink()


def cut(files: list[pathlib.Path], _older: pathlib.Path) -> None:
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) - 40])


def garbage(files: list[pathlib.Path], _older: pathlib.Path) -> None:
    for path in files:
        path.write_bytes(b"\x00\xff not a state file\n" * 7)


def stale(files: list[pathlib.Path], older: pathlib.Path) -> None:
    for path in files:
        shutil.copy(older / path.name, path)


@pytest.mark.parametrize("how", ["reload", "restart"])
@pytest.mark.parametrize("damage", [keep, missing, cut, garbage, stale])
def test_the_new_side_stays_live(
    haproxy: RealHaproxy,
    blue: App,
    green: App,
    port: int,
    tmp_path: pathlib.Path,
    how: str,
    damage: t.Callable[[list[pathlib.Path], pathlib.Path], None],
) -> None:
    """Twice there and back within one process, so that an old state file has the weights it was started with."""
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    haproxy.switch({**params, "weights": GREEN})
    for path in haproxy.state_files():
        shutil.copy(path, tmp_path)
    haproxy.switch({**params, "weights": BLUE})
    assert len(haproxy.state_files()) == 1
    damage(haproxy.state_files(), tmp_path)
    getattr(haproxy, how)()
    assert [get(port) for _each in range(20)] == [(200, "blue")] * 20
    seen = haproxy.provider().observe()
    assert seen["weights"] == {"backend": BLUE} and not seen["problems"]


def test_a_split_survives_a_restart(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch({**params, "weights": {"blue": 75, "green": 25}})
    haproxy.restart()
    assert sorted(get(port)[1] for _each in range(20)) == ["blue"] * 15 + ["green"] * 5


def test_what_a_person_decided_about_a_server_survives_our_reload(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    second = App("blue")
    params = haproxy.params(port, [blue, second], [green])
    haproxy.switch(params)
    haproxy.ask("set server slipway_shop_production_backend/blue_app2_1 state maint")
    assert haproxy.configure({**params, "routes": [{"path": "/", "service": "backend", "host": "shop.example.com"}]})[
        "reloaded"
    ]
    servers = {server["name"]: server["status"] for server in haproxy.provider().observe()["servers"]}
    assert servers["blue_app2_1"] == "MAINT"
    second.stop()


def test_a_crash_at_any_write_leaves_one_of_the_two_sides_live(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    served, after = [], 0
    while True:
        traffic = build_traffic({**params, "weights": GREEN})
        system = Crashing(after)
        proxy = provider("haproxy", system, platform="shop", environment="production", settings=haproxy.settings())
        try:
            switch(proxy, system, traffic, gate=5.0, watch=None, drain=None, check=False)
        except Crash:
            haproxy.restart()
            served.append(get(port))
            haproxy.switch(params)  # the next run finishes without hand work
            assert get(port) == (200, "blue")
            after += 1
        else:
            break
    assert set(served) == {(200, "blue"), (200, "green")}, "before and after the file was in place"
    assert len(served) > 8
