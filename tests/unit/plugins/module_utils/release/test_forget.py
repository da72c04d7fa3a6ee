# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Balancers that are lost after the decision, and forgotten by hand."""

from __future__ import annotations

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

ADDRESSES = {"app1": {"slipway_address": "10.0.0.1"}, "app2": {"slipway_address": "10.0.0.2"}, "lb1": {}, "lb2": {}}


def configured(proxies=("lb1", "lb2"), **changes):
    groups = {"slipway_app": ["app1", "app2"], "slipway_proxy": list(proxies)}
    return validate({**VARIABLES, **changes}, {"groups": groups, "hosts": ADDRESSES})


def fleet(*releases, away=()):
    reads = {name: None if name in away else read(name, *releases) for name in ADDRESSES}
    return Fleet(reads, hosts=["app1", "app2"], proxies=["lb1", "lb2"])


def interrupted(*stages):
    """A release onto green with both balancers, whose controller died in the last of these stages."""
    release = released("1.1.0", "green", 5, outcome="", stages=stages)
    release["decision"].update(machines=sorted(ADDRESSES), proxies=["lb1", "lb2"])
    return release


def plan(machines, proxies=("lb1", "lb2"), **changes):
    return decide("deploy", configured(proxies, **changes), machines, now=NOW, suffix="0a1b")


def refusal(machines, **changes):
    with pytest.raises(SlipwayError) as caught:
        plan(machines, **changes)
    return caught.value


def test_both_sides_run_on_until_a_lost_balancer_is_forgotten():
    machines = fleet(released(), interrupted("prepare", "decision", "shift"), away=["lb2"])
    error = refusal(machines)
    assert (error.cause, error.obj) == ("balancer_away", "lb2")
    assert "slipway_balancer_forget" in error.remedy

    found = plan(machines, slipway_balancer_forget="lb2")
    assert (found.action, found.course) == ("finish", "forward")
    assert found.target["machines"] == ["app1", "app2", "lb1"]
    assert found.target["proxies"] == ["lb1"]
    assert found.target["about"]["balancers_forgotten"] == ["lb2"]
    assert any("lb2 is forgotten" in line for line in found.say)


def test_one_that_was_lost_while_settling_is_forgotten_and_the_release_goes_on():
    machines = fleet(released(), interrupted("prepare", "decision", "shift", "settle"), away=["lb2"])
    assert refusal(machines).cause == "balancer_away"
    assert plan(machines, slipway_balancer_forget=["lb2"]).course == "settle"


def test_only_those_that_are_named_are_forgotten():
    machines = fleet(released(), interrupted("prepare", "decision", "shift"), away=["lb1", "lb2"])
    assert refusal(machines, slipway_balancer_forget="lb2").obj == "lb1"


def test_the_release_that_was_asked_for_goes_out_without_the_forgotten_one():
    machines = fleet(released(), away=["lb2"])
    assert "lb2: cannot be read" in refusal(machines).remedy
    found = plan(machines, slipway_balancer_forget="lb2")
    assert found.action == "release"
    assert found.target["proxies"] == ["lb1"]
    assert found.target["about"]["balancers_forgotten"] == ["lb2"]


@pytest.mark.parametrize(
    ("name", "actual"),
    [("lb1", "it can be read"), ("lb9", "no balancer of this platform"), ("app1", "no balancer of this platform")],
)
def test_what_is_not_lost_is_not_forgotten(name, actual):
    machines = fleet(released(), interrupted("prepare", "decision", "shift"), away=["lb2"])
    error = refusal(machines, slipway_balancer_forget=name)
    assert error.cause == "not_forgotten"
    assert name in error.obj
    assert actual in error.actual


def test_a_machine_that_carries_services_as_well_is_not_forgotten():
    machines = fleet(released(), away=["app2"])
    with pytest.raises(SlipwayError) as caught:
        plan(machines, proxies=["lb1", "app2"], slipway_balancer_forget="app2")
    assert "not only a balancer" in caught.value.actual
