# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan makes of a strategy: its stages, what it refuses, and what it does about one that was cut off."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release import in_place
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.target import Live
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    config,
    fleet,
    released,
)

ROLLING, RECREATE = {"slipway_strategy": "rolling"}, {"slipway_strategy": "recreate"}
NEW, OLD = {"green": 100, "blue": 0}, {"blue": 100, "green": 0}


def plan(machines, goal="deploy", **changes):
    return decide(goal, config(**changes), machines, now=NOW, suffix="3fa9")


def refusal(machines, **changes):
    with pytest.raises(SlipwayError) as caught:
        plan(machines, **changes)
    return caught.value.message


def short(stages):
    return [(stage["name"], stage["at"]) for stage in stages]


EVERYWHERE = ["app1", "app2", "lb1"]
AT_ONCE = [("prepare", EVERYWHERE), ("decision", EVERYWHERE), ("shift", EVERYWHERE)]


def test_blue_green_goes_through_three_stages():
    stages = plan(fleet(released())).stages
    assert short(stages) == AT_ONCE
    assert stages[0]["code_of"] == "", "it is fetched by prepare"


# --- rolling


def test_rolling_prepares_decides_and_shifts_batch_by_batch():
    found = plan(fleet(released()), **ROLLING, slipway_watch={"bake": "7s"}, slipway_drain={"deadline": "3s"})
    assert found.target["strategy_role"] == "slipway.deploy.rolling_update"
    assert short(found.stages) == [
        ("fetch", EVERYWHERE),
        *((name, [machine]) for machine in ("app1", "app2") for name in ("prepare", "decision", "shift")),
    ]
    assert {stage["code_of"] for stage in found.stages if stage["name"] == "prepare"} == {found.target["id"]}
    assert [stage["passed"] for stage in found.stages if stage["name"] == "prepare"] == [[], ["app1"]]
    first, last = (stage for stage in found.stages if stage["name"] == "shift")
    assert (first["weights"], first["apart"]) == (OLD, {"app1": NEW})
    assert (last["weights"], last["apart"]) == (NEW, {})
    assert first["batch"] == {"number": 1, "of": 2, "machines": ["app1"]}
    assert [first["bake"], last["bake"]] == [7.0, 7.0]
    assert [first["drains"], last["drains"]] == [False, True]
    assert "  rolling, 2 batches: app1; app2" in found.say


@pytest.mark.parametrize(
    ("options", "bakes"),
    [
        ({"min_healthy_time": "20s"}, [20.0, 20.0]),
        ({"min_healthy_time": 2}, [2.0, 7.0]),  # the last is watched as any release is
        ({"min_healthy_time": 0, "pause": "1m"}, [60.0, 7.0]),
        ({"pause": "1m"}, [67.0, 7.0]),
    ],
)
def test_each_batch_is_watched_before_the_next_one(options, bakes):
    found = plan(fleet(released()), **ROLLING, slipway_watch={"bake": 7}, slipway_rolling=options)
    shifts = [stage for stage in found.stages if stage["name"] == "shift"]
    assert [stage["bake"] for stage in shifts] == bakes
    assert all(stage["deadline"] > stage["bake"] + found.target["gate"] for stage in shifts)


def test_a_batch_may_be_brought_back_in_steps():
    options = {"ramp": [50, 10], "min_healthy_time": 3, "pause": 20}
    shifts = [s for s in plan(fleet(released()), **ROLLING, slipway_rolling=options).stages if s["name"] == "shift"]
    parts = [{"green": share, "blue": 100 - share} for share in (10, 50)]
    assert [(stage["weights"], stage["apart"], stage["bake"]) for stage in shifts] == [
        (OLD, {"app1": parts[0]}, 3.0),
        (OLD, {"app1": parts[1]}, 3.0),
        (OLD, {"app1": NEW}, 23.0),
        (OLD, {"app1": NEW, "app2": parts[0]}, 3.0),
        (OLD, {"app1": NEW, "app2": parts[1]}, 3.0),
        (NEW, {}, 10.0),
    ]
    assert [stage["batch"] and stage["batch"]["number"] for stage in shifts] == [None, None, 1, None, None, 2]


def test_one_batch_and_a_first_release_go_at_once():
    assert short(plan(fleet(released()), **ROLLING, slipway_rolling={"batch": "100%"}).stages) == AT_ONCE
    assert short(plan(fleet(live="", fence=0), **ROLLING).stages) == AT_ONCE


def test_rolling_refuses_what_both_versions_would_have_to_serve_behind():
    services = {"api": {"image": "i:1", "port": 8080}}
    said = refusal(
        fleet(released()),
        **ROLLING,
        slipway_services=services,
        slipway_traffic={"routes": [{"path": "/api", "service": "api"}]},
    )
    assert "this release changes routes, services of slipway_traffic" in said
    assert "-e slipway_strategy=blue_green" in said


