# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine of several fails, or is away: all end on the same version."""

from __future__ import annotations

import pytest

from tests.shop import Run

from . import check
from .fleet import Fleet
from .interruption import IMPATIENT, CutRun, Point, at_work
from .machines import broken

AWAY = {
    "prepare": "app2",
    "decision": "app2",
    "shift": "lb1",
    "settle": "app2",
}  # stage to the machine that goes away in it


def test_one_machine_fails_its_checks_and_both_stay_on_the_old_version(live: Fleet) -> None:
    """Guarantee 5: only app2 has got a broken image under the name of the new version; app1 has verified it well."""
    registry = live.facts["shop_registry"]
    wrong = f"docker pull -q {registry}/backend:1.2.0 && docker tag {registry}/backend:1.2.0 {registry}/backend:1.1.0"
    with broken(live.lab, "app2", wrong, f"docker rmi -f {registry}/backend:1.1.0"):
        run = live.deploy("1.1.0")
    check.refused(
        run, "app2: slipway-shop-production-backend-1.1.0", "PAYMENT_URL is missing", "1.0.0 serves as before"
    )
    check.all_on(live, "1.0.0")
    check.succeeded(live.deploy("1.1.0"))  # it was the machine's fault, so the version is not marked bad
    check.all_on(live, "1.1.0")


@pytest.mark.sample(1)
@pytest.mark.parametrize("stage", AWAY)
def test_a_machine_that_goes_away_in_the_middle_holds_nobody_between_two_versions(live: Fleet, stage: str) -> None:
    """Guarantees 4 and 5: customers are served, the others end on one version, and the next run repairs the lost one.

    With the balancer away nobody knows where the traffic goes, so both versions keep running until the next run.
    """
    old = next(iter(check.runs(live, "app1")))
    new = "1.1.0" if old == "1.0.0" else "1.0.0"
    run = lose(live, AWAY[stage], new, stage)
    live.lab.heal(AWAY[stage])
    assert run.rc != 0, run.output
    running, served = check.runs(live, "app1"), live.serving()["lb1"]
    assert served <= running, run.output
    if stage == "shift":
        assert running == {old, new}, run.output
    else:
        assert running == served == {old} if stage == "prepare" else len(running) == len(served) == 1, run.output
    check.succeeded(live.deploy(new))
    check.all_on(live, new)


def lose(fleet: Fleet, machine: str, version: str, stage: str) -> Run:
    """Release, and cut a machine off the controller while it is at work for a stage; what it does there runs on."""
    run = CutRun(fleet, Point(stage, "inside", "kill", machine), "-e", f"slipway_version={version}", **IMPATIENT)
    assert run.stopped(), run.ended().output
    with at_work(run):
        fleet.lab.partition(machine)
    return run.ended()
