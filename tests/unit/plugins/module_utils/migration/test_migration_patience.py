# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of plain SQL beside others who use the same database: their tokens, their locks, and how long it waits for them."""

from __future__ import annotations

import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import FENCE, Settings
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.runner import Patience, SqlRunner
from ansible_collections.slipway.deploy.plugins.module_utils.migration.scripts import Reader, Scripts
from ansible_collections.slipway.deploy.plugins.module_utils.migration.sqlite import SQLite, opener
from ansible_collections.slipway.deploy.plugins.module_utils.migration.states import Rules
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration.sqlite_project import (
    HISTORY,
    Project,
)


def test_a_baseline_by_a_release_leaves_its_token(project: Project) -> None:
    project.ask("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
    project.run("baselined", "1", token=8)
    project.refuses("fenced", "a later release", "latest", token=7)


def test_an_older_fencing_token_changes_nothing_any_more(project: Project) -> None:
    project.run("target", "1", token=8)
    assert project.ask(f"SELECT name, token FROM {FENCE}") == [("shop/production", 8)]
    project.refuses("fenced", "a later release has taken the lock", token=7)
    assert project.run(token=9).after.current == "2"


def test_a_token_that_rises_meanwhile_stops_the_next_script(project: Project) -> None:
    project.run("target", "1", token=8)
    project.write(V2__first=f"UPDATE {FENCE} SET token = 9;", V3__next="DELETE FROM item;")
    with pytest.raises(SlipwayError, match="a later release") as caught:
        project.run(token=8)
    assert (caught.value.cause, caught.value.evidence["applied"][-1]["version"]) == ("fenced", "2")
    assert "3" not in [row[1] for row in project.ask(HISTORY)]


def test_somebody_else_at_work_is_waited_for_and_then_named(project: Project) -> None:
    system = System()
    with system.flock(f"{project.path}-migrations.lock", timeout=1.0), pytest.raises(SlipwayError) as caught:
        project.run()
    assert caught.value.cause == "lock_held"


class Impatient(System):
    """A clock on which somebody else ends what keeps a file closed, as soon as it is waited for."""

    def __init__(self, others: list[sqlite3.Connection]) -> None:
        self.others = others

    def sleep(self, seconds: float) -> None:
        self.others.pop().execute("COMMIT")


def test_a_look_at_a_file_that_somebody_commits_to_waits_and_is_not_refused(project: Project) -> None:
    project.run()
    other = sqlite3.connect(project.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waited = Impatient([other])
    database = SQLite(opener(str(project.path)), Settings(lock_timeout=0.0), waited)
    rows = database.history()
    assert rows is not None
    assert [(row.rank, row.version) for row in rows] == [line[:2] for line in project.ask(HISTORY)]
    assert not waited.others


def test_what_is_noted_before_a_script_of_single_statements_waits_as_a_statement_does(project: Project) -> None:
    project.run()
    project.write(V9__vacuum="-- slipway: transaction=off\nVACUUM;")
    other = sqlite3.connect(project.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # who only looks gets through
    waited = Impatient([other])
    database = SQLite(opener(str(project.path)), Settings(lock_timeout=0.0), waited)
    scripts = Scripts([str(project.files)], Reader("sqlite", Placeholders({})))
    SqlRunner(database, scripts, waited, Rules(), Patience(lock=1.0, retry=60.0)).apply(Order("latest", "", "all"))
    assert not waited.others
    assert project.ask(HISTORY)[-1][1:] == ("9", "SQL", 1)
