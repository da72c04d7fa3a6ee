# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy is told and in which order, against a HAProxy made of a dictionary."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import haproxy_config
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import Listener, Process
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import (
    BACKEND,
    World,
    traffic,
)


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


def order(side: str, what: str) -> str:
    return f"set server {BACKEND}/{side}_app1_1 {what}"


BLUE = {"blue": 100, "green": 0}


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


OTHER = "slipway_shop_production_other"


def with_other(**changes: t.Any) -> Traffic:
    """One service and one route more."""
    sides = {
        side: [{"name": f"{side}_app1_1", "address": "10.0.0.1", "port": port}]
        for side, port in (("blue", 20001), ("green", 20011))
    }
    backend = traffic().services[0]
    known = {one.side: [{"name": one.name, "address": one.address, "port": one.port}] for one in backend.servers}
    return traffic(
        services={"backend": {"sides": known}, "other": {"sides": sides}},
        routes=[{"path": "/", "service": "backend"}, {"path": "/other", "service": "other"}],
        **changes,
    )


def test_a_new_service_is_gated_in_a_bridge_and_routed_with_the_weights(world: World) -> None:
    world.live(BLUE)
    texts: list[str] = []
    load = world.system.on_reload

    def note_and_load() -> None:
        texts.append(world.file.read_text())
        load()

    world.system.on_reload = note_and_load
    plan = world.run(with_other())
    bridge, end = texts
    assert "/other" not in bridge and "blue_app1_1 10.0.0.1:20001 weight 0" in bridge
    assert "blue_app1_1 10.0.0.1:20000 weight 100" in bridge
    assert end == plan.text_after
    assert "/other" in end and "green_app1_1 10.0.0.1:20011 weight 100" in end
    assert not [order for order in world.socket.orders if " weight " in order]
    again = world.proxy().plan(with_other(), shift=True)
    assert not again.changed and again.actions == []


def test_what_a_release_removed_comes_back_with_its_weights(world: World) -> None:
    world.run(with_other(weights=BLUE))
    before = world.file.read_text()
    plan = world.run(traffic())
    assert plan.bridge is None and OTHER not in world.file.read_text() and plan.idle() >= {("other", "blue_app1_1")}
    world.socket.uptime = 60
    back = world.back(plan)
    assert back.bridge is not None and {server.key for server in back.gated} == {
        ("backend", "blue_app1_1"),
        ("other", "blue_app1_1"),
    }
    assert world.file.read_text() == before


def test_without_a_known_structure_only_weights_go_back_and_a_new_service_keeps_its_own(world: World) -> None:
    world.live(BLUE)
    world.file.write_text(world.file.read_text().replace("# slipway-specification: 1", "# slipway-specification: 0"))
    plan = world.run(with_other())
    world.socket.uptime = 60
    world.back(plan)
    weights = {key: one["weight"] for key, one in world.socket.servers_by_key.items()}
    assert weights == {
        f"{BACKEND}/blue_app1_1": 100,
        f"{BACKEND}/green_app1_1": 0,
        f"{OTHER}/blue_app1_1": 0,
        f"{OTHER}/green_app1_1": 100,
    }


def test_a_damaged_specification_is_written_anew_without_a_reload(world: World) -> None:
    world.live(BLUE)
    whole = world.file.read_text()
    world.file.write_text(whole.replace("# slipway-specification: 1", "# slipway-specification: 0"))
    plan = world.run(traffic(weights=BLUE))
    assert plan.changed and not plan.reload and world.system.commands == [] and world.file.read_text() == whole


def test_a_file_that_was_written_but_never_loaded_is_not_taken_for_what_runs(world: World) -> None:
    """Killed before the second reload: the new servers are loaded, the new routes are not."""
    world.live(BLUE)
    killed = world.proxy()
    plan = killed.plan(with_other(), shift=True)
    killed.configure(plan)
    world.file.write_text(plan.text_after)
    world.socket.uptime = 60
    for wanted in (traffic(weights=BLUE), with_other()):
        found = world.proxy().plan(wanted, shift=True)
        assert found.in_force is None and found.bridge is None and found.reshapes
    world.run(traffic(weights=BLUE))
    assert "/other" not in world.file.read_text() and OTHER not in world.file.read_text()