def test_a_rollback_rolls_as_today_is_asked_for():
    machines = fleet(released("0.9.0", "green", 2), released())
    found = plan(machines, "rollback", **ROLLING)
    assert (found.target["version"], found.target["strategy"]) == ("0.9.0", "rolling")
    assert len(found.stages) == 7


# --- rolling, in place

IN_PLACE = {**ROLLING, "slipway_rolling": {"max_surge": 0}}
OUT = {"blue": 0, "green": 0}


def test_in_place_each_batch_is_out_before_it_stops_and_back_when_it_is_verified():
    found = plan(fleet(released()), **IN_PLACE)
    batch = ("withdraw", "pause", "prepare", "decision", "shift")
    assert short(found.stages) == [
        ("fetch", EVERYWHERE),
        ("decision", []),
        *((name, [machine]) for machine in ("app1", "app2") for name in batch),
    ]
    assert [stage["apart"] for stage in found.stages if "apart" in stage] == [
        {"app1": OUT},
        {"app1": NEW},
        {"app1": NEW, "app2": OUT},
        {},
    ]
    assert [stage["drains"] for stage in found.stages if "drains" in stage] == [True, False, True, False]
    assert found.stages[-1]["weights"] == NEW
    assert {stage["code_of"] for stage in found.stages if stage["name"] == "prepare"} == {found.target["id"]}
    assert found.say[-1] == "  each stops before its new version starts: at most 1 of 2 machines is out at a time"


def test_in_place_the_last_batch_goes_back_first_and_its_new_version_stops_before_the_old_one_starts():
    back = plan(fleet(released()), **IN_PLACE).back
    stages = [[(stage["name"], stage["at"], stage.get("apart")) for stage in group] for group in back]
    assert stages == [
        [
            ("revert_traffic", ["app2"], {"app1": NEW, "app2": OUT}),
            ("resume", ["app2"], None),
            ("revert_traffic", ["app2"], {"app1": NEW}),
        ],
        [("revert_traffic", ["app1"], {"app1": OUT}), ("resume", ["app1"], None), ("revert_traffic", ["app1"], {})],
    ]
    assert [stage["drains"] for stage in back[0] if "drains" in stage] == [True, False]
    assert plan(fleet(released()), **ROLLING).back == []


def servers(**weights):
    """What a balancer says of the two machines: the side that each has traffic on, or none."""
    return [
        {"service": "backend", "name": f"{side}_{machine}_1", "side": side, "weight": 100 * (live == side)}
        for machine, live in weights.items()
        for side in ("blue", "green")
    ]


@pytest.mark.parametrize(
    ("seen", "groups"),
    [
        ({"app1": "blue", "app2": "blue"}, []),
        ({"app1": "", "app2": "blue"}, [["app1"]]),
        ({"app1": "green", "app2": "blue"}, [["app1"]]),
        ({"app1": "green", "app2": ""}, [["app2"], ["app1"]]),
        ({"app1": "", "app2": "green"}, [["app1"], ["app2"]]),  # cut off on the way back: what is out comes first
        ({"app1": "green", "app2": "green"}, [["app2"], ["app1"]]),
    ],
)
def test_in_place_what_was_cut_off_is_put_back_from_what_is_out(seen, groups):
    left = cut_off("rolling", in_place=True, batches=[["app1"], ["app2"]], rolling={"max_surge": "0"})
    traffic = {"traffic__live_side": "mixed", "traffic__servers": servers(**seen)}
    found = plan(fleet(released(), left, changes={"lb1": traffic}))
    assert (found.action, found.course) == ("finish", "undo")
    assert [stages[1]["at"] for stages in found.back] == groups


def test_in_place_a_service_that_nobody_else_would_serve_is_refused():
    for options in ({"max_unavailable": 2}, {"max_unavailable": "100%"}):
        said = refusal(fleet(released()), **ROLLING, slipway_rolling={"max_surge": "0%", **options})
        assert "service backend would be interrupted" in said and "app1, app2 is out" in said
        assert "-e slipway_strategy=recreate" in said


def test_in_place_a_drained_machine_serves_nobody_while_another_is_out():
    target = plan(fleet(released()), **IN_PLACE).target
    services = {"app1": {"frontend": {}}, "app2": {"backend": {}}, "app3": {"backend": {}}}
    wanted = {**target, "services": services, "batches": [["app1", "app2"], ["app3"]]}
    live = Live("blue", "1.0.0-id", "1.0.0", {**target, "services": services})
    assert in_place.problems_of(wanted, live) == []
    (said,) = in_place.problems_of({**wanted, "apart": {"app2": OUT}}, live)
    assert "service backend would be interrupted" in said and "while app3 is out" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_surge": 0, "ramp": [50]}, "slipway_rolling.ramp"),
        ({"max_unavailable": 1}, "without max_surge 0 no machine is ever out"),
    ],
)
def test_in_place_what_does_not_go_together_is_refused(options, said):
    assert said in refusal(fleet(released()), **ROLLING, slipway_rolling=options)


