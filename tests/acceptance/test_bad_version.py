# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A version whose health check is fine and whose every other answer is an error."""

from __future__ import annotations

from tests.lab.load import LoadRun

from . import check
from .fleet import Fleet
from .settings import services

BROKEN = "1.2.1"


def test_smoke_tests_refuse_it_and_it_stays_refused(live: Fleet) -> None:
    """Guarantees 4 and 5: no customer has seen it, it is marked bad, and without an explicit word it is not tried again."""
    with LoadRun(live.url, rate=50) as load:
        check.refused(
            live.deploy(BROKEN), BROKEN, "backend.smoke[0] GET /api/products", "found 500", "1.0.0 serves as before"
        )
        result = load.stop()
    assert result.failed == 0, result.causes
    assert set(result.by_version) == {"1.0.0"}
    check.all_on(live, "1.0.0")
    before = live.snapshot()
    check.refused(live.deploy(BROKEN), f"version {BROKEN}: marked bad before", "slipway_allow_bad=true")
    check.untouched(before, live.snapshot())


def test_without_smoke_tests_the_watch_takes_it_back(live: Fleet) -> None:
    """Guarantees 4 and 5: real requests fail, so traffic goes back by itself; few have failed, and all are counted."""
    careless = services(backend={"smoke": []}, frontend={"smoke": []})
    live.write_variables(slipway_services=careless, slipway_watch={"bake": 30, "min_requests": 20})
    with LoadRun(live.url, rate=100) as load:
        check.refused(live.deploy(BROKEN, "-e", "slipway_allow_bad=true"), BROKEN, "requests fail on the new side")
        result = load.stop()
    check.all_on(live, "1.0.0")
    live.write_variables(slipway_services=services(), slipway_watch={"bake": 1})
    check.refused(live.deploy(BROKEN), f"version {BROKEN}: marked bad before")
    seen = result.by_version[BROKEN]
    print(f"{result.failed} of {result.requests} requests failed, within {seen.last_ended - seen.first_ended:.1f} s")
    report = live.report()
    assert report["outcome"] == "reverted"
    assert 0 < result.failed < result.requests / 4, result.causes
