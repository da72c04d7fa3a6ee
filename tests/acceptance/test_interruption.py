# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller is killed with SIGKILL anywhere in a release, and the next run is started at once (guarantee 4).

In every case light traffic runs all the time, and not one request fails.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import typing as t

import pytest

from . import check
from .arena import Arena, Table, next_run
from .fleet import Fleet
from .interruption import (
    STATE,
    Customers,
    CutRun,
    Point,
    at_work,
    await_record,
    await_waiting,
    course,
    cut,
    file_locked,
    live_side,
    ports,
    ports_refused,
)

pytestmark = pytest.mark.sample(3)

HOWS = ("kill", "kill_all")
VARIANTS = ("same", "other", "added", "settings", "secrets", "newer")

# Where the run is cut off, and what the next one must do first about it. There is nothing to finish before any machine
# has begun a stage (the lock is merely taken over), nor when all of them have ended the release: what was still at work
# runs on, and may get there by itself.
COURSES = {
    ("lock", "begin"): "nothing",
    ("lock", "inside"): "nothing",
    ("lock", "first"): "nothing",
    ("lock", "end"): "nothing",
    ("prepare", "begin"): "nothing",
    ("prepare", "inside"): "undo",
    ("prepare", "first"): "undo",
    ("prepare", "end"): "undo",
    ("decision", "begin"): "undo",
    ("decision", "inside"): "forward",
    ("decision", "first"): "forward",
    ("decision", "end"): "forward",
    ("shift", "begin"): "forward",
    ("shift", "inside"): "forward",
    ("shift", "first"): "forward",
    ("shift", "end"): "forward",
    ("settle", "begin"): "forward",
    ("settle", "inside"): "settle or nothing",
    ("settle", "first"): "settle or nothing",
    ("settle", "end"): "nothing",
}
UNDOING = {
    ("revert_traffic", "begin"): "forward",
    ("revert_traffic", "inside"): "undo",
    ("revert_traffic", "first"): "undo",
    ("revert_traffic", "end"): "undo",
    ("revert", "begin"): "undo",
    ("revert", "inside"): "undo or nothing",
    ("revert", "first"): "undo or nothing",
    ("revert", "end"): "nothing",
}


def points(courses: t.Iterable[tuple[str, str]]) -> list[Point]:
    """Every way of being killed at these points."""
    found = []
    for stage, where in courses:
        machine = "" if where in ("begin", "end") else "lb1" if stage in ("shift", "revert_traffic") else "app2"
        found += [Point(stage, where, how, machine) for how in (HOWS if machine else HOWS[:1])]
    return found


def killed() -> list[tuple[Point, str]]:
    """Every point with the same run again, and every stage with every other kind of next run."""
    found = [(point, VARIANTS[0]) for point in points(COURSES)]
    for stage in dict.fromkeys(stage for stage, _where in COURSES):
        here = itertools.cycle(point for point in points(COURSES) if point.stage == stage)
        found += [(next(here), variant) for variant in VARIANTS[1:]]
    return found


@pytest.mark.parametrize(("point", "variant"), killed(), ids=str)
def test_killed_in_a_release(arena: Arena, table: Table, point: Point, variant: str) -> None:
    """The next run finishes or puts back what is there, releases what it is asked for, and one version is everywhere."""
    fleet = arena.case()
    with Customers(fleet) as customers:
        with cut(fleet, point, arena.after):
            pass
        run, wanted = next_run(arena, fleet, variant)
        check.succeeded(run)
        arena.ends_on(fleet, wanted, nothing_done="is live on" in run.said and not run.changed)
        assert course(run.output) in COURSES[(point.stage, point.where)].split()
        table.add(f"{point}, then {variant}", run, wanted, customers.all_served())


REVERT = [(point, "same") for point in points(UNDOING) if point.stage == "revert"]
REVERT.append((REVERT[1][0], "other"))


