# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes out while a platform is frozen, and when it is not frozen any more."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release import freeze, report, status
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    config,
    fleet,
    released,
)

FREEZE = {"who": "ann on ctl", "why": "Christmas sale", "since": NOW - 60, "until": NOW + 3600}
WORDS = (
    "frozen by ann on ctl since 2027-01-15 07:59:00 UTC: Christmas sale (until 2027-01-15 09:00:00 UTC; as lb1 says)"
)


def frozen(*releases: t.Any, machine: str = "lb1", said: t.Any = None, **also: t.Any) -> t.Any:
    """One machine of three says that the platform is frozen."""
    own: dict[str, t.Any] = {"releases": releases or (released(),), "journal__frozen": said or FREEZE, **also}
    return fleet(*(releases or (released(),)), changes={machine: own})


def plan(goal: str, machines: t.Any, *, now: float = NOW, **changes: t.Any) -> t.Any:
    return decide(goal, config(**changes), machines, now=now, suffix="3fa9")


@pytest.mark.parametrize("goal", ["deploy", "rollback", "restore", "migrate", "contract"])
def test_one_machine_that_says_so_refuses_everything_and_says_who_why_and_until_when(goal: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        plan(goal, frozen())
    said = caught.value.message
    assert caught.value.cause == "frozen" and f"{goal} refused before anything was touched" in said
    assert WORDS in said and "playbook thaw" in said and "slipway_emergency=" in said


def test_what_was_interrupted_waits_too() -> None:
    left = released("1.1.0", "green", 4, outcome="", stages=("prepare",), decided=False, about={"side": "green"})
    with pytest.raises(SlipwayError, match="frozen by ann"):
        plan("deploy", frozen(released(), left))
    urgent = plan("deploy", frozen(released(), left), slipway_emergency="orders are lost")
    assert urgent.action == "finish" and urgent.target["about"]["emergency"]["why"] == "orders are lost"


def test_a_door_is_closed_and_opened_all_the_same() -> None:
    found = plan("maintenance", frozen(), slipway_maintenance="on", slipway_emergency="not needed")
    assert found.action == "maintenance" and "emergency" not in found.target["about"]


def test_an_emergency_goes_ahead_and_is_recorded_in_journal_report_and_status() -> None:
    found = plan("deploy", frozen(), slipway_emergency="orders are lost")
    assert found.action == "release"
    assert found.target["about"]["emergency"] == {"why": "orders are lost", "frozen": [WORDS]}
    assert found.say[-2:] == [f"  {WORDS}", "  it goes ahead all the same, in an emergency: orders are lost"]
    made = report.build(found.target, [], refused=False, started=NOW, ended=NOW + 1)
    assert made["emergency"]["why"] == "orders are lost"
    assert f"  emergency: orders are lost, although {WORDS}" in report.lines(made)
    done = released("1.1.0", about={"emergency": made["emergency"]})
    assert any(line.endswith("(emergency: orders are lost)") for line in status.lines(config(), fleet(done)))


def test_without_a_freeze_an_emergency_is_none() -> None:
    found = plan("deploy", fleet(released()), slipway_emergency="just in case")
    assert "emergency" not in found.target["about"]


@pytest.mark.parametrize(
    ("until", "now", "wall", "over"),
    [
        (NOW + 60, NOW, NOW, False),
        (NOW + 60, NOW + 61, NOW + 61, True),
        (NOW + 60, NOW + 61, NOW, False),  # the machine's clock is behind
        (NOW + 60, NOW, NOW + 61, False),  # the controller's is
        (0.0, NOW + 1e9, NOW + 1e9, False),
    ],
)
def test_it_ends_by_itself_when_both_clocks_say_so(until: float, now: float, wall: float, over: bool) -> None:
    machines = frozen(said={**FREEZE, "until": until}, facts__time={"wall": wall})
    assert (freeze.in_force(machines, now) == []) is over


def test_the_status_names_every_freeze_once_with_the_machines_that_say_so() -> None:
    same = {name: {"journal__frozen": FREEZE} for name in ("app1", "app2")}
    other = {"lb1": {"journal__frozen": {**FREEZE, "who": "bob", "until": 0.0}}}
    first, second = freeze.lines(fleet(released(), changes={**same, **other}), NOW)
    assert "as app1, app2 says)" in first and "frozen by ann" in first
    assert "(until it is thawed; as lb1 says)" in second
    assert freeze.lines(fleet(released()), NOW) == []


@pytest.mark.parametrize(
    ("text", "until"),
    [
        (None, 0.0),
        ("12h", NOW + 43200),
        ("2027-01-15T10:00:00+01:00", NOW + 3600),
        ("2027-01-15 09:00Z", NOW + 3600),
    ],
)
def test_when_it_is_to_end(text: str | None, until: float) -> None:
    asked = freeze.asked(config(slipway_freeze_why="sale", **({"slipway_freeze_until": text} if text else {})), NOW)
    assert asked == {"who": "", "why": "sale", "until": until}


@pytest.mark.parametrize("text", ["2027-01-15 09:00", "2026-01-01T00:00:00Z", "tomorrow", "0s"])
def test_what_is_no_moment_to_come_is_refused(text: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        freeze.asked(config(slipway_freeze_why="sale", slipway_freeze_until=text), NOW)
    assert caught.value.obj == "slipway_freeze_until" and "12h" in caught.value.message


def test_a_freeze_without_a_reason_is_refused() -> None:
    with pytest.raises(SlipwayError, match="slipway_freeze_why: missing"):
        freeze.asked(config(), NOW)
