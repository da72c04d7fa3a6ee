# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A baseline and a repair by the playbook migrate: runs that change the history of migrations alone."""

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

OF_SITE = {
    "slipway_database": {
        "engine": "postgresql",
        "url": "postgresql://shop:pw@db/shop",
        "backup": {"host": "app1", "store": {"path": "/b"}},
    },
    "slipway_migrations": {"tool": "sql", "path": "migrations/"},
}
SEEN = {"stage": {"ok": True}, "sql": "", "pending": [], "actions": ["as was said"], "history": ["as was said"]}


def plan(goal: str = "migrate", foreseen: t.Any = None, **changes: t.Any) -> t.Any:
    site = config(**{**OF_SITE, **changes})
    return decide(goal, site, fleet(released()), now=NOW, suffix="3fa9", foreseen=foreseen or SEEN)


def refusal(goal: str = "migrate", **changes: t.Any) -> str:
    with pytest.raises(SlipwayError) as caught:
        plan(goal, **changes)
    return caught.value.message


@pytest.mark.parametrize(
    "asked, called, options",
    [
        (
            {"slipway_migrate_baseline": "1.2"},
            "baseline",
            {"state": "baselined", "target": "1.2", "phase": "all"},
        ),
        ({"slipway_migrate_repair": True}, "repair", {"state": "repaired", "phase": "all"}),
    ],
)
def test_the_history_alone_is_changed_under_the_lock_and_without_a_backup(
    asked: dict[str, t.Any], called: str, options: dict[str, t.Any]
) -> None:
    found = plan(**asked)
    assert (found.action, found.target["version"], found.target["token"]) == ("migrate", called, 4)
    assert found.target["migrations"]["options"].items() >= options.items()
    assert (found.target["backup"], found.target["rehearse"]) == (None, None)
    assert found.say == [f"shop/production: {called}", "  as was said"]
    usual = plan(foreseen={**SEEN, "sql": "ALTER …;", "history": []})
    assert usual.target["backup"] and usual.target["rehearse"] and usual.target["version"] == "migrate"


def test_where_the_history_is_as_it_should_be_nothing_is_done() -> None:
    found = plan(
        foreseen={**SEEN, "history": [], "actions": ["nothing is to be repaired"]}, slipway_migrate_repair=True
    )
    assert (found.action, found.say) == ("nothing", ["shop/production: nothing is to be repaired"])


@pytest.mark.parametrize(
    "asked, words",
    [
        (
            {"slipway_migrate_baseline": "1", "slipway_migrate_repair": True},
            "slipway_migrate_baseline: cannot be together with slipway_migrate_repair,",
        ),
        (
            {"slipway_migrate_baseline": "1", "slipway_migrate_to": "2", "slipway_migrate_phase": "backfill"},
            "slipway_migrate_baseline: cannot be together with slipway_migrate_to and slipway_migrate_phase,",
        ),
        (
            {"slipway_migrate_repair": True, "slipway_migrate_undo": True},
            "slipway_migrate_repair: cannot be together with slipway_migrate_undo,",
        ),
    ],
)
def test_what_contradicts_is_refused_before_anything_else(asked: dict[str, t.Any], words: str) -> None:
    assert words in refusal(**asked)
    assert (
        plan(foreseen={**SEEN, "sql": "ALTER …;"}, slipway_migrate_to="2", slipway_migrate_undo=True).action
        == "migrate"
    )


def test_contract_neither_baselines_nor_repairs() -> None:
    assert "slipway_migrate_repair: is for the playbook migrate" in refusal("contract", slipway_migrate_repair=True)


DROP = {"version": "3", "script": "V3__drop.sql", "phase": "contract", "state": "pending"}
CLOSED = {"lb1": {"traffic__closed": {"since": NOW - 42, "seconds": 42.0, "hold": 0.0}}}


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_contract_takes_nothing_from_what_would_be_opened_again(closed: bool) -> None:
    """Nobody is served then, and yet it is this version that the door would open to."""
    live, seen = released(), {**SEEN, "sql": "ALTER …;", "pending": [DROP], "history": []}
    live["decision"]["ships"] = {}
    machines = fleet(live, changes=CLOSED if closed else None)
    with pytest.raises(SlipwayError) as caught:
        decide("contract", config(**OF_SITE), machines, now=NOW, suffix="3fa9", foreseen=seen)
    said = caught.value.message
    assert "is live and does not have V3__drop.sql" in said
    assert ("Deploy the new one behind the closed door, then contract, then open it." in said) is closed
    live["decision"]["ships"] = {"3": "V3__drop.sql"}
    machines = fleet(live, changes=CLOSED if closed else None)
    assert decide("contract", config(**OF_SITE), machines, now=NOW, suffix="3fa9", foreseen=seen).action == "migrate"
