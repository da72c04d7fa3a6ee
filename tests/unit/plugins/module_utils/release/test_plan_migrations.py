# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations of a release, without one, and the ways back that they close."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.report import Stage, build, lines
from ansible_collections.slipway.deploy.plugins.module_utils.release.status import lines as status
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    VARIABLES,
    fleet,
    released,
)

DROP = {"3": "V3__drop.sql"}
DATABASE = {
    "engine": "postgresql",
    "url": "postgresql://shop:pw@db/shop",
    "backup": {"host": "app1", "store": {"path": "/b"}},
}


def config(ships=None, **changes):
    hosts = {"app1": {"slipway_address": "10.0.0.1"}, "app2": {"slipway_address": "10.0.0.2"}, "lb1": {}}
    groups = {"slipway_app": ["app1", "app2"], "slipway_proxy": ["lb1"]}
    variables = {
        **VARIABLES,
        "slipway_database": DATABASE,
        "slipway_migrations": {"tool": "sql", "path": "migrations/"},
        **changes,
    }
    found = validate(variables, {"groups": groups, "hosts": hosts})
    if found["migrations"]:
        found["migrations"]["ships"] = ships
    return found


def plan(machines, goal="deploy", foreseen=None, **changes):
    return decide(goal, config(**changes), machines, now=NOW, suffix="3fa9", foreseen=foreseen)


def refusal(machines, goal="deploy", foreseen=None, **changes):
    with pytest.raises(SlipwayError) as caught:
        plan(machines, goal, foreseen, **changes)
    return caught.value.message


def having(release, ships, *notes):
    release["decision"]["ships"] = ships
    release["notes"] = [{"name": "migrated", "scripts": [], "current": "", **note} for note in notes]
    return release


def run(name, token, *notes, contracting=None, began=True):
    """A run of the playbook contract."""
    stages = ("backup", "migrate") if began else ("backup",)
    about = {"contracting": contracting} if contracting else {}
    found = released(name, token=token, outcome="migrated", stages=stages, decided=False, about=about)
    return having({**found, "decision": {}}, None, *notes) | {"decision": None}


def preview(*pending, changed=True):
    return {
        "changed": False,  # a look changes nothing
        "sql": "ALTER TABLE …;" if changed else "",
        "actions": [f"{one['script']} would be applied" for one in pending] or ["no migration is pending"],
        "pending": list(pending),
        "stage": {"ok": True, "message": ""},
    }


PENDING = {"version": "3", "script": "V3__drop.sql", "phase": "contract", "state": "pending"}


def test_a_release_takes_the_expand_migrations_with_it_and_a_rollback_none():
    before = released("1.0.0")
    target = plan(fleet(before), ships=DROP).target
    options = target["migrations"]["options"]
    assert target["migrations"]["host"] == "app1"
    assert (options["state"], options["phase"], options["path"], options["proven"]) == (
        "latest",
        "expand",
        "migrations/",
        True,
    )
    assert target["ships"] == DROP
    assert target["deadlines"]["migrate"] == 600 + 60 + 30
    before["decision"].update(migrations=target["migrations"], rehearse=target["rehearse"])
    machines = fleet(before, released("1.1.0", side="green", token=4), version="1.1.0", live="green")
    back = plan(machines, "rollback").target
    assert (back["migrations"], back["rehearse"], back["backup"]) == (None, None, None)


def test_without_a_backup_or_a_reason_the_stage_is_told_so():
    bare = {"slipway_database": {name: DATABASE[name] for name in ("engine", "url")}}
    assert plan(fleet(live=""), **bare).target["migrations"]["options"]["proven"] is False
    waived = plan(fleet(live=""), **bare, slipway_waive_backup="empty still").target["migrations"]["options"]
    assert (waived["proven"], waived["waive"]) == (False, "empty still")


def test_what_the_journals_know_as_applied_is_compatible_but_for_what_contracts():
    note = {"scripts": ["V2__add.sql", "V3__drop.sql"], "contracted": DROP}
    options = plan(fleet(having(released(), DROP, note)), ships=DROP).target["migrations"]["options"]
    assert options["compatible"] == ["V2__add.sql"]
    assert options["contracted"] == DROP


