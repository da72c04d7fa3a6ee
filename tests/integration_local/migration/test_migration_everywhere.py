# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner of plain SQL does alike on a real PostgreSQL, a real MariaDB and on SQLite."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import FENCE
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import Report
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order

from .projects import Project

pytestmark = [pytest.mark.sample(16), pytest.mark.parametrize("engine", ["postgresql", "mariadb", "sqlite"])]

MORE = "INSERT INTO item (id, name) VALUES (11, 'e');\nUPDATE item SET name = 'f' WHERE id = 11;"


@pytest.fixture(name="project")
def _project(engine: str, request: pytest.FixtureRequest) -> Project:
    """All that is usual is applied."""
    project: Project = request.getfixturevalue(f"on_{engine}")
    project.write(**project.usual)
    project.run()
    return project


def refused(project: Project, state: str = "latest", target: str = "", **options: t.Any) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        project.run(state, target, **options)
    return caught.value


def test_all_is_applied_in_order_once_and_the_second_run_changes_nothing(project: Project) -> None:
    other = project.another()
    report = other.run()
    assert [one.script for one in report.done] == [f"{name}.sql" for name in project.usual]
    assert (report.changed, report.before.current, report.after.current) == (True, "", "4")
    before = other.whole()
    again = other.run()
    assert (again.changed, again.done, again.after.current) == (False, (), "4")
    assert other.whole() == before


def test_a_statement_that_fails_takes_its_whole_script_back(project: Project) -> None:
    before = project.whole()
    project.write(V5__broken=f"{MORE}\nINSERT INTO nowhere VALUES (1);")
    error = refused(project)
    assert (error.cause, error.obj) == ("migration_failed", "V5__broken.sql line 3")
    assert "nowhere" in str(error.actual)
    assert "In force is nothing of it." in error.message
    assert project.whole() == before
    project.write(V5__broken=MORE)
    assert project.run().after.current == "5"


def test_outside_a_transaction_it_is_dirty_until_it_is_repaired(project: Project) -> None:
    project.write(V5__apart=f"-- slipway: transaction=off\n{MORE}\nINSERT INTO nowhere VALUES (1);")
    error = refused(project)
    assert error.message.endswith("In force is all before line 4.")
    assert project.states()["V5__apart.sql"] == "dirty"
    before = project.whole()
    error = refused(project)
    assert (error.cause, "V5__apart.sql" in error.message) == ("dirty", True)
    assert project.whole() == before
    assert project.run("repaired").changed
    project.write(V5__apart="-- slipway: transaction=off\nDELETE FROM item WHERE id = 11;")
    assert project.run().after.current == "5"
    assert not project.run("repaired").changed


def test_undone_and_applied_again(project: Project) -> None:
    before = project.whole()[:2]
    project.write(V5__more=MORE, U5__more="DELETE FROM item WHERE id = 11;")
    project.run()
    report = project.run("undone")
    assert [one.script for one in report.done] == ["U5__more.sql"]
    assert (report.after.current, project.whole()[:2]) == ("4", before)
    assert project.run().after.current == "5"


def test_an_undo_that_fails_outside_a_transaction_is_dirty_too(project: Project) -> None:
    project.write(
        V5__more=MORE, U5__more="-- slipway: transaction=off\nDELETE FROM item WHERE id = 11;\nSELECT nothing;"
    )
    project.run()
    assert refused(project, "undone").cause == "migration_failed"
    assert refused(project).cause == "dirty"
    assert refused(project, "undone").cause == "dirty"
    project.run("repaired")
    project.write(U5__more="DELETE FROM item WHERE id = 11;")
    assert project.run("undone").after.current == "4"


def test_a_database_with_tables_wants_a_baseline(project: Project) -> None:
    other = project.another()
    other.execute("CREATE TABLE item (id int PRIMARY KEY, name varchar(20), price int)")
    error = refused(other)
    assert (error.cause, error.actual) == ("not_baselined", "item")
    with pytest.raises(SlipwayError, match="has tables, and no history"):
        other.runner().preview(Order())
    assert other.run("baselined", "4").changed
    assert not other.run("baselined", "4").changed
    assert [one.script for one in other.run().done] == ["R__names.sql"]
    assert refused(other, "baselined", "5").cause == "exists"
    with pytest.raises(SlipwayError, match="has a history already"):
        other.runner().preview(Order("baselined", "5"))


def test_looking_creates_nothing(project: Project) -> None:
    other = project.another()
    before = other.schema()
    preview = other.runner().preview(Order())
    assert preview.startswith(f"-- V1__item.sql\n{project.usual['V1__item']}")
    assert other.schema() == before


