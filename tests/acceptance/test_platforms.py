# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole platforms beside releases: one is removed, one has lost its state; each while customers are there."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab import Lab
from tests.shop import Run

from . import check, machines, process_shop
from .conftest import APPS, MakeFleet
from .fleet import Fleet
from .interruption import IMPATIENT, Customers, locks
from .process_shop import ProcessShop
from .settings import services

STATE, CODE = "/var/lib/slipway/shop/production", "/srv/slipway/shop/production"
SECRETS = {Fleet: f"{STATE}/secrets", ProcessShop: f"{CODE}/secrets"}
DATABASE_URL = "{{ vault_database_url }}"
# What is said to go, and to stay, when 1.1.0 is live on green.
GOES = {
    Fleet: ["app1: container slipway-shop-production-backend-1.1.0"],
    ProcessShop: [
        "app1: process slipway-shop.production.backend.green@1.service",
        f"app2: {CODE}/releases",
        f"app1: stays: {CODE}/shared",
    ],
}
# What tells of a platform on a machine: files, units, containers, images, what HAProxy runs. What programs have shared stays.
_TRACES = r"""
find /var/lib/slipway /etc/haproxy/slipway.d -path '*'"$1"'*' 2>/dev/null
find /etc/systemd/system /srv/slipway ! -type d -path '*slipway*'"$1"'*' ! -path '*/shared/*' 2>/dev/null
systemctl list-units --plain --no-legend "slipway-$1.*"
docker ps -a --format '{{.Names}}' | grep -- "-$1-"
docker images --format '{{.Repository}}:{{.Tag}}' | grep -- "slipway/$1-"
[ ! -S /run/haproxy/slipway.sock ] || python3 -c '
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect("/run/haproxy/slipway.sock")
link.sendall(b"show servers state\n")
print("\n".join(line for line in link.makefile().read().splitlines() if sys.argv[1] in line))
' "$1" | grep .
true
"""


@pytest.fixture(
    params=[
        pytest.param(Fleet, marks=pytest.mark.sample(2), id="container"),
        pytest.param(ProcessShop, marks=pytest.mark.sample(6, among="journeys"), id="process"),
    ]
)
def kind(request: pytest.FixtureRequest, lab: Lab, machines: tuple[str, ...]) -> t.Iterator[type[Fleet]]:
    """What the shop is made of."""
    if request.param is ProcessShop:
        process_shop.prepare(lab, APPS, ("1.0.0", "1.1.0"))
    yield request.param
    if request.param is ProcessShop:
        process_shop.clear(lab, APPS)


def test_a_platform_is_removed_while_another_one_serves_on(make_fleet: MakeFleet, kind: type[Fleet]) -> None:
    """A shop of processes leaves what its programs have shared."""
    shop = make_fleet(kind=kind) if kind is ProcessShop else small(make_fleet, "shop", 80)
    store = small(make_fleet, "store", 82)
    for fleet in (shop, store):
        check.succeeded(fleet.deploy("1.0.0"))
    check.succeeded(shop.deploy("1.1.0"))
    before = shop.snapshot()
    looked = remove(shop, "--check", "--diff")
    check.succeeded(looked)
    check.refused(remove(shop), "it is not confirmed", "-e slipway_remove=shop/production")
    check.refused(remove(shop, "-e", "slipway_remove=store/production"), "and this is shop/production")
    check.untouched(before, shop.snapshot())
    for words in (*GOES[kind], "lb1: /etc/haproxy/slipway.d/shop-production.cfg"):
        assert words in looked.said, looked.output

    with Customers(store, "lb1") as customers:
        shop.lab.partition("app2")
        away = remove(shop, "-e", "slipway_remove=shop/production", **IMPATIENT)
        check.refused(away, "app2 could not be reached, and may have the platform still")
        assert traces(shop, "shop") == {"app1": [], "app2": traces(shop, "shop")["app2"], "lb1": []}
        shop.lab.heal("app2")
        done = remove(shop, "-e", "slipway_remove=shop/production")
        check.succeeded(done)
        assert "app1: nothing is there" in done.said and traces(shop, "shop") == dict.fromkeys(shop.machines, [])
        if kind is ProcessShop:
            assert machines.shell(shop.lab, "app2", f"ls {CODE} && ls {CODE}/shared/backend") == "shared\nassets\n"
        again = remove(shop, "-e", "slipway_remove=shop/production")
        check.succeeded(again)
        assert again.changed == 0
        status = shop.play("status.yml")
        assert "nothing is live yet" in status.said and "last releases" not in status.said
        check.succeeded(shop.deploy("1.0.0"))  # as if it had never been there
        assert customers.all_served() > 0
    check.all_on(shop, "1.0.0")
    check.all_on(store, "1.0.0")


