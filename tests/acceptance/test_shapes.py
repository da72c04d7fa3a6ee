# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms of every shape: one machine that is everything, several balancers, no traffic at all."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab import Lab
from tests.lab.load import LoadRun

from . import check
from .conftest import MakeFleet
from .settings import services

pytestmark = pytest.mark.sample(3)


def test_one_machine_that_is_everything(lab: Lab, make_fleet: MakeFleet) -> None:
    """Guarantees 1 and 5: program, proxy and database on one machine, the platform most people have."""
    facts = {"vault_database_url": lab.setup_database("app1")}
    fleet = make_fleet(apps=["app1"], proxies=["app1"], facts=facts)
    check.succeeded(fleet.deploy("1.0.0"))
    with LoadRun(fleet.url, rate=100) as load:
        check.succeeded(fleet.deploy("1.1.0"))
        result = load.stop()
    check.all_on(fleet, "1.1.0")
    assert result.failed == 0, (result.causes, result.failures[:5])
    assert set(result.by_version) == {"1.0.0", "1.1.0"}


def test_two_balancers_move_together(make_fleet: MakeFleet) -> None:
    """Guarantees 1 and 5: both lose nothing, and both end on the new version."""
    fleet = make_fleet(apps=["app1"], proxies=["lb1", "lb2"])
    check.succeeded(fleet.deploy("1.0.0"))
    second = fleet.url.replace(fleet.lab.address("lb1"), fleet.lab.address("lb2"))
    with LoadRun(fleet.url, rate=50) as load, LoadRun(second, rate=50) as other:
        check.succeeded(fleet.deploy("1.1.0"))
        results = load.stop(), other.stop()
    check.all_on(fleet, "1.1.0")
    assert [result.failed for result in results] == [0, 0], [result.causes for result in results]
    assert all(set(result.by_version) == {"1.0.0", "1.1.0"} for result in results)


def test_workers_only_without_a_balancer(make_fleet: MakeFleet) -> None:
    """Guarantee 5: nothing is shifted, and the work is handed over all the same."""
    only: dict[str, t.Any] = {"slipway_services": services(frontend=None, backend=None), "slipway_traffic": None}
    fleet = make_fleet(proxies=[], variables=only)
    for version in ("1.0.0", "1.1.0"):
        run = fleet.deploy(version)
        check.succeeded(run)
        assert "balancers: none (nothing is shifted)" in run.said
        assert {machine: check.runs(fleet, machine) for machine in fleet.apps} == dict.fromkeys(fleet.apps, {version})
    assert check.open_releases(fleet) == {}