def test_an_older_token_is_refused_within_the_transaction(project: Project) -> None:
    project.run(token=8)
    project.write(V5__more=f"UPDATE {FENCE} SET token = 9;", V6__next=MORE)
    error = refused(project, token=8)
    assert (error.cause, error.actual, error.wanted) == ("fenced", 8, 9)
    assert [one["version"] for one in error.evidence["applied"]] == ["5"]
    assert "V6__next.sql" not in [row[3] for row in project.whole()[2]]
    assert refused(project, token=8).cause == "fenced"
    assert project.run(token=10).after.current == "6"


def test_a_table_in_use_is_waited_for_and_the_whole_script_tried_again(project: Project) -> None:
    project.write(V5__more=MORE)
    runner, tried = project.runner(), threading.Event()
    pauses = runner._execution.pauses

    def told(deadline: float | None) -> t.Iterator[bool]:
        for pause in pauses(deadline):
            tried.set()
            yield pause

    runner._execution.pauses = told  # type: ignore[method-assign]
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(runner.apply(Order())))
    with project.blocking():
        thread.start()
        assert tried.wait(60)
    thread.join()
    assert [one.script for one in reports[0].done] == ["V5__more.sql"]
    assert project.ask("SELECT count(*) FROM item WHERE name = 'f'") == [(1,)]


def test_a_table_that_stays_in_use_is_named_and_nothing_is_changed(project: Project) -> None:
    project.write(V5__more=MORE)
    with project.blocking():
        error = refused(project, retry=0.0)
    assert error.cause == "lock_timeout"
    assert "V5__more.sql" in error.obj
    assert project.run().done


@pytest.mark.parametrize("limit", [{"statement_timeout": 0.2}, {"timeout": 2.0}], ids=["statement", "whole run"])
def test_what_takes_too_long_is_ended_and_taken_back(project: Project, limit: dict[str, float]) -> None:
    before = project.whole()
    project.write(V5__slow=f"{MORE}\n{project.slow};")
    error = refused(project, **limit)
    assert (error.cause, error.obj) == ("timeout", "V5__slow.sql line 3")
    assert project.whole() == before


def test_the_time_for_all_of_it_ends_the_tries_to_get_a_lock_too(project: Project, engine: str) -> None:
    project.write(V5__more=MORE)
    with project.blocking():
        error = refused(project, timeout=0.5, lock_timeout=3600.0, retry=3600.0)
    assert error.cause == ("lock_timeout" if engine == "sqlite" else "timeout")
    assert project.run().done


def test_what_is_not_begun_when_the_time_is_over_is_named_with_what_was_applied(project: Project) -> None:
    project.write(V5__more=MORE, V6__next="DELETE FROM item;")
    runner = project.runner()
    later = runner._system.monotonic() + 7200.0
    renew = runner._database.renew

    def slow() -> None:
        renew()
        runner._system.monotonic = lambda: later  # type: ignore[method-assign]

    runner._database.renew = slow  # type: ignore[method-assign]
    with pytest.raises(SlipwayError, match=r"V6__next\.sql: was not begun") as caught:
        runner.apply(Order(timeout=3600.0))
    assert [one["version"] for one in caught.value.evidence["applied"]] == ["5"]


def test_a_transaction_of_its_own_must_end(project: Project) -> None:
    project.write(V5__open=f"-- slipway: transaction=off\nBEGIN;\n{MORE}")
    error = refused(project)
    assert (error.cause, error.what) == ("dirty", "begins a transaction and does not end it")
    assert project.ask("SELECT count(*) FROM item WHERE id = 11") == [(0,)]
    project.run("repaired")
    project.write(V5__open=f"-- slipway: transaction=off\nBEGIN;\n{MORE}\nCOMMIT;")
    project.run()
    assert project.ask("SELECT count(*) FROM item WHERE id = 11") == [(1,)]


def test_a_file_that_cannot_be_read_to_its_end_stops_all_before_anything_is_run(project: Project) -> None:
    before = project.whole()
    project.write(V5__more=MORE, V6__unended="INSERT INTO item (name) VALUES ('never;")
    assert refused(project).obj == "V6__unended.sql:1"
    project.write(V6__unended="COMMIT;")
    assert "begins or ends a transaction" in refused(project).message
    assert project.whole() == before


def test_temporary_tables_end_with_their_script(project: Project) -> None:
    project.write(
        V5__more="CREATE TEMPORARY TABLE kept (a int);\nINSERT INTO kept VALUES (1);", V6__next="SELECT * FROM kept;"
    )
    error = refused(project)
    assert (error.cause, error.obj) == ("migration_failed", "V6__next.sql line 1")