def test_a_version_without_an_applied_contract_migration_is_not_released():
    machines = fleet(having(released(), DROP, {"contracted": DROP}))
    assert "version 1.1.0 does not have V3__drop.sql" in refusal(machines, ships={})
    assert plan(machines, ships=DROP).action == "release"
    assert plan(machines, ships=None).action == "release"  # the machine that migrates knows, and refuses then


@pytest.mark.parametrize("ships, refused", [({}, True), (None, True), (DROP, False)])
def test_no_way_leads_back_over_a_contract_migration(ships, refused):
    old = having(released("1.0.0"), ships)
    new = having(released("1.1.0", side="green", token=4), DROP, {"contracted": {}})
    machines = fleet(old, new, run("contract", 5, {"contracted": DROP}), version="1.1.0", live="green")
    shown = "\n".join(status(config(ships=DROP), machines))
    if refused:
        said = refusal(machines, "rollback")
        assert "release 1.0.0-id needs the schema as it was before V3__drop.sql" in said
        assert "no way back to 1.0.0 (1.0.0-id), since V3__drop.sql" in shown and "go back to: nothing" in shown
    else:
        assert plan(machines, "rollback").target["kept_release"] == "1.0.0-id"
        assert "ready to go back to: 1.0.0 (1.0.0-id)" in shown


@pytest.mark.parametrize("ships, refused", [({}, True), (None, False), (DROP, False), ({"B2": "B2__all.sql"}, True)])
def test_no_way_leads_back_over_what_a_baseline_says_is_there(ships, refused):
    """Whatever was released before it, and of which nobody knows what it has, has lived with that schema."""
    old = having(released("1.0.0"), ships)
    new = having(released("1.1.0", side="green", token=5), DROP, {"covered": DROP, "contracted": {}})
    machines = fleet(old, run("baseline", 4, {"covered": DROP}), new, version="1.1.0", live="green")
    if refused:
        assert "needs the schema as it was before V3__drop.sql" in refusal(machines, "rollback")
    else:
        assert plan(machines, "rollback").target["kept_release"] == "1.0.0-id"
    assert "version 1.1.0 does not have V3__drop.sql" in refusal(machines, ships={})


@pytest.mark.parametrize("top, refused", [("3", False), ("3.0", False), ("10", False), ("2.9", True)])
def test_a_version_whose_files_were_made_one_has_what_that_stands_for(top, refused):
    machines = fleet(having(released(), DROP, {"contracted": DROP}))
    ships = {f"B{top}": "all.sql"}
    if refused:
        assert "does not have V3__drop.sql" in refusal(machines, ships=ships)
    else:
        options = plan(machines, ships=ships).target["migrations"]["options"]
        assert options["contracted"] == {}  # or the stage would refuse what the history has and no file


def test_a_repeatable_migration_is_within_no_baseline():
    views = {"R__views.sql": "R__views.sql"}
    machines = fleet(having(released(), views, {"contracted": views}))
    assert "does not have R__views.sql" in refusal(machines, ships={"B9": "B9__all.sql"})


def test_what_other_tools_have_is_known_by_what_the_stage_wrote_down():
    old = having(released("1.0.0"), None, {"ships": DROP, "contracted": {}})
    new = having(released("1.1.0", side="green", token=4), None, {"ships": DROP, "contracted": DROP})
    machines = fleet(old, new, version="1.1.0", live="green")
    assert plan(machines, "rollback").target["kept_release"] == "1.0.0-id"


@pytest.mark.parametrize(
    "began, notes, barred",
    [
        (True, (), True),  # cut off: nobody knows how far it came
        (False, (), False),  # refused before it began
        (True, ({"contracted": {}, "open": ["3"]},), False),  # failed, and nothing of it is there
        (True, ({"contracted": DROP, "open": []},), True),
    ],
)
def test_a_contract_run_that_was_cut_off_counts_until_somebody_knows_better(began, notes, barred):
    old = having(released("1.0.0"), {})
    new = having(released("1.1.0", side="green", token=4), DROP)
    cut = run("contract", 5, *notes, contracting=DROP, began=began)
    machines = fleet(old, new, cut, version="1.1.0", live="green")
    assert bool(machines.barred("1.0.0-id", old["decision"])) is barred


