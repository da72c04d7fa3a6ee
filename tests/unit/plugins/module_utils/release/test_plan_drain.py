# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is taken out of traffic, decided over what every machine said of itself; and what a release does with it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.status import lines
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    config,
    fleet,
    released,
)

NOTHING = {"blue": 0, "green": 0}
WHY = "its disk is failing"


def said(token: int = 4, *, drained: bool = True, machine: str = "app2") -> dict[str, t.Any]:
    """What a journal says of a machine."""
    return {machine: {"drained": drained, "who": "ann on ctl", "why": WHY, "since": NOW - 60, "token": token}}


def servers(status: str = "UP", **weights: int) -> list[dict[str, t.Any]]:
    """What the balancer has of each machine's live side; their weights, 100 where nothing is said."""
    return [
        {
            "service": "backend",
            "name": f"blue_{machine}_{number}",
            "side": "blue",
            "weight": weights.get(machine, 100),
            "status": "UP" if machine == "app2" else status,
        }
        for machine in ("app1", "app2")
        for number in (1, 2)
    ]


def machines(seen: t.Any = None, journal: t.Any = None, **changes: t.Any) -> t.Any:
    """The fleet with 1.0.0 live on blue; the balancer's servers, and what the journals say."""
    everywhere = {"journal__drained": journal} if journal else {}
    each: dict[str, t.Any] = {name: dict(everywhere) for name in ("app1", "app2", "lb1")}
    each["lb1"]["traffic__servers"] = servers() if seen is None else seen
    each.update(changes)
    return fleet(released(), changes=each)


def plan(goal: str, found: t.Any, **changes: t.Any) -> t.Any:
    options = {"slipway_machine": "app2", "slipway_drain_why": WHY, "slipway_drain_who": "ann on ctl", **changes}
    return decide(goal, config(**options), found, now=NOW, suffix="3fa9")


def refusal(goal: str, found: t.Any, **changes: t.Any) -> str:
    with pytest.raises(SlipwayError) as caught:
        plan(goal, found, **changes)
    return caught.value.message


def test_draining_is_a_run_under_the_lock_that_leaves_the_live_side_where_it_is() -> None:
    found = plan("drain", machines())
    assert (found.action, found.target["token"], found.target["machines"]) == ("drain", 4, ["app1", "app2", "lb1"])
    assert found.target["apart"] == {"app2": NOTHING}
    assert found.target["weights"] == {"blue": 100, "green": 0}
    assert found.target["about"]["drain"] == {"machine": "app2", "goal": "drain", "who": "ann on ctl", "why": WHY}
    assert found.target["deadlines"]["drain"] > found.target["drain"]["deadline"]


def test_a_machine_that_is_away_can_be_drained() -> None:
    assert plan("drain", machines(app2=None)).target["machines"] == ["app1", "lb1"]


@pytest.mark.parametrize(
    ("found", "changes", "words"),
    [
        (machines(lb1=None), {}, "lb1: cannot be read"),
        (fleet(live=""), {}, "nothing was released yet"),
        (machines(), {"slipway_machine": "lb1"}, "slipway_machine: lb1, wanted one that carries"),
        (machines(), {"slipway_machine": None}, "slipway_machine: missing"),
        (machines(), {"slipway_drain_why": None}, "slipway_drain_why: missing"),
        (machines(servers("DOWN")), {}, "last one that serves backend behind lb1 (app1: DOWN for lb1)"),
        (machines(servers("DOWN 1/2")), {}, "app1: DOWN 1/2 for lb1"),
        (machines(servers("MAINT")), {}, "app1: MAINT for lb1"),
        (machines(journal=said(machine="app1")), {}, "app1: drained"),
        (machines([], app1=None), {}, "app1: cannot be read"),
        (machines([], app1={"container__sides": {}}), {}, "app1: it does not run there"),
    ],
)
def test_what_is_in_the_way_is_said(found: t.Any, changes: dict[str, t.Any], words: str) -> None:
    assert words in refusal("drain", found, **changes)


def test_what_is_done_is_not_done_again_and_what_a_balancer_has_not_done_is() -> None:
    done = machines(servers(app2=0), said())
    assert plan("drain", done).action == "nothing"
    assert plan("undrain", machines()).action == "nothing"
    assert plan("drain", machines(servers(), said())).action == "drain"
    assert plan("undrain", machines(servers(app2=0))).action == "drain"


def test_giving_back_keeps_the_others_away_and_needs_no_reason() -> None:
    both = {**said(machine="app1"), **said(5)}
    found = plan("undrain", machines(servers(app1=0, app2=0), both), slipway_drain_why=None)
    assert found.target["apart"] == {"app1": NOTHING}
    assert found.target["apart_drained"] == {"app1": NOTHING, "app2": NOTHING}
    assert found.target["drain_of"]["why"] == WHY


