# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While some machines have the new version and others the old one: weights by machine, and checks."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Health, Server, Service, machine_of
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import still_closed
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import machine_weights, wanted_weights
from hypothesis import given
from hypothesis import strategies as st

OLD, NEW = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}
MACHINES = ("app1", "app2", "app_3")


def servers(side: str, each: int, machines: t.Sequence[str] = MACHINES) -> list[dict[str, t.Any]]:
    return [
        {"name": f"{side}_{machine}_{number}", "address": f"10.0.0.{place}", "port": 20000 + number}
        for place, machine in enumerate(machines, start=1)
        for number in range(1, each + 1)
    ]


def params(blue: int = 1, green: int = 1, path: str = "/health", **changes: t.Any) -> dict[str, t.Any]:
    sides = {"blue": servers("blue", blue), "green": servers("green", green)}
    return {
        "platform": "shop",
        "environment": "production",
        "bind": "*",
        "listen": 80,
        "routes": [{"path": "/", "service": "api", "host": None}],
        "services": {"api": {"health": {"path": path}, "sides": sides}},
        "weights": OLD,
        "apart": {},
        **changes,
    }


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("green_app1_1", "app1"),
        ("blue_web_02_13", "web_02"),
        ("green_app1", "app1"),
        ("mine_app1_1", ""),
        ("blue_", ""),
    ],
)
def test_a_server_is_named_after_its_machine(name: str, machine: str) -> None:
    assert machine_of(name) == machine


def test_a_machine_that_is_apart_has_the_new_side_and_all_others_the_old_one() -> None:
    weights = wanted_weights(build_traffic(params(apart={"app2": NEW})))
    assert {name for (_service, name), weight in weights.items() if weight} == {
        "blue_app1_1",
        "green_app2_1",
        "blue_app_3_1",
    }


@given(st.integers(1, 9), st.integers(1, 9), st.sets(st.sampled_from(MACHINES)))
def test_each_machine_gets_as_much_as_before_however_many_servers_it_has(
    blue: int, green: int, moved: set[str]
) -> None:
    every = [
        Server("api", side, one["name"], one["address"], one["port"])
        for side, each in (("blue", blue), ("green", green))
        for one in servers(side, each)
    ]
    found = machine_weights(Service("api", Health("/", (200,), (), 2.0), tuple(every)), OLD, dict.fromkeys(moved, NEW))
    sums = {machine: 0 for machine in MACHINES}
    for (_service, name), weight in found.items():
        assert 0 <= weight <= 256
        assert bool(weight) == (name.startswith("green") == (machine_of(name) in moved))
        sums[machine_of(name)] += weight
    assert min(sums.values()) >= 0.95 * max(sums.values())


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        ({"app9": NEW}, "apart.app9"),
        ({"app1": {"gren": 1}}, "apart.app1.gren"),
        ({"app1": {"green": "100"}}, "apart.app1.green"),
    ],
)
def test_bad_shares_of_a_machine_are_refused_by_name(apart: dict[str, t.Any], said: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        build_traffic(params(apart=apart))
    assert (caught.value.cause, caught.value.obj) == ("invalid", said)


def test_a_machine_that_is_out_has_neither_side() -> None:
    weights = wanted_weights(build_traffic(params(apart={"app1": NEW, "app2": {"blue": 0, "green": 0}})))
    assert {name for (_service, name), weight in weights.items() if weight} == {"green_app1_1", "blue_app_3_1"}


def test_nobody_is_left_without_any_server() -> None:
    only = Service("api", Health("/", (200,), (), 2.0), (Server("api", "green", "green_app1_1", "10.0.0.1", 20000),))
    with pytest.raises(SlipwayError) as caught:
        machine_weights(only, OLD, {"app2": NEW})
    assert caught.value.cause == "no_servers"
    with pytest.raises(SlipwayError) as caught:
        wanted_weights(build_traffic(params(apart=dict.fromkeys(MACHINES, {"blue": 0}))))
    assert caught.value.cause == "no_servers"


class Known:
    """A proxy that has a structure in force."""

    def __init__(self, in_force: t.Any) -> None:
        self._in_force = in_force

    def in_force(self) -> t.Any:
        return self._in_force


def test_the_old_version_is_not_taken_down_by_a_check_that_it_does_not_know() -> None:
    before = build_traffic(params(path="/old"))
    first = still_closed(Known(before), build_traffic(params(path="/new", apart={"app1": NEW})))
    assert first.unchecked == (("api", "blue_app2_1"), ("api", "blue_app_3_1"))
    second = still_closed(Known(first), build_traffic(params(path="/new", apart={"app1": NEW, "app2": NEW})))
    assert second.unchecked == (("api", "blue_app_3_1"),)
    last = still_closed(Known(second), build_traffic(params(path="/new", weights=NEW)))
    assert last.unchecked == ()


def test_a_machine_without_traffic_leaves_the_check_of_all_others_as_it_is_wanted() -> None:
    nothing = {"app1": {"blue": 0, "green": 0}}
    before = build_traffic(params(path="/old"))
    assert still_closed(Known(before), build_traffic(params(path="/new", apart=nothing, weights=NEW))).unchecked == ()


def test_a_machine_without_shares_has_no_traffic_and_all_others_have_the_same_as_before() -> None:
    weights = wanted_weights(build_traffic(params(apart={"app1": {"blue": 0, "green": 0}})))
    assert {key[1] for key, weight in weights.items() if weight} == {"blue_app2_1", "blue_app_3_1"}
    with pytest.raises(SlipwayError) as caught:
        wanted_weights(build_traffic(params(apart={name: {"blue": 0, "green": 0} for name in MACHINES})))
    assert caught.value.cause == "no_servers"


def test_the_same_check_goes_on_for_everyone() -> None:
    same = still_closed(Known(build_traffic(params())), build_traffic(params(apart={"app1": NEW})))
    assert same.unchecked == ()
