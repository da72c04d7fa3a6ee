# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a release, or a run of migrations, waits for the database's replicas, and what is in the way of that."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.report import Stage, build, lines
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    config,
    fleet,
    released,
)

DATABASE = {
    "engine": "postgresql",
    "url": "postgresql://shop:pw@db/shop",
    "replicas": "postgresql://shop:pw@db2/shop",
    "backup": {"host": "app1", "store": {"path": "/b"}},
}
FOLLOWS = {"stage": {"ok": True}}
AWAY = {"stage": {"ok": False, "cause": "replica_away", "message": "replica db2:5432: cannot be asked how far it is."}}
POOLED = {"stage": {"ok": False, "cause": "pooled", "message": "shop on db: reaches the server by way of a pooler"}}
WHY = "db2 is being rebuilt"
PENDING = {
    "sql": "ALTER TABLE …;",
    "actions": ["V2__add.sql would be applied"],
    "pending": [{"version": "2", "script": "V2__add.sql", "phase": "contract", "state": "pending"}],
    "stage": {"ok": True, "message": ""},
}


def plan(machines, goal="deploy", foreseen=None, **changes):
    replicas = changes.pop("replicas", FOLLOWS)
    given = {"slipway_database": DATABASE, "slipway_migrations": {"tool": "sql", "path": "migrations/"}, **changes}
    site = config(**given)
    if site["migrations"]:
        site["migrations"]["ships"] = {"2": "V2__add.sql"}
    return decide(goal, site, machines, now=NOW, suffix="3fa9", foreseen=foreseen, replicas=replicas)


def refusal(*args, **changes):
    with pytest.raises(SlipwayError) as caught:
        plan(*args, **changes)
    return caught.value.message


def noted(name, token, *notes, **options):
    found = released(name, token=token, side="green" if token % 2 else "blue", **options)
    return {**found, "notes": [{"scripts": [], "phase": "expand", **note} for note in notes]}


def test_a_release_knows_for_how_long_it_may_wait():
    target = plan(fleet(released())).target
    assert target["replicas"] == {"wait": 300.0, "takes": 320.0, "owed": False, "waive": ""}
    assert target["deadlines"]["replicas"] == 350.0
    assert target["migrations"]["options"]["replica_wait"] == 300.0
    alone = plan(fleet(released()), slipway_database={**DATABASE, "replicas": []}, replicas=None).target
    assert (alone["replicas"], alone["deadlines"]["replicas"]) == (None, 0.0)
    assert plan(fleet(released()), slipway_migrations=None, replicas=None).target["replicas"] is None


MIGRATED, REPLAYED = {"name": "migrated", "scripts": ["V1__a.sql"]}, {"name": "replayed", "replicas": []}


@pytest.mark.parametrize(
    "notes, owed",
    [
        ((MIGRATED,), True),  # refused, or killed, before it had waited to the end
        ((MIGRATED, REPLAYED), False),
        ((MIGRATED, {"name": "replicas_waived", "why": "down"}), True),  # when it is back it is waited for
        (({"name": "migrated"},), False),  # nothing was applied
        (({**MIGRATED, "phase": "contract"},), False),
        (({**MIGRATED, "phase": "backfill"},), True),
        ((), True),  # cut off: nobody knows how far it came
    ],
)
def test_a_run_that_applies_nothing_waits_for_what_an_earlier_one_has_applied(notes, owed):
    before = noted("1.0.0", 3, *notes, stages=("backup", "migrate", "replicas", "prepare", "decision", "settle"))
    assert plan(fleet(before, live="green")).target["replicas"]["owed"] is owed
    later = noted("1.0.5", 4, REPLAYED, stages=("migrate", "replicas", "prepare", "decision", "settle"))
    settled = fleet(before, later, version="1.0.5", live="blue")
    assert plan(settled).target["replicas"]["owed"] is False


def test_a_rollback_waits_for_none_and_asks_none():
    before = released()
    before["decision"]["replicas"] = {"wait": 300.0, "takes": 320.0, "owed": True}
    machines = fleet(before, noted("1.1.0", 4, MIGRATED), version="1.1.0", live="blue")
    assert plan(machines, "rollback", replicas=None).target["replicas"] is None


