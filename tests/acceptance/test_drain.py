# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine is taken out of traffic and comes back, under load; a release goes out meanwhile."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.lab.load import LoadRun
from tests.shop import Run

from . import check, machines
from .conftest import MakeFleet
from .fleet import ASKS, Fleet
from .interruption import Customers, CutRun, Point, course, weights
from .machines import shell
from .test_traffic import ROUTES

BALANCER = "lb2"
# What customers have not open, by the balancer: before version 2.7 Caddy ends every WebSocket when its configuration changes.
WITHOUT: dict[str, dict[str, float]] = {"haproxy": {}, "nginx": {}, "caddy": {"ws": 0}}
# What provision writes for Caddy and cannot load in a container: a setting of the network, which is the machine's own.
MIGRATED = """
mount -o remount,rw,bind /proc/sys
sysctl --quiet --write net.ipv4.tcp_migrate_req=1
mount -o remount,ro,bind /proc/sys
"""

WHY = "its disk is failing"
ASKED = ("-e", "slipway_machine=app2", "-e", f"slipway_drain_why='{WHY}'", "-e", "slipway_drain_who=ann")
BACK = ("-e", "slipway_machine=app2")


def drain(fleet: Fleet, *args: str) -> Run:
    return fleet.play("slipway.deploy.drain", *(args or ASKED))


def served(fleet: Fleet, proxy: str = "lb1") -> set[str]:
    """The machines that a balancer sends requests to."""
    return {name.partition("/")[2].split("_")[1] for name, weight in weights(fleet, proxy).items() if weight}


@pytest.fixture(params=WITHOUT)
def balancer(request: pytest.FixtureRequest) -> str:
    """A program that balances."""
    return str(request.param)


@pytest.fixture
def behind(make_fleet: MakeFleet, balancer: str) -> t.Iterator[MakeFleet]:
    """Make a fleet of app1 and app2 behind that program, where C(/version) is asked of the back end, which says who it is."""
    made: list[Fleet] = []

    def make(**variables: t.Any) -> Fleet:
        routes = [{"path": "/version", "service": "backend"}, *ROUTES]
        traffic = {"provider": balancer, "listen": 8080, "routes": routes}
        fleet = make_fleet(proxies=[BALANCER], variables={"slipway_traffic": traffic, **variables})
        if balancer != "haproxy":
            made.append(fleet)
            check.succeeded(fleet.play("provision.yml", "--limit", BALANCER))
            shell(fleet.lab, BALANCER, MIGRATED)
        return fleet

    yield make
    for fleet in made:  # the other tests have HAProxy there
        shell(fleet.lab, BALANCER, f"systemctl --quiet disable --now {balancer}")


def answering(fleet: Fleet) -> set[str]:
    """The machines whose back end answers customers, each of them on a new connection."""
    names = {json.loads(fleet.get("/version")[1])["name"] for _ask in range(2 * ASKS)}
    return {machine for machine in fleet.apps if names & set(shell(fleet.lab, machine, "docker ps -q").split())}


def backends(fleet: Fleet, machine: str) -> str:
    """The names of the live containers of the back end on a machine."""
    return " ".join(one.name for one in fleet.containers(machine) if one.running and one.service == "backend")


@pytest.mark.sample(1, of=" balancers")
def test_a_machine_goes_out_of_traffic_gets_a_release_and_comes_back(
    behind: MakeFleet, balancer: str, record_property: t.Any
) -> None:
    fleet = behind(slipway_gate=5)
    check.succeeded(fleet.deploy("1.0.0"))
    assert answering(fleet) == {"app1", "app2"}
    with LoadRun(fleet.url, rate=50, weights=WITHOUT[balancer]) as load:
        check.refused(drain(fleet, *BACK), "slipway_drain_why: missing")
        check.succeeded(drain(fleet))
        assert answering(fleet) == {"app1"}
        assert "app2: drained by ann since" in fleet.play("status.yml").said
        last = drain(fleet, "-e", "slipway_machine=app1", "-e", "slipway_drain_why='so I say'")
        check.refused(last, f"app1 is the last one that serves backend behind {BALANCER} (app2: drained)")
        assert drain(fleet).changed == 0

        run = fleet.deploy("1.1.0")
        check.succeeded(run)
        assert "app2 gets the new version and no traffic: it is drained by ann" in run.said
        assert answering(fleet) == {"app1"}
        check.all_on(fleet, "1.1.0")

        stopped = backends(fleet, "app2")
        with machines.broken(fleet.lab, "app2", f"docker stop -t 1 {stopped}", f"docker start {stopped}"):
            refused = fleet.play("slipway.deploy.undrain", *BACK)
        check.refused(refused, "app2 has no traffic at the balancers that could be told", "green_app2")
        assert answering(fleet) == {"app1"}
        check.succeeded(fleet.play("slipway.deploy.undrain", *BACK))
        assert answering(fleet) == {"app1", "app2"}
        result = load.stop()
    assert ": drained by" not in fleet.play("status.yml").said
    check.all_on(fleet, "1.1.0")
    record_property("requests", result.requests)
    assert result.failed == 0, (result.causes, result.failures[:5])


@pytest.mark.sample(1, of=" balancers")
def test_a_drained_machine_stays_so_when_its_balancer_starts_anew_and_in_a_rollback(
    behind: MakeFleet, balancer: str
) -> None:
    fleet = behind(slipway_strategy="rolling")
    check.succeeded(fleet.deploy("1.0.0"))
    check.succeeded(fleet.deploy("1.1.0"))
    check.succeeded(drain(fleet))
    for how in ("restart", "reload"):
        fleet.lab.exec(BALANCER, ["systemctl", how, balancer])
        assert answering(fleet) == {"app1"}
    with Customers(fleet) as customers:
        check.succeeded(fleet.rollback())
        assert answering(fleet) == {"app1"}
        check.succeeded(fleet.play("slipway.deploy.undrain", *BACK))
        assert customers.all_served() > 0
    assert answering(fleet) == {"app1", "app2"}
    check.all_on(fleet, "1.0.0")


@pytest.mark.sample(1)
@pytest.mark.parametrize("playbook", ["drain", "undrain"])
def test_one_that_is_cut_off_ends_with_the_machine_drained(make_fleet: MakeFleet, playbook: str) -> None:
    """Killed when one of two balancers has done it: the next run of anything makes the other one do the same."""
    fleet = make_fleet(proxies=["lb1", "lb2"])
    check.succeeded(fleet.deploy("1.0.0"))
    with Customers(fleet) as customers:
        if playbook == "undrain":
            check.succeeded(drain(fleet))
        run = CutRun(fleet, Point("drain", "first", machine="lb1"), *ASKED, playbook=f"slipway.deploy.{playbook}")
        assert run.killed(), run.ended().output
        again = fleet.deploy("1.1.0")
        check.succeeded(again)
        assert course(again.output) == "drain"
        assert {proxy: served(fleet, proxy) for proxy in fleet.proxies} == dict.fromkeys(fleet.proxies, {"app1"})
        check.succeeded(fleet.play("slipway.deploy.undrain", *BACK))
        assert customers.all_served() > 0
    assert {proxy: served(fleet, proxy) for proxy in fleet.proxies} == dict.fromkeys(fleet.proxies, {"app1", "app2"})
    check.all_on(fleet, "1.1.0")
