# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that have lost their state, found and rebuilt, decided over what every machine said of itself."""

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

EMPTY: t.Final[dict[str, t.Any]] = {"releases": [], "lease": {"fence": 0, "live": False}}
MACHINES = ("app1", "app2", "lb1")


def side(name: str = "blue", version: str = "1.0.0", **changes: t.Any) -> dict[str, t.Any]:
    """A side that comes back after a reboot."""
    replicas = [{"name": "backend-1", "running": True, "restart": "always"}]
    identity = released(version)["identity"]
    about = {"release": f"{version}-id", "version": version, "identity": identity, "services": {"backend": replicas}}
    return {name: {**about, **changes}}


def losing(*machines: str, **changes: t.Any) -> dict[str, dict[str, t.Any]]:
    """What is different on machines that have lost their state."""
    return {
        machine: {**EMPTY, **({} if machine == "lb1" else {"container__sides": side(**changes)})}
        for machine in machines
    }


def plan(machines: t.Any, **changes: t.Any) -> t.Any:
    return decide("rebuild", config(**changes), machines, now=NOW, suffix="3fa9")


def refusal(machines: t.Any, **changes: t.Any) -> str:
    with pytest.raises(SlipwayError) as caught:
        plan(machines, **changes)
    return caught.value.message


@pytest.mark.parametrize("goal", ["deploy", "rollback", "maintenance", "migrate"])
@pytest.mark.parametrize("machines", [("app1",), ("lb1",), MACHINES])
def test_nothing_else_is_done_while_a_machine_has_forgotten_what_runs_there(
    goal: str, machines: tuple[str, ...]
) -> None:
    forgetful = fleet(released(), changes=losing(*machines))
    with pytest.raises(SlipwayError) as caught:
        decide(goal, config(slipway_maintenance="on"), forgetful, now=NOW, suffix="3fa9")
    assert caught.value.cause == "state_lost"
    assert ", ".join(machines) in caught.value.message and "playbook rebuild_state" in caught.value.message
    assert any(f"! {machines[0]}: its state is lost" in line for line in lines(config(), forgetful))


def test_what_was_never_decided_on_is_no_loss() -> None:
    idle = [{"name": "backend-1", "running": True, "restart": "no"}]
    one = {**EMPTY, "container__sides": {"blue": {"release": "x", "version": "1", "services": {"backend": idle}}}}
    assert decide("deploy", config(), fleet(changes={"app1": one}, live=""), now=NOW, suffix="3fa9").action == "release"
    assert plan(fleet(released())).action == "nothing"


def test_it_is_rebuilt_out_of_the_other_journals_above_every_fence() -> None:
    found = plan(fleet(released("0.9.0", "green", 2), released(), changes=losing("app1", "lb1"), fence=7))
    target = found.target
    assert (found.action, target["token"], target["machines"]) == ("rebuild", 8, list(MACHINES))
    assert target["rebuild"]["machines"] == ["app1", "lb1"] and target["rebuild"]["live"] == "1.0.0-id"
    assert [one["id"] for one in target["rebuild"]["kept"]] == ["0.9.0-id", "1.0.0-id"]
    assert [one["id"] for one in target["rebuild"]["memory"]["releases"]] == ["0.9.0-id", "1.0.0-id"]
    assert any("out of the other journals" in line for line in found.say)


def test_marks_and_a_freeze_are_remembered_too() -> None:
    frozen = {"who": "ann", "why": "sale", "since": NOW, "until": 0.0}
    other = {"app2": {"journal__bad": {"i9": {"why": "it fails"}}, "journal__frozen": frozen}}
    memory = plan(fleet(released(), changes={**losing("app1"), **other})).target["rebuild"]["memory"]
    assert memory["bad"] == {"i9": {"why": "it fails"}} and memory["frozen"] == frozen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (losing("app1", name="green"), "app1: green comes back after a reboot there"),
        ({"lb1": {**EMPTY, "traffic__live_side": "green", "traffic__weights": {"backend": {"blue": 0, "green": 100}}}},
         "lb1: its traffic is on green"),
    ],
)  # fmt: skip
def test_what_runs_and_contradicts_the_others_is_refused(changes: t.Any, words: str) -> None:
    said = refusal(fleet(released(), changes=changes))
    assert words in said and "the other machines say that 1.0.0 is live on blue" in said


def test_under_an_interrupted_release_either_side_may_run() -> None:
    left = released("1.1.0", "green", 4, outcome="", stages=("prepare", "decision"))
    changes = losing("app1", name="green", version="1.1.0")
    assert plan(fleet(released(), left, changes=changes)).action == "rebuild"


def test_where_no_machine_remembers_the_site_and_what_runs_must_tell_the_same() -> None:
    nobody = losing(*MACHINES)
    found = plan(fleet(changes=nobody), slipway_version="1.0.0")
    target = found.target
    (only,) = target["rebuild"]["memory"]["releases"]
    assert (only["id"], only["decision"]["side"], only["decision"]["identity"]) == (
        "1.0.0-id",
        "blue",
        side()["blue"]["identity"],
    )
    assert target["side"] == "green" and any("no machine remembers it" in line for line in found.say)
    assert "say so with -e slipway_version=1.0.0" in refusal(fleet(changes=losing(*MACHINES)), slipway_version="1.1.0")
    other = {"slipway_services": {"backend": {"image": "shop/backend:2", "port": 8080, "health": {"path": "/"}}}}
    assert "another configuration or other secrets" in refusal(
        fleet(changes=losing(*MACHINES)), slipway_version="1.0.0", **other
    )
    mixed = {**losing("app1", "lb1"), **losing("app2", name="green", version="0.9.0")}
    assert "what runs does not tell" in refusal(fleet(changes=mixed), slipway_version="1.0.0")


def test_where_no_machine_remembers_the_token_is_above_all_that_were_ever_given_out() -> None:
    nobody = fleet(changes=losing(*MACHINES))
    assert plan(nobody, slipway_version="1.0.0").target["token"] == int(NOW * 1000) + 1
    assert plan(nobody, slipway_version="1.0.0", slipway_fence=9 * 10**12).target["token"] == 9 * 10**12 + 1
    assert plan(fleet(released(), changes=losing("app1"), fence=7), slipway_fence=3).target["token"] == 8


def test_a_machine_that_is_away_may_be_the_one_that_remembers() -> None:
    changes = {**losing("app1", "lb1"), "app2": None}
    said = refusal(fleet(changes=dict(changes)), slipway_version="1.0.0")
    assert "app2: cannot be read" in said and "slipway_break_glass" in said
    glass = plan(fleet(changes=dict(changes)), slipway_version="1.0.0", slipway_break_glass=True)
    assert glass.target["machines"] == ["app1", "lb1"]
    known = plan(fleet(released(), changes={**losing("app1"), "app2": None}))
    assert known.target["machines"] == ["app1", "lb1"]


def test_where_the_migrating_machine_forgot_no_contract_migration_is_forgotten() -> None:
    base = {
        "slipway_database": {"engine": "postgresql", "url": "postgresql://u:p@db/shop"},
        "slipway_migrations": {"tool": "sql", "path": "migrations", "host": "app1"},
    }
    live = released()
    live["decision"]["ships"] = {"3": "V3__drop.sql"}
    memory = plan(fleet(live, changes=losing("app1")), **base).target["rebuild"]["memory"]
    assert memory["releases"][0]["notes"][0]["contracted"] == {"3": "V3__drop.sql"}
    memory = plan(fleet(live, changes=losing("app2")), **base).target["rebuild"]["memory"]
    assert memory["releases"][0]["notes"] == []
