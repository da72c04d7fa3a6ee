# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which side logs are read of, where a command is run, and in which order lines are shown."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.chosen import beside, chosen, replicas
from ansible_collections.slipway.deploy.plugins.module_utils.release.log_text import merged
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import config, fleet, released


def one(service: str, number: int, *, running: bool = True) -> dict[str, t.Any]:
    return {"name": f"{service}-{number}", "replica": number, "image": f"sha256:{service}", "running": running}


def side(version: str, *, running: bool = True) -> dict[str, t.Any]:
    services = {"backend": [one("backend", 2, running=running), one("backend", 1)], "worker": [one("worker", 1)]}
    return {"release": f"{version}-id", "version": version, "services": services}


SIDES = {"blue": side("1.0.0"), "green": side("1.1.0", running=False)}


def machines(**changes: t.Any) -> t.Any:
    own = {name: {"container__sides": SIDES} for name in ("app1", "app2")}
    return fleet(released("1.0.0", "blue"), changes={**own, **changes})


def test_the_live_side_is_chosen_unless_another_is_named() -> None:
    assert chosen(config(), machines()) == ("blue", "1.0.0-id", "1.0.0")
    assert chosen(config(slipway_side="green"), machines()).version == "1.1.0"
    for named in ("1.1.0", "1.1.0-id"):
        assert chosen(config(slipway_release=named), machines()).side == "green"


@pytest.mark.parametrize("asked", [{"slipway_release": "0.9.0"}, {"slipway_release": "1.1.0-other"}])
def test_what_stands_nowhere_is_refused_with_what_does(asked: dict[str, str]) -> None:
    with pytest.raises(SlipwayError) as caught:
        chosen(config(**asked), machines())
    assert caught.value.cause == "nothing_there" and "1.0.0 (1.0.0-id) on blue" in caught.value.message
    with pytest.raises(SlipwayError, match="found 'no release at all'"):
        chosen(config(), fleet(live=""))


def test_replicas_are_those_of_a_service_or_of_all_in_their_order() -> None:
    names = [one.name for one in replicas("app1", "blue", config(), machines())]
    assert names == ["backend-1", "backend-2", "worker-1"]
    only = replicas("app1", "green", config(slipway_service="worker"), machines())
    assert [(one.service, one.number, one.image) for one in only] == [("worker", 1, "sha256:worker")]
    assert replicas("app2", "blue", config(), machines(app2=None)) == []
    with pytest.raises(SlipwayError, match=r"Did you mean backend\?"):
        replicas("app1", "blue", config(slipway_service="backnd"), machines())


def run(machines: t.Any, **asked: t.Any) -> t.Any:
    site = config(**{"slipway_service": "backend", "slipway_command": "report --all", **asked})
    return beside(chosen(site, machines), site, machines)


def test_a_command_is_run_on_the_first_machine_that_can_be_read() -> None:
    found = run(machines())
    assert (found.machine, found.service, found.image) == ("app1", "backend", "sha256:backend")
    assert found.spec["image"] == "shop/backend:1.1.0" and found.told == ["in the code of backend 1.0.0 (blue) on app1"]
    assert run(machines(app1=None)).machine == "app2"
    assert run(machines(), slipway_machine="app2").machine == "app2"


def test_a_release_that_is_under_way_is_told_and_does_not_keep_it_from_running() -> None:
    lease = {"live": True, "fence": 4, "release_id": "1.1.0-now", "holder": {}, "remaining": 30.0}
    found = run(machines(lb1={"lease": lease}))
    assert found.machine == "app1" and "release 1.1.0-now is under way (lock on lb1)" in found.told[1]


@pytest.mark.parametrize(
    ("asked", "obj"),
    [
        ({"slipway_service": None}, "slipway_service"),
        ({"slipway_command": None}, "slipway_command"),
        ({"slipway_machine": "app9"}, "slipway_machine"),
        ({"slipway_machine": "lb1"}, "backend"),
    ],
)
def test_what_is_missing_for_it_is_said(asked: dict[str, t.Any], obj: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        run(machines(), **asked)
    assert caught.value.obj == obj and caught.value.remedy


def test_lines_of_several_machines_are_shown_by_their_time_and_of_one_in_their_order() -> None:
    def line(second: int, text: str) -> dict[str, str]:
        return {"stamp": f"2026-11-29T06:00:0{second}.123456789Z", "replica": "backend.1", "text": text}

    text = merged({"app2": [line(2, "third"), line(2, "fourth")], "app1": [line(1, "first"), line(2, "second")]})
    assert [one.rpartition(" ")[2] for one in text] == ["first", "second", "third", "fourth"]
    assert text[0] == "2026-11-29T06:00:01.123Z app1 backend.1 | first"
