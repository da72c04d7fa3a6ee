# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A balancer that is lost after the decision: nothing is settled before it is confirmed, or forgotten by its name."""

from __future__ import annotations

import pytest

from . import check
from .conftest import MakeFleet
from .interruption import Customers, CutRun, Point, course, live_side


@pytest.mark.sample(6, among="journeys")
def test_both_sides_run_until_a_lost_balancer_is_forgotten_and_one_that_comes_back_is_brought_along(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet(proxies=["lb1", "lb2"])
    check.succeeded(fleet.deploy("1.0.0"))
    with Customers(fleet, "lb1") as customers:
        assert CutRun(fleet, Point("shift", "end"), "-e", "slipway_version=1.1.0").killed()
        fleet.lab.stop("lb2")
        before = check.sides(fleet)
        refused = fleet.deploy("1.1.0")
        check.refused(refused, "balancer", "lb2", "both sides keep running", "slipway_balancer_forget")
        assert check.sides(fleet) == before == {app: {"blue", "green"} for app in fleet.apps}

        check.refused(
            fleet.deploy("1.1.0", "-e", "slipway_balancer_forget=lb1"), "cannot be forgotten", "it can be read"
        )
        run = fleet.deploy("1.1.0", "-e", "slipway_balancer_forget=lb2")
        check.succeeded(run)
        assert course(run.output) == "forward"
        assert "lb2 is forgotten" in run.said
        assert any("balancers_forgotten" in str(record["data"]) for record in fleet.journal("lb1"))
        assert {app: check.runs(fleet, app) for app in fleet.apps} == dict.fromkeys(fleet.apps, {"1.1.0"})

        fleet.lab.start("lb2")
        check.succeeded(fleet.deploy("1.1.0"))
        assert live_side(fleet, "lb2") == live_side(fleet, "lb1")
        check.all_on(fleet, "1.1.0")
        assert customers.all_served() > 0
