# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a release rehearses its migrations, where, and against what."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.release.rehearsal import rehearsal
from ansible_collections.slipway.deploy.plugins.module_utils.release.target import Live, from_config
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.test_plan_migrations import (
    DATABASE,
    config,
)

NOTHING = Live("", "", "", None)
SERVICE = {"image": "shop:1", "health": {"deadline": 40.0}}
LIVE = Live("blue", "1.0-r1", "1.0", {"services": {"app1": {"web": SERVICE}, "app2": {"other": SERVICE}}})


def migrations(**rehearse):
    return {"tool": "sql", "path": "migrations/", **({"rehearse": rehearse} if rehearse else {})}


def test_with_backups_and_migrations_there_is_one_on_the_machine_that_restores():
    found = rehearsal(config(), NOTHING)
    assert found["host"] == "app1"
    assert (found["options"]["max_lock"], found["options"]["max_duration"]) == (1.0, 300.0)
    elsewhere = {**DATABASE, "backup": {**DATABASE["backup"], "verify_host": "app2"}}
    assert rehearsal(config(slipway_database=elsewhere), NOTHING)["host"] == "app2"


@pytest.mark.parametrize(
    "changes",
    [
        {"slipway_migrations": None},
        {"slipway_database": {name: DATABASE[name] for name in ("engine", "url")}},
        {"slipway_waive_backup": "the disk is full"},
        {"slipway_migrations": migrations(enabled=False)},
    ],
)
def test_without_them_there_is_none(changes):
    assert rehearsal(config(**changes), NOTHING) is None


def test_of_the_live_version_it_knows_what_is_on_that_machine():
    old = rehearsal(config(slipway_migrations=migrations(env={"MAIL": "off"})), LIVE)["options"]["old"]
    assert old == {"services": {"web": SERVICE}, "side": "blue", "release": "1.0-r1", "env": {"MAIL": "off"}}
    assert "old" not in rehearsal(config(slipway_migrations=migrations(old_version=False)), LIVE)["options"]
    assert rehearsal(config(), NOTHING)["options"]["old"]["services"] == {}


def test_its_deadline_has_room_for_the_restore_for_all_migrations_and_for_the_live_version():
    with_old, without = (
        from_config(config(slipway_migrations=migrations(old_version=old, max_duration="1h")), NOTHING)["deadlines"]
        for old in (True, False)
    )
    assert without["rehearse"] == without["backup"] + 3600
    assert with_old["rehearse"] > without["rehearse"]
    assert from_config(config(slipway_migrations=migrations(enabled=False)), NOTHING)["deadlines"]["rehearse"] == 0