def test_in_place_a_first_release_goes_at_once():
    assert short(plan(fleet(live="", fence=0), **IN_PLACE).stages) == AT_ONCE


# --- recreate


def test_recreate_decides_and_closes_before_anything_stops():
    found = plan(fleet(released()), **RECREATE, slipway_closed={"retry_after": "5s", "workers": "run"})
    assert short(found.stages) == [
        ("fetch", EVERYWHERE),
        ("decision", []),
        ("interrupt", EVERYWHERE),
        ("pause", EVERYWHERE),
        *AT_ONCE,
    ]
    assert found.target["closing"] == ["lb1"]
    assert found.target["closed"]["retry_after"] == 5 and "workers" not in found.target["closed"]
    assert found.say[-1].endswith("until the new one is healthy: 503 with Retry-After 5")


def test_recreate_leaves_a_door_alone_that_was_closed_before():
    closed = {"since": NOW, "seconds": 3.0, "retry_after": 60, "hold": 0.0, "paths": []}
    found = plan(fleet(released(), changes={"lb1": {"traffic__closed": closed}}), **RECREATE)
    assert found.target["interrupts"] and found.target["closing"] == []
    assert "interrupt" not in [stage["name"] for stage in found.stages]


def test_a_first_release_interrupts_nobody():
    found = plan(fleet(live="", fence=0), **RECREATE)
    assert not found.target["interrupts"]
    assert short(found.stages) == AT_ONCE


def test_only_haproxy_holds_requests_meanwhile():
    closed = {"slipway_closed": {"hold": "30s"}}
    traffic = {"provider": "nginx", "routes": [{"path": "/", "service": "backend"}]}
    assert "nginx cannot hold requests" in refusal(fleet(released()), **RECREATE, **closed, slipway_traffic=traffic)
    assert (
        plan(fleet(released()), **RECREATE, **closed)
        .say[-1]
        .endswith("requests are held for 30 s, then 503 with Retry-After 60")
    )


@pytest.mark.parametrize("strategy", [RECREATE, IN_PLACE], ids=["recreate", "in place"])
def test_what_stops_first_needs_memory_for_one_side_only(strategy):
    full = {
        "memory": {"available": 80 * 2**20, "total": 2**30, "containers": {"backend-1": 300 * 2**20, "worker-1": 1}}
    }
    changes = {"app1": {"facts__memory": full["memory"]}}
    assert "memory for a second side" in refusal(fleet(released(), changes=copy.deepcopy(changes)))
    alone = plan(fleet(released(), changes=copy.deepcopy(changes)), **strategy, slipway_services={
        "backend": {"image": "i:1", "port": 8080, "replicas": 1}
    })  # fmt: skip
    assert alone.action == "release"


# --- cut off


def cut_off(strategy, **more):
    """A release to green that was decided by a strategy and not settled; 1.0.0 is live on blue."""
    left = released("1.1.0", "green", 4, outcome="", stages=("prepare", "decision"))
    left["decision"].update(strategy=strategy, **more)
    return left


@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
@pytest.mark.parametrize(("live", "course"), [("blue", "undo"), ("mixed", "undo"), ("green", "forward")])
def test_what_was_cut_off_is_finished_only_where_it_is_found_whole(strategy, live, course):
    machines = fleet(released(), cut_off(strategy), changes={"lb1": {"traffic__live_side": live}})
    found = plan(machines, slipway_strategy=strategy)
    assert (found.action, found.course) == ("finish", course)
    assert short(found.stages) == AT_ONCE


def test_a_release_that_was_cut_off_behind_a_closed_door_is_put_back():
    closed = {"traffic__live_side": "green", "traffic__closed": {"since": NOW, "seconds": 1.0}}
    left = cut_off("recreate", interrupts=True, closing=["lb1"], closed={}, opening=40.0)
    found = plan(fleet(released(), left, changes={"lb1": closed}))
    assert found.course == "undo"
    assert not found.target["new_side_open"]


def test_what_an_earlier_version_has_frozen_goes_on_as_before():
    left = cut_off("blue_green")
    for key in ("strategy", "batches", "rolling", "interrupts", "closing", "closed", "opening"):
        del left["decision"][key]
    found = plan(fleet(released(), left))
    assert found.course == "forward"
    assert found.target["closing"] == [] and found.target["interrupts"] is False