def test_an_undone_contract_migration_opens_the_way_back():
    new = having(released("1.1.0", side="green", token=4), DROP, {"contracted": DROP})
    machines = fleet(new, run("migrate", 5, {"contracted": {}, "open": ["3"]}), version="1.1.0", live="green")
    assert machines.contracted() == {}


@pytest.mark.parametrize(
    "restore, barred",
    [
        ({"id": "20270115T070000Z-0a1b2c"}, False),  # an hour before the release
        ({"id": "20270115T090000Z-0a1b2c"}, True),
        ({"id": "20270115T070000Z-0a1b2c", "time": "2027-01-15 08:30:00+00:00"}, True),  # logs led on
        ({"id": "of another kind"}, True),
    ],
)
def test_a_restore_of_a_backup_from_before_it_opens_the_way_back_too(restore, barred):
    new = having(released("1.1.0", side="green", token=4), DROP, {"contracted": DROP})
    restored = released("restore", token=5, outcome="restored", decided=False, about={"restore": restore})
    machines = fleet(new, {**restored, "notes": []}, version="1.1.0", live="green")
    assert bool(machines.contracted()) is barred


def contract_fleet(old, new):
    first = having(released("1.0.0"), old)
    second = having(released("1.1.0", side="green", token=4), new)
    return fleet(first, second, version="1.1.0", live="green")


def test_contract_is_refused_while_a_release_that_is_kept_needs_what_it_takes_away():
    said = refusal(contract_fleet({}, DROP), "contract", preview(PENDING), ships=DROP)
    assert "1.0.0 (release 1.0.0-id) is kept for a rollback and does not have V3__drop.sql" in said
    assert "-e slipway_let_go=1.0.0" in said and "is live" not in said


@pytest.mark.parametrize("name", ["1.0.0", "1.0.0-id"])
def test_a_release_that_is_let_go_stands_in_every_journal(name):
    found = plan(contract_fleet({}, DROP), "contract", preview(PENDING), ships=DROP, slipway_let_go=name)
    assert found.action == "migrate"
    assert found.target["about"]["let_go"] == [name]
    assert found.target["about"]["contracting"] == DROP
    options = found.target["migrations"]["options"]
    assert (options["state"], options["phase"]) == ("latest", "contract")


def test_the_live_release_is_never_let_go():
    said = refusal(contract_fleet({}, {}), "contract", preview(PENDING), slipway_let_go=["1.0.0", "1.1.0"])
    assert "1.1.0 (release 1.1.0-id) is live and does not have V3__drop.sql" in said


def test_contract_goes_when_all_that_is_kept_can_live_with_it_and_does_nothing_when_nothing_waits():
    machines = contract_fleet(DROP, DROP)
    assert plan(machines, "contract", preview(PENDING), ships=DROP).action == "migrate"
    idle = plan(machines, "contract", preview(changed=False), ships=DROP)
    assert (idle.action, idle.target) == ("nothing", None) and "no migration is pending" in idle.say[0]


@pytest.mark.parametrize(
    "changes, wanted",
    [
        ({}, ("latest", "expand", "")),
        ({"slipway_migrate_to": "2"}, ("target", "expand", "2")),
        ({"slipway_migrate_phase": "backfill"}, ("latest", "backfill", "")),
        ({"slipway_migrate_undo": True, "slipway_migrate_to": "1"}, ("undone", "all", "1")),
    ],
)
def test_the_playbook_migrate_does_what_it_is_told(changes, wanted):
    options = plan(fleet(released()), "migrate", preview(PENDING), **changes).target["migrations"]["options"]
    assert (options["state"], options["phase"], options["target"]) == wanted


def test_what_is_in_the_way_of_a_run_is_said_at_once():
    machines = fleet(released(), changes={"app2": None})
    failed = {"stage": {"ok": False, "message": "V3__drop.sql: has 'x' where a version should be."}}
    said = refusal(machines, "migrate", failed)
    assert "app1: V3__drop.sql: has 'x'" in said and "app2: cannot be read" in said
    assert "nothing to do" in refusal(fleet(released()), "migrate", slipway_migrations=None)


