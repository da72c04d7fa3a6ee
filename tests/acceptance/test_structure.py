# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that change which services there are, and which requests go where."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab.load import LoadRun, Profile, RequestSpec

from . import check
from .fleet import Fleet
from .settings import services

BOTH = [{"path": "/api", "service": "backend"}, {"path": "/", "service": "frontend"}]
ALONE = [{"path": "/", "service": "backend"}]
API = Profile(requests=(RequestSpec("api", path="/api/slow?ms=20"),), connections=4)
BROKEN = "1.2.1"

pytestmark = pytest.mark.sample(2)


def without_frontend(**backend: t.Any) -> dict[str, t.Any]:
    """The back end answers for every path, and there is no other service with traffic."""
    return {
        "slipway_services": services(frontend=None, backend=backend),
        "slipway_traffic": {"listen": 80, "routes": ALONE},
    }


def with_frontend() -> dict[str, t.Any]:
    """As the shop is shipped."""
    return {"slipway_services": services(), "slipway_traffic": {"listen": 80, "routes": BOTH}}


def test_a_service_that_goes_and_comes_back_costs_the_others_no_request(fleet: Fleet) -> None:
    """Guarantees 1 and 9: routes and services change with the traffic, in a release and in its rollback."""
    check.succeeded(fleet.deploy("1.0.0"))
    with LoadRun(fleet.url, rate=50, profile=API) as load:
        fleet.write_variables(**without_frontend())
        check.succeeded(fleet.deploy("1.1.0"))
        check.all_on(fleet, "1.1.0")
        fleet.write_variables(**with_frontend())
        check.succeeded(fleet.rollback())
        result = load.stop()
    check.all_on(fleet, "1.0.0")
    assert b"Tidewater Supply" in fleet.get("/")[1]
    assert result.failed == 0, (result.causes, result.failures[:5])
    assert fleet.deploy("1.0.0").changed == 0


def test_a_refused_release_gives_back_the_service_that_it_took_away(fleet: Fleet) -> None:
    """Guarantees 4 and 5: real requests fail on the new side, so the old routes come back with the old weights."""
    check.succeeded(fleet.deploy("1.0.0"))
    fleet.write_variables(**without_frontend(smoke=[]), slipway_watch={"bake": 30, "min_requests": 20})
    with LoadRun(fleet.url, rate=50, profile=API) as load:
        check.refused(fleet.deploy(BROKEN), "requests fail on the new side", "1.0.0 serves as before")
        result = load.stop()
    check.all_on(fleet, "1.0.0")
    assert b"Tidewater Supply" in fleet.get("/")[1]
    assert 0 < result.failed < result.requests / 2, result.causes
