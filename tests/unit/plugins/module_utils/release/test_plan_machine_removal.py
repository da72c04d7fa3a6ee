# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing one machine, decided over what every machine said of itself; and what its journals mean to later releases."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.fleet import Fleet
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    VARIABLES,
    read,
    released,
)

ADDRESSES: dict[str, t.Any] = {"app1": {"slipway_address": "10.0.0.1"}, "app2": {"slipway_address": "10.0.0.2"}}
REMOVED = {"app2": {"drained": False, "removed": True, "who": "ann", "why": "", "since": NOW, "token": 4}}
GROUPS = {"slipway_app": ["app1", "app2"], "slipway_proxy": ["lb1"]}


def config(groups: t.Any = None, **changes: t.Any) -> t.Any:
    hosts = {**ADDRESSES, "lb1": {}, "lb2": {}, "db1": {}}
    return validate({**VARIABLES, "slipway_machine": "app2", **changes}, {"groups": groups or GROUPS, "hosts": hosts})


def fleet(
    *releases: t.Any, away: t.Sequence[str] = (), apps: t.Sequence[str] = ("app1", "app2"), **said: t.Any
) -> Fleet:
    names = [*apps, "lb1"]
    reads = {name: None if name in away else read(name, *(releases or [released()]), **said) for name in names}
    return Fleet(reads, hosts=list(apps), proxies=["lb1"])


def plan(machines: Fleet, groups: t.Any = None, goal: str = "remove_machine", **changes: t.Any) -> t.Any:
    return decide(goal, config(groups, **changes), machines, now=NOW, suffix="3fa9")


def refusal(machines: Fleet, groups: t.Any = None, **changes: t.Any) -> str:
    with pytest.raises(SlipwayError) as caught:
        plan(machines, groups, **changes)
    return caught.value.message


def servers(services: t.Any) -> set[str]:
    return {one["name"] for service in services.values() for side in service["sides"].values() for one in side}


def test_it_is_drained_and_then_leaves_the_configuration() -> None:
    found = plan(fleet())
    assert (found.action, found.target["machines"]) == ("remove_machine", ["app1", "app2", "lb1"])
    assert found.target["apart_drained"] == {"app2": {"blue": 0, "green": 0}} and found.target["apart_left"] == {}
    assert {"blue_app2_1", "green_app2_1"} <= servers(found.target["traffic"]["services"])
    assert not [name for name in servers(found.target["left"]["traffic"]["services"]) if "app2" in name]
    assert found.target["about"]["remove"] == {"machine": "app2", "lost": False, "who": ""}
    assert found.target["about"]["drain"]["machine"] == "app2"
    assert "remove app2, which was backend, worker" in found.say[0]


def test_one_that_is_lost_wants_its_own_word_and_one_that_is_not_refuses_it() -> None:
    assert "app2: cannot be read" in refusal(fleet(away=["app2"]))
    assert "-e slipway_machine_lost=true" in refusal(fleet(away=["app2"]))
    found = plan(fleet(away=["app2"]), slipway_machine_lost=True)
    assert found.target["machines"] == ["app1", "lb1"] and found.target["removal_of"]["lost"]
    assert any("Power it off" in line for line in found.say)
    assert "app2 can be read, so it is not lost" in refusal(fleet(), slipway_machine_lost=True)


@pytest.mark.parametrize(
    ("groups", "changes", "words"),
    [
        ({"slipway_app": ["app2"], "slipway_proxy": ["lb1"]}, {}, "only app2 carries backend"),
        (None, {"slipway_machine": "app9"}, "slipway_machine: app9, wanted one of app1, app2, lb1"),
        (None, {"slipway_machine": "lb1"}, "lb1 is the only balancer"),
    ],
)
def test_what_is_needed_is_not_removed(groups: t.Any, changes: dict[str, t.Any], words: str) -> None:
    assert words in refusal(fleet(), groups, **changes)


def test_it_is_not_removed_where_no_other_machine_could_serve() -> None:
    machines = fleet()
    machines.reads["app1"]["container"]["sides"] = {}  # type: ignore[index]
    assert "app2 is the last one that serves backend" in refusal(machines)


def test_where_backups_are_taken_is_not_removed() -> None:
    database = {
        "engine": "postgresql",
        "url": "postgresql://db/shop",
        "backup": {"store": {"path": "/b"}, "host": "app2"},
    }
    assert "slipway_database.backup.host is app2" in refusal(fleet(), slipway_database=database)


ALONE = {"slipway_app": ["app1"], "slipway_proxy": ["lb1"]}


def test_what_was_released_before_has_never_been_on_it() -> None:
    """So that neither a release that fails nor a rollback gives it back to the balancers."""
    old, new = released("0.9.0", "green", 2), released()
    machines = fleet(old, new, apps=["app1"], journal__drained=REMOVED)
    assert list(machines.live().target["services"]) == ["app1"]  # type: ignore[index]
    forward = plan(machines, ALONE, "deploy").target
    for traffic in (forward["traffic"], forward["traffic_before"]):
        assert not [name for name in servers(traffic["services"]) if "app2" in name]
    assert list(plan(machines, ALONE, "rollback").target["services"]) == ["app1"]


def test_one_that_comes_back_later_is_a_machine_like_any_other() -> None:
    later = released("1.0.0", "blue", 5)
    machines = fleet(released("0.9.0", "green", 2), later, journal__drained=REMOVED)
    assert sorted(machines.live().target["services"]) == ["app1", "app2"]  # type: ignore[index]
    assert machines.drained() == {}
