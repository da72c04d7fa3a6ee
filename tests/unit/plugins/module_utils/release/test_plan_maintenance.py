# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook maintenance does, decided over what every machine said of itself."""

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

CLOSED = {"since": NOW - 42, "seconds": 42.0, "retry_after": 60, "hold": 30.0, "paths": ["/health"]}
IS_CLOSED = {"lb1": {"traffic__closed": CLOSED}}


def plan(machines: t.Any, asked: str = "on", **changes: t.Any) -> t.Any:
    return decide("maintenance", config(slipway_maintenance=asked, **changes), machines, now=NOW, suffix="3fa9")


def refusal(machines: t.Any, asked: str = "on", **changes: t.Any) -> str:
    with pytest.raises(SlipwayError) as caught:
        plan(machines, asked, **changes)
    return caught.value.message


def test_closing_is_a_run_under_the_lock_of_every_machine_that_prepares_nothing() -> None:
    found = plan(fleet(released()), slipway_closed={"retry_after": "5m", "page": "<p>later</p>"})
    assert (found.action, found.target["token"], found.target["version"]) == ("maintenance", 4, "closed")
    assert found.target["machines"] == ["app1", "app2", "lb1"] and found.target["proxies"] == ["lb1"]
    assert found.target["maintenance"] == {
        "state": "closed",
        "closed": {"retry_after": 300, "page": "<p>later</p>", "hold": 0.0},
        "workers": True,
    }
    assert found.target["deadlines"]["maintenance"] > found.target["drain"]["deadline"]
    assert "close for maintenance" in found.say[0]


def test_opening_says_for_how_long_it_was_closed_and_waits_for_what_is_held() -> None:
    found = plan(fleet(released(), changes=IS_CLOSED), "off")
    assert found.target["maintenance"]["state"] == "opened"
    assert "  lb1: closed for 42 s" in found.say
    closing = plan(fleet(released()))
    assert found.target["deadlines"]["maintenance"] == closing.target["deadlines"]["maintenance"] + 30


def test_what_is_open_is_not_opened_and_what_is_closed_is_closed_as_is_said_now() -> None:
    assert plan(fleet(released()), "off").action == "nothing"
    assert plan(fleet(released(), changes=IS_CLOSED), "on").action == "maintenance"


def test_everything_in_the_way_is_said_at_once() -> None:
    assert "lb1: cannot be read" in refusal(fleet(released(), changes={"lb1": None}))
    assert "nothing was released yet" in refusal(fleet(live=""))
    nginx = {"slipway_traffic": {"provider": "nginx", "routes": [{"path": "/", "service": "backend"}]}}
    said = refusal(fleet(released()), slipway_closed={"hold": 5}, **nginx)
    assert "nginx cannot hold requests" in said
    assert (
        plan(fleet(released(), changes=IS_CLOSED), "off", slipway_closed={"hold": 5}, **nginx).action == "maintenance"
    )


def test_an_application_machine_that_is_away_does_not_keep_the_door_open_where_its_workers_may_run() -> None:
    for given in (RUN, {"slipway_break_glass": True}):
        found = plan(fleet(released(), changes={"app2": None}), **given)
        assert found.target["machines"] == ["app1", "lb1"]


def test_a_release_behind_closed_doors_says_that_they_stay_closed() -> None:
    release = decide("deploy", config(), fleet(released(), changes=IS_CLOSED), now=NOW, suffix="3fa9")
    assert release.action == "release"
    assert release.say[-1] == "  closed for maintenance, and stays so until it is opened: lb1"


def test_an_interrupted_release_comes_first() -> None:
    left = released("1.1.0", "green", 4, outcome="", stages=("prepare",), decided=False, about={"side": "green"})
    assert plan(fleet(released(), left)).action == "finish"


def test_that_it_is_closed_is_part_of_the_status() -> None:
    text = "\n".join(lines(config(), fleet(released(), changes=IS_CLOSED)))
    assert "lb1: closed for maintenance since 2027-01-15 07:59:18 UTC (42 s)" in text
    assert "closed" not in "\n".join(lines(config(), fleet(released())))


PAUSED = {"app1": {"container__workers_paused": {"since": NOW - 40, "seconds": 40.0}}}
RUN = {"slipway_closed": {"workers": "run"}}


def test_workers_are_paused_with_it_unless_they_are_to_run() -> None:
    found = plan(fleet(released()))
    assert found.target["maintenance"]["workers"] and found.target["deadlines"]["workers"] > 0
    assert found.say[-1] == "  services without traffic (worker): paused until it is opened"
    found = plan(fleet(released()), **RUN)
    assert not found.target["maintenance"]["workers"] and "workers" not in found.target["maintenance"]["closed"]
    assert found.say[-1] == "  services without traffic (worker): they go on working"
    nobody = released()
    for services in nobody["decision"]["services"].values():
        services.pop("worker")
    assert not plan(fleet(nobody)).target["maintenance"]["workers"]


def test_a_machine_whose_workers_cannot_be_paused_keeps_the_door_open() -> None:
    said = refusal(fleet(released(), changes={"app2": None}))
    assert "app2: cannot be read" in said and "slipway_closed: {workers: run}" in said


def test_what_is_paused_works_again_when_it_is_opened_whatever_is_asked_for_now() -> None:
    for changes in (PAUSED, {**PAUSED, **IS_CLOSED}):
        found = plan(fleet(released(), changes=dict(changes)), "off", **RUN)
        assert (found.action, found.target["maintenance"]["workers"]) == ("maintenance", True)
        assert "  app1: workers paused for 40 s" in found.say
    assert not plan(fleet(released(), changes=IS_CLOSED), "off").target["maintenance"]["workers"]
    assert plan(fleet(released(), changes={**PAUSED, "app2": None}), "off").action == "maintenance"
    shown = lines(config(), fleet(released(), changes=PAUSED))
    assert any(line.startswith("  app1: workers paused for maintenance since ") for line in shown)


def test_a_version_whose_workers_are_paused_is_live_all_the_same() -> None:
    live = released("1.1.0")
    resting = [{"name": "worker-1", "running": False}]
    stopped = fleet(live, version="1.1.0")
    for machine in ("app1", "app2"):
        stopped.reads[machine]["container"]["sides"]["blue"]["services"]["worker"] = resting
    assert decide("deploy", config(), stopped, now=NOW, suffix="3fa9").action == "release"
    for machine in ("app1", "app2"):
        stopped.reads[machine]["container"]["workers_paused"] = {"since": NOW, "seconds": 1.0}
    assert decide("deploy", config(), stopped, now=NOW, suffix="3fa9").action == "nothing"
