# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook remove does, decided over what every machine said of itself."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    config,
    fleet,
    released,
)

NAME = "shop/production"
THERE = ("container backend-1", "/var/lib/slipway/shop/production")


def preview(*removes: str, **stage: t.Any) -> dict[str, t.Any]:
    return {"stage": {"ok": True, "message": "", **stage}, "removes": list(removes), "stays": ["volume uploads"]}


def previews(**changes: t.Any) -> dict[str, t.Any]:
    return {machine: preview(*THERE) for machine in ("app1", "app2", "lb1")} | changes


def plan(
    machines: t.Any, found: t.Any = None, *, confirmed: str = NAME, check: bool = False, **changes: t.Any
) -> t.Any:
    site = config(**({"slipway_remove": confirmed} if confirmed else {}), **changes)
    return decide(
        "remove", site, machines, now=NOW, suffix="3fa9", previews=previews() if found is None else found, check=check
    )


def refusal(machines: t.Any, found: t.Any = None, **more: t.Any) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        plan(machines, found, **more)
    return caught.value


def test_it_is_done_under_the_lock_of_every_machine_that_has_something() -> None:
    found = plan(fleet(released()), previews(app2=preview()))
    assert (found.action, found.target["token"], found.target["machines"]) == ("remove", 4, ["app1", "lb1"])
    assert found.target["about"]["removing"] and not found.target["majority"]
    assert {"unroute", "remove"} <= set(found.target["deadlines"])
    assert "  app1: container backend-1" in found.say and "  app2: nothing is there" in found.say
    assert "  app1: stays: volume uploads" in found.say


def test_without_a_confirmation_that_names_it_the_list_is_all_there_is() -> None:
    said = refusal(fleet(released()), confirmed="").message
    assert "  app1: container backend-1" in said and f"-e slipway_remove={NAME}" in said
    assert (
        "slipway_remove names shop/staging, and this is shop/production"
        in refusal(fleet(released()), confirmed="shop/staging").message
    )
    looked = plan(fleet(released()), confirmed="", check=True)
    assert looked.action == "remove" and looked.say == plan(fleet(released())).say


def test_a_machine_that_is_away_is_said_and_comes_later() -> None:
    away = fleet(released(), changes={"app2": None})
    found = plan(away, previews(app2=None))
    assert found.target["machines"] == ["app1", "lb1"] and list(found.target["removal"]["away"]) == ["app2"]
    assert any("app2: cannot be read" in line for line in found.say)
    left = refusal(away, {"app1": preview(), "app2": None, "lb1": preview()}).message
    assert "app2: cannot be read" in left and "nothing is left on the others" in left
    nobody = {machine: None for machine in ("app1", "app2", "lb1")}
    assert "no machine can be read" in refusal(fleet(changes=dict(nobody)), nobody).message


def test_where_nothing_is_there_nothing_is_done() -> None:
    found = plan(fleet(live=""), {machine: preview() for machine in ("app1", "app2", "lb1")}, confirmed="")
    assert found.action == "nothing" and "  lb1: nothing is there" in found.say


def test_what_cannot_be_looked_at_refuses_it() -> None:
    ill = previews(app1=preview(ok=False, message="cannot reach the Docker Engine"))
    assert "app1: cannot reach the Docker Engine" in refusal(fleet(released()), ill).message


def test_neither_somebody_elses_lock_nor_a_freeze_is_passed_over() -> None:
    holder = {"user": "bob", "host": "ctl", "pid": 1, "since": NOW}
    lease = {"fence": 3, "live": True, "release_id": "r", "token": 3, "holder": holder, "remaining": 9}
    assert refusal(fleet(released(), changes={"app1": {"lease": lease}})).cause == "lock_held"
    frozen = {"who": "ann", "why": "sale", "since": NOW, "until": 0.0}
    assert refusal(fleet(released(), changes={"lb1": {"journal__frozen": frozen}})).cause == "frozen"


def test_an_interrupted_release_goes_with_all_the_rest() -> None:
    left = released("1.1.0", "green", 4, outcome="", stages=("prepare",), decided=False, about={"side": "green"})
    assert plan(fleet(released(), left)).action == "remove"


@pytest.mark.parametrize("goal", ["deploy", "rollback", "maintenance"])
def test_on_a_platform_that_is_half_removed_nothing_else_is_done(goal: str) -> None:
    begun = released("removal", "green", 4, outcome="", stages=("unroute",), decided=False, about={"removing": True})
    machines = fleet(changes={"app1": {"releases": [released(), begun]}}, live="")
    with pytest.raises(SlipwayError) as caught:
        decide(goal, config(slipway_maintenance="on"), machines, now=NOW, suffix="3fa9")
    assert caught.value.cause == "removal_begun" and "app1" in caught.value.message
    assert plan(machines).action == "remove"
