# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that come: what they get of the releases from before, and what a rollback makes of them."""

from __future__ import annotations

import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.module_utils.release.fleet import Fleet
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.status import lines
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    VARIABLES,
    read,
    released,
)

APPS = ["app1", "app2", "app3"]
FIRST, SECOND = released("1.0.0", "green", 3), released("1.1.0", "blue", 4)
BOTH = (FIRST, SECOND)


def config(**changes: t.Any) -> t.Any:
    """The platform of the other tests with a third machine."""
    hosts: dict[str, t.Any] = {name: {"slipway_address": f"10.0.0.{number}"} for number, name in enumerate(APPS, 1)}
    groups = {"slipway_app": APPS, "slipway_proxy": ["lb1"]}
    return validate({**VARIABLES, **changes}, {"groups": groups, "hosts": {**hosts, "lb1": {}}})


def kept(*releases: t.Any, mark: str = "sha256:1") -> list[dict[str, t.Any]]:
    return [
        {"release": one["id"], "version": one["version"], "ready": True, "missing": [], "marks": {"backend": mark}}
        for one in releases
    ]


def fleet(*on_the_new_one: t.Any) -> Fleet:
    """1.1.0 is live on two machines, with 1.0.0 kept; the third one has nothing but these."""
    reads = {name: read(name, *BOTH, version="1.1.0", container__releases=kept(*BOTH)) for name in ("app1", "app2")}
    new = read("app3", live="", container__releases=kept(*on_the_new_one))
    return Fleet({**reads, "app3": new, "lb1": read("lb1", *BOTH)}, hosts=APPS, proxies=["lb1"])


def plan(goal: str, machines: Fleet, **changes: t.Any) -> t.Any:
    return decide(goal, config(**changes), machines, now=NOW, suffix="3fa9")


def test_a_new_machine_gets_what_the_others_can_go_back_to() -> None:
    """By a release of the version that is live already: where it runs is a part of what a release is."""
    found = plan("deploy", fleet())
    assert found.action == "release" and list(found.target["retained"]) == ["app3"]
    brought, also = found.target["retained"]["app3"]
    assert also["release"] == "1.1.0-id"
    assert (brought["release"], brought["version"], brought["side"]) == ("1.0.0-id", "1.0.0", "green")
    assert brought["marks"] == {"backend": "sha256:1"} and set(brought["services"]) == {"backend", "worker"}
    assert "  app3 is new: before it has traffic it gets 1.0.0, 1.1.0 to go back to" in found.say


def test_what_it_has_it_does_not_get_again() -> None:
    found = plan("deploy", fleet(FIRST), slipway_version="1.2.0")
    assert [one["version"] for one in found.target["retained"]["app3"]] == ["1.1.0"]
    assert plan("deploy", fleet(*BOTH), slipway_version="1.2.0").target["retained"] == {}


def test_a_rollback_goes_to_it_too_where_it_has_that_release() -> None:
    found = plan("rollback", fleet(FIRST))
    assert sorted(found.target["services"]) == APPS
    assert found.target["services"]["app3"] == found.target["services"]["app1"]
    assert found.target["addresses"]["app3"] == "10.0.0.3" and found.target["publish"]["app3"]
    servers = found.target["traffic"]["services"]["backend"]["sides"]["green"]
    assert {server["address"] for server in servers} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert found.target["retained"] == {}


def test_a_rollback_leaves_it_out_where_it_has_not_and_says_so() -> None:
    found = plan("rollback", fleet())
    assert sorted(found.target["services"]) == ["app1", "app2"]
    assert any("app3 does not have 1.0.0 to go back to: it gets no traffic" in line for line in found.say)


def test_status_says_which_machine_a_rollback_would_leave_out() -> None:
    assert "ready to go back to: 1.0.0 (1.0.0-id, without app3)" in "\n".join(lines(config(), fleet()))
    assert "ready to go back to: 1.0.0 (1.0.0-id)" in "\n".join(lines(config(), fleet(*BOTH)))