def test_a_port_that_the_running_proxy_has_for_this_platform_is_not_taken(world: World) -> None:
    """Killed before the reload to another port: the file says that one, the process still listens on the old one."""
    world.live(BLUE)
    world.file.write_text(world.proxy().plan(traffic(listen=81), shift=True).text_after)
    world.processes.listening = [Listener("0.0.0.0", 80, OURS)]
    assert world.run(traffic(weights=BLUE)).reload and "listen=80" in world.file.read_text()


def test_a_structure_somebody_wrote_into_the_file_by_hand_is_overwritten(world: World) -> None:
    world.live(BLUE)
    whole = world.file.read_text()
    world.file.write_text(whole.replace("balance roundrobin", "balance leastconn"))
    assert world.run(traffic(weights=BLUE)).reload and world.file.read_text() == whole


def test_a_reload_that_comes_back_with_other_weights_is_not_believed(world: World) -> None:
    world.live(BLUE)
    before = world.file.read_bytes()

    def remembered() -> None:
        world.socket.load(world.file.read_text())
        world.socket.servers_by_key[f"{BACKEND}/green_app1_1"]["weight"] = 0

    world.system.on_reload = remembered
    with pytest.raises(SlipwayError) as failed:
        world.run(traffic(listen=81))
    assert failed.value.cause == "reload_failed" and world.file.read_bytes() == before


def test_a_reload_that_is_lost_in_another_is_asked_for_again(world: World) -> None:
    world.live(BLUE)
    old = world.file.read_text()
    loads = iter([lambda: old, world.file.read_text])
    world.system.on_reload = lambda: world.socket.load(next(loads)())
    world.run(traffic(listen=81))
    assert world.system.commands == ["check", "reload", "reload"]


def test_a_reload_that_is_lost_just_after_another_is_asked_for_again(world: World) -> None:
    world.live(BLUE)
    asked: list[str] = []

    def load() -> None:
        asked.append(world.file.read_text())
        if len(asked) == 2:
            world.socket.load(asked[1])

    world.system.on_reload = load
    world.run(traffic(listen=81))
    assert world.system.commands == ["check", "reload", "reload"]


def test_a_reload_that_is_lost_twice_is_asked_for_a_third_time(world: World) -> None:
    """A killed run's worker answers before its master listens again, and a busy machine keeps that master waiting."""
    world.live(BLUE)
    old = world.file.read_text()
    asked: list[str] = []

    def load() -> None:
        asked.append(world.file.read_text())
        if len(asked) != 2:
            world.socket.load(old if len(asked) == 1 else asked[-1])

    world.system.on_reload = load
    world.run(traffic(listen=81))
    assert world.system.commands == ["check", "reload", "reload", "reload"]


def test_a_new_service_of_a_known_platform_gets_the_share_of_the_live_side(world: World) -> None:
    world.live({"blue": 95, "green": 5})
    plan = world.run(with_other(weights={"blue": 0, "green": 100}), shift=False)
    assert plan.reload and plan.gated == ()
    weights = {key: one["weight"] for key, one in world.socket.servers_by_key.items() if key.startswith(OTHER)}
    assert weights == {f"{OTHER}/blue_app1_1": 95, f"{OTHER}/green_app1_1": 5}


@pytest.mark.parametrize("command", ["check", "reload"])
def test_a_structure_that_is_not_taken_leaves_the_old_file(world: World, command: str) -> None:
    world.live(BLUE)
    before = world.file.read_bytes()
    world.system.rc[command] = 1
    with pytest.raises(SlipwayError) as failed:
        world.run(traffic(listen=81))
    assert failed.value.cause == {"check": "config_invalid", "reload": "reload_failed"}[command]
    assert world.file.read_bytes() == before


def test_a_reload_that_changes_nothing_is_found_out(world: World) -> None:
    world.live(BLUE)
    before = world.file.read_bytes()
    world.system.on_reload = lambda: None
    with pytest.raises(SlipwayError) as failed:
        world.run(traffic(listen=81))
    assert failed.value.cause == "reload_failed" and world.file.read_bytes() == before


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


