# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of a platform whose services are processes of the machines."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release import one_port, report, status
from ansible_collections.slipway.deploy.plugins.module_utils.release.fleet import Fleet
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.target import Live, from_config
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release import fleets

SERVICES = {
    "backend": {
        "source": {"kind": "git", "repository": "https://git.example.com/shop", "branch": "main"},
        "build": [{"command": "make", "timeout": "2m"}],
        "user": "shop",
        "command": "run",
        "port": 8080,
        "replicas": 2,
        "health": {"path": "/health"},
    },
    "worker": {"code": "backend", "user": "shop", "command": "work", "start_limit": "90s"},
}
PROCESSES = {"slipway_model": "process", "slipway_services": SERVICES}
ONE, OTHER = "1" * 40, "2" * 40


def config(**changes):
    return fleets.config(**{**copy.deepcopy(PROCESSES), **changes})


def released(version="1.0.0", **how):
    """A release of processes, as a journal has it."""
    found = fleets.released(version, **how)
    if found["decision"]:
        target = from_config(
            config(slipway_version=version), Live({"blue": "green"}.get(found["side"], "blue"), "", "", None)
        )
        found["decision"] = {**target, "id": found["id"]}
        found["identity"] = found["about"]["identity"] = target["identity"]
    return found


def fleet(*releases, changes=None, facts=None, **how):
    """All machines of a platform of processes."""
    reads = fleets.fleet(*releases, changes=changes, **how).reads
    for read in reads.values():
        if read and "container" in read:
            found = read.pop("container")
            found["manager"] = found.pop("engine")
            read["process"] = {"current": "", **found}
            read["facts"].update({"programs": {"git": "2.39.5"}, "users": {"shop": True}, **(facts or {})})
    return Fleet(reads, hosts=["app1", "app2"], proxies=["lb1"])


def plan(machines, goal="deploy", finished="", **changes):
    return decide(goal, config(**changes), machines, now=fleets.NOW, suffix="3fa9", finished=finished)


def refusal(machines, goal="deploy", **changes):
    with pytest.raises(SlipwayError) as caught:
        plan(machines, goal, **changes)
    return caught.value


def test_a_release_names_its_role_its_manager_and_what_its_stages_may_take():
    target = plan(fleet(live="", fence=0)).target
    assert target["model_role"] == "slipway.deploy.process_deploy"
    assert target["process"] == {"manager": "systemd", "code_root": "/srv/slipway"}
    assert target["about"]["model"] == "process"
    plain = from_config(fleets.config(), Live("", "", "", None))
    assert target["deadlines"]["prepare"] == plain["deadlines"]["prepare"] + 120 + 90
    assert target["deadlines"]["decision"] == plain["deadlines"]["decision"] + 90


def test_what_is_live_already_is_nothing_to_do_unless_a_process_of_it_is_stopped():
    live = released("1.1.0")
    assert plan(fleet(live, version="1.1.0")).action == "nothing"
    stopped = fleet(live, version="1.1.0")
    stopped.reads["app1"]["process"]["sides"]["blue"]["services"]["backend"][0]["running"] = False
    assert plan(stopped).action == "release"


def test_a_rollback_goes_to_a_kept_release_and_not_to_one_whose_code_is_gone():
    releases = (released("0.9.0", token=2, side="green"), released())
    target = plan(fleet(*releases), goal="rollback").target
    assert (target["version"], target["kept_release"], target["model"]) == ("0.9.0", "0.9.0-id", "process")
    gone = fleet(*releases)
    gone.reads["app2"]["process"]["releases"][0].update(ready=False, missing=["backend"])
    assert "app2: release 0.9.0-id is not ready to go back to (backend)" in refusal(gone, "rollback").message


def test_an_interrupted_release_is_verified_again_with_the_code_that_it_had():
    """Its branch may be elsewhere by now, and the new side may have all the traffic already."""
    half = released("1.1.0", side="green", token=4, outcome="", stages=("prepare", "decision"))
    found = plan(fleet(released(), half))
    assert (found.action, found.course) == ("finish", "forward")
    assert found.target["kept_release"] == "1.1.0-id"


