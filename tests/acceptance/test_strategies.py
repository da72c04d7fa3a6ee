# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategies beside blue_green: batches of machines, and a version that stops before the next one starts."""

from __future__ import annotations

import contextlib
import re
import typing as t

import pytest

from tests.lab.load import LoadRun

from . import check
from .conftest import MakeFleet
from .fleet import Fleet
from .interruption import Customers, CutRun, Point, course, live_side, ports, ports_refused
from .machines import shell

THREE = ("app1", "app2", "lb2")
BROKEN = "1.2.0"


@pytest.fixture
def rolling(make_fleet: MakeFleet) -> Fleet:
    """Three machines behind one balancer with 1.0.0 released, which roll one by one."""
    fleet = make_fleet(apps=THREE, variables={"slipway_strategy": "rolling"})
    check.succeeded(fleet.deploy("1.0.0"))
    return fleet


def moved_batches(fleet: Fleet) -> list[tuple[int, list[str]]]:
    """The batches that the balancer's journal names, in their order."""
    notes = [record["data"] for record in fleet.journal("lb1") if record["event"] == "note"]
    return [(note["number"], note["machines"]) for note in notes if note["name"] == "batch"]


def test_rolling_goes_machine_by_machine(rolling: Fleet, record_property: t.Any) -> None:
    """Guarantees 1, 5 and 6: three batches, nothing is lost, and the report says what moved when."""
    with LoadRun(rolling.url, rate=50) as load:
        run = rolling.deploy("1.1.0")
        check.succeeded(run)
        result = load.stop()
    check.all_on(rolling, "1.1.0")
    assert result.failed == 0, (result.causes, result.failures[:5])
    assert set(result.by_version) == {"1.0.0", "1.1.0"}
    record_property("requests", result.requests)
    batches = rolling.report()["batches"]
    assert [(one["number"], one["machines"], one["ok"]) for one in batches] == [
        (number, [machine], True) for number, machine in enumerate(THREE, start=1)
    ]
    assert all(one["watched"]["requests"] > 0 for one in batches)
    assert [one["moved"] for one in batches] == sorted(one["moved"] for one in batches)
    assert "batch 3 of 3 (lb2): prepared in" in run.said
    assert moved_batches(rolling) == [(number, [machine]) for number, machine in enumerate(THREE, start=1)]
    assert "1.1.0 is live on" in rolling.deploy("1.1.0").said


@contextlib.contextmanager
def broken_on(fleet: Fleet, machine: str) -> t.Iterator[None]:
    """The next version does not answer on one machine, whatever the machine tries."""
    with ports_refused(fleet.lab, machine, "-o lo", ports(fleet, machine, "green")):
        yield


@pytest.mark.sample(1, of="batches")
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_broken_batch_takes_all_of_them_back(rolling: Fleet, batch: int, record_property: t.Any) -> None:
    """Guarantees 1, 4 and 5: wherever it fails, the batches before it go back too, and nobody has noticed."""
    with Customers(rolling) as customers:
        if batch == 1:
            check.refused(rolling.deploy(BROKEN), BROKEN, "1.0.0 serves as before")
        else:
            with broken_on(rolling, THREE[batch - 1]):
                check.refused(rolling.deploy("1.1.0"), f"{THREE[batch - 1]}: ", "1.0.0 serves as before")
        check.all_on(rolling, "1.0.0")
        assert live_side(rolling, "lb1") == "blue"
        assert moved_batches(rolling) == [(number, [THREE[number - 1]]) for number in range(1, batch)]
        assert rolling.report()["outcome"] == "reverted"
        record_property("requests", customers.all_served())


@pytest.mark.sample(1, of="killed")
@pytest.mark.parametrize(
    ("point", "seen"),
    [
        (Point("decision", "end"), "in decision"),
        (Point("shift", "end"), "in shift, batch 1 of 3 has moved (app1)"),
    ],
    ids=str,
)
def test_a_half_of_a_rolling_release_is_put_back(rolling: Fleet, point: Point, seen: str) -> None:
    """Guarantees 4 and 5: a controller killed in a batch; the next run puts the batch back, and rolls anew."""
    with Customers(rolling) as customers:
        assert CutRun(rolling, point, "-e", "slipway_version=1.1.0").killed()
        assert seen in rolling.play("status.yml").said
        run = rolling.deploy("1.1.0")
        check.succeeded(run)
        check.all_on(rolling, "1.1.0")
        assert course(run.output) == "undo"
        assert customers.all_served() > 0


