# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy takes an address over from what somebody has written for it, and servers made by hand serve all the time."""

from __future__ import annotations

import json

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.traffic_switch import take_over
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy_by_hand import names_port
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import Listener, Process
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import World, traffic

BIND = "frontend www\n    bind *:80 name www # ours\n"
BY_HAND = [{"name": "blue_by-hand_1", "address": "10.9.0.1", "port": 8080}]
GREEN = [{"name": "green_app1_1", "address": "10.0.0.1", "port": 20010}]


@pytest.fixture
def taken(world: World) -> World:
    """The HAProxy that loads our files listens on the port already, for a frontend written by hand."""
    argv = ("haproxy", "-Ws", "-f", world.settings.main_config, "-f", world.settings.config_dir)
    process = Process(7, 1, "haproxy", argv)
    world.processes.running = [process]
    world.processes.listening = [Listener("0.0.0.0", 80, process)]
    return world


def main_config(world: World, text: str) -> None:
    with open(world.settings.main_config, "w", encoding="utf-8") as stream:
        stream.write(text)


@pytest.mark.parametrize(
    ("line", "listens"),
    [
        ("bind *:80", True), ("  bind :80,:443 ssl crt x", True), ("bind :::70-90 v4v6", True), ("bind ipv4@:80", True),
        ('bind ":${PORT}"', True), ("bind *:8080", False), ("bind *:443 # not :80", False), ("# bind *:80", False),
        ("bind /run/x.sock", False), ("server a 10.0.0.1:80", False), ("bind", False), ("bind *:81-90", False),
    ],
)  # fmt: skip
def test_what_may_listen_on_the_port(line: str, listens: bool) -> None:
    assert names_port(line, 80) == listens


def test_while_its_file_names_the_address_it_is_said_how_to_take_it(taken: World) -> None:
    main_config(taken, BIND)
    (words,) = taken.proxy().refused_listen("*", 80, None)
    assert "line 2: bind *:80" in words and "do not reload HAProxy" in words
    with pytest.raises(SlipwayError) as caught:
        taken.proxy().plan(traffic(), shift=True)
    assert caught.value.cause == "listen_taken"


def test_where_nobody_sees_whose_socket_it_is_its_file_tells_and_without_it_nothing_is_guessed(taken: World) -> None:
    main_config(taken, BIND)
    taken.processes.listening = [Listener("0.0.0.0", 80, None)]
    assert "line 2: bind *:80" in taken.proxy().refused_listen("*", 80, None)[0]
    main_config(taken, "")
    assert "an unknown process" in taken.proxy().refused_listen("*", 80, None)[0]


def test_once_its_file_does_not_the_reload_takes_it_over(taken: World) -> None:
    main_config(taken, "frontend www\n    bind *:8081\n")
    assert taken.proxy().refused_listen("*", 80, None) == []
    assert taken.proxy().plan(traffic(), shift=True).reload


def test_another_programs_address_is_never_taken(taken: World) -> None:
    main_config(taken, "")
    for process in (
        Process(8, 1, "nginx", ("nginx",)),
        Process(9, 1, "haproxy", ("haproxy", "-f", "/other.cfg")),
        None,
    ):
        taken.processes.listening = [Listener("0.0.0.0", 80, process)]
        assert len(taken.proxy().refused_listen("*", 80, None)) == 1


def test_a_platform_that_the_proxy_knows_is_not_asked(world: World) -> None:
    world.live({"blue": 100, "green": 0})
    world.processes.listening = [Listener("0.0.0.0", 80, Process(8, 1, "haproxy", ("haproxy",)))]
    assert world.proxy().refused_listen("*", 80, None) == []


def test_servers_made_by_hand_have_all_traffic_from_the_first_instant(world: World) -> None:
    sides = {"sides": {"blue": BY_HAND, "green": GREEN}}
    options = {
        "platform": "shop", "environment": "production", "bind": "*", "listen": 80, "routes": [], "services": {}, "weights": None,
        "before": {"routes": [{"path": "/", "service": "backend"}], "services": {"backend": sides}, "weights": {"blue": 100}},
    }  # fmt: skip
    seen: list[dict[str, int]] = []
    loaded = world.system.on_reload

    def reload() -> None:
        loaded()
        seen.append({key.rpartition("/")[2]: one["weight"] for key, one in world.socket.servers_by_key.items()})

    world.system.on_reload = reload
    planned = take_over(world.proxy(), options, True)
    assert seen == [] and any("take over as it is" in words for words in planned)
    assert json.dumps(take_over(world.proxy(), options, False))
    world.run(traffic()._replace(services=world.proxy().in_force().services))
    assert all(sum(weights.values()) > 0 for weights in seen), seen
    assert seen[0] == {"blue_by-hand_1": 100, "green_app1_1": 0}
    assert world.proxy().observe()["live_side"] == "green"
    assert take_over(world.proxy(), options, False) == []
