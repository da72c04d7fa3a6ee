# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of plain SQL on a real MariaDB: what its transactions do not hold, sessions, and statements that outlive a run."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .projects import MariaDBProject
from .test_migration_kills import forked, signalled


@pytest.fixture(name="project")
def _project(on_mariadb: MariaDBProject) -> MariaDBProject:
    on_mariadb.write(**on_mariadb.usual)
    on_mariadb.run()
    return on_mariadb


def refused(project: MariaDBProject, state: str = "latest") -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        project.run(state)
    return caught.value


def test_a_change_of_a_table_that_fails_in_the_middle_is_dirty(project: MariaDBProject) -> None:
    project.write(V5__two="ALTER TABLE item ADD COLUMN size int;\nALTER TABLE item ADD COLUMN nowhere.colour int;")
    error = refused(project)
    assert (error.cause, error.obj) == ("migration_failed", "V5__two.sql line 2")
    assert "all before line 2" in error.message
    assert refused(project).cause == "dirty"
    project.run("repaired")
    project.write(V5__two="ALTER TABLE item ADD COLUMN colour int;")
    assert project.run().after.current == "5"


def test_files_with_other_delimiters(project: MariaDBProject) -> None:
    project.write(
        V5__stored="DELIMITER $$\nCREATE TRIGGER early BEFORE INSERT ON item FOR EACH ROW\nBEGIN\n  SET NEW.name = 'x;';"
        "\nEND$$\nDELIMITER ;\nINSERT INTO item (name) VALUES ('never');"
    )
    project.run()
    assert project.ask("SELECT count(*) FROM item WHERE name = 'x;'") == [(1,)]


@pytest.mark.parametrize(
    ("last", "said"), [("SELECT 1", "All of it is there"), ("SELECT * FROM nowhere", "What is before line 3 is there")]
)
def test_a_procedure_that_changes_tables_ends_the_transaction_and_that_is_noticed(
    project: MariaDBProject, last: str, said: str
) -> None:
    project.write(V5__stored="CREATE PROCEDURE grow() ALTER TABLE item ADD COLUMN size int;")
    project.run()
    project.write(V6__call=f"INSERT INTO item (name) VALUES ('z');\nCALL grow();\n{last};")
    error = refused(project)
    assert (error.cause, error.obj) == ("dirty", "V6__call.sql")
    assert said in error.message
    assert project.states()["V6__call.sql"] == "dirty"


@pytest.mark.parametrize(
    "set_",
    [
        "SET SESSION sql_mode = 'ANSI_QUOTES'",
        "SET foreign_key_checks = 0",
        "SET time_zone = '+05:00'",
        "SET @kept = 1",
        "SET SESSION lock_wait_timeout = 1234",
        "USE mysql",
        "LOCK TABLES item WRITE",
        "CREATE ROLE IF NOT EXISTS poor; SET ROLE poor",
        "SET autocommit = 0; COMMIT",
        "SET autocommit = 0; SET autocommit = 1; SET SESSION TRANSACTION READ ONLY",
    ],
)
@pytest.mark.sample(3, of="sessions")
@pytest.mark.parametrize("apart", [False, True], ids=["within", "apart"])
def test_what_a_script_sets_is_gone_for_the_next_one(project: MariaDBProject, set_: str, apart: bool) -> None:
    asked = (
        "SELECT @@sql_mode, @@foreign_key_checks, @@time_zone, @kept, @@lock_wait_timeout, DATABASE(), CURRENT_ROLE(),"
        " @@autocommit, @@transaction_read_only"
    )
    asked = asked.replace("@@transaction_read_only", "@@tx_read_only")
    note = "-- slipway: transaction=off\n" if apart or "autocommit" in set_ else ""
    project.write(
        V5__before=f"CREATE TABLE seen AS {asked};", V6__set=f"{note}{set_};", V7__after=f"INSERT INTO seen {asked};"
    )
    project.run()
    first, second = project.ask("SELECT * FROM seen")
    assert first == second


@pytest.mark.parametrize("set_", ["SET NAMES latin1", "/*!40101 SET character_set_client = latin1 */"])
def test_another_encoding_would_mangle_what_follows_and_is_refused(project: MariaDBProject, set_: str) -> None:
    project.write(
        V5__latin1=f"INSERT INTO item (name) VALUES ('z');\n{set_};\nINSERT INTO item (name) VALUES ('größer');"
    )
    error = refused(project)
    assert (error.cause, error.obj) == ("bad_input", "V5__latin1.sql:2")
    assert project.ask("SELECT count(*) FROM item WHERE name = 'z'") == [(0,)]


def test_a_statement_that_outlives_its_run_is_waited_for(project: MariaDBProject) -> None:
    project.write(V5__slow=f"-- slipway: transaction=off\n{project.slow};")
    child = forked(project.run)
    question = (
        f"SELECT id FROM information_schema.processlist WHERE db = '{project.database}' AND info LIKE 'SELECT BENCH%'"
    )
    while not (found := project.ask(question)):
        pass
    os.kill(child, signal.SIGKILL)
    signalled(child)
    with pytest.raises(SlipwayError, match=f"connection {found[0][0]}.*until KILL ends it") as caught:
        project.run(lock_wait=0.0)
    assert caught.value.cause == "lock_held"
    project.execute(f"KILL {found[0][0]}")
    assert refused(project).cause == "dirty"
