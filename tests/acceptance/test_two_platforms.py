# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several platforms on the same machines and one proxy, released at the same time."""

from __future__ import annotations

import concurrent.futures

import pytest

from . import check
from .conftest import MakeFleet
from .fleet import Fleet
from .settings import services

LISTEN = {("shop", "production"): 80, ("shop", "staging"): 81, ("store", "production"): 82, ("store", "staging"): 83}


@pytest.mark.sample(6, among="journeys")
def test_two_platforms_in_two_environments_are_released_together(make_fleet: MakeFleet) -> None:
    """Guarantees 2 and 5: each has its own lock, ports, containers and part of the proxy; none waits for another or touches it."""
    fleets = {names: one_of_four(make_fleet, *names) for names in LISTEN}
    released = together(fleets, "1.0.0")
    assert released == dict.fromkeys(fleets, 0), released
    for fleet in fleets.values():
        check.all_on(fleet, "1.0.0")
    again = together({names: fleets[names] for names in list(LISTEN)[:2]}, "1.1.0")
    assert set(again.values()) == {0}, again
    for number, fleet in enumerate(fleets.values()):
        check.all_on(fleet, "1.1.0" if number < 2 else "1.0.0")


def one_of_four(make_fleet: MakeFleet, platform: str, environment: str) -> Fleet:
    """A small platform of its own on machines that the others are on too."""
    variables = {
        "slipway_platform": platform,
        "slipway_environment": environment,
        "slipway_services": services(worker=None, backend={"replicas": 1}),
        "slipway_traffic": {
            "listen": LISTEN[platform, environment],
            "routes": [{"path": "/api", "service": "backend"}, {"path": "/", "service": "frontend"}],
        },
        "slipway_lock_wait": 0,
    }
    return make_fleet(variables=variables, environment=environment)


def together(fleets: dict[tuple[str, str], Fleet], version: str) -> dict[tuple[str, str], int | str]:
    """Release all at once, each by a process of its own; platform to 0, or to what went wrong."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(fleets)) as pool:
        runs = list(pool.map(lambda fleet: fleet.deploy(version), fleets.values()))
    return {names: run.rc and run.output for names, run in zip(fleets, runs)}
