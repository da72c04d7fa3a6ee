# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy is told of weights and in which order, against a HAProxy made of a dictionary."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import (
    BACKEND,
    BLUE,
    World,
    order,
    traffic,
)


@pytest.mark.parametrize(
    ("before", "after", "orders"),
    [
        (BLUE, {"blue": 0, "green": 100}, [order("green", "weight 100"), order("blue", "weight 0")]),
        (BLUE, {"blue": 95, "green": 5}, [order("blue", "weight 95"), order("green", "weight 5")]),
        (
            {"blue": 95, "green": 5},
            {"blue": 50, "green": 50},
            [order("blue", "weight 50"), order("green", "weight 50")],
        ),
        (BLUE, BLUE, []),
    ],
)
def test_only_weights_that_differ_are_sent_and_none_falls_to_zero_first(
    world: World, before: dict[str, int], after: dict[str, int], orders: list[str]
) -> None:
    world.live(before)
    plan = world.run(traffic(weights=after))
    assert world.socket.orders == orders and world.system.commands == []
    assert plan.changed is bool(orders) and not plan.reload
    again = world.proxy().plan(traffic(weights=after), shift=True)
    assert not again.changed and again.actions == []


def test_a_new_platform_is_loaded_without_weights_then_gated_and_shifted(world: World) -> None:
    plan = world.run(traffic())
    assert plan.reload and world.system.commands == ["check", "reload"]
    assert world.socket.orders == [order("green", "health down"), order("green", "weight 100")]
    assert "green_app1_1 10.0.0.1:20010 weight 100" in world.file.read_text()


def test_an_idle_server_moves_at_run_time_and_is_checked_anew(world: World) -> None:
    world.live(BLUE)
    plan = world.run(traffic(green_port=20019))
    assert world.socket.orders[:2] == [order("green", "addr 10.0.0.1 port 20019"), order("green", "health down")]
    assert not plan.reload and "green_app1_1 10.0.0.1:20019 weight 100" in world.file.read_text()


def test_a_server_with_traffic_does_not_move(world: World) -> None:
    world.live(BLUE)
    plan = world.proxy().plan(traffic(blue_port=20009, weights=BLUE), shift=True)
    assert not plan.changed and "keeps 10.0.0.1:20000" in plan.actions[0]


def test_an_idle_server_in_maintenance_is_made_ready(world: World) -> None:
    world.live(BLUE)
    world.socket.servers_by_key[f"{BACKEND}/green_app1_1"]["admin"] = 1
    world.run(traffic())
    assert world.socket.orders[:2] == [order("green", "state ready"), order("green", "health down")]


def test_a_proxy_that_was_just_reloaded_is_not_believed_before_a_check_of_its_own(world: World) -> None:
    world.live(BLUE)
    world.socket.uptime = 0
    world.run(traffic())
    assert world.socket.orders[0] == order("green", "health down")


@pytest.mark.parametrize(
    ("status", "check"), [("DOWN", "L4CON"), ("UP 1/2", "L7OK"), ("DOWN 1/2", "L7OK"), ("UP", "INI"), ("MAINT", "")]
)
def test_the_gate_names_who_is_not_healthy_and_nothing_moves(world: World, status: str, check: str) -> None:
    world.live(BLUE)
    world.socket.servers_by_key[f"{BACKEND}/green_app1_1"].update(status=status, check=check)
    with pytest.raises(SlipwayError) as refused:
        world.run(traffic())
    assert (
        refused.value.cause == "gate" and world.socket.orders == [] and world.system.now == pytest.approx(5.0, abs=0.06)
    )
    assert f"{BACKEND}/green_app1_1" in refused.value.message and status in refused.value.message


def test_weights_that_are_not_taken_are_an_error_and_nothing_is_written(world: World) -> None:
    world.live(BLUE)
    before = world.file.read_bytes()
    world.socket.deaf = True
    with pytest.raises(SlipwayError) as failed:
        world.run(traffic())
    assert failed.value.cause == "read_back" and world.file.read_bytes() == before


def test_configured_leaves_the_weights_of_a_known_platform(world: World) -> None:
    world.live(BLUE)
    proxy = world.proxy()
    plan = proxy.plan(traffic(routes=[{"path": "/x", "service": "backend"}]), shift=False)
    proxy.configure(plan)
    proxy.shift(plan)
    assert plan.reload and "green_app1_1 10.0.0.1:20010 weight 0" in world.file.read_text()
    assert "blue_app1_1 10.0.0.1:20000 weight 100" in world.file.read_text()


def test_the_old_side_must_be_healthy_to_go_back_to(world: World) -> None:
    world.live(BLUE)
    plan = world.run(traffic())
    blue = world.socket.servers_by_key[f"{BACKEND}/blue_app1_1"]
    blue["status"] = "DOWN"
    with pytest.raises(SlipwayError) as refused:
        world.back(plan)
    assert refused.value.cause == "gate" and blue["weight"] == 0 and world.system.now == 0
    blue["status"] = "UP"
    world.socket.orders.clear()
    world.back(plan)
    assert world.socket.orders == [order("blue", "weight 100"), order("green", "weight 0")]
    assert world.system.commands == [] and "blue_app1_1 10.0.0.1:20000 weight 100" in world.file.read_text()
