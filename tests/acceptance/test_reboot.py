# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines lose power in the middle of a release whose controller is dead (guarantee 4)."""

from __future__ import annotations

import typing as t

import pytest

from . import check, machines
from .arena import Arena, Table, next_run
from .fleet import Fleet
from .interruption import Point, await_serving, course, cut, live_side, weights

pytestmark = pytest.mark.sample(1)

BEFORE, BOTH, AFTER = ("before",), ("before", "after"), ("after",)

# Where the controller was killed; which versions have a restart policy then (on the machine that is inside, where there
# is one); and what the next run does first.
COMES_BACK = {
    ("lock", "inside"): (BEFORE, "nothing"),
    ("lock", "end"): (BEFORE, "nothing"),
    ("prepare", "inside"): (BEFORE, "undo"),
    ("prepare", "end"): (BEFORE, "undo"),
    ("decision", "inside"): (BEFORE, "forward"),
    ("decision", "end"): (BOTH, "forward"),
    ("shift", "inside"): (BOTH, "forward"),
    ("shift", "end"): (BOTH, "forward"),
    ("settle", "inside"): (BOTH, "settle or nothing"),
    ("settle", "end"): (AFTER, "nothing"),
}
REBOOTED = ("app1", "app2", "lb1", "all")
CASES = [(stage, where, machine) for stage, where in COMES_BACK for machine in REBOOTED]


@pytest.mark.parametrize(("stage", "where", "machine"), CASES)
def test_power_is_lost(arena: Arena, table: Table, stage: str, where: str, machine: str) -> None:
    """Exactly what was live comes back, one version serves, and the next run ends with one version everywhere."""
    fleet = arena.case()
    names = fleet.machines if machine == "all" else [machine]
    inside = "" if where == "end" else "lb1" if stage == "shift" else machine if machine in fleet.apps else "app2"
    with cut(fleet, Point(stage, where, "kill_all", inside), arena.after):
        before = weights(fleet, "lb1")
        machines.each(names, fleet.lab.kill)
        machines.each(names, fleet.lab.start)
    versions, expected = COMES_BACK[(stage, where)]
    came_back(arena, fleet, [name for name in names if name == inside or not inside], versions)
    at_work = (stage, where) == ("shift", "inside") and "lb1" not in names  # a balancer that may move at any moment
    assert at_work or weights(fleet, "lb1") == before
    await_serving(fleet)
    served = fleet.serving()["lb1"]
    assert served <= {arena.before, arena.after}
    assert at_work or len(served) == 1, served
    run, wanted = next_run(arena, fleet, "same")
    check.succeeded(run)
    arena.ends_on(fleet, wanted)
    assert course(run.output) in expected.split()
    table.add(f"{stage}-{where}, {machine} rebooted: {' and '.join(sorted(served))} served", run, wanted, 0)


def came_back(arena: Arena, fleet: Fleet, names: t.Sequence[str], versions: t.Sequence[str]) -> None:
    """Those versions run on those machines, each container by a restart policy of its own."""
    expected = {getattr(arena, version) for version in versions}
    found = {name: check.runs(fleet, name) for name in names if name in fleet.apps}
    assert found == dict.fromkeys(found, expected)


def test_everything_reboots_after_a_release_and_after_a_rollback(arena: Arena) -> None:
    """The side that is live comes back with its traffic, and the other one stays down."""
    fleet = arena.case()
    check.succeeded(fleet.deploy(arena.after))
    reboots_unchanged(arena, fleet, AFTER)
    check.succeeded(fleet.rollback())
    reboots_unchanged(arena, fleet, BEFORE)


def reboots_unchanged(arena: Arena, fleet: Fleet, versions: t.Sequence[str]) -> None:
    """All machines lose power at once, and everything is as it was."""
    side = live_side(fleet, "lb1")
    machines.each(fleet.machines, fleet.lab.kill)
    machines.each(fleet.machines, fleet.lab.start)
    came_back(arena, fleet, fleet.apps, versions)
    assert live_side(fleet, "lb1") == side
    await_serving(fleet)
    arena.ends_on(fleet, getattr(arena, versions[0]))
