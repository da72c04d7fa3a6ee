# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of plain SQL on a real PostgreSQL: invalid indexes, sessions, lines, and statements that outlive a run."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import FENCE, Database

from .projects import PostgreSQLProject
from .test_migration_kills import forked, signalled


@pytest.fixture(name="project")
def _project(on_postgresql: PostgreSQLProject) -> PostgreSQLProject:
    on_postgresql.write(**on_postgresql.usual)
    return on_postgresql


def refused(project: PostgreSQLProject) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        project.run()
    return caught.value


def test_an_index_that_was_left_invalid_is_built_again(project: PostgreSQLProject) -> None:
    project.write(V3__index="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS item_name ON item (name);")
    project.write(V2__rows="INSERT INTO item (name) VALUES ('a');")  # twice, so that the index cannot be
    with pytest.raises(SlipwayError, match=r"V3__index\.sql line 1.*could not create unique index"):
        project.run()
    assert project.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(1,)]
    project.execute("DELETE FROM item WHERE id = 100")
    project.run("repaired")
    project.run()
    assert project.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'item_name'::regclass") == [(True,)]


def test_a_message_has_the_line_of_the_statement_s_own_error(project: PostgreSQLProject) -> None:
    project.write(V5__wrong="SELECT 1;\n\nSELECT\n  nothing\nFROM item;")
    with pytest.raises(SlipwayError, match=r'V5__wrong\.sql line 4: .*column "nothing" does not exist'):
        project.run()


def test_an_error_in_the_data_of_copy_is_told_with_its_line(project: PostgreSQLProject) -> None:
    project.write(V5__data="COPY item (id, name) FROM stdin;\n11\tb\nx\tc\n\\.\n")
    assert "(COPY item, line 2, column id" in str(refused(project).actual)


