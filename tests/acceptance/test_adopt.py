# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shop that was deployed by hand, containers behind a frontend of somebody's own, becomes Slipway's; customers do not notice."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest

from tests.lab import Lab

from . import check, machines
from .conftest import MakeFleet
from .fleet import Fleet
from .interruption import Customers

PORTS = {"backend": 9080, "frontend": 9081}
CONFIG = "/etc/haproxy/haproxy.cfg"

# Registry, the database's URL.
_CONTAINERS = """set -e
docker run --detach --name hand-backend --publish 9080:8080 --env DATABASE_URL="$2" "$1/backend:1.0.0"
docker run --detach --name hand-frontend --publish 9081:8080 "$1/frontend:1.0.0"
for port in 9080 9081; do
  curl --silent --show-error --fail --output /dev/null --retry 100 --retry-delay 0 --retry-all-errors "http://$3:$port/health"
done
"""
_FRONTEND = """
frontend by-hand
    bind :80
    mode http
    use_backend hand-backend if { path_beg /api }
    default_backend hand-frontend
"""

pytestmark = pytest.mark.sample(6, among="journeys")


def servers(fleet: Fleet) -> dict[str, list[str]]:
    """Of each service, as the balancer reaches them."""
    return {name: [f"{fleet.lab.address(app)}:{port}" for app in fleet.apps] for name, port in PORTS.items()}


def config_by_hand(fleet: Fleet) -> str:
    """Somebody's own configuration of HAProxy, behind what was there."""
    backends = [
        f"backend hand-{name}\n    mode http\n"
        + "".join(f"    server {number} {place}\n" for number, place in enumerate(of))
        for name, of in servers(fleet).items()
    ]
    return machines.shell(fleet.lab, "lb1", f"cat {CONFIG}") + _FRONTEND + "\n".join(backends)


def write_config(lab: Lab, text: str) -> None:
    lab.exec("lb1", ["sh", "-c", f"cat > {CONFIG}"], stdin=text)


@contextlib.contextmanager
def by_hand(fleet: Fleet) -> t.Iterator[str]:
    """The shop of version 1.0.0, made by hand; the configuration of the balancer that nobody has written to."""
    lab, before = fleet.lab, machines.shell(fleet.lab, "lb1", f"cat {CONFIG}")
    words = [str(fleet.facts["shop_registry"]), str(fleet.facts["vault_database_url"])]
    try:
        machines.each(fleet.apps, lambda app: machines.shell(lab, app, _CONTAINERS, *words, lab.address(app)))
        write_config(lab, config_by_hand(fleet))
        machines.shell(lab, "lb1", "systemctl reload haproxy")
        yield before
    finally:
        machines.each(fleet.apps, lambda app: machines.shell(lab, app, "docker rm --force hand-backend hand-frontend"))
        write_config(lab, before)
        machines.shell(lab, "lb1", "systemctl restart haproxy")


def test_what_was_made_by_hand_is_adopted_and_taken_over_under_load(
    make_fleet: MakeFleet, record_property: t.Any
) -> None:
    """Nothing is touched by the adoption, nor while the address is not free; a broken version leaves all as it was."""
    fleet = make_fleet()
    given = json.dumps({"slipway_adopt": servers(fleet)})
    with by_hand(fleet) as free:
        with Customers(fleet) as customers:
            run = fleet.play("slipway.deploy.adopt", "-e", given, "-e", "slipway_version=1.0.0")
            check.succeeded(run)
            assert "HAProxy itself" in run.said and "bind :80" in run.said
            assert machines.containers(fleet.lab, "app1") == []
            run = fleet.play("slipway.deploy.adopt", "-e", given, "-e", "slipway_version=1.0.0")
            assert run.changed == 0 and "is adopted on every machine already" in run.said
            check.refused(fleet.deploy("1.1.0"), "bind :80", "do not reload HAProxy")
            write_config(fleet.lab, free)
            check.refused(fleet.deploy("1.2.0"), "1.0.0 serves as before")
            assert fleet.serving() == {"lb1": {"1.0.0"}}
            run = fleet.deploy("1.1.0")
            check.succeeded(run)
            assert "servers made by hand are taken over from, and not stopped" in run.said
            check.all_on(fleet, "1.1.0")
            requests = customers.all_served()
        machines.each(fleet.apps, lambda app: machines.shell(fleet.lab, app, "docker stop hand-backend hand-frontend"))
        check.all_on(fleet, "1.1.0")
        check.succeeded(fleet.deploy("1.0.0"))
        check.succeeded(fleet.rollback())
        check.all_on(fleet, "1.1.0")
    record_property("requests", requests)
    assert requests > 0
