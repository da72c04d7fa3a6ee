# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that is closed for maintenance, released behind its doors, and opened again."""

from __future__ import annotations

import re
import typing as t

import pytest

from tests.lab.load import SHOP, LoadRun
from tests.shop import Run

from . import check, interruption
from .fleet import Fleet

PATIENT = SHOP._replace(connections=20, in_flight=2000, timeout=130.0)
PAGE = "<p>Back at five, $5 off.</p>"


def maintenance(fleet: Fleet, asked: str, *args: str) -> Run:
    """``ansible-playbook slipway.deploy.maintenance -i production -e slipway_maintenance=…``."""
    return fleet.play("slipway.deploy.maintenance", "-e", f"slipway_maintenance={asked}", *args)


def notes(fleet: Fleet, machine: str) -> list[str]:
    """The names of all notes in a machine's journal."""
    return [record["data"]["name"] for record in fleet.journal(machine) if record["event"] == "note"]


def working(fleet: Fleet) -> dict[str, set[str]]:
    """Machine to the versions whose workers run there."""
    return {
        machine: {one.version for one in fleet.containers(machine) if one.service == "worker" and one.running}
        for machine in fleet.apps
    }


def other(fleet: Fleet) -> str:
    """The version that is not live."""
    (live,) = fleet.serving()["lb1"]
    return "1.1.0" if live == "1.0.0" else "1.0.0"


@pytest.mark.sample(1, of="maintenance")
@pytest.mark.parametrize("held", [False, True], ids=["page", "held"])
def test_a_release_is_made_behind_closed_doors(live: Fleet, held: bool, record_property: t.Any) -> None:
    live.write_variables(slipway_closed={"hold": 120} if held else {"page": PAGE, "retry_after": 45})
    wanted, notes_before = other(live), notes(live, "lb1")
    nobody: dict[str, set[str]] = {machine: set() for machine in live.apps}
    with LoadRun(live.url, rate=20, profile=PATIENT) as load:
        assert "closed for maintenance" not in maintenance(live, "status").said  # meanwhile a page tells of its assets
        check.succeeded(maintenance(live, "on"))
        assert live.get("/health") == (200, b"closed for maintenance\n")
        assert working(live) == nobody
        if not held:
            check.succeeded(maintenance(live, "on"))
            said = maintenance(live, "status").said
            assert "closed for maintenance since" in said and "workers paused for maintenance since" in said
            assert live.get("/") == (503, PAGE.encode())
        check.succeeded(live.deploy(wanted))
        assert working(live) == {
            machine: {wanted} for machine in live.apps
        }  # those of the version that knows the schema
        opened = maintenance(live, "off")
        check.succeeded(opened)
        result = load.stop()
    assert re.search(r"lb1: opened after \d+\.\d s", opened.said)
    check.all_on(live, wanted)
    assert notes(live, "lb1")[len(notes_before) :] == ["closed", "opened"]
    assert "is open already" in maintenance(live, "off").said
    record_property("requests", result.requests)
    if held:
        assert result.failed == 0, (result.causes, result.failures[:5])
    else:
        causes = {one["cause"] for one in result.causes}
        assert causes - {"no_asset"} == {"status_503"}, result.causes  # no page has told it which assets there are


@pytest.mark.sample(1, of="kills")
@pytest.mark.parametrize("stage, where", [("maintenance", "begin"), ("maintenance", "end"), ("workers", "end")])
def test_a_run_that_is_killed_while_it_closes_is_finished_by_the_next_one(live: Fleet, stage: str, where: str) -> None:
    """What was closed stays closed until somebody opens it, and so do paused workers; who looks sees that."""
    live.write_variables(slipway_closed={"page": PAGE})
    serving, at_work = live.serving(), working(live)
    point = interruption.Point(stage, where)
    cut = interruption.CutRun(live, point, "-e", "slipway_maintenance=on", playbook="slipway.deploy.maintenance")
    assert cut.killed(), cut.ended().output
    closed, paused = where == "end", stage == "workers"
    assert working(live) == ({machine: set() for machine in live.apps} if paused else at_work)
    assert live.get("/")[0] == (503 if closed else 200)
    assert ("closed for maintenance since" in maintenance(live, "status").said) is closed
    opened = maintenance(live, "off")
    check.succeeded(opened)
    assert ("undo it first" if closed else "is open already") in opened.said
    assert live.get("/")[0] == 200
    assert (live.serving(), working(live), check.open_releases(live)) == (serving, at_work, {})
    assert ("workers at work again after" in opened.said) is paused
    check.all_on(live, *serving["lb1"])
