# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How HAProxy comes to another structure, and what a reload may leave, against a HAProxy made of a dictionary."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import (
    BACKEND,
    BLUE,
    World,
    traffic,
)

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