@pytest.mark.parametrize(("point", "variant"), REVERT, ids=str)
def test_killed_while_a_refused_version_is_stopped(arena: Arena, table: Table, point: Point, variant: str) -> None:
    """Putting back is interruptible like going on."""
    fleet = arena.case()
    fleet.write_variables(slipway_allow_bad=True)  # what an earlier case has put back is marked
    with Customers(fleet) as customers:
        with cut(fleet, point, "1.2.0"):
            pass
        run, wanted = next_run(arena, fleet, variant)
        check.succeeded(run)
        arena.ends_on(fleet, wanted)
        assert course(run.output) in UNDOING[(point.stage, point.where)].split()
        table.add(f"{point} of a broken version, then {variant}", run, wanted, customers.all_served())


BACK = [point for point in points(UNDOING) if (point.stage, point.where) != ("revert", "end")]


@pytest.mark.parametrize("point", BACK, ids=str)
def test_killed_while_traffic_is_moved_back(arena: Arena, table: Table, point: Point) -> None:
    """One balancer does not see the new side healthy, so the other one's traffic goes back, and then the run is killed."""
    fleet = arena.case("lb1", "lb2")
    with Customers(fleet) as customers:
        fleet.write_variables(slipway_gate="3s")
        new_side = {"blue": "green", "green": "blue"}[live_side(fleet, "lb1")]
        unseen = ports(fleet, "app1", new_side)
        with (
            ports_refused(fleet.lab, "lb2", f"-d {fleet.lab.address('app1')}", unseen),
            cut(fleet, point, arena.after),
        ):
            pass
        run, wanted = next_run(arena, fleet, "same")
        check.succeeded(run)
        arena.ends_on(fleet, wanted)
        assert course(run.output) in UNDOING[(point.stage, point.where)].split()
        table.add(f"{point} after a shift on one of two balancers", run, wanted, customers.all_served())


# --- between the first balancer and the second


def second_at_work(fleet: Fleet, run: CutRun) -> None:
    """The second balancer is at work when the run is killed, and runs on."""
    since = len(fleet.journal("lb1"))
    with at_work(run):
        await_record(fleet.lab, "lb1", "end", "shift", since)
        differ(fleet)
        run.kill()


def second_dead(fleet: Fleet, run: CutRun) -> None:
    """The second balancer is at work when the run is killed, and loses power."""
    since = len(fleet.journal("lb1"))
    with at_work(run):
        await_record(fleet.lab, "lb1", "end", "shift", since)
        differ(fleet)
        run.kill()
        fleet.lab.reboot("lb2", power_loss=True)
    differ(fleet)


def second_away(fleet: Fleet, run: CutRun) -> None:
    """The second balancer never hears of it while the run lives."""
    since = len(fleet.journal("lb1"))
    fleet.lab.partition("lb2")
    run.go_on()
    await_record(fleet.lab, "lb1", "end", "shift", since)
    differ(fleet)
    run.kill()
    fleet.lab.heal("lb2")


def differ(fleet: Fleet) -> None:
    """The first balancer has moved, the second has not."""
    assert live_side(fleet, "lb1") != live_side(fleet, "lb2")


BETWEEN = [(how, variant) for how in (second_at_work, second_dead, second_away) for variant in ("same", "other")]


@pytest.mark.parametrize(("second", "variant"), BETWEEN, ids=lambda value: getattr(value, "__name__", value))
def test_killed_between_the_first_balancer_and_the_second(
    arena: Arena, table: Table, second: t.Callable[[Fleet, CutRun], None], variant: str
) -> None:
    """Until the next run both versions serve, each of them verified; then one does."""
    fleet = arena.case("lb1", "lb2")
    point = Point("shift", "inside", "kill_all", "lb2")
    with Customers(fleet, "lb1") as customers:
        first_run = CutRun(fleet, point, "-e", f"slipway_version={arena.after}")
        assert first_run.stopped(), first_run.ended().output
        second(fleet, first_run)
        run, wanted = next_run(arena, fleet, variant)
        check.succeeded(run)
        arena.ends_on(fleet, wanted)
        assert course(run.output) == "forward"
        table.add(f"{second.__name__}, then {variant}", run, wanted, customers.all_served())