def test_an_interrupted_rollback_keeps_the_code_that_it_goes_back_to():
    half = released("1.1.0", side="green", token=4, outcome="", stages=("prepare", "decision"))
    half["decision"]["kept_release"] = "older-id"
    assert plan(fleet(released(), half)).target["kept_release"] == "older-id"


@pytest.mark.parametrize(
    "facts, said",
    [
        ({"programs": {"npm": ""}}, "app1: npm is missing, which its services' source needs."),
        ({"programs": {"git": ""}}, "app1: git is missing, which its services' source needs."),
        ({"programs": {"git": "2.9.1"}}, "app1: git 2.9.1 is too old for its services' source, wanted 2.25."),
        ({"users": {"shop": False}}, "app1: there is no user shop, as which its services run."),
    ],
)
def test_what_a_machine_lacks_is_told_before_anything_is_touched(facts, said):
    assert said in refusal(fleet(released(), facts=facts)).message


def test_a_manager_that_cannot_be_used_is_a_problem_of_that_machine():
    machines = fleet(released())
    problem = {"message": "systemd cannot run programs here; found 'systemd 232 is too old'."}
    machines.reads["app2"]["process"]["manager"] = {"ok": False, "problem": problem}
    assert "app2: systemd cannot run programs here" in refusal(machines).message


def test_memory_is_what_the_live_processes_hold_or_what_their_units_reserve():
    holds = {"memory": {"available": 300 * 2**20, "containers": {"backend-1": 200 * 2**20, "backend-2": 90 * 2**20}}}
    said = refusal(fleet(released(), facts=holds)).message
    assert "wanted 464 MiB (backend 400 MiB" in said and "or correct unit.MemoryLow or" in said
    reserved = {**SERVICES, "backend": {**SERVICES["backend"], "unit": {"MemoryLow": "50M"}}}
    assert plan(fleet(released(), facts=holds), slipway_services=reserved).action == "release"


# Built by one machine for all

BUILT_ONCE = {"slipway_services": {**SERVICES, "backend": {**SERVICES["backend"], "build_on": "one"}}}
BACKEND = {"backend": {"on": "app1", "for": ["app2"]}}


@pytest.mark.parametrize(
    ("strategy", "stages"),
    [
        ("blue_green", ["build", "prepare", "decision", "shift"]),
        ("rolling", ["build", "fetch", *["prepare", "decision", "shift"] * 2]),
        ("recreate", ["build", "fetch", "decision", "interrupt", "pause", "prepare", "decision", "shift"]),
    ],
)
def test_one_machine_builds_before_anything_is_touched_elsewhere(strategy, stages):
    found = plan(fleet(released()), slipway_strategy=strategy, **BUILT_ONCE)
    assert [stage["name"] for stage in found.stages] == stages
    assert (found.stages[0]["at"], found.stages[0]["tasks"], found.stages[0]["code_of"]) == (["app1"], "build", "")
    assert found.target["builders"] == BACKEND


def test_where_each_builds_for_itself_or_there_is_but_one_no_stage_is_added():
    assert [stage["name"] for stage in plan(fleet(released())).stages] == ["prepare", "decision", "shift"]
    alone = {"groups": {"slipway_app": ["app1"], "slipway_proxy": ["app1"]}, "hosts": {"app1": {}}}
    values = {**fleets.VARIABLES, **copy.deepcopy(PROCESSES), **BUILT_ONCE}
    assert validate(values, alone)["builders"] == {}


def test_nothing_is_built_on_the_way_back_nor_of_what_was_cut_off():
    kept = released("0.9.0", token=2, side="green")
    kept["decision"]["builders"] = BACKEND
    back = plan(fleet(kept, released()), goal="rollback", **BUILT_ONCE)
    assert (back.stages[0]["name"], back.target["builders"]) == ("prepare", {})
    half = released("1.1.0", side="green", token=4, outcome="", stages=("build", "prepare", "decision"))
    half["decision"]["builders"] = BACKEND
    assert plan(fleet(released(), half), **BUILT_ONCE).stages[0]["name"] == "prepare"


