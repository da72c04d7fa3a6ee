# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine leaves the platform under load, by itself or because it is lost."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab.load import LoadRun
from tests.shop import Run

from . import check, machines
from .conftest import MakeFleet
from .fleet import Fleet
from .interruption import IMPATIENT, Customers, weights
from .test_drain import served

STATE = "/var/lib/slipway/shop/production"

pytestmark = pytest.mark.sample(6, among="journeys")


def remove(fleet: Fleet, machine: str, *args: str, **env: str) -> Run:
    return fleet.play("slipway.deploy.remove_machine", "-e", f"slipway_machine={machine}", *args, **env)


def test_a_machine_is_removed_and_the_rest_goes_on_as_if_it_had_never_been(
    make_fleet: MakeFleet, record_property: t.Any
) -> None:
    """Its containers, images and state go; a release that fails and a rollback do not ask for it any more."""
    fleet = make_fleet()
    check.succeeded(fleet.deploy("1.0.0"))
    check.succeeded(fleet.deploy("1.1.0"))
    before = fleet.snapshot()
    preview = remove(fleet, "app2", "--check")
    check.succeeded(preview)
    assert "would be removed from app2" in preview.said and f"{STATE}" in preview.said
    check.untouched(before, fleet.snapshot())
    with LoadRun(fleet.url, rate=50) as load:
        run = remove(fleet, "app2")
        check.succeeded(run)
        assert not [name for name in weights(fleet, "lb1") if "app2" in name]
        assert machines.containers(fleet.lab, "app2") == []
        left = machines.shell(fleet.lab, "app2", f"ls {STATE} 2>&1; docker images -q 'slipway/*'", check=False)
        assert "No such file" in left and len(left.splitlines()) == 1
        fleet.apps = ["app1"]
        fleet.write_inventory()
        check.refused(fleet.deploy("1.2.0"), "1.1.0 serves as before")
        check.all_on(fleet, "1.1.0")
        check.succeeded(fleet.rollback())
        check.all_on(fleet, "1.0.0")
        result = load.stop()
    record_property("requests", result.requests)
    assert result.failed == 0, (result.causes, result.failures[:5])
    assert served(fleet) == {"app1"}


def test_one_that_is_lost_is_removed_by_its_own_word(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    check.succeeded(fleet.deploy("1.0.0"))
    fleet.lab.stop("app2")
    try:
        check.refused(remove(fleet, "app2", **IMPATIENT), "app2: cannot be read", "slipway_machine_lost=true")
        check.refused(fleet.deploy("1.1.0", **IMPATIENT), "app2: cannot be read")
        with Customers(fleet) as customers:
            run = remove(fleet, "app2", "-e", "slipway_machine_lost=true", **IMPATIENT)
            check.succeeded(run)
            assert "Power it off" in run.said
            fleet.apps = ["app1"]
            fleet.write_inventory()
            check.succeeded(fleet.deploy("1.1.0"))
            assert customers.all_served() > 0
    finally:
        fleet.lab.start("app2")
    check.all_on(fleet, "1.1.0")
    assert served(fleet) == {"app1"}