# --- rolling, in place


@pytest.fixture
def in_place(make_fleet: MakeFleet) -> Fleet:
    """Three machines behind one balancer with 1.0.0 released, none of which may run two versions."""
    variables = {"slipway_strategy": "rolling", "slipway_rolling": {"max_surge": 0}}
    fleet = make_fleet(apps=THREE, variables=variables)
    check.succeeded(fleet.deploy("1.0.0"))
    return fleet


_SPANS = """docker ps -aq --filter label=slipway.role=traffic | xargs docker inspect --format \
'{{index .Config.Labels "slipway.version"}} {{.State.StartedAt}} {{.State.FinishedAt}}'"""


def spans(fleet: Fleet, machine: str) -> list[tuple[str, str, str]]:
    """Of each container on a machine its version, and when it was started and ended last."""
    return [tuple(line.split()) for line in shell(fleet.lab, machine, _SPANS).splitlines()]  # type: ignore[misc]


@pytest.mark.sample(2, of="in place")
def test_in_place_no_machine_runs_two_versions_and_no_request_is_lost(in_place: Fleet, record_property: t.Any) -> None:
    """Guarantees 1, 5 and 6: on every machine the old version has ended before the new one has begun."""
    with LoadRun(in_place.url, rate=50) as load:
        run = in_place.deploy("1.1.0")
        check.succeeded(run)
        result = load.stop()
    check.all_on(in_place, "1.1.0")
    assert result.failed == 0, (result.causes, result.failures[:5])
    record_property("requests", result.requests)
    assert "at most 1 of 3 machines is out at a time" in run.said
    assert moved_batches(in_place) == [(number, [machine]) for number, machine in enumerate(THREE, start=1)]
    for machine in THREE:
        found = spans(in_place, machine)
        ended = max(end for version, _start, end in found if version == "1.0.0")
        assert ended < min(start for version, start, _end in found if version == "1.1.0"), found
    assert "1.1.0 is live on" in in_place.deploy("1.1.0").said


@pytest.mark.sample(2, of="in place")
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_in_place_a_broken_batch_takes_all_of_them_back_one_by_one(in_place: Fleet, batch: int) -> None:
    """Guarantees 1, 4 and 5: on the way back, too, the new version has ended before the old one has begun."""
    machine = THREE[batch - 1]
    with Customers(in_place) as customers:
        with broken_on(in_place, machine):
            check.refused(in_place.deploy("1.1.0"), f"{machine}: ", "1.0.0 serves as before")
        check.all_on(in_place, "1.0.0")
        assert customers.all_served() > 0
    for done in THREE[:batch]:
        found = spans(in_place, done)
        ended = max(end for version, _start, end in found if version == "1.1.0")
        assert ended < min(start for version, start, _end in found if version == "1.0.0"), found


@pytest.mark.sample(2, of="in place")
@pytest.mark.parametrize("stage", ["withdraw", "pause", "prepare", "decision", "shift"])
def test_in_place_a_half_is_put_back_from_the_machine_that_is_out(in_place: Fleet, stage: str) -> None:
    """Guarantees 4 and 5: a controller killed while the second machine is out."""
    with Customers(in_place) as customers:
        cut_off = CutRun(
            in_place, Point(stage, "end", batch=3 if stage == "decision" else 2), "-e", "slipway_version=1.1.0"
        )
        assert cut_off.killed(), cut_off.ended().output
        run = in_place.deploy("1.1.0")
        check.succeeded(run)
        check.all_on(in_place, "1.1.0")
        assert course(run.output) == "undo"
        assert customers.all_served() > 0


# --- recreate


class Door(t.NamedTuple):
    """What the balancer's journal says of the last time that it was closed."""

    begun: float  # the stage that closes it
    closed: float  # the door is closed, and what was under way has ended
    opened: float