@pytest.mark.parametrize(
    "set_",
    [
        "SET search_path = pg_catalog",
        "SET ROLE poor",
        "SET LOCAL ROLE poor",
        "SET SESSION AUTHORIZATION poor",
        "SET lock_timeout = 0",
        "SET statement_timeout = '1h'",
        "SET session_replication_role = replica",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SELECT set_config('shop.kept', '1', false)",
        "PREPARE kept AS SELECT 1",
    ],
)
@pytest.mark.sample(3, of="sessions")
@pytest.mark.parametrize("apart", [False, True], ids=["within", "apart"])
def test_what_a_script_sets_is_gone_for_the_next_one(project: PostgreSQLProject, set_: str, apart: bool) -> None:
    asked = (
        "SELECT current_user, session_user, current_schemas(true), current_setting('shop.kept', true), (SELECT count(*) FROM"
        " pg_prepared_statements), (SELECT array_agg(name || setting ORDER BY name) FROM pg_settings WHERE name IN ('lock_timeout',"
        " 'statement_timeout', 'session_replication_role', 'default_transaction_read_only', 'role'))"
    )
    project.execute("DO $$ BEGIN CREATE ROLE poor; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    note = "-- slipway: transaction=off\n" if apart else ""
    values = "SELECT ROW(q)::text AS q FROM"
    project.write(
        V5__before=f"CREATE TABLE seen AS {values} ({asked}) q;",
        V6__set=f"{note}{set_};",
        V7__after=f"INSERT INTO seen {values} ({asked}) q;",
    )
    project.run()
    first, second = project.ask("SELECT replace(q, '\"\"', '') FROM seen")
    assert first == second


def test_the_role_that_a_login_has_by_default_is_kept(project: PostgreSQLProject) -> None:
    owner, login = f"owner_{project.database}", f"login_{project.database}"
    project.execute(
        f"CREATE ROLE {owner}",
        f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE {owner}",
        f"ALTER ROLE {login} SET role = {owner}",
        f"GRANT CREATE ON SCHEMA public TO {owner}",
    )
    project.as_user(login, "x")
    project.write(V1__item=f"SET ROLE {login};\nRESET ROLE;\n{project.usual['V1__item']}")
    project.run()
    assert project.ask("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [(owner,)]


@pytest.mark.parametrize(
    "set_", ["SET client_encoding = 'LATIN1'", "SET NAMES 'LATIN1'", "SET standard_conforming_strings = off"]
)
def test_another_way_to_read_what_follows_is_refused(project: PostgreSQLProject, set_: str) -> None:
    project.write(
        V5__latin1=f"INSERT INTO item (name) VALUES ('z');\n{set_};\nINSERT INTO item (name) VALUES ('größer');"
    )
    error = refused(project)
    assert (error.cause, error.obj) == ("bad_input", "V5__latin1.sql:2")
    assert project.ask("SELECT count(*) FROM item WHERE name = 'z'") == [(0,)]


@pytest.mark.parametrize("token", [0, 8], ids=["alone", "in a release"])
def test_a_script_costs_one_question_beside_its_own(
    project: PostgreSQLProject, token: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    run = Database.run

    def counting(self: Database, statement: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
        asked.append(statement)
        return run(self, statement, *values)

    monkeypatch.setattr(Database, "run", counting)
    project.another().run(token=token)
    few = len(asked)
    project.write(**{f"V{number}__more": "SELECT 1;" for number in range(5, 15)})
    project.another().run(token=token)
    assert len(asked) - 2 * few == 10 * (1 + 1)


BUSY = (
    f"ALTER TABLE {FENCE} RENAME TO kept;\n"
    "CREATE FUNCTION busy() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE lock_not_available; END $$;\n"
    f"CREATE VIEW {FENCE} AS SELECT name, busy() AS token FROM kept;"
)


@pytest.mark.parametrize(
    ("last", "cause"), [(f"DROP TABLE {FENCE};", "migration_failed"), (BUSY, "lock_timeout")], ids=["gone", "locked"]
)
def test_a_transaction_that_cannot_begin_is_told_of_the_script_it_was_for(
    project: PostgreSQLProject, last: str, cause: str
) -> None:
    project.write(V5__more="INSERT INTO item (name) VALUES ('e');", V6__fence=last, V7__next="SELECT 1;")
    with pytest.raises(SlipwayError, match=r"V7__next\.sql") as caught:
        project.run(token=8, retry=0.0)
    assert caught.value.cause == cause
    assert [one["version"] for one in caught.value.evidence["applied"]] == ["1", "2", "3", "4", "5", "6"]
    assert project.ask("SELECT version FROM flyway_schema_history WHERE version > '4' ORDER BY 1") == [("5",), ("6",)]


def test_what_is_checked_at_the_end_of_a_script_is_told_of_it_and_not_of_the_next(project: PostgreSQLProject) -> None:
    unique = "ALTER TABLE item ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED;"
    twice = "INSERT INTO item (name) VALUES ('z'), ('z');"
    project.write(V5__unique=unique, V6__twice=twice, V7__next="CREATE TABLE never ();")
    error = refused(project)
    assert (error.cause, error.obj) == ("migration_failed", "V6__twice.sql")
    assert project.ask("SELECT max(version), to_regclass('never') FROM flyway_schema_history") == [("5", None)]
    assert project.ask("SELECT count(*) FROM item WHERE name = 'z'") == [(0,)]


def test_the_last_statement_goes_with_the_line_that_says_how_long_it_took(project: PostgreSQLProject) -> None:
    """In one message: a per cent sign stays one, a comment ends where it ended, and the server counts what the client cannot."""
    project.write(
        V5__slow="SELECT 1;\nCREATE TABLE slow AS SELECT 1 AS one FROM pg_sleep(0.25) -- so long",
        V6__percent="INSERT INTO item (name) VALUES ('100 %s -- %');",
    )
    project.run()
    (took,) = project.ask("SELECT execution_time FROM flyway_schema_history WHERE version = '5'")[0]
    assert took >= 250
    assert project.ask("SELECT count(*) FROM item WHERE name = '100 %s -- %'") == [(1,)]


def test_a_last_statement_that_takes_too_long_has_surely_done_nothing(project: PostgreSQLProject) -> None:
    project.run()
    before = project.whole()
    project.write(
        V5__slow="INSERT INTO item (name) VALUES ('a');\nUPDATE item SET name = 'b' WHERE pg_sleep(3600) IS NOT NULL;"
    )
    with pytest.raises(SlipwayError, match=r"V5__slow\.sql line 2") as caught:
        project.run(statement_timeout=0.2)
    assert (caught.value.cause, project.whole()) == ("timeout", before)
    assert "In force is nothing of it." in caught.value.remedy


def test_what_a_script_has_left_is_not_back_when_the_next_one_is_tried_again(project: PostgreSQLProject) -> None:
    busy = "DO $$ BEGIN IF nextval('tries') = 1 THEN RAISE lock_not_available; END IF; END $$;"
    left = (
        "SELECT to_regclass('pg_temp.left_over'), current_setting('shop.kept', true) AS kept, currval('tries') AS tries"
    )
    project.write(
        V5__left="CREATE SEQUENCE tries;\nCREATE TEMP TABLE left_over ();\nSELECT set_config('shop.kept', '1', false);",
        V6__next=f"{busy}\nCREATE TABLE seen AS {left};",
    )
    project.run()
    assert project.ask("SELECT * FROM seen") == [(None, "", 2)]


def test_a_statement_that_outlives_its_run_is_waited_for(project: PostgreSQLProject) -> None:
    project.run()
    project.write(V5__slow=f"-- slipway: transaction=off\n{project.slow};")
    child = forked(project.run)
    question = f"SELECT pid FROM pg_stat_activity WHERE datname = '{project.database}' AND query = '{project.slow}'"
    while not (found := project.ask(question)):
        pass
    os.kill(child, signal.SIGKILL)
    signalled(child)
    with pytest.raises(SlipwayError, match=f"process {found[0][0]} .*until pg_terminate_backend") as caught:
        project.run(lock_wait=0.0)
    assert caught.value.cause == "lock_held"
    project.execute(f"SELECT pg_terminate_backend({found[0][0]}, 60000)")
    assert refused(project).cause == "dirty"
