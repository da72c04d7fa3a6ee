# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a singleton there is one instance in the whole fleet: where it is, and when it may move."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release import report
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.singletons import problems_of
from ansible_collections.slipway.deploy.plugins.module_utils.release.target import Live
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release import fleets

NONE = {"backend": [{"name": "backend-1", "running": True}]}


def config(**changes):
    services = copy.deepcopy(fleets.VARIABLES["slipway_services"])
    services["worker"].update({"singleton": True, **changes})
    return fleets.config(slipway_services=services)


def planned(fleet):
    return decide("deploy", config(), fleet, now=fleets.NOW, suffix="abcd")


def fleet(**running):
    """Which machine has one that runs."""
    sides = {}
    for machine in ("app1", "app2"):
        worker = [{"name": "worker-1", "running": running.get(machine, False)}]
        about = {"release": "1.0.0-id", "version": "1.0.0", "services": {**NONE, "worker": worker}}
        sides[machine] = {"container__sides": {"blue": about}}
    return fleets.fleet(fleets.released(), changes=sides)


def test_it_is_on_the_first_machine_of_its_group_and_nowhere_else():
    assert {name: about["services"] for name, about in config()["machines"].items()} == {
        "app1": ["backend", "worker"],
        "app2": ["backend"],
        "lb1": [],
    }
    target = planned(fleet(app1=True)).target
    assert {machine: sorted(services) for machine, services in target["services"].items()} == {
        "app1": ["backend", "worker"],
        "app2": ["backend"],
    }


def test_it_does_not_move_to_another_machine_while_it_runs():
    with pytest.raises(SlipwayError) as caught:
        planned(fleet(app1=True, app2=True))
    assert "service worker: a singleton on app1 now, and app2 runs one. Put app2 first" in str(caught.value.message)
    assert planned(fleet()).target is not None  # they rest: then it moves


@pytest.mark.parametrize("setting", [{"restart": "unless-stopped"}, {"boot": True}])
def test_it_does_not_move_while_the_one_that_is_stopped_would_come_back_after_a_reboot(setting):
    resting = fleet(app1=True)
    sides = resting.reads["app2"]["container"]["sides"]
    sides["blue"]["services"]["worker"][0].update(setting)
    with pytest.raises(SlipwayError) as caught:
        planned(resting)
    assert "on app1 now, and app2 has one that comes back after a reboot" in str(caught.value.message)


def test_a_machine_that_left_the_inventory_may_still_have_it():
    live = Live("blue", "1.0.0-id", "1.0.0", {"services": {"old1": {"worker": {}}, "app1": {"worker": {}}}})
    target = planned(fleet(app1=True)).target
    (said,) = problems_of(target, config(), fleet(app1=True), live)
    assert "old1, which this inventory lacks, has one" in said
    assert problems_of(target, {**config(), "break_glass": True}, fleet(app1=True), live) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"replicas": 2}, "slipway_services.worker.replicas: a singleton has one"),
        ({"traffic": True, "port": 80}, "slipway_services.worker.singleton: both sides of a service with traffic"),
    ],
)
def test_what_cannot_be_one_is_refused(changes, said):
    with pytest.raises(SlipwayError) as caught:
        config(**changes)
    assert said in str(caught.value.message)


def test_the_report_says_for_how_long_there_was_none():
    times = {"ok": True, "cause": "", "message": "", "evidence": {}, "started": 1.0, "ended": 2.0}
    results = {
        "app1": {"stage": times, "handed_over": {"worker": {"seconds": 0.2126, "exact": True}}},
        "lb1": {"stage": times},
    }
    target = planned(fleet(app1=True)).target
    stage = report.Stage(judge("decision", results), results)
    found = report.build(target, [stage], refused=False, started=0.0, ended=9.0)
    assert found["handed_over"] == {"worker": {"seconds": 0.2126, "exact": True, "machine": "app1"}}
    assert "  worker on app1: no instance for 0.213 s" in report.lines(found)
    results["app1"]["handed_over"]["worker"]["exact"] = False
    found = report.build(target, [stage], refused=False, started=0.0, ended=9.0)
    assert "no instance for at most 0.213 s" in "\n".join(report.lines(found))
