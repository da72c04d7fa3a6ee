# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twelve machines and three balancers, rolling and blue/green: whatever dies at whichever stage, one version is everywhere.

Customers send requests all the time. None fails, but for those that are under way on a machine when that loses power: they
are counted, and by the word of the balancers they were on that machine.
"""

from __future__ import annotations

import os
import typing as t

import pytest

from tests import sampling
from tests.lab import Lab
from tests.shop import Run

from . import check, machines, process_shop
from .arena import Table
from .big_fleet import BATCHES, CUSTOMERS, PROXIES, VARIABLES_OF, BigArena, BigFleet, Fault, faults, wrong
from .interruption import IMPATIENT, Customers, CutRun, at_work, cut, ports, ports_refused

pytestmark = pytest.mark.sample(2)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[BigArena]:
    """A lab of its own, for all cases of this file."""
    lab = Lab(f"{os.environ.get('SLIPWAY_LAB') or 'acceptance'}-big")
    arena = BigArena(lab, tmp_path_factory.mktemp("big"))
    lab.create(arena.names, image="light")
    process_shop.may_be_held(lab, arena.names)
    fleet = BigFleet(lab, tmp_path_factory.mktemp("provision") / "site")
    check.succeeded(fleet.play("provision.yml", "--limit", "slipway_proxy"))
    yield arena
    if not os.environ.get("SLIPWAY_KEEP_LAB"):
        lab.down()


@pytest.mark.parametrize("fault", faults(sampling.drawn("big fleet")), ids=str)
def test_one_version_is_everywhere_whatever_dies(big: BigArena, table: Table, fault: Fault) -> None:
    """Guarantees 1, 4 and 5. The run after it needs no hand work."""
    fleet = big.case(**VARIABLES_OF[fault.strategy])
    others = [
        proxy for proxy in PROXIES if proxy != fault.victim
    ]  # nobody reaches anything by a balancer without power
    before = wrong(fleet)
    with Customers(fleet, *others, profile=CUSTOMERS) as customers:
        met = struck(fleet, fault, big.after)
        run = fleet.deploy(big.after)
        check.succeeded(run)
        big.ends_on(fleet, big.after, nothing_done="is live on" in run.said and not run.changed)
        results = customers.gone()
    failed, requests = sum(result.failed for result in results), sum(result.requests for result in results)
    if fault.victim in fleet.apps:
        after = wrong(fleet)
        assert failed <= after[fault.victim] - before[fault.victim], [result.causes for result in results]
    else:
        assert failed == 0, [result.causes for result in results]
    table.add(f"{fault}: {met}", run, big.after, requests, failed)


def struck(fleet: BigFleet, fault: Fault, version: str) -> str:
    """Release a version with the fault in it; what the customers have from it, and every machine is there again."""
    if fault.victim == "controller":
        with cut(fleet, fault.point, version):
            return "killed"
    run = CutRun(fleet, fault.point, "-e", f"slipway_version={version}", **IMPATIENT)
    assert run.stopped(), run.ended().output
    if fault.point.where == "inside":
        with at_work(run):
            fleet.lab.kill(fault.victim)
            ended = run.ended()
    else:
        fleet.lab.kill(fault.victim)
        run.go_on()
        ended = run.ended()
    fleet.lab.start(fault.victim)
    return outcome(ended)


def outcome(run: Run) -> str:
    """How a run ended that has lost a machine."""
    if run.rc == 0:
        return "released all the same"
    return "put back" if "serves as before" in run.said else "left to the next run"


BROKEN = [(strategy, batch) for strategy in ("rolling", "in_place") for batch in (1, 2, len(BATCHES))]


@pytest.mark.parametrize(("strategy", "batch"), [*BROKEN, ("blue_green", 1)])
def test_a_version_that_is_broken_on_one_machine_goes_nowhere(
    big: BigArena, table: Table, strategy: str, batch: int
) -> None:
    """Guarantees 1 and 5: wherever it fails, the batches before it go back too, and nobody has noticed."""
    fleet = big.case(**VARIABLES_OF[strategy])
    machine = BATCHES[batch - 1][-1]
    side = {"blue": "green", "green": "blue"}[next(iter(check.sides(fleet)[machine]))]
    with (
        Customers(fleet, profile=CUSTOMERS) as customers,
        ports_refused(fleet.lab, machine, "-o lo", ports(fleet, machine, side)),
    ):
        run = fleet.deploy(big.after)
        check.refused(run, f"{machine}: ", f"{big.before} serves as before")
        big.ends_on(fleet, big.before)
        table.add(f"{strategy}, broken in batch {batch}", run, big.before, customers.all_served())


def test_a_version_that_is_broken_everywhere_is_marked_bad(big: BigArena, table: Table) -> None:
    """And no customer has seen it."""
    fleet = big.case(**VARIABLES_OF["rolling"], slipway_allow_bad=True)
    fleet.variables["slipway_services"]["web"]["env"]["MODE"] = "never"
    fleet.variables["slipway_services"]["web"]["health"]["deadline"] = 3
    fleet.write_variables()
    with Customers(fleet, profile=CUSTOMERS) as customers:
        run = fleet.deploy("1.2.0")
        check.refused(run, "1.2.0", f"{big.before} serves as before")
        big.ends_on(fleet, big.before)
        table.add("rolling, broken everywhere", run, big.before, customers.all_served())
    bad = machines.each(fleet.apps, lambda app: [one for one in fleet.journal(app) if one["event"] == "marked_bad"])
    assert all(bad.values())