def test_of_two_journals_the_one_with_the_higher_token_is_right() -> None:
    """app1 was away when it was given back, and says what was before."""
    given_back = {"journal__drained": said(5, drained=False)}
    found = machines(journal=said(4), app2=given_back, lb1={**given_back, "traffic__servers": servers()})
    assert found.drained() == {}
    assert plan("deploy", found).target["apart"] == {}


def test_a_release_prepares_a_drained_machine_and_gives_it_no_traffic_forwards_or_backwards() -> None:
    found = plan("deploy", machines(servers(app2=0), said()))
    assert found.action == "release" and "app2" in found.target["services"]
    assert found.target["apart"] == found.target["apart_before"] == {"app2": NOTHING}
    assert [stage["apart"] for stage in found.stages if stage["name"] == "shift"] == [{"app2": NOTHING}]
    assert any("app2 gets the new version and no traffic: it is drained by ann on ctl" in line for line in found.say)


def test_a_rolling_release_takes_it_with_the_first_batch() -> None:
    found = plan("deploy", machines(servers(app2=0), said()), slipway_strategy="rolling")
    assert found.target["batches"] == [["app1", "app2"]]
    assert plan("deploy", machines(), slipway_strategy="rolling").target["batches"] == [["app1"], ["app2"]]


def test_a_release_whose_service_is_on_drained_machines_alone_is_refused() -> None:
    both = {**said(machine="app1"), **said()}
    words = refusal("deploy", machines(servers(app1=0, app2=0), both))
    assert "service backend: every machine that carries it is drained (app1, app2)" in words


def test_the_live_version_is_released_anew_where_a_machine_is_without_traffic_for_nobody_s_sake() -> None:
    same = {"slipway_version": "1.0.0"}
    assert plan("deploy", machines(), **same).action == "nothing"
    assert plan("deploy", machines(servers(app2=0), said()), **same).action == "nothing"
    assert plan("deploy", machines(servers(app2=0)), **same).action == "release"


@pytest.mark.parametrize("goal", ["drain", "undrain"])
def test_what_was_cut_off_ends_with_the_machine_drained(goal: str) -> None:
    """Either way: that needs nobody to be healthy."""
    about = {"version": f"{goal} of app2", "drain": {"machine": "app2", "goal": goal, "who": "ann on ctl", "why": WHY}}
    left = released("1.1.0", "green", 5, outcome="", stages=("drain",), decided=False, about=about)
    found = plan("deploy", fleet(released(), left, changes={"lb1": {"traffic__servers": servers()}}))
    assert (found.action, found.course) == ("finish", "drain")
    assert found.target["apart"] == {"app2": NOTHING} and found.target["drain_of"]["goal"] == "drain"
    assert found.target["about"]["drain"] == about["drain"]
    assert found.say[0].startswith(f"{goal} of app2 was interrupted")


def test_what_was_cut_off_gives_the_machine_back_where_nobody_else_serves_any_more() -> None:
    about = {"version": "drain of app2", "drain": {"machine": "app2", "goal": "drain", "who": "ann", "why": WHY}}
    left = released("1.1.0", "green", 5, outcome="", stages=("drain",), decided=False, about=about)
    found = plan("deploy", fleet(released(), left, changes={"lb1": {"traffic__servers": servers("DOWN")}}))
    assert (found.course, found.target["apart"], found.target["drain_of"]["goal"]) == ("drain", {}, "undrain")
    assert "undrain app2 first: app2 is the last one that serves backend" in found.say[0]


def test_what_has_ended_elsewhere_is_only_closed() -> None:
    about = {"drain": {"machine": "app2", "goal": "drain", "who": "ann", "why": WHY}}
    left = released("1.1.0", "green", 5, outcome="", stages=("drain",), decided=False, about=about)
    ended = {**left, "outcome": "drained"}
    releases = {"releases": (released(), ended)}
    found = plan("deploy", fleet(released(), left, changes={"lb1": releases, "app1": dict(releases)}))
    assert (found.course, found.target["machines"], found.target["outcome"]) == ("close", ["app2"], "drained")


def test_status_says_what_is_drained_and_which_balancer_does_otherwise() -> None:
    text = "\n".join(lines(config(), machines(servers(app2=0), said())))
    assert f"app2: drained by ann on ctl since 2027-01-15 07:59:00 UTC: {WHY}" in text and "!" not in text
    assert "! lb1: app2 has traffic, though it is drained" in "\n".join(lines(config(), machines(servers(), said())))
    assert "! lb1: app2 has no traffic, and is not drained" in "\n".join(lines(config(), machines(servers(app2=0))))
