# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine of several fails, or is away: all end on the same version."""

from __future__ import annotations

import random
import subprocess
import typing as t

import pytest

from tests.shop import Run

from . import check
from .conftest import SEED, SOAK
from .fleet import Fleet
from .machines import shell

STAGES = ("prepare", "decision", "shift", "settle")


def test_one_machine_fails_its_checks_and_both_stay_on_the_old_version(live: Fleet) -> None:
    """Guarantee 5: only app2 has got a broken image under the name of the new version; app1 has verified it well."""
    registry = live.facts["shop_registry"]
    broken = f"docker pull -q {registry}/backend:1.2.0 && docker tag {registry}/backend:1.2.0 {registry}/backend:1.1.0"
    shell(live.lab, "app2", broken)
    run = live.deploy("1.1.0")
    shell(live.lab, "app2", f"docker rmi -f {registry}/backend:1.1.0")
    check.refused(run, "app2: slipway-shop-production-backend-1.1.0", "PAYMENT_URL is missing", "1.0.0 serves as before")
    check.all_on(live, "1.0.0")


def sampled(stage: str) -> bool:
    """Whether this run tries this stage: all of them in a soak, one drawn by SEED else."""
    return SOAK or stage == random.Random(f"{SEED} away").choice(STAGES)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if sampled(stage)])
def test_a_machine_that_goes_away_in_the_middle_holds_nobody_between_two_versions(live: Fleet, stage: str) -> None:
    """Guarantees 4 and 5: the others end on one version, customers are served, and the next run repairs the lost one."""
    live.write_variables()
    wanted = "1.1.0" if check.runs(live, "app1") == {"1.0.0"} else "1.0.0"
    old = next(iter(check.runs(live, "app1")))
    run = lose(live, "app2", wanted, stage)
    assert run.rc != 0, run.output
    live.lab.heal("app2")
    served = live.serving()["lb1"]
    assert served <= {old, wanted}, served
    kept = wanted if stage == "settle" else old
    assert check.runs(live, "app1") == {kept}, run.output
    check.succeeded(live.deploy(wanted))
    check.all_on(live, wanted)


def lose(fleet: Fleet, machine: str, version: str, stage: str) -> Run:
    """Release, and cut a machine off the controller as soon as its journal says that a stage has begun there."""
    process = fleet.site.start("deploy.yml", "-e", f"slipway_version={version}")
    until_begun(fleet, machine, stage, process)
    fleet.lab.partition(machine)
    output, _none = process.communicate(timeout=300)
    return Run(process.returncode, output)


def until_begun(fleet: Fleet, machine: str, stage: str, process: subprocess.Popen[str]) -> None:
    """Look at a journal until it has a new C(begin) of a stage, or the playbook ends."""
    last = max([record["seq"] for record in fleet.journal(machine)] or [0])
    while process.poll() is None:
        news = [record for record in fleet.journal(machine) if record["seq"] > last]
        if any((record["event"], record["stage"]) == ("begin", stage) for record in news):
            return
    raise AssertionError(f"{stage} never began on {machine}: {t.cast(t.IO[str], process.stdout).read()}")