def test_one_that_cannot_be_asked_is_named_with_all_else_before_anything_is_touched():
    said = refusal(fleet(released()), replicas=AWAY)
    assert "refused before anything was touched" in said
    assert "app1: replica db2:5432: cannot be asked how far it is. [replica_away]" in said
    both = refusal(fleet(released(), changes={"lb1": None}), replicas=AWAY)
    assert "2 reasons" in both and "lb1: cannot be read" in both
    assert "could not be asked what it sees" in refusal(fleet(released()), replicas=None)
    away = refusal(fleet(released(), changes={"app1": None}), replicas=None)
    assert "for 1 reason\n" in away or "for 1 reason." in away  # and not once more for what it would have asked


def test_one_that_is_down_is_passed_over_aloud():
    found = plan(fleet(released()), replicas=AWAY, slipway_waive_replicas=WHY)
    assert found.target["replicas"]["waive"] == found.target["about"]["replicas_waived"] == WHY
    assert f"goes ahead all the same, because {WHY}: replica db2:5432: cannot be asked" in found.say[-1]
    assert "replica db2" not in str(plan(fleet(released()), slipway_waive_replicas=WHY).say)
    live = fleet(released("1.1.0", side="green", token=4), version="1.1.0", live="green")
    migrates = plan(live, "migrate", replicas=AWAY, foreseen=PENDING, slipway_waive_replicas=WHY)
    assert migrates.target["about"]["replicas_waived"] == WHY and "db2:5432" in migrates.say[-1]
    assert "replicas_waived" not in plan(fleet(released())).target["about"]


def test_a_waiver_of_replicas_does_not_help_where_the_database_cannot_be_migrated():
    assert "by way of a pooler" in refusal(fleet(released()), replicas=POOLED, slipway_waive_replicas=WHY)


@pytest.mark.parametrize("found, refused", [(POOLED, True), (FOLLOWS, False), (None, False)])
def test_a_database_without_replicas_is_reached_before_anything_is_touched(found, refused):
    alone = {"slipway_database": {**DATABASE, "replicas": []}, "replicas": found}
    if refused:
        assert "refused before anything was touched" in refusal(fleet(released()), **alone)
        live = fleet(released("1.1.0", side="green", token=4), version="1.1.0", live="green")
        assert plan(live, **alone).action == "nothing"
    else:
        assert plan(fleet(released()), **alone).action == "release"


@pytest.mark.parametrize("over", [[], ["replica db2:5432 cannot be asked how far it is"]])
def test_the_report_says_which_are_passed_over_and_why(over):
    target = plan(fleet(released()), slipway_waive_replicas=WHY).target
    results = {"app1": {"stage": {"ok": True, "started": 1.0, "ended": 2.0}, "passed_over": over}}
    stage = Stage(judge("replicas", results), results)
    report = build(target, [stage], refused=False, started=0.0, ended=9.0)
    assert report["replicas"] == {"waived": WHY, "passed_over": over}
    assert f"  replicas: waived, because {WHY}{''.join(f'; {one}' for one in over)}" in lines(report)
    plain = build(plan(fleet(released())).target, [stage], refused=False, started=0.0, ended=9.0)
    assert plain["replicas"] is None and "waived" not in str(lines(plain))


def test_what_is_live_already_needs_no_replica():
    machines = fleet(released("1.1.0", side="green", token=4), version="1.1.0", live="green")
    assert plan(machines, replicas=AWAY).action == "nothing"


def test_the_playbook_migrate_waits_and_contract_does_not():
    machines = fleet(released("1.1.0", side="green", token=4), version="1.1.0", live="green")
    assert plan(machines, "migrate", foreseen=PENDING).target["replicas"]["wait"] == 300.0
    assert "replica db2:5432" in refusal(machines, "migrate", replicas=AWAY, foreseen=PENDING)
    history = {**PENDING, "sql": "", "pending": [], "history": ["would begin at 1"]}
    assert (
        plan(machines, "migrate", replicas=AWAY, foreseen=history, slipway_migrate_baseline="1").target["replicas"]
        is None
    )
    idle = {**PENDING, "sql": "", "pending": []}
    assert plan(machines, "migrate", replicas=AWAY, foreseen=idle).action == "nothing"
    for read in machines.readable().values():
        for one in read["journal"]["releases"]:
            one["decision"]["ships"] = {"2": "V2__add.sql"}
    assert plan(machines, "contract", replicas=None, foreseen=PENDING).target["replicas"] is None