def small(make_fleet: MakeFleet, platform: str, listen: int) -> Fleet:
    """A small platform of its own on machines that the other one is on too."""
    routes = [{"path": "/api", "service": "backend"}, {"path": "/", "service": "frontend"}]
    return make_fleet(
        variables={
            "slipway_platform": platform,
            "slipway_services": services(worker=None, backend={"replicas": 1}),
            "slipway_traffic": {"listen": listen, "routes": routes},
        }
    )


def remove(fleet: Fleet, *args: str, **env: str) -> Run:
    """``ansible-playbook slipway.deploy.remove -i production …``."""
    return fleet.play("slipway.deploy.remove", *args, **env)


def traces(fleet: Fleet, platform: str) -> dict[str, list[str]]:
    """What is left of a platform, by machine."""
    return {
        machine: sorted(machines.shell(fleet.lab, machine, _TRACES, platform).splitlines())
        for machine in fleet.machines
    }


def test_what_two_machines_have_forgotten_is_rebuilt_out_of_the_third(make_fleet: MakeFleet, kind: type[Fleet]) -> None:
    fleet = make_fleet(kind=kind)
    for version in ("1.0.0", "1.1.0"):
        check.succeeded(fleet.deploy(version))
    with Customers(fleet, "lb1") as customers:
        lose(fleet, "app1", "lb1")
        before = fleet.snapshot()
        check.refused(fleet.deploy("1.0.0"), "state directory", "app1, lb1", "playbook rebuild_state")
        check.refused(fleet.rollback(), "playbook rebuild_state")
        assert "! app1: its state is lost" in fleet.play("status.yml").said
        check.succeeded(rebuild(fleet, "--check"))
        check.untouched(before, fleet.snapshot())

        highest = max(fences(fleet).values())
        check.succeeded(rebuild(fleet))
        assert min(fences(fleet).values()) > highest
        secret = machines.shell(fleet.lab, "app1", f"cat {SECRETS[kind]}/green/backend/DATABASE_URL")
        assert secret.startswith("postgresql://")
        status = fleet.play("status.yml").said
        assert "1.1.0 is live on green" in status and "ready to go back to: 1.0.0" in status and "lost" not in status
        again = rebuild(fleet)
        check.succeeded(again)
        assert (again.changed, "has lost its state" in again.said) == (0, True)
        check.succeeded(fleet.rollback())
        check.all_on(fleet, "1.0.0")
        check.succeeded(fleet.deploy("1.1.0"))
        assert customers.all_served() > 0
    check.all_on(fleet, "1.1.0")


def test_what_every_machine_has_forgotten_is_rebuilt_out_of_what_runs(make_fleet: MakeFleet, kind: type[Fleet]) -> None:
    fleet = make_fleet(kind=kind, apps=["app1"], proxies=["app1"])
    for version in ("1.0.0", "1.1.0"):
        check.succeeded(fleet.deploy(version))
    with Customers(fleet, "app1") as customers:
        lose(fleet, "app1")
        before = fleet.snapshot()
        check.refused(fleet.deploy("1.1.0"), "playbook rebuild_state")
        check.refused(rebuild(fleet), "say so with -e slipway_version=1.1.0")
        fleet.write_variables(slipway_secrets={"DATABASE_URL": f"{DATABASE_URL}?application_name=rotated"})
        check.refused(rebuild(fleet, "-e", "slipway_version=1.1.0"), "another configuration or other secrets")
        fleet.write_variables(slipway_secrets={"DATABASE_URL": DATABASE_URL})
        check.untouched(before, fleet.snapshot())
        check.succeeded(rebuild(fleet, "-e", "slipway_version=1.1.0"))
        assert fences(fleet)["app1"] > 10**12  # milliseconds
        same = fleet.deploy("1.1.0")
        check.succeeded(same)
        assert "1.1.0 is live on green already" in same.said
        check.succeeded(fleet.deploy("1.0.0"))
        check.succeeded(fleet.rollback())
        assert customers.all_served() > 0
    check.all_on(fleet, "1.1.0")


def lose(fleet: Fleet, *names: str) -> None:
    """Delete the state of the platform on these machines."""
    machines.each(names, lambda machine: machines.shell(fleet.lab, machine, f"rm -rf {STATE}"))


def rebuild(fleet: Fleet, *args: str) -> Run:
    """``ansible-playbook slipway.deploy.rebuild_state -i production …``."""
    return fleet.play("slipway.deploy.rebuild_state", *args)


def fences(fleet: Fleet) -> dict[str, int]:
    """The fence of each machine that has one."""
    return {machine: int(lock["fence"]) for machine, lock in locks(fleet).items()}
