# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What new machines get of the code of releases before by way of other machines, because nobody else has it any more."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.module_utils.release.fleet import Fleet
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.target import Live, from_config
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release import fleets

APPS = ("app1", "app2", "app3")
OLD, NEW, BUILT = "0" * 64, "1" * 64, "b" * 64
DIRECTORY = {"kind": "directory", "path": "app"}
ONE = {"build_on": "one"}


def variables(source: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
    backend = {
        "source": source or DIRECTORY,
        "user": "shop",
        "command": "run",
        "port": 8080,
        "health": {"path": "/health"},
        **more,
    }
    worker = {"code": "backend", "user": "shop", "command": "work"}
    own = {"slipway_model": "process", "slipway_services": {"backend": backend, "worker": worker}}
    return copy.deepcopy({**fleets.VARIABLES, **own})


def config(apps: t.Sequence[str] = APPS, **changes: t.Any) -> t.Any:
    hosts: dict[str, t.Any] = {name: {"slipway_address": f"10.0.0.{number}"} for number, name in enumerate(apps, 1)}
    return validate(
        {**variables(), **changes},
        {"groups": {"slipway_app": [*apps], "slipway_proxy": ["lb1"]}, "hosts": {**hosts, "lb1": {}}},
    )


def released(version: str, side: str, token: int, **site: t.Any) -> dict[str, t.Any]:
    """A release of before the third machine came."""
    found = fleets.released(version, side, token)
    other = {"blue": "green", "green": "blue"}[side]
    own = config(["app1", "app2"], **{**variables(), **site, "slipway_version": version})
    found["decision"] = {**from_config(own, Live(other, "", "", None)), "id": found["id"]}
    found["identity"] = found["about"]["identity"] = found["decision"]["identity"]
    return found


def keeps(*releases: t.Any, contents: t.Sequence[str] = (OLD, NEW), **source: t.Any) -> list[dict[str, t.Any]]:
    """What a machine says of the releases that it keeps."""
    return [
        {
            **{"release": one["id"], "version": one["version"], "ready": True, "missing": []},
            "marks": {"backend": f"digest of {content}"},
            "sources": {"backend": {"kind": "directory", "content": content, **source}},
        }
        for one, content in zip(releases, contents)
    ]


def machine(
    name: str, *releases: t.Any, packages: t.Sequence[str] = (), kept: t.Any = (), live: str = "blue", **facts: t.Any
) -> dict[str, t.Any]:
    said = fleets.read(name, *releases, version="1.1.0", live=live)
    found = said.pop("container")
    said["facts"].update({"users": {"shop": True}, **facts})
    said["process"] = {
        "manager": found["engine"],
        "sides": found["sides"],
        "releases": copy.deepcopy(kept),
        "packages": [*packages],
    }
    return said


def fleet(
    *,
    site: t.Any = None,
    packages: t.Any = None,
    new: t.Any = (),
    own: t.Any = (),
    source: t.Any = None,
    facts: t.Any = None,
) -> Fleet:
    """1.1.0 is live on two machines, with 1.0.0 kept.

    :param packages: those of app1 and of app2.
    :param new: those of app3, which has nothing else.
    :param own: the releases that app3 has.
    """
    both = (released("1.0.0", "green", 3, **(site or {})), released("1.1.0", "blue", 4, **(site or {})))
    kept = keeps(*both, **(source or {}))
    reads = {
        name: machine(name, *both, packages=have, kept=kept, **(facts or {}))
        for name, have in zip(APPS, packages or ([OLD, NEW], [OLD, NEW]))
    }
    reads["app3"] = machine("app3", packages=new, kept=keeps(*both[: len(own)]), live="", **(facts or {}))
    return Fleet({**reads, "lb1": fleets.read("lb1", *both)}, hosts=APPS, proxies=["lb1"])


def plan(machines: Fleet, goal: str = "deploy", **changes: t.Any) -> t.Any:
    return decide(goal, config(**changes), machines, now=fleets.NOW, suffix="3fa9")


def services_of(found: t.Any) -> list[dict[str, t.Any]]:
    return [about["services"]["backend"] for about in found.target["retained"]["app3"]]


def test_what_the_controller_had_comes_from_a_machine_that_keeps_it() -> None:
    found = plan(fleet(), slipway_version="1.2.0")
    assert found.target["handed_on"] == {
        OLD: {"on": "app1", "for": ["app3"], "of": ["backend 1.0.0"], "whole": False},
        NEW: {"on": "app1", "for": ["app3"], "of": ["backend 1.1.0"], "whole": False},
    }
    told = [one["source"] for one in services_of(found)]
    assert told == [{**DIRECTORY, "from": "controller", "content": content} for content in (OLD, NEW)]
    assert found.target["retained"]["app3"][0]["services"]["worker"]["code"] == "backend"
    assert found.target["services"]["app3"]["backend"]["source"] == DIRECTORY
    assert "  app3 gets the code of backend 1.0.0, backend 1.1.0 from app1" in found.say


@pytest.mark.parametrize(
    ("strategy", "stages"),
    [
        ("blue_green", ["build", "prepare", "decision", "shift"]),
        ("rolling", ["build", "fetch", *["prepare", "decision", "shift"] * 3]),
        ("recreate", ["build", "fetch", "decision", "interrupt", "pause", "prepare", "decision", "shift"]),
    ],
)
def test_it_is_handed_on_before_anything_is_prepared(strategy: str, stages: list[str]) -> None:
    found = plan(fleet(), slipway_strategy=strategy)
    assert [stage["name"] for stage in found.stages] == stages
    assert (found.stages[0]["at"], found.stages[0]["tasks"]) == (["app1"], "build")


@pytest.mark.parametrize(
    "machines",
    [
        fleet(own=["1.0.0", "1.1.0"]),
        fleet(site=variables({"kind": "directory", "path": "/srv/app", "from": "machine"})),
        fleet(packages=([], [])),
        fleet(new=[OLD, NEW]),
    ],
    ids=["it can go back to them", "each machine has it", "nobody has the package", "it has the packages"],
)
def test_where_nothing_is_handed_on_no_stage_is_added(machines: Fleet) -> None:
    found = plan(machines, slipway_version="1.2.0")
    assert found.target["handed_on"] == {}
    assert [stage["name"] for stage in found.stages] == ["prepare", "decision", "shift"]


def test_of_a_package_that_nobody_has_the_machine_itself_says_that_it_is_missing() -> None:
    """And does not look for a directory of its own under the controller's path."""
    told = services_of(plan(fleet(packages=([], []))))
    assert [one["source"]["content"] for one in told] == [OLD, NEW]


def test_each_package_comes_from_one_that_has_it_and_goes_where_it_is_lacked() -> None:
    found = plan(fleet(packages=([OLD], [OLD, NEW]), new=[OLD]))
    assert found.target["handed_on"] == {
        NEW: {"on": "app2", "for": ["app3"], "of": ["backend 1.1.0"], "whole": False},
    }
    assert found.stages[0]["at"] == ["app2"]


def test_a_release_that_a_machine_is_not_ready_to_go_back_to_it_does_not_hand_on() -> None:
    machines = fleet()
    machines.reads["app1"]["process"]["releases"][0].update(ready=False, missing=["backend"])
    found = plan(machines)
    assert [found.target["handed_on"][package]["on"] for package in (OLD, NEW)] == ["app2", "app1"]


def test_a_file_is_known_by_its_own_hash() -> None:
    site = variables({"kind": "archive", "path": "shop-{{ slipway_version }}.tar.gz"})
    found = plan(fleet(site=site, source={"kind": "archive"}))
    assert [about["whole"] for about in found.target["handed_on"].values()] == [True, True]


def test_two_versions_of_the_same_code_are_one_package() -> None:
    machines = fleet()
    for name in ("app1", "app2"):
        machines.reads[name]["process"]["releases"][1]["sources"]["backend"]["content"] = OLD
    found = plan(machines).target["handed_on"]
    assert {package: about["of"] for package, about in found.items()} == {OLD: ["backend 1.0.0", "backend 1.1.0"]}


# What one machine has built for all

BUILT_ONCE = variables(**ONE)


def test_what_one_machine_has_built_for_all_is_taken_over_as_it_is() -> None:
    machines = fleet(site=BUILT_ONCE, packages=([OLD], [BUILT]), source={"built": BUILT})
    found = plan(machines, **BUILT_ONCE)
    assert found.target["handed_on"] == {
        BUILT: {"on": "app2", "for": ["app3"], "of": ["backend 1.0.0", "backend 1.1.0"], "whole": True}
    }
    built = services_of(found)[0]["built"]
    assert built == {"by": "app2", "package": BUILT, "source": {"kind": "directory", "content": OLD}}
    assert found.stages[0]["at"] == ["app1", "app2"]  # who builds today, and who hands on


@pytest.mark.parametrize(
    ("then", "now"), [(BUILT_ONCE, variables()), (variables(), BUILT_ONCE)], ids=["no more", "not yet"]
)
def test_where_each_builds_for_itself_it_gets_the_source(then: t.Any, now: t.Any) -> None:
    """Only of machines for which one builds it was asked whether they are alike."""
    machines = fleet(site=then, packages=([OLD, NEW, BUILT], [BUILT]), source={"built": BUILT})
    found = plan(machines, **now)
    assert sorted(found.target["handed_on"]) == [OLD, NEW]
    assert "built" not in services_of(found)[0]


def test_where_the_package_is_gone_it_gets_the_source_and_builds() -> None:
    machines = fleet(site=BUILT_ONCE, packages=([OLD, NEW], []), source={"built": BUILT})
    found = plan(machines, **BUILT_ONCE)
    assert sorted(found.target["handed_on"]) == [OLD, NEW]
    assert services_of(found)[0]["source"]["content"] == OLD and "built" not in services_of(found)[0]


def test_a_source_of_another_place_is_left_as_it_is() -> None:
    site = variables({"kind": "git", "repository": "https://git.example.com/shop", "tag": "v1"})
    machines = fleet(site=site)
    for name in ("app1", "app2"):
        for item in machines.reads[name]["process"]["releases"]:
            item["sources"]["backend"] = {"kind": "git", "commit": "c" * 40}
    found = plan(machines)
    assert (found.target["handed_on"], found.stages[0]["name"]) == ({}, "prepare")
    assert services_of(found)[0]["source"] == site["slipway_services"]["backend"]["source"]


def test_a_rollback_hands_nothing_on() -> None:
    found = plan(fleet(), "rollback")
    assert (found.target["handed_on"], found.stages[0]["name"]) == ({}, "prepare")
