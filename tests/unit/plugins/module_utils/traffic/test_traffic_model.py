# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a proxy: validation, and the arithmetic of weights."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Health, Server, Service
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic, side_weights
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.structure import keep_live_addresses
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import (
    kept_weights,
    live_side,
    server_weights,
    shares,
)
from hypothesis import assume, given
from hypothesis import strategies as st


def server(name: str = "blue_app1_1", port: t.Any = 20000, address: str = "10.1.2.3") -> dict[str, t.Any]:
    return {"name": name, "address": address, "port": port}


def params(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "platform": "shop",
        "environment": "production",
        "bind": "*",
        "listen": 80,
        "routes": [{"path": "/", "service": "backend", "host": None}],
        "services": {"backend": {"sides": {"blue": [server()], "green": [server("green_app1_1", 20010)]}}},
        "weights": {"blue": 100, "green": 0},
        **changes,
    }


def service(blue: int, green: int) -> Service:
    servers = [Server("backend", "blue", f"blue_{number}", "10.0.0.1", 20000 + number) for number in range(blue)]
    servers += [Server("backend", "green", f"green_{number}", "10.0.0.1", 20010 + number) for number in range(green)]
    return Service("backend", Health("/", (200,), (), 2.0), tuple(servers))


@pytest.mark.parametrize(
    ("weights", "blue", "green", "wanted"),
    [
        ({"blue": 95, "green": 5}, 1, 1, (95, 5)),
        ({"blue": 100, "green": 0}, 2, 3, (100, 0)),
        ({"blue": 0, "green": 100}, 2, 3, (0, 100)),
        ({"blue": 50, "green": 50}, 2, 2, (50, 50)),
        ({"blue": 50, "green": 50}, 1, 2, (2, 1)),
        ({"blue": 95, "green": 5}, 1, 4, (76, 1)),
        ({"blue": 99, "green": 1}, 1, 7, (256, 1)),
    ],
)
def test_each_side_gets_its_share_however_many_servers_it_has(
    weights: dict[str, int], blue: int, green: int, wanted: tuple[int, int]
) -> None:
    found = server_weights(service(blue, green), weights)
    assert {found[key] for key in found if key[1].startswith("blue")} == {wanted[0]}
    assert {found[key] for key in found if key[1].startswith("green")} == {wanted[1]}


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 20), st.integers(1, 20))
def test_shares_say_back_what_was_asked_for(blue: int, green: int, blue_servers: int, green_servers: int) -> None:
    assume(blue or green)
    weights = server_weights(service(blue_servers, green_servers), {"blue": blue, "green": green})
    assert all(0 <= weight <= 256 for weight in weights.values()) and any(weights.values())
    assert {bool(weight) for key, weight in weights.items() if key[1].startswith("blue")} == {bool(blue)}
    back = shares(weights, {key: key[1].split("_")[0] for key in weights})["backend"]
    if blue_servers == green_servers:
        assert abs(back["blue"] - 100 * blue / (blue + green)) <= 1


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ({}, (0, 0)),
        ({("other", "blue_0"): 100, ("other", "green_0"): 0}, (100, 0)),
        ({("other", "blue_0"): 0, ("other", "green_0"): 7}, (0, 100)),
        ({("other", "blue_0"): 19, ("other", "green_0"): 1}, (95, 5)),
        ({("backend", "blue_0"): 0, ("backend", "green_0"): 0, ("other", "green_0"): 1}, (0, 100)),
        ({("backend", "blue_0"): 3, ("other", "green_0"): 1}, (3, 0)),
    ],
)
def test_a_service_without_weights_gets_the_share_of_the_others(before: t.Any, wanted: tuple[int, int]) -> None:
    traffic = build_traffic(params())._replace(services=(service(1, 1),))
    assert tuple(kept_weights(traffic, before).values()) == wanted


def test_a_side_without_servers_cannot_get_traffic() -> None:
    with pytest.raises(SlipwayError) as refused:
        server_weights(service(2, 0), {"blue": 50, "green": 50})
    assert refused.value.cause == "no_servers" and "services.backend.sides.green" in refused.value.message


@pytest.mark.parametrize("weights", [{}, {"blue": 0}, {"blue": 0, "green": 0}])
def test_all_zero_is_refused_because_nobody_would_answer(weights: dict[str, int]) -> None:
    with pytest.raises(SlipwayError) as refused:
        side_weights(weights)
    assert refused.value.obj == "weights"


@pytest.mark.parametrize(
    ("by_service", "wanted"),
    [
        ({}, None),
        ({"a": {"blue": 100, "green": 0}}, "blue"),
        ({"a": {"blue": 0, "green": 100}, "b": {"blue": 0, "green": 100}}, "green"),
        ({"a": {"blue": 95, "green": 5}}, "mixed"),
        ({"a": {"blue": 100, "green": 0}, "b": {"blue": 0, "green": 100}}, "mixed"),
        ({"a": {"blue": 0, "green": 0}}, None),
    ],
)
def test_the_live_side_is_the_one_with_everything(by_service: dict[str, dict[str, int]], wanted: str | None) -> None:
    assert live_side(by_service) == wanted