def door(fleet: Fleet) -> Door:
    records = fleet.journal("lb1")
    notes = [record for record in records if record["event"] == "note"]
    closed, opened = (
        [note["wall"] for note in notes if note["data"]["name"] == name][-1] for name in ("closed", "opened")
    )
    begun = [record["wall"] for record in records if (record["event"], record["stage"]) == ("begin", "interrupt")]
    return Door(begun[-1], closed, opened)


def only_within(result: t.Any, door: Door) -> None:
    """Nothing failed but what was asked while the door was closed, and that was told to come again."""
    within = result.window(door.begun, door.opened + 1.0)  # it is noted before the last worker has let go
    assert within.failed == result.failed, (result.causes, result.failures[:5])
    assert {one["cause"] for one in result.causes} - {"no_asset"} <= {"status_503"}, result.causes


@pytest.mark.sample(2, of="interrupts")
def test_recreate_interrupts_and_says_for_how_long(make_fleet: MakeFleet, record_property: t.Any) -> None:
    """Guarantee 1 as far as it goes: the old version is gone before the new one starts, and the gap is measured."""
    fleet = make_fleet(variables={"slipway_strategy": "recreate", "slipway_closed": {"retry_after": 5}})
    check.succeeded(fleet.deploy("1.0.0"))
    with LoadRun(fleet.url, rate=50) as load:
        run = fleet.deploy("1.1.0")
        check.succeeded(run)
        result = load.stop()
    check.all_on(fleet, "1.1.0")
    assert "recreate interrupts, from before the old version stops until the new one is healthy: 503" in run.said
    shut = door(fleet)
    only_within(result, shut)
    said = float(re.search(r"interrupted for (\d+\.\d) s", run.said)[1])  # type: ignore[index]
    assert fleet.report()["interrupted"] == said
    assert shut.opened - shut.closed - 1.0 < said < shut.opened - shut.begun + 1.0
    assert result.by_version["1.0.0"].last_ended < result.by_version["1.1.0"].first_ended
    record_property("interrupted", said)


@pytest.mark.sample(1, of="recreate")
@pytest.mark.parametrize("how", ["broken", "killed"])
def test_recreate_starts_the_old_version_again(make_fleet: MakeFleet, how: str) -> None:
    """Guarantees 4 and 5: a version that does not get up, or a run that is killed while nothing runs."""
    fleet = make_fleet(variables={"slipway_strategy": "recreate"})
    check.succeeded(fleet.deploy("1.0.0"))
    with LoadRun(fleet.url, rate=20) as load:
        if how == "broken":
            run = fleet.deploy(BROKEN)
            check.refused(run, BROKEN, "1.0.0 serves as before", "interrupted for")
        else:
            assert CutRun(fleet, Point("pause", "end"), "-e", "slipway_version=1.1.0").killed()
            assert fleet.get("/version")[0] == 503
            assert "closed for maintenance since" in fleet.play("status.yml").said
            run = fleet.deploy("1.0.0")
            check.succeeded(run)
            assert course(run.output) == "undo"
        result = load.stop()
    check.all_on(fleet, "1.0.0")
    only_within(result, door(fleet))


@pytest.mark.sample(2, of="interrupts")
def test_recreate_without_a_balancer(make_fleet: MakeFleet) -> None:
    """What is interrupted is measured by the controller where nothing of ours closes the door."""
    fleet = make_fleet(proxies=[], variables={"slipway_strategy": "recreate", "slipway_traffic": None})
    check.succeeded(fleet.deploy("1.0.0"))
    run = fleet.deploy("1.1.0")
    check.succeeded(run)
    assert "until the new one is healthy: nobody answers" in run.said
    assert fleet.report()["interrupted"] > 0
    notes = [record["data"] for record in fleet.journal("app1") if record["event"] == "note"]
    assert fleet.report()["interrupted"] in [note["seconds"] for note in notes if note["name"] == "interrupted"]
    assert {machine: check.runs(fleet, machine) for machine in fleet.apps} == dict.fromkeys(fleet.apps, {"1.1.0"})