def kinds(app1, app2):
    """A fleet of which two machines say these of themselves."""
    found = fleet(released())
    for machine, (architecture, system, programs) in {"app1": app1, "app2": app2}.items():
        distribution, version = system.split()
        platform = {"machine": architecture, "distribution": distribution, "version": version}
        found.reads[machine]["facts"].update(platform=platform, programs={"git": "2.39.5", **programs})
    return found


AS_THIS = ("x86_64", "debian 12", {"python3": "3.11.2", "node": "18.19.0"})


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            ("aarch64", *AS_THIS[1:]),
            "it has architecture aarch64, but app1, which builds backend for it, has architecture x86_64.",
        ),
        (("x86_64", "ubuntu 24.04", AS_THIS[2]), "it has system ubuntu 24.04, but app1"),
        (
            (*AS_THIS[:2], {"python3": "3.12.1"}),
            "it has python3 3.12, but app1, which builds backend for it, has python3 3.11.",
        ),
        ((*AS_THIS[:2], {"node": "20.1.0"}), "it has node 20, but app1"),
    ],
)
def test_a_machine_that_is_not_alike_is_refused_before_anything_is_built(other, said):
    message = refusal(kinds(AS_THIS, other), **BUILT_ONCE).message
    assert f"app2: {said}" in message and "or set build_on: each for backend" in message
    assert plan(kinds(AS_THIS, other)).action == "release"


def test_patches_of_a_version_and_an_interpreter_that_is_not_there_are_no_difference():
    other = ("x86_64", "debian 12", {"python3": "3.11.9", "node": ""})
    assert plan(kinds(AS_THIS, other), **BUILT_ONCE).action == "release"
    assert plan(kinds(other, AS_THIS), **BUILT_ONCE).action == "release"


def test_what_builds_is_needed_only_where_something_is_built():
    machines = config(**BUILT_ONCE)["machines"]
    assert [machines[name]["programs"] for name in ("app1", "app2")] == [["git"], []]
    assert [machines[name]["interpreters"] for name in ("app1", "app2", "lb1")] == [["node", "python3"]] * 2 + [[]]
    without = fleet(released())
    without.reads["app2"]["facts"]["programs"] = {"python3": "", "node": ""}
    assert plan(without, **BUILT_ONCE).action == "release"


# Another model


@pytest.mark.parametrize("goal", ["deploy", "rollback", "maintenance"])
def test_the_model_of_a_live_platform_cannot_be_changed(goal):
    """Each model sees only its own: the live containers would neither be drained nor stopped."""
    error = refusal(fleets.fleet(fleets.released()), goal)
    assert (error.cause, error.obj, error.actual, error.wanted) == (
        "other_model",
        "slipway_model",
        "process",
        "container",
    )
    with pytest.raises(SlipwayError) as caught:
        decide(goal, fleets.config(), fleet(released()), now=fleets.NOW, suffix="3fa9")
    assert caught.value.cause == "other_model"


def test_the_model_cannot_be_changed_while_a_release_of_another_one_is_open():
    begun = released(outcome="", stages=("prepare",), decided=False, about={"model": "container"})
    error = refusal(fleet(begun, live=""))
    assert (error.cause, error.what) == ("other_model", "it cannot be changed while a version is half released")


def test_a_platform_that_never_went_live_may_change_its_model():
    failed = fleets.released(outcome="reverted", stages=("prepare", "revert"), decided=False)
    assert plan(fleet(failed, live="")).action == "release"


def test_the_place_of_the_code_cannot_be_changed_under_a_live_version():
    error = refusal(fleet(released()), slipway_process={"code_root": "/opt/slipway"})
    assert (error.cause, error.obj) == ("other_model", "slipway_process.code_root")


def test_a_release_of_before_there_were_models_is_one_of_containers():
    old = fleets.released()
    del old["decision"]["model"], old["decision"]["process"]
    assert decide("deploy", fleets.config(), fleets.fleet(old), now=fleets.NOW, suffix="3fa9").action == "release"
    half = fleets.released("1.1.0", side="green", token=4, outcome="", stages=("prepare", "decision"))
    del half["decision"]["model"], half["decision"]["process"]
    found = decide("deploy", fleets.config(), fleets.fleet(old, half), now=fleets.NOW, suffix="3fa9")
    assert (found.action, found.target["kept_release"]) == ("finish", "")
    kept = fleets.released("0.9.0", token=2, side="green")
    del kept["decision"]["model"], kept["decision"]["process"]
    found = decide("rollback", fleets.config(), fleets.fleet(kept, old), now=fleets.NOW, suffix="3fa9")
    assert found.target["about"]["model"] == "container"


