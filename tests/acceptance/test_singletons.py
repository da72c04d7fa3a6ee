# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of which there may be one only, in containers; that of processes is with the shop of processes."""

from __future__ import annotations

import random
import typing as t

import pytest

from tests.lab.machines import SHARED

from . import check, machines
from .conftest import APPS, MakeFleet
from .fleet import Fleet
from .interruption import Customers, await_serving, cut
from .machines import shell
from .settings import services
from .test_interruption import COURSES, points
from .test_process_releases import BOOK, KEEPER

POINTS = [point for point in points(COURSES) if point.stage == "decision"]


@pytest.fixture
def kept(make_fleet: MakeFleet) -> Fleet:
    """The shop with 1.0.0 live and such a worker, which takes a lock that all machines have, or writes down that it could not."""
    found: dict[str, t.Any] = services()
    command = ["python3", f"{BOOK}/keeper.py", "{{ slipway_version }}"]
    volumes = {SHARED: {"bind": SHARED, "mode": "rw"}}
    about = {"image": found["worker"]["image"], "command": command, "container": {"volumes": volumes}}
    fleet = make_fleet(variables={"slipway_services": {**found, "keeper": {**about, "singleton": True}}})
    shell(fleet.lab, "app1", f"rm -rf {BOOK}; mkdir {BOOK}; chmod 777 {BOOK}")
    fleet.lab.exec("app1", ["tee", f"{BOOK}/keeper.py"], stdin=KEEPER.format(BOOK))
    check.succeeded(fleet.deploy("1.0.0"))
    return fleet


def book(fleet: Fleet) -> list[str]:
    """What the worker has written down: what it did, and as which version."""
    lines = shell(fleet.lab, "app1", f"cat {BOOK}/lines").splitlines()
    return [f"{did} {version}" for did, _who, version in map(str.split, lines)]


@pytest.mark.sample(6, among="journeys")
def test_of_a_singleton_there_is_one_in_the_whole_fleet_and_for_how_long_there_was_none_is_told(
    kept: Fleet, rng: random.Random
) -> None:
    """After a release, after one that is cut off at a point that is drawn and loses its power, and never on another machine."""
    with Customers(kept) as customers:
        run = kept.deploy("1.1.0")
        check.succeeded(run)
        gap = kept.report()["handed_over"]["keeper"]
        assert (gap["machine"], gap["exact"], gap["seconds"] > 0) == ("app1", True, True)
        assert f"keeper on app1: no instance for {gap['seconds']:.3f} s" in run.said
        assert book(kept) == ["start 1.0.0", "end 1.0.0", "start 1.1.0"]

        kept.apps.reverse()
        kept.write_inventory()
        check.refused(kept.deploy("1.0.0"), "service keeper: a singleton on app2 now, and app1 runs one")
        kept.apps.reverse()
        kept.write_inventory()
        assert customers.all_served()

    point = rng.choice(POINTS)
    with cut(kept, point._replace(machine="app1" if point.machine else ""), "1.0.0"):
        pass
    machines.each(APPS, kept.lab.kill)
    machines.each(APPS, kept.lab.start)
    await_serving(kept)
    check.succeeded(kept.deploy("1.0.0"))
    check.all_on(kept, "1.0.0")
    lines = book(kept)
    assert lines[-1] == "start 1.0.0" and not [line for line in lines if line.startswith("twice")], (point, lines)
    there = {machine: [one.service for one in kept.containers(machine) if one.running] for machine in APPS}
    assert {machine: names.count("keeper") for machine, names in there.items()} == {"app1": 1, "app2": 0}
    notes = [record["data"] for record in kept.journal("app1") if record["event"] == "note"]
    gaps = [note["gaps"]["keeper"]["seconds"] for note in notes if note["name"] == "handed_over"]
    assert len(gaps) > 1 and min(gaps) > 0
