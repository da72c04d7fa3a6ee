# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations as a stage of a release: fenced, in the journal, and not without a backup."""

from __future__ import annotations

import base64
import io
import sqlite3
import zipfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages import migration_runner
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

NAMES = {"platform": "shop", "environment": "test"}
FIRST = {"V1__item.sql": "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);\n"}
SECOND = {**FIRST, "V2__price.sql": "ALTER TABLE item ADD COLUMN price INTEGER;\n"}
THIRD = {**SECOND, "V3__no_name.sql": "-- slipway: phase=contract\nALTER TABLE item DROP COLUMN name;\n"}


class Stage:
    """A machine with a SQLite file, on which releases go through the stage migrate."""

    def __init__(self, tmp_path):
        self.path, self.database = tmp_path, tmp_path / "shop.db"
        sqlite3.connect(self.database).close()
        self.database.touch()
        self.machine = Machine(System(), root=str(tmp_path / "root"), **NAMES)
        self.released = 0

    def files(self, scripts):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, text in scripts.items():
                archive.writestr(name, text)
        return {"name": "migrations/", "content": base64.b64encode(stream.getvalue()).decode()}

    def run(self, scripts, *, check=False, alone=False, **changes):
        self.released += 1
        params = {name: option.get("default") for name, option in MIGRATION_RUNNER.options.items()}
        url = base64.b64encode(str(self.database).encode()).decode()
        params.update(NAMES, engine="sqlite", url=url, root=str(self.path / "root"), phase="expand")
        params.update(files=self.files(scripts), lock_wait=0.0, retry=0.0)
        if not alone:
            release = ReleaseToken(f"r{self.released}", self.released, {})
            self.machine.grant(release, 60.0, about={"version": f"1.{self.released}.0"})
            order = {"id": release.id, "token": release.token, "holder": {}, "stage": "migrate", "deadline": 60.0}
            params["release"] = order
        result = migration_runner.perform({**params, **changes}, check)
        if not alone:
            self.machine.withdraw(release)
        return result

    def notes(self, number):
        return list(self.machine.read().journal.find(f"r{number}").notes)

    def columns(self):
        link = sqlite3.connect(self.database)
        found = [row[1] for row in link.execute("PRAGMA table_info(item)")]
        link.close()
        return found


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def test_the_journal_has_what_was_applied_and_what_there_is_of_phase_contract(stage):
    first = stage.run(THIRD)
    assert first["actions"][-1] == "V3__no_name.sql waits for the playbook contract"
    assert stage.columns() == ["id", "name", "price"]
    (note,) = stage.notes(1)
    assert (note["name"], note["scripts"], note["phase"]) == ("migrated", ["V1__item.sql", "V2__price.sql"], "expand")
    assert (note["ships"], note["contracted"], note["open"]) == ({"3": "V3__no_name.sql"}, {}, ["3"])
    again = stage.run(THIRD)
    assert not again["changed"] and again["actions"][0] == "no migration was pending"
    stage.run(THIRD, phase="contract")
    assert stage.columns() == ["id", "price"]
    (note,) = stage.notes(3)
    assert (note["scripts"], note["contracted"]) == (["V3__no_name.sql"], {"3": "V3__no_name.sql"})


def test_a_baseline_says_that_what_is_below_it_was_there_before(stage):
    link = sqlite3.connect(stage.database)
    link.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER)")
    link.close()
    fifth = {**THIRD, "V4__more.sql": "ALTER TABLE item ADD COLUMN more INTEGER;\n"}
    stage.run(fifth, state="baselined", phase="all", target="3")
    stage.run(fifth)
    for number, scripts in ((1, []), (2, ["V4__more.sql"])):
        (note,) = stage.notes(number)
        assert (note["scripts"], note["ships"], note["open"]) == (scripts, {"3": "V3__no_name.sql"}, [])
        assert (note["contracted"], note["covered"]) == ({}, {"3": "V3__no_name.sql"})