# One code everywhere


def prepared(commit, **more):
    source = {"kind": "git", "commit": commit, "path": "/srv/slipway"}
    stage = {"ok": True, "cause": "", "message": "", "started": 1.0, "ended": 2.0}
    return {"stage": stage, "processes": {"backend-1": {}}, "sources": {"backend": source}, **more}


def test_machines_that_have_fetched_different_commits_do_not_pass():
    verdict = judge("prepare", {"app1": prepared(ONE), "app2": prepared(OTHER), "lb1": prepared(ONE, sources={})})
    assert not verdict.ok and not verdict.blames_version
    assert [(failure.machine, failure.cause) for failure in verdict.failures] == [
        ("app1", "different_code"),
        ("app2", "different_code"),
    ]
    assert verdict.failures[0].message == (
        f"its code of service backend is git {ONE}, but app2 has git {OTHER}. Release it again; or say which one is meant: in"
        " slipway_services.backend.source, commit of a git repository or checksum of an archive."
    )


def test_machines_that_have_the_same_code_pass():
    assert judge("prepare", {"app1": prepared(ONE), "app2": prepared(ONE)}).ok


def test_the_logs_of_a_process_that_failed_are_shown_and_blame_the_version_only_where_no_other_machine_runs_it():
    evidence = {"processes": {"shop.backend.green@1.service": {"logs": ["starts", "no table prices"]}}}
    failed = {"ok": False, "cause": "exited", "message": "the process does not run", "evidence": evidence}
    verdict = judge("prepare", {"app1": {"stage": {**failed, "started": 1.0, "ended": 2.0}}})
    assert verdict.blames_version
    assert "no table prices" in verdict.message
    both = judge("prepare", {"app1": {"stage": {**failed, "started": 1.0, "ended": 2.0}}, "app2": prepared(ONE)})
    assert both.passed_elsewhere == ["app2"] and not both.blames_version


def test_the_report_says_which_code_went_out():
    target = {**plan(fleet(released())).target, "started": 1.0}
    results = {"app1": prepared(ONE), "app2": prepared(ONE), "lb1": prepared(ONE, sources={})}
    made = report.build(
        target, [report.Stage(judge("prepare", results), results)], refused=False, started=1.0, ended=2.0
    )
    assert made["code"] == {"backend": f"git {ONE}"}
    assert "  code: backend git 1111111111111111" in report.lines(made)
    images = report.build(target, [], refused=False, started=1.0, ended=2.0)
    assert images["code"] == {} and not any("code" in line for line in report.lines(images))


def test_status_shows_processes_as_it_shows_containers():
    lines = status.lines(config(), fleet(released()))
    assert "  app1: blue (live) 1.0.0: backend 2/2, worker 1/1 running" in lines


@pytest.mark.parametrize("begins", [True, False])
def test_where_a_service_begins_or_ceases_to_have_one_port_it_must_be_another_one(begins):
    """The live side is blue; a service with one port has that of blue."""
    live, now = ({}, {"strategy": "reload"}) if begins else ({"strategy": "reload"}, {})
    services = {"backend": {**SERVICES["backend"], **now}, "worker": SERVICES["worker"]}
    before = {**copy.deepcopy(PROCESSES), "slipway_services": {"backend": {**SERVICES["backend"], **live}}}
    target = from_config(fleets.config(**before), Live("green", "", "", None))
    found = Live("blue", "1.0.0-id", "1.0.0", target)
    if not begins:  # from the second release on
        found = found._replace(side="green")
    wanted = from_config(config(slipway_services=services), found)
    (said,) = one_port.problems_of(wanted, found)
    assert "slipway_services.backend.strategy" in said and "another slipway_services.backend.publish_from" in said
    services["backend"]["publish_from"] = 21000
    assert one_port.problems_of(from_config(config(slipway_services=services), found), found) == []
