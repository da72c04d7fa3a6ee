# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform is frozen, released in an emergency all the same, and thawed."""

from __future__ import annotations

import datetime

import pytest

from tests.shop import Run

from . import check
from .fleet import Fleet
from .interruption import IMPATIENT


def freeze(fleet: Fleet, *args: str, **env: str) -> Run:
    """``ansible-playbook slipway.deploy.freeze -i production …``."""
    return fleet.play("slipway.deploy.freeze", "-e", "slipway_freeze_who=ann", *args, **env)


@pytest.mark.sample(6, among="journeys")
def test_a_frozen_platform_is_released_in_an_emergency_only(live: Fleet) -> None:
    check.refused(freeze(live), "slipway_freeze_why: missing")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    why = ["-e", "slipway_freeze_why='Christmas sale'", "-e", f"slipway_freeze_until={until:%Y-%m-%dT%H:%M:%SZ}"]
    assert freeze(live, *why, "--check").changed == len(live.machines)
    assert "frozen by" not in live.play("status.yml").said
    live.lab.partition("app2")  # those that are reached are enough
    check.succeeded(freeze(live, *why, **IMPATIENT))
    live.lab.heal("app2")
    words = f"Christmas sale (until {until:%Y-%m-%d %H:%M:%S} UTC; as app1, lb1 says)"
    before = live.snapshot()
    check.refused(live.deploy("1.1.0"), "deploy refused before anything was touched", "frozen by ann", words)
    check.refused(live.rollback(), "rollback refused before anything was touched", "playbook thaw")
    check.untouched(before, live.snapshot())

    urgent = live.deploy("1.1.0", "-e", "slipway_emergency='orders are lost'")
    check.succeeded(urgent)
    check.all_on(live, "1.1.0")
    assert "it goes ahead all the same, in an emergency: orders are lost" in urgent.said
    assert live.report()["emergency"]["why"] == "orders are lost"
    (granted,) = [one for one in live.journal("app2") if (one["data"].get("about") or {}).get("emergency")]
    assert words in granted["data"]["about"]["emergency"]["frozen"][0]
    said = live.play("status.yml").said
    assert words in said and "(emergency: orders are lost)" in said

    live.lab.partition("lb1")  # where it is not thawed it may be frozen still, and says so when it is back
    check.refused(live.play("slipway.deploy.thaw", **IMPATIENT), "lb1 could not be reached, and may be frozen still")
    live.lab.heal("lb1")
    check.refused(live.deploy("1.0.0"), "as lb1 says")
    check.succeeded(live.play("slipway.deploy.thaw"))
    check.succeeded(live.deploy("1.0.0"))
    assert live.report()["emergency"] is None
    check.all_on(live, "1.0.0")