def test_a_script_that_makes_all_up_to_a_version_contracts_too(stage):
    stage.run({**THIRD, "B3__all.sql": "CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER);\n"})
    (note,) = stage.notes(1)
    assert (note["scripts"], note["contracted"], note["covered"]) == (["B3__all.sql"], {"3": "V3__no_name.sql"}, {})


def test_what_was_applied_before_another_one_failed_stands_in_the_journal_too(stage):
    result = stage.run({**SECOND, "V3__wrong.sql": "ALTER TABLE nothing ADD COLUMN x INTEGER;\n"})
    assert result["failed"] and result["error"]["cause"] == "migration_failed"
    (note,) = stage.notes(1)
    assert (note["scripts"], note["current"]) == (["V1__item.sql", "V2__price.sql"], "2")
    assert stage.machine.read().journal.find("r1").stages[-1]["ok"] is False


def test_errors_in_result_and_journal_name_the_files_of_the_site(stage):
    result = stage.run({**FIRST, "V2__x.sql.conf": "encoding=UTF-8\n"})
    assert "migrations/V2__x.sql.conf" in result["msg"]
    assert "slipway-files" not in str(result)
    assert "slipway-files" not in (stage.path / "root/shop/test/journal.jsonl").read_text()


def test_without_a_proven_backup_nothing_is_applied_until_it_is_waived_aloud(stage):
    refused = stage.run(FIRST, proven=False)
    assert refused["error"]["cause"] == "no_backup" and "V1__item.sql" in refused["msg"]
    assert stage.run(FIRST, alone=True, check=True, proven=False)["error"]["cause"] == "no_backup"
    assert stage.columns() == []
    done = stage.run(FIRST, proven=False, waive="empty still")
    assert done["waived"] == "empty still" and stage.columns() == ["id", "name"]
    assert [note["why"] for note in stage.notes(3) if note["name"] == "backup_waived"] == ["empty still"]
    assert not stage.run(FIRST, proven=False)["changed"]  # where nothing is pending, nothing needs a backup


def test_a_version_that_lacks_an_applied_contract_migration_changes_nothing(stage):
    stage.run(THIRD)
    stage.run(THIRD, phase="contract")
    old = stage.run(
        {**SECOND, "V2.1__more.sql": "ALTER TABLE item ADD COLUMN more INTEGER;\n"}, contracted={"3": "V3__no_name.sql"}
    )
    assert old["error"]["cause"] == "contracted" and "V3__no_name.sql" in old["msg"]
    assert "more" not in stage.columns()
    assert not stage.run(THIRD, contracted={"3": "V3__no_name.sql"}).get("failed")


def test_what_another_version_has_applied_and_the_journal_knows_is_no_error(stage):
    stage.run({**SECOND, "V1.5__between.sql": "CREATE TABLE between_them (id INTEGER);\n"})
    known = ["V1.5__between.sql"]
    assert stage.run(SECOND)["error"]["cause"] == "missing_file"
    assert not stage.run(SECOND, compatible=known)["changed"]


def test_the_other_machines_renew_the_lock_and_nothing_else(stage):
    result = stage.run(FIRST, here=False, url="", waive="empty still")
    assert (result["changed"], result["actions"], result["waived"]) == (False, [], "empty still")
    assert stage.machine.read().journal.find("r1").stages[-1]["name"] == "migrate"
    assert stage.run(FIRST, here=False, alone=True, check=True, url="") == {"changed": False, "actions": []}


def test_a_preview_tells_the_sql_and_touches_nothing(stage):
    result = stage.run(THIRD, alone=True, check=True)
    assert "ADD COLUMN price" in result["diff"][0]["after"] and "DROP COLUMN" not in result["sql"]
    assert result["actions"] == [
        "V1__item.sql would be applied",
        "V2__price.sql would be applied",
        "V3__no_name.sql waits for the playbook contract",
    ]
    assert stage.columns() == [] and not (stage.path / "root").exists()


def test_status_is_a_table_for_people(stage):
    stage.run(SECOND)
    table = stage.run(THIRD, alone=True, state="status", phase="all")["table"]
    assert table[0] == "at 2: 1 pending"
    assert table[-1] == "  pending    V3__no_name.sql, waits for the playbook contract"
