# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has the traffic while a machine has none."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.release.spared import (
    alone_on,
    carriers,
    interrupted,
    nothing_for,
)


def service(*machines: str, green: t.Sequence[str] | None = None) -> dict[str, t.Any]:
    """A service with a server of each side on these machines."""
    sides = {"blue": machines, "green": machines if green is None else green}
    return {
        "health": {},
        "sides": {side: [{"name": f"{side}_{one}_1", "address": "10.0.0.1"} for one in sides[side]] for side in sides},
    }


def target(**services: t.Sequence[str]) -> dict[str, t.Any]:
    return {"traffic": {"services": {name: service(*machines) for name, machines in services.items()}}}


def test_a_machine_is_known_by_its_whole_name() -> None:
    """app1 is no part of app10's name, nor of app_1's."""
    assert carriers(service("app1", "app10", "app_1")) == {"app1", "app10", "app_1"}
    assert carriers(service("app1", green=["app2"]), "green") == {"app2"}


def test_nothing_is_nothing_on_either_side() -> None:
    assert nothing_for({"app1"}) == {"app1": {"blue": 0, "green": 0}}


def test_a_service_has_nobody_left_where_one_side_has_nobody_left() -> None:
    services = {"backend": service("app1", "app2"), "frontend": service("app1", "app2", green=["app1"])}
    assert alone_on(services, ["app1"]) == ["frontend"]
    assert alone_on(services, ["app2"]) == []
    assert alone_on(services, ["app1", "app2"]) == ["backend", "frontend"]


@pytest.mark.parametrize(
    ("machine", "drained", "reasons"),
    [
        ("app1", [], ["only app1 carries frontend"]),
        ("app2", [], []),
        ("app2", ["app1"], ["only app2 carries backend"]),
        ("lb1", [], []),
        ("lb1", ["app1", "app2"], []),
    ],
)
def test_only_what_nobody_else_carries_is_interrupted(machine: str, drained: list[str], reasons: list[str]) -> None:
    live = target(backend=["app1", "app2"], frontend=["app1"])
    assert interrupted(machine, live, ["lb1", "lb2"], drained) == reasons


def test_the_only_balancer_has_no_stand_in() -> None:
    assert interrupted("lb1", None, ["lb1"], []) == ["lb1 is the only balancer"]
