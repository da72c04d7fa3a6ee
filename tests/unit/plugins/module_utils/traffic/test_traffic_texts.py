# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration texts of HAProxy and nginx, and what is read out of them and out of /proc."""

from __future__ import annotations

import shlex
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import TRAFFIC_SWITCH
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import haproxy_config, nginx_config, structure
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import PROVIDERS
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.listening import overlaps
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import parse_listening
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import wanted_weights
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import shop_traffic
from hypothesis import given
from hypothesis import strategies as st


def traffic(**changes: t.Any) -> Traffic:
    server = {"name": "blue_app1_1", "address": "10.1.2.3", "port": 20000}
    other = {"name": "green_app1_1", "address": "fd00::1", "port": 20010}
    return shop_traffic({"health": {"path": "/health"}, "sides": {"blue": [server], "green": [other]}}, **changes)


def text(wanted: Traffic, weights: dict[str, int] | None = None) -> str:
    return haproxy_config.platform_text(
        wanted, wanted_weights(wanted._replace(weights=weights or wanted.weights)), "/var/lib/slipway/haproxy"
    )


def test_the_text_alone_names_the_live_side() -> None:
    lines = text(traffic()).splitlines()
    assert "    server blue_app1_1 10.1.2.3:20000 weight 0" in lines
    assert "    server green_app1_1 [fd00::1]:20010 weight 100" in lines


@given(st.integers(0, 100), st.integers(1, 100))
def test_weights_and_addresses_are_no_structure(blue: int, green: int) -> None:
    moved = traffic()._replace(
        services=tuple(
            one._replace(servers=tuple(server._replace(port=server.port + 1) for server in one.servers))
            for one in traffic().services
        )
    )
    one, other = text(traffic()), text(moved, {"blue": blue, "green": green})
    assert one != other and haproxy_config.structure(one) == haproxy_config.structure(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"listen": 81},
        {"bind": "10.0.0.1"},
        {"routes": [{"path": "/x", "service": "backend"}]},
        {"routes": [{"path": "/", "service": "backend", "host": "x.example.com"}]},
    ],
)
def test_everything_else_is_structure(changes: dict[str, t.Any]) -> None:
    assert haproxy_config.structure(text(traffic())) != haproxy_config.structure(text(traffic(**changes)))


def test_a_state_file_of_other_addresses_has_another_name() -> None:
    one = traffic().services[0]
    other = one._replace(servers=(one.servers[0]._replace(port=1), one.servers[1]))
    names = {haproxy_config.state_file_name(traffic(), service, "/d") for service in (one, other)}
    assert len(names) == 2


def test_hosts_go_first_then_the_longest_path() -> None:
    routes = [
        {"path": "/", "service": "backend"},
        {"path": "/api", "service": "backend"},
        {"path": "/api/v2", "service": "backend"},
        {"path": "/", "service": "backend", "host": "b.example.com"},
        {"path": "/x", "service": "backend", "host": "b.example.com"},
    ]
    rules = [line.strip() for line in text(traffic(routes=routes)).splitlines() if "use_backend" in line]
    seen = [
        (("b.example.com" in rule), next((path for path in ("/api/v2", "/api", "/x") if path in rule), "/"))
        for rule in rules
    ]
    assert seen == [(True, "/x"), (True, "/"), (False, "/api/v2"), (False, "/api"), (False, "/")]


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126)))
def test_a_quoted_text_stays_one_word(value: str) -> None:
    assert shlex.split(haproxy_config.quoted(value)) == [value]


def test_a_check_says_its_status_headers_and_host() -> None:
    health = {"path": "/up?x=50%", "status": [200, 204], "headers": {"X-Token": "o'clock"}, "timeout": 0.5}
    server = {"name": "blue_1", "address": "10.0.0.1", "port": 1}
    written = text(
        traffic(
            services={
                "backend": {"health": health, "sides": {"blue": [server], "green": [{**server, "name": "green_1"}]}}
            },
            routes=[{"path": "/", "service": "backend", "host": "shop.example.com"}],
        )
    )
    assert "uri '/up?x=50%%' ver HTTP/1.1 hdr 'Host' 'shop.example.com' hdr 'X-Token' 'o'\\''clock'" in written
    assert "expect status 200,204" in written and "timeout check 500ms" in written
    assert "o'\\''clock" not in structure.masked(written)
    assert "'shop.example.com'" in structure.masked(written)


def test_the_owner_of_a_file_is_read_back() -> None:
    assert structure.owner(text(traffic())) == ("shop", "production", "*", 80, False, 0)
    assert structure.owner("frontend x\n") is None


def nginx_text(wanted: Traffic) -> str:
    return nginx_config.platform_text(wanted, wanted_weights(wanted), "/var/log/nginx/x.log")


def test_nginx_servers_are_read_back_from_the_text() -> None:
    assert nginx_config.parse_servers(nginx_text(traffic())) == {
        ("backend", "blue_app1_1"): ("10.1.2.3", 20000, 0),
        ("backend", "green_app1_1"): ("fd00::1", 20010, 100),
    }


@given(st.integers(0, 100), st.integers(1, 100))
def test_nginx_has_a_generation_for_every_text(blue: int, green: int) -> None:
    one = nginx_text(traffic(weights={"blue": blue, "green": green}))
    other = nginx_text(traffic(weights={"blue": blue, "green": green % 100 + 1}))
    assert len(nginx_config.generation(one)) == 16
    assert (nginx_config.generation(one) == nginx_config.generation(other)) == (one == other)
    assert f"return 200 '{nginx_config.generation(one)}'" in one


@given(st.text())
def test_no_nginx_parser_stumbles_over_anything(anything: str) -> None:
    nginx_config.parse_log(anything)
    nginx_config.parse_servers(anything)
    nginx_config.generation(anything)


def test_the_access_log_is_counted_by_service_and_side() -> None:
    log = (
        '{"side":"green","service":"backend","status":"200"}\n{"side":"green","service":"backend","status":"502"}\n'
        '{"side":"","service":"","status":"404"}\n{"side":"blue","service":"backend","status":"499"}\n'
        'torn {"side"\n[]\n"x"\n{"side":"green","service":"backend","status":"-"}\n'
    )
    assert nginx_config.parse_log(log) == {("backend", "green"): (2, 1), ("", ""): (1, 0), ("backend", "blue"): (1, 0)}


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000 100 0 0 10 0
   1: 0100007F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0000 100 0 0 10 0
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 113 1 0000 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 222 1 0 100 0 0 10 0
   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 223 1 0 100 0 0 10 0
"""


def test_only_listening_sockets_on_the_port_count() -> None:
    assert parse_listening(TCP, 80) == [("127.0.0.1", "111")]
    assert parse_listening(TCP, 8080) == [("0.0.0.0", "113")]
    assert parse_listening(TCP6, 80) == [("::", "222"), ("::1", "223")]


@given(st.text())
def test_proc_may_say_anything(anything: str) -> None:
    parse_listening(anything, 80)
    parse_listening("header\n 0: " + anything, 80)


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("*", "10.0.0.1", True),
        ("10.0.0.1", "0.0.0.0", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("[::1]", "::1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("127.0.0.1", "::1", False),
    ],
)
def test_addresses_overlap_when_equal_or_all(one: str, other: str, wanted: bool) -> None:
    assert [overlaps(*pair) for pair in ((one, other), (other, one))] == [wanted, wanted]


def test_the_module_takes_every_provider_that_the_factory_makes():
    assert tuple(TRAFFIC_SWITCH.options["provider"]["choices"]) == PROVIDERS
