# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made by hand is adopted, and the release after it takes over, decided over what every machine said of itself."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release import adopt
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    config,
    fleet,
    released,
)

SERVERS = {"backend": ["10.0.0.1:8080", "[fd00::2]:8080"]}
HEALTHY = {"results": [{"name": "backend at 10.0.0.1:8080", "healthy": True}]}
TAKEN = {"lb1": {"traffic__refused_listen": ["listen *:80: HAProxy itself, by haproxy.cfg, line 3: bind :80"]}}


def plan(machines: t.Any = None, probes: t.Any = None, *, servers: t.Any = None, **changes: t.Any) -> t.Any:
    site = config(slipway_adopt=SERVERS if servers is None else servers, **changes)
    machines = fleet(live="") if machines is None else machines
    probes = {"lb1": HEALTHY} if probes is None else probes
    return decide("adopt", site, machines, now=NOW, suffix="3fa9", previews=probes)


def refusal(*args: t.Any, **kwargs: t.Any) -> str:
    with pytest.raises(SlipwayError) as caught:
        plan(*args, **kwargs)
    return caught.value.message


def adopted() -> dict[str, t.Any]:
    """The release as every journal tells it afterwards."""
    (release,) = plan().target["rebuild"]["memory"]["releases"]
    facts = {"version": "1.1.0", "identity": "", "side": "blue", "stages": [], "decided": True, "outcome": "succeeded"}
    return {**release, **facts, "token": 1, "ended": NOW}


def deploy(goal: str = "deploy", changes: t.Any = None, **site: t.Any) -> t.Any:
    return decide(goal, config(**site), fleet(adopted(), live="", changes=changes), now=NOW, suffix="3fa9")


def test_it_is_written_down_on_every_machine_and_nothing_else_is_done() -> None:
    found = plan()
    target = found.target
    assert (found.action, target["machines"], target["rebuild"]["machines"]) == (
        "rebuild",
        ["app1", "app2", "lb1"],
        ["app1", "app2", "lb1"],
    )
    assert target["rebuild"]["kept"] == []
    (release,) = target["rebuild"]["memory"]["releases"]
    spec = release["decision"]
    assert release["id"] == spec["id"] != target["id"] and spec["services"] == {"app1": {}, "app2": {}}
    assert spec["traffic"]["services"]["backend"]["sides"]["blue"] == [
        {"name": "blue_by-hand_1", "address": "10.0.0.1", "port": 8080},
        {"name": "blue_by-hand_2", "address": "fd00::2", "port": 8080},
    ]
    assert (
        "  backend: 10.0.0.1:8080, [fd00::2]:8080" in found.say
        and "  lb1: port 80 can be taken by the first release" in found.say
    )


def test_servers_are_asked_by_the_check_that_their_service_has() -> None:
    targets = adopt.targets_of(config(slipway_adopt=SERVERS))
    assert [one["url"] for one in targets] == ["http://10.0.0.1:8080/health", "http://[fd00::2]:8080/health"]
    assert targets[0]["name"] == "backend at 10.0.0.1:8080" and targets[0]["deadline"] > 0
    by_command = {"backend": {"image": "x", "port": 80, "health": {"kind": "command", "command": ["check"]}}}
    (asked, _other) = adopt.targets_of(config(slipway_adopt=SERVERS, slipway_services=by_command))
    assert (asked["kind"], asked["host"], asked["port"]) == ("tcp", "10.0.0.1", 8080)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"servers": {}}, "slipway_adopt.backend: missing"),
        ({"servers": {**SERVERS, "worker": ["10.0.0.1:1"]}}, "there is no service worker with traffic"),
        ({"machines": fleet(changes={"app2": None}, live="")}, "app2: cannot be read"),
        ({"machines": fleet(released())}, "app1: the platform is Slipway's already"),
        ({"machines": fleet(live="blue")}, "lb1: the platform is Slipway's already"),
        ({"probes": {"lb1": {"msg": "no route"}}}, "lb1: the servers could not be asked from there: no route"),
        (
            {"probes": {"lb1": {"results": [
                {"name": "backend at x", "healthy": False, "cause": "refused", "message": "nobody listens", "remedy": "Start it."}
            ]}}},
            "lb1: backend at x: refused: nobody listens Start it.",
        ),
    ],
)  # fmt: skip
def test_what_is_in_the_way_is_said(keywords: t.Any, words: str) -> None:
    assert words in refusal(**keywords)


def test_that_a_port_is_taken_is_said_and_refuses_the_first_release_alone() -> None:
    assert any(
        "lb1: before the first release: listen *:80: HAProxy itself" in line
        for line in plan(fleet(live="", changes=TAKEN)).say
    )
    with pytest.raises(SlipwayError) as caught:
        deploy(changes=TAKEN)
    assert "lb1: listen *:80: HAProxy itself, by haproxy.cfg, line 3" in caught.value.message


def test_the_first_release_takes_over_from_them() -> None:
    found = deploy()
    target = found.target
    assert (found.action, target["side"], target["live_side"]) == ("release", "green", "blue")
    sides = target["traffic"]["services"]["backend"]["sides"]
    assert [one["address"] for one in sides["blue"]] == ["10.0.0.1", "fd00::2"]
    assert target["adopts"]["weights"] == {"blue": 100} and target["weights_before"] == {"blue": 100, "green": 0}
    assert target["adopts"]["services"]["backend"]["sides"]["blue"] == sides["blue"]
    assert any("made by hand are taken over from, and not stopped: backend 10.0.0.1:8080" in line for line in found.say)
    assert decide("deploy", config(), fleet(released()), now=NOW, suffix="3fa9").target["adopts"] is None


def test_only_blue_green_can_take_over() -> None:
    with pytest.raises(SlipwayError) as caught:
        deploy(slipway_strategy="recreate")
    assert "slipway_strategy=blue_green" in caught.value.message


def test_nobody_goes_back_to_what_was_made_by_hand() -> None:
    with pytest.raises(SlipwayError) as caught:
        deploy("rollback")
    assert "there is no release before the live one to go back to; kept beside it are: none" in caught.value.message
    after = fleet(adopted(), released("1.1.0", "green", 5), live="green", version="1.1.0")
    for wanted in ({}, {"slipway_rollback_to": adopted()["id"]}):
        with pytest.raises(SlipwayError) as caught:
            decide("rollback", config(**wanted), after, now=NOW, suffix="3fa9")
        assert "kept beside it are: none" in caught.value.message


def test_an_adoption_that_stands_is_not_written_down_again() -> None:
    its_run = {**adopted(), "id": "1.1.0-run", "decision": None, "decided": False, "outcome": "succeeded", "token": 2}
    everywhere = fleet(adopted(), its_run, live="")
    assert plan(everywhere).action == "nothing"
    assert "1.1.0 is adopted on every machine already" in plan(everywhere).say[0]
    elsewhere = plan(everywhere, servers={"backend": ["10.0.0.3:8080"]})
    assert elsewhere.action == plan(everywhere, slipway_version="1.1.1").action == "rebuild"


def test_an_adoption_that_was_cut_off_is_done_again() -> None:
    one = {"app1": {"releases": [adopted()]}}
    assert plan(fleet(live="", changes=one)).action == "rebuild"