# --- between what the next run reads and its lock


def test_a_release_that_ends_before_the_next_run_has_the_lock_leaves_none_behind(arena: Arena, table: Table) -> None:
    """It has read that one machine is to settle; but what the killed run had left there has done so meanwhile."""
    fleet = arena.case()
    version = ("-e", f"slipway_version={arena.after}")
    with Customers(fleet) as customers, contextlib.ExitStack() as left:  # none of them, where this fails
        first_run = CutRun(fleet, Point("settle", "inside", "kill", "app2"), *version)
        left.callback(first_run.kill)
        assert first_run.stopped(), first_run.ended().output
        since = len(fleet.journal("app2"))
        with file_locked(fleet.lab, "app2", f"{STATE}/machine.lock"):
            first_run.go_on()
            await_waiting(fleet.lab, "app2", f"{STATE}/machine.lock")
            first_run.kill()
            next_one = CutRun(fleet, Point("lock", "inside", "stop", "app2"), *version)
            left.callback(next_one.kill)
            assert next_one.stopped(), next_one.ended().output
        await_record(fleet.lab, "app2", "end", "settle", since)
        next_one.go_on()
        run = next_one.ended()
        check.succeeded(run)
        arena.ends_on(fleet, arena.after)
        table.add("settle ends by itself before the lock", run, arena.after, customers.all_served())


# --- more than once, and what has changed meanwhile


@pytest.mark.parametrize("number", range(10))
def test_killed_again_and_again(arena: Arena, table: Table, rng: random.Random, number: int) -> None:
    """The run that repairs is killed too, anywhere; the last one still ends with one version."""
    fleet = arena.case()
    chain = rng.sample(points(COURSES), 3)
    with Customers(fleet) as customers:
        for point in chain:
            with cut(fleet, point, arena.after, must=False):
                pass
        run, wanted = next_run(arena, fleet, "same")
        check.succeeded(run)
        arena.ends_on(fleet, wanted)
        table.add(f"{number}: {', '.join(map(str, chain))}", run, wanted, customers.all_served())


def test_a_new_side_that_fails_when_it_is_verified_again_loses_nothing(arena: Arena, table: Table) -> None:
    """Traffic had moved before the run was killed, so it moves back before the new side is stopped."""
    fleet = arena.case()
    with Customers(fleet) as customers:
        with cut(fleet, Point("shift", "end"), arena.after):
            pass
        answering = ports(fleet, "app1", live_side(fleet, "lb1"))
        with ports_refused(fleet.lab, "app1", "-o lo", answering):
            run = fleet.deploy(arena.after)
        check.refused(run, "serves as before")
        arena.ends_on(fleet, arena.before)
        table.add("shift-end, then the new side fails", run, arena.before, customers.all_served())
    arena.live = ""  # the next case begins anew: the other version is marked bad here


def test_a_machine_that_missed_newer_releases_is_not_put_back(arena: Arena, table: Table) -> None:
    """What is live on its side by now is another release's, which must not be stopped for the old one."""
    fleet = arena.case()
    with Customers(fleet) as customers:
        with cut(fleet, Point("prepare", "end"), arena.after):
            pass
        fleet.apps = ["app1"]
        fleet.write_inventory()
        check.succeeded(fleet.deploy(arena.after))
        fleet.apps = ["app1", "app2"]
        fleet.write_inventory()
        run = fleet.deploy(arena.after)
        check.succeeded(run)
        assert course(run.output) == "close"
        arena.ends_on(fleet, arena.after)
        table.add("prepare-end, then without app2, then with it", run, arena.after, customers.all_served())