def test_who_has_the_port_is_named(world: World) -> None:
    world.live(BLUE)
    other = traffic()._replace(platform="blog")
    text = haproxy_config.platform_text(other, {}, "/x")
    (world.file.parent / "blog-production.cfg").write_text(text)
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(), shift=True)
    assert refused.value.cause == "listen_taken" and "platform blog in production" in refused.value.message
    (world.file.parent / "blog-production.cfg").unlink()
    world.processes.listening = [Listener("0.0.0.0", 8080, Process(7, 1, "java", ("java",)))]
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(listen=8080), shift=True)
    assert "java (process 7)" in refused.value.message


def test_two_platforms_that_would_share_one_file_are_refused(world: World) -> None:
    world.file.parent.mkdir()
    world.file.write_text(haproxy_config.platform_text(traffic()._replace(platform="x", listen=1), {}, "/x"))
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(), shift=True)
    assert refused.value.cause == "file_taken"


def refused_by(cause: str) -> SlipwayError:
    return SlipwayError("HAProxy's stats socket does not answer", cause=cause)


OURS = Process(2, 1, "haproxy", ("haproxy", "-f", "/x/haproxy.cfg"))


@pytest.mark.parametrize(
    ("broken", "level", "running", "cause"),
    [
        ("", "admin", "", ""),
        ("", "operator", "", "socket_not_writable"),
        ("socket_not_writable", "", "with", "socket_not_writable"),
        ("socket_missing", "", "", "proxy_not_running"),
        ("socket_refused", "", "", "proxy_not_running"),
        ("socket_missing", "", "without", "drop_in_missing"),
        ("socket_missing", "", "with", "socket_missing"),
    ],
)
def test_each_problem_has_its_cause_and_remedy(world: World, broken: str, level: str, running: str, cause: str) -> None:
    world.live(BLUE)
    world.socket.broken = refused_by(broken) if broken else None
    world.socket.level = level
    if running:
        more = ("-f", world.settings.config_dir) if running == "with" else ()
        world.processes.running = [OURS._replace(argv=(*OURS.argv, *more))]
    problems = world.proxy().observe()["problems"]
    assert [one["cause"] for one in problems] == ([cause] if cause else [])
    assert all(one["remedy"] and one["message"] for one in problems)
    with contextlib.nullcontext() if not cause else pytest.raises(SlipwayError):
        world.proxy().plan(traffic(), shift=True)


def test_a_proxy_that_runs_with_our_empty_directory_is_ready_for_its_first_platform(world: World) -> None:
    world.socket.broken = refused_by("socket_missing")
    world.socket_file.unlink()
    world.processes.running = [OURS._replace(argv=(*OURS.argv, "-f", world.settings.config_dir))]
    seen = world.proxy().observe()
    assert (seen["running"], seen["problems"], seen["live_side"]) == (True, [], None)
    assert world.proxy().plan(traffic(), shift=True).reload


def test_a_file_that_is_not_loaded_is_a_problem(world: World) -> None:
    world.live(BLUE)
    world.socket.servers_by_key.clear()
    assert [one["cause"] for one in world.proxy().observe()["problems"]] == ["not_loaded"]


def test_observe_says_weights_per_side_from_the_names_alone(world: World) -> None:
    world.live({"blue": 95, "green": 5})
    world.socket.servers_by_key["slipway_shop_staging_backend/blue_x_1"] = dict(
        world.socket.servers_by_key[f"{BACKEND}/blue_app1_1"]
    )
    seen = world.proxy().observe()
    assert seen["weights"] == {"backend": {"blue": 95, "green": 5}} and seen["live_side"] == "mixed"
    assert [(one["name"], one["side"], one["weight"], one["port"]) for one in seen["servers"]] == [
        ("blue_app1_1", "blue", 95, 20000),
        ("green_app1_1", "green", 5, 20010),
    ]
    assert seen["version"] == "2.6.12"
