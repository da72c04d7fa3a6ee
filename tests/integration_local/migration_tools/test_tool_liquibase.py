# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Liquibase's command line, out of its package of npm."""

from __future__ import annotations

import pathlib

import pytest

from tests.integration_local.backup.conftest import Server

from .outside import ROOT, Project, states

LIQUIBASE = str(ROOT / ".cache/tools/node_modules/liquibase/dist/liquibase/liquibase")
ITEM = """--liquibase formatted sql
--changeset ann:item
CREATE TABLE item (id int, name text);
--rollback DROP TABLE item;
--changeset bob:price
ALTER TABLE item ADD COLUMN price int;
--rollback ALTER TABLE item DROP COLUMN price;
"""
NAMES = """--changeset ann:names runOnChange:true
CREATE OR REPLACE VIEW names AS SELECT name FROM item;
--rollback DROP VIEW names;
"""
A, B, C = "changelog.sql::item::ann", "changelog.sql::price::bob", "changelog.sql::names::ann"


class Liquibase(Project):
    """Three changesets; the last one runs again when it has changed."""

    def __init__(self, server: Server, directory: pathlib.Path) -> None:
        super().__init__(server, directory, "liquibase", program=[LIQUIBASE], config="changelog.sql")
        self.write("changelog.sql", ITEM + NAMES)


pytestmark = pytest.mark.sample(1)


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> Liquibase:
    return Liquibase(tool_server, tmp_path)


def test_it_is_applied_once(project: Liquibase) -> None:
    shown = project.run(check=True)
    assert shown["changed"] and "ADD COLUMN price" in shown["sql"]
    assert project.empty()  # update-sql would make its table of locks
    told = project.run()
    assert [one["version"] for one in told["applied"]] == [A, B, C]
    assert told["changed"] and project.tables() == {"item"}
    assert not project.run()["changed"] and not project.run(check=True)["changed"]


def test_up_to_a_target_and_back_and_the_lock_of_a_run_that_was_killed(project: Liquibase) -> None:
    assert states(project.run("target", target="price")) == {A: "success", B: "success", C: "above_target"}
    project.ask("UPDATE databasechangeloglock SET locked = true, lockedby = 'nobody', lockgranted = now()")
    project.run()
    shown = project.run("undone", target="item", check=True)
    assert "DROP COLUMN price" in shown["sql"] and "DROP TABLE" not in shown["sql"]
    assert [one["version"] for one in project.run("undone", target="item")["applied"]] == [C, B]


def test_what_was_changed_after_it_had_been_applied(project: Liquibase) -> None:
    project.run()
    project.write("changelog.sql", ITEM + NAMES.replace("SELECT name", "SELECT name, id"))
    told = project.run()
    assert [one["version"] for one in told["applied"]] == [C] and told["changed"]
    project.write("changelog.sql", ITEM.replace("price int", "price bigint") + NAMES)
    assert project.refused()["cause"] == "edited"


def test_a_later_version_has_been_here(project: Liquibase) -> None:
    project.run()
    project.write("changelog.sql", ITEM)
    told = project.run()
    assert not told["changed"] and [one["version"] for one in told["ahead"]] == [C]


def test_a_statement_that_is_refused(project: Liquibase) -> None:
    project.write("changelog.sql", ITEM.replace("ADD COLUMN price", "ADD COLUMN name"))
    error = project.refused()
    assert error["cause"] == "migration_failed" and "already exists" in error["actual"] and error["object"] == B
    assert [one["version"] for one in error["evidence"]["applied"]] == [A]


def test_what_its_conditions_pass_over_is_no_failure(project: Liquibase) -> None:
    """One of them counts as applied, and the other is tried again each time; so Liquibase has it."""
    check = "--precondition-sql-check expectedResult:1 SELECT count(*) FROM pg_tables WHERE tablename = 'old'\n"
    marked = f"--changeset ann:marked\n--preconditions onFail:MARK_RAN\n{check}DROP TABLE old;\n"
    later = f"--changeset ann:later\n--preconditions onFail:CONTINUE\n{check}ALTER TABLE old ADD COLUMN price int;\n"
    mark, late = "changelog.sql::marked::ann", "changelog.sql::later::ann"
    project.write("changelog.sql", ITEM + later + NAMES + marked)
    told = project.run()
    assert [one["version"] for one in told["applied"]] == [A, B, C, mark] and states(told)[late] == "pending"
    assert not project.run()["changed"]
    project.ask("CREATE TABLE old (id int)")
    assert [one["version"] for one in project.run()["applied"]] == [late]


def test_a_baseline(project: Liquibase) -> None:
    project.ask("CREATE TABLE item (id int, name text, price int); CREATE VIEW names AS SELECT name FROM item")
    assert states(project.run("baselined")) == {A: "success", B: "success", C: "success"}
    assert not project.run("baselined")["changed"] and not project.run()["changed"]


def test_a_liquibase_that_is_not_there(project: Liquibase) -> None:
    error = project.refused(project={**project.project, "program": ["/nowhere/liquibase"]})
    assert error["cause"] == "tool_missing" and "liquibase@4.28.1" in error["remedy"]