def broken(path: str, value: t.Any) -> dict[str, t.Any]:
    """The options with one server, check or route spoilt."""
    options = params()
    backend = options["services"]["backend"]
    if path.startswith("health."):
        backend["health"] = {path.split(".")[1]: value}
    elif path == "sides":
        backend["sides"] = value
    else:
        backend["sides"]["blue"][0][path] = value
    return options


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (params(platform="shop_x"), "platform"),
        (params(platform="Shop"), "platform"),
        (params(environment="../x"), "environment"),
        (params(listen=0), "listen"),
        (params(listen=70000), "listen"),
        (params(bind="* user root"), "bind"),
        (params(routes=[]), "routes"),
        (params(routes=[{"path": "api", "service": "backend"}]), "routes[0].path"),
        (params(routes=[{"path": "/a b", "service": "backend"}]), "routes[0].path"),
        (params(routes=[{"path": "/", "service": "frontend"}]), "routes[0].service"),
        (params(routes=[{"path": "/", "service": "backend", "host": "a;b"}]), "routes[0].host"),
        (params(weights={"blue": 101}), "weights.blue"),
        (params(weights={"blue": True}), "weights.blue"),
        (params(weights={"red": 1}), "weights.red"),
        (broken("sides", {}), "services.backend.sides"),
        (broken("sides", {"red": []}), "services.backend.sides.red"),
        (broken("sides", {"blue": [server(), server()]}), "services.backend.sides"),
        (broken("name", "green_app1_1"), "services.backend.sides.blue[0].name"),
        (broken("name", "blue_x; shutdown"), "services.backend.sides.blue[0].name"),
        (broken("port", 0), "services.backend.sides.blue[0].port"),
        (broken("port", "http"), "services.backend.sides.blue[0].port"),
        (broken("address", "app1; evil"), "services.backend.sides.blue[0].address"),
        (broken("address", None), "services.backend.sides.blue[0].address"),
        (broken("health.path", "health"), "services.backend.health.path"),
        (broken("health.path", "/x\nserver evil"), "services.backend.health.path"),
        (broken("health.status", [99]), "services.backend.health.status"),
        (broken("health.headers", {"X Y": "1"}), "services.backend.health.headers"),
        (broken("health.headers", {"X": "1\r\nY: 2"}), "services.backend.health.headers.X"),
    ],
)
def test_bad_input_is_refused_with_the_name_of_the_key(options: dict[str, t.Any], names: str) -> None:
    with pytest.raises(SlipwayError) as refused:
        build_traffic(options)
    assert (refused.value.obj, refused.value.cause) == (names, "invalid")


def test_two_services_on_one_route_are_refused_and_the_same_twice_is_not() -> None:
    options = params()
    options["services"]["other"] = {"sides": {"blue": [server()]}}
    options["routes"] = [{"path": "/api/", "service": "backend"}, {"path": "/api", "service": "other"}]
    with pytest.raises(SlipwayError) as refused:
        build_traffic(options)
    assert "backend" in refused.value.message and "other" in refused.value.message
    options["routes"][1]["service"] = "backend"
    assert len(build_traffic(options).routes) == 2


def test_numbers_that_a_template_made_strings_of_are_numbers() -> None:
    assert [one.port for one in build_traffic(broken("port", "20001")).servers()] == [20001, 20010]


def test_a_name_becomes_the_same_address_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(2, 1, 6, "", (address, 0)) for address in ("fd00::1", "10.0.0.9", "10.0.0.10")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_more: answers)
    found = [one.address for one in build_traffic(broken("address", "app1.example.com")).servers()]
    assert found == ["10.0.0.10", "10.1.2.3"]


def test_a_name_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(SlipwayError) as refused:
        build_traffic(broken("address", "app1.example.com"))
    assert (refused.value.cause, refused.value.obj) == ("dns", "services.backend.sides.blue[0].address")


def test_no_services_need_no_routes() -> None:
    assert build_traffic(params(services={}, routes=[])).services == ()


def test_a_server_with_traffic_keeps_its_address_and_says_so() -> None:
    traffic = build_traffic(params())
    actions: list[str] = []
    kept = keep_live_addresses(traffic, {("backend", "blue_app1_1"): ("10.9.9.9", 1)}, actions)
    assert [(one.address, one.port) for one in kept.servers()] == [("10.9.9.9", 1), ("10.1.2.3", 20010)]
    assert len(actions) == 1 and "10.9.9.9:1" in actions[0]
    actions.clear()
    assert keep_live_addresses(traffic, {("backend", "blue_app1_1"): ("10.1.2.3", 20000)}, actions) == traffic
    assert actions == []


def test_a_check_says_the_first_host_of_the_routes_unless_it_has_its_own() -> None:
    def headers(routes: list[dict[str, t.Any]], **health: t.Any) -> tuple[tuple[str, str], ...]:
        options = params(routes=routes)
        options["services"]["backend"]["health"] = health
        return build_traffic(options).services[0].health.headers

    anywhere = {"path": "/", "service": "backend"}
    hosts = [anywhere, {**anywhere, "host": "z.example.com"}, {**anywhere, "host": "a.example.com"}]
    assert headers([anywhere]) == (("Host", "localhost"),)
    assert headers(hosts) == headers(hosts, kind="tcp") == (("Host", "z.example.com"),)
    assert headers(hosts, headers={"host": "x"}) == (("host", "x"),)
