# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup as a stage of a release: fenced, in the journal, waived only aloud."""

from __future__ import annotations

import base64
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

NAMES = {"platform": "shop", "environment": "test"}


class Stage:
    """A machine with a SQLite file, on which releases go through the stage backup."""

    def __init__(self, tmp_path):
        self.path, self.database = tmp_path, tmp_path / "shop.db"
        with sqlite3.connect(self.database) as link:
            link.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
            link.execute("INSERT INTO item (name) VALUES ('kettle')")
        link.close()
        self.machine = Machine(System(), root=str(tmp_path / "root"), **NAMES)

    def params(self, **changes):
        params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
        params.update(
            NAMES, engine="sqlite", name="shop-test", url=base64.b64encode(str(self.database).encode()).decode()
        )
        params.update(store={"kind": "local", "path": str(self.path / "store")}, compression={"method": "none"})
        return {**params, "root": str(self.path / "root"), "scratch_dir": str(self.path), **changes}

    def run(self, token=1, *, check=False, granted=True, **changes):
        release = ReleaseToken(f"r{token}", token, {})
        if granted:
            self.machine.grant(release, 60.0, about={"version": f"1.{token}.0"})
        order = {"id": release.id, "token": token, "holder": {}, "stage": "backup", "deadline": 60.0}
        return database_backup.perform(self.params(release=order, **changes), check)

    def end(self, token, outcome="succeeded"):
        with self.machine.stage(ReleaseToken(f"r{token}", token, {}), "record", 10.0) as step:
            step.outcome(outcome)
            step.release_lease()

    def notes(self, token=1):
        return list(self.machine.read().journal.find(f"r{token}").notes)

    def alone(self, **changes):
        return database_backup.perform(self.params(**changes), False)

    def ids(self):
        return [backup["id"] for backup in self.alone(state="listed")["backups"]]


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def test_the_journal_says_which_backup_a_release_was_made_on(stage):
    result = stage.run()
    assert result["changed"] and result["backup"]["verified_by"] == "restore"
    (note,) = stage.notes()
    assert (note["name"], note["id"]) == ("backup", result["backup"]["id"])
    (entry,) = stage.machine.read().journal.find("r1").stages
    assert (entry["name"], entry["ok"]) == ("backup", True)


def test_without_the_lock_no_backup_is_taken(stage):
    assert stage.run(granted=False)["error"]["cause"] == "lost_lock"
    assert stage.ids() == []


def test_a_database_that_cannot_be_backed_up_ends_the_stage(stage):
    stage.database.write_bytes(b"no database at all")
    result = stage.run()
    assert (result["failed"], result["error"]["cause"]) == (True, "not_a_database")
    (entry,) = stage.machine.read().journal.find("r1").stages
    assert (entry["ok"], entry["cause"]) == (False, "not_a_database")
    assert stage.notes() == []


def test_a_waiver_stands_in_the_journal_with_its_reason_and_touches_no_database(stage):
    stage.database.write_bytes(b"no database at all")
    result = stage.run(waive="the database is empty still")
    assert result["waived"] == "the database is empty still"
    assert stage.notes() == [{"name": "backup_waived", "why": "the database is empty still"}]


def test_other_machines_only_renew_their_lease(stage):
    result = stage.run(here=False, url=None)
    assert result == {"changed": False, "actions": []}
    assert stage.machine.read().journal.find("r1").begun("backup")
    assert stage.ids() == []


def test_a_preview_writes_nothing(stage):
    params = stage.params()
    result = database_backup.perform(params, True)
    assert result["changed"] and "back up" in result["actions"][0]
    assert sorted(path.name for path in stage.path.iterdir()) == ["shop.db"]


def test_the_backups_of_kept_releases_stay_whatever_the_retention_says(stage):
    made = []
    for token in (1, 2, 3, 4):
        made.append(stage.run(token, keep=2, retention={"last": 1})["backup"]["id"])
        stage.end(token)
    # The fourth was taken while the second and the third were the two kept; the first had gone when the fourth came.
    assert stage.ids() == made[1:]
    stage.alone(keep=2, retention={"last": 1})
    assert stage.ids()[:2] == made[2:]
    refused = stage.alone(state="absent", id=made[3], keep=2)
    assert refused["error"]["cause"] == "protected"


def test_the_backup_of_a_release_that_was_put_back_is_not_kept_for_it(stage):
    first = stage.run(1, retention={"last": 1})["backup"]["id"]
    stage.end(1, "reverted")
    stage.alone(retention={"last": 1})
    assert first not in stage.ids()


@pytest.mark.parametrize("wanted", ["r1", "1.1.0"])
def test_a_release_or_its_version_names_its_backup(stage, wanted):
    first = stage.run(1)["backup"]["id"]
    stage.end(1)
    stage.run(2)
    stage.end(2)
    assert stage.alone(state="verified", id=wanted)["backup"]["id"] == first


def test_the_table_says_what_each_is_worth(stage):
    stage.alone(verify="none")
    stage.alone()
    weak, strong = stage.alone(state="listed")["table"]
    assert weak.endswith("not verified")
    assert "restored in" in strong