def test_a_run_in_a_container_says_of_which_version():
    given = config(slipway_migrations={"tool": "django", "run_in": "container", "service": "backend"})
    with pytest.raises(SlipwayError, match="-e slipway_version=1") as caught:
        decide("migrate", {**given, "version": None}, fleet(released()), now=NOW, suffix="0", foreseen=preview(PENDING))
    assert caught.value.cause == "refused"
    found = decide("migrate", given, fleet(released()), now=NOW, suffix="0", foreseen=preview(PENDING))
    assert found.target["migrations"]["options"]["container"]["image"] == "shop/backend:1.1.0"


def test_what_cannot_be_seen_is_not_taken_away():
    unseen = {**preview(), "sql": "-- shop/backend:1.1.0 is not on this machine"}
    assert "cannot be seen: -- shop/backend:1.1.0 is not on" in refusal(fleet(released()), "contract", unseen)


def test_the_report_tells_what_was_applied():
    target = plan(fleet(released()), ships={}).target
    done = [
        {"version": "2", "description": "add", "script": "V2__add.sql", "checksum": 1, "ms": 4, "transactional": True}
    ]
    stage = {"ok": True, "started": NOW, "ended": NOW + 1}
    results = {
        "app1": {"stage": stage, "applied": done, "current_before": "1", "current_after": "2"},
        "lb1": {"stage": stage, "actions": []},
    }
    report = build(target, [Stage(judge("migrate", results), results)], refused=False, started=NOW, ended=NOW + 9)
    assert report["migrations"] == {
        "applied": [{"version": "2", "script": "V2__add.sql", "ms": 4}],
        "before": "1",
        "after": "2",
    }
    assert "  migrated: V2__add.sql in 4 ms; the schema is at 2 (was 1)" in lines(report)


def test_a_release_made_by_an_older_collection_can_still_be_gone_back_to():
    old = copy.deepcopy(released("1.0.0"))
    for name in ("ships", "migrations"):
        del old["decision"][name]
    machines = fleet(old, released("1.1.0", side="green", token=4), version="1.1.0", live="green")
    assert plan(machines, "rollback").target["kept_release"] == "1.0.0-id"


# --- slipway_migrations is not there any more, and the journals remember


def without_migrations(old, *later, **options):
    """A release that cannot live with what 1.1.0 has contracted, then later ones, and no migrations in the site."""
    new = having(released("1.1.0", side="green", token=4), DROP, {"contracted": DROP, "scripts": ["V3__drop.sql"]})
    machines = fleet(having(released("1.0.0"), old), new, *later, version="1.1.0", live="green")
    return machines, {"slipway_migrations": None, **options}


@pytest.mark.parametrize("ships, refused", [({}, True), (None, True), (DROP, False)])
def test_a_version_that_was_released_before_is_judged_without_the_migrations_of_the_site_too(ships, refused):
    machines, changes = without_migrations(ships, slipway_version="1.0.0")
    if refused:
        assert "version 1.0.0 does not have V3__drop.sql" in refusal(machines, **changes)
        assert "needs the schema as it was before V3__drop.sql" in refusal(machines, "rollback", **changes)
    else:
        found = plan(machines, **changes)
        assert found.action == "release" and "nobody can tell" not in "\n".join(found.say)


def test_of_a_version_that_nobody_knows_it_is_said_that_it_cannot_be_judged():
    machines, changes = without_migrations({}, slipway_version="0.9.0")
    found = plan(machines, **changes)
    assert found.action == "release"
    assert "nobody can tell whether 0.9.0 has V3__drop.sql" in "\n".join(found.say)
    with_them = plan(machines, ships=DROP, slipway_version="0.9.0")
    assert "nobody can tell" not in "\n".join(with_them.say)


def test_a_release_made_since_without_migrations_lives_with_what_was_contracted_before_it():
    third, fourth = (released(name, side=side, token=token) for name, side, token in LATER)
    for one in (third, fourth):
        one.update(started=NOW + one["token"])
    machines, changes = without_migrations({}, third, fourth)
    assert machines.barred("1.2.0-id", third["decision"]) == []
    assert plan(machines, slipway_version="1.2.0", **changes).action == "release"


LATER = (("1.2.0", "blue", 5), ("1.3.0", "green", 6))
