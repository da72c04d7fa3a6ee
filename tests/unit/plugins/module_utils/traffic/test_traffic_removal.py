# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform is taken out of HAProxy: its file, its states, its certificates; a reload proves it, or all is as before."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.caddy_removal import listens, without
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import BLUE, World


def test_nothing_is_left_and_another_platforms_files_are_not_touched(world: World) -> None:
    world.live(BLUE)
    other = world.file.with_name("store-production.cfg")
    other.write_text("backend slipway_store_production_backend\n")
    state = pathlib.Path(world.settings.root) / "haproxy" / "slipway_store_production_backend.state"
    state.write_text("1\n")
    certificates = pathlib.Path(world.settings.root) / "haproxy" / "tls" / "shop-production"
    certificates.mkdir(parents=True)
    (certificates / "shop.pem").write_text("a key")
    found = world.proxy().belongings()
    assert found[0] == str(world.file) and found[-1] == str(certificates) and len(found) == 3
    world.proxy().remove()
    assert world.system.commands == ["check", "reload"]
    assert world.proxy().belongings() == [] and world.socket.servers_by_key == {}
    assert other.exists() and state.exists()
    world.proxy().remove()
    assert world.system.commands == ["check", "reload"]


def test_a_reload_that_was_not_taken_leaves_all_as_it_was(world: World) -> None:
    world.live(BLUE)
    before, found = world.file.read_bytes(), world.proxy().belongings()
    world.system.on_reload = lambda: None
    with pytest.raises(SlipwayError) as caught:
        world.proxy().remove()
    assert caught.value.cause == "reload_failed"
    assert (world.file.read_bytes(), world.proxy().belongings()) == (before, found)


def test_what_haproxy_would_refuse_without_it_is_not_tried(world: World) -> None:
    world.live(BLUE)
    world.system.rc["check"] = 1
    with pytest.raises(SlipwayError) as caught:
        world.proxy().remove()
    assert caught.value.cause == "config_invalid" and world.file.exists() and "reload" not in world.system.commands


def test_a_file_that_is_gone_but_runs_still_wants_a_reload(world: World) -> None:
    world.live(BLUE)
    world.file.unlink()
    world.proxy().remove()
    assert world.socket.servers_by_key == {} and world.system.commands == ["check", "reload"]


def test_where_haproxy_does_not_run_only_files_go(world: World) -> None:
    world.live(BLUE)
    world.socket.broken = SlipwayError("no socket", cause="socket_missing")
    world.proxy().remove()
    assert world.proxy().belongings() == [] and world.system.commands == []


def test_caddy_keeps_everybody_elses_part_of_its_configuration() -> None:
    def server(host: str) -> dict[str, object]:
        return {"routes": [{"match": [{"host": [host]}]}], "logs": {"default_logger_name": f"log of {host}"}}

    hosts = {name: f"slipway-{name}.invalid" for name in ("shop-production", "store-production")}
    names = [f"log of {host}" for host in hosts.values()]
    running = {
        "apps": {"http": {"servers": {name: server(host) for name, host in hosts.items()}}},
        "logging": {
            "logs": {**{name: {} for name in names}, "default": {"exclude": [f"http.log.access.{n}" for n in names]}}
        },
    }
    left = without(running, "shop", "production")
    assert list(left["apps"]["http"]["servers"]) == ["store-production"]
    assert left["logging"]["logs"] == {names[1]: {}, "default": {"exclude": [f"http.log.access.{names[1]}"]}}
    assert without(left, "shop", "production") == left
    assert len(running["apps"]["http"]["servers"]) == 2


def test_who_listens_in_caddys_running_configuration() -> None:
    running = {"apps": {"http": {"servers": {"srv0": {"listen": ["10.0.0.1:80", ":8080"]}, "srv1": {}}}}}
    assert listens(running, "*", 80) == listens(running, "10.0.0.1", 80) == listens(running, "10.0.0.9", 8080) == "srv0"
    assert listens(running, "10.0.0.2", 80) == listens(running, "*", 443) == listens({}, "*", 80) == ""
