# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of plain SQL, on SQLite: what is applied, what is refused, and what a failure leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration import source
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration.sqlite_project import (
    HISTORY,
    Project,
)


def test_all_that_is_pending_is_applied_once_and_the_second_run_changes_nothing(project: Project) -> None:
    report = project.run()
    assert [(one.version, one.script) for one in report.done] == [
        ("1", "V1__item.sql"),
        ("2", "V2__first.sql"),
        ("", "R__names.sql"),
    ]
    assert (report.changed, report.before.current, report.after.current) == (True, "", "2")
    assert project.ask("SELECT name FROM names") == [("a;b",), ("100 %",)]
    before = project.dump()
    again = project.run()
    assert (again.changed, again.done) == (False, ())
    assert project.dump() == before


def test_looking_creates_nothing_not_even_the_history(project: Project) -> None:
    before = project.dump()
    status, preview = project.runner().status(), project.runner().preview(Order())
    assert [one.state for one in status.migrations] == ["pending"] * 3
    assert preview.startswith("-- V1__item.sql\nCREATE TABLE item")
    assert project.dump() == before


def test_a_target_is_the_last_one_that_is_applied(project: Project) -> None:
    assert project.run("target", "1").after.current == "1"
    assert project.states(target="1")["V2__first.sql"] == "above_target"


def test_a_repeatable_one_is_applied_again_when_it_has_changed(project: Project) -> None:
    project.run()
    project.write(R__names="DROP VIEW names; CREATE VIEW names AS SELECT upper(name) AS name FROM item;")
    report = project.run()
    assert [one.script for one in report.done] == ["R__names.sql"]
    assert project.ask("SELECT name FROM names") == [("A;B",), ("100 %",)]
    assert [one.state for one in report.after.migrations if one.script == "R__names.sql"] == ["superseded", "success"]


def test_a_repeatable_one_that_has_changed_waits_for_the_versions_it_may_need(project: Project) -> None:
    project.run()
    project.write(
        V3__price="ALTER TABLE item ADD COLUMN price INTEGER;",
        R__names="DROP VIEW names; CREATE VIEW names AS SELECT name, price FROM item;",
        R__also="SELECT 1;",
    )
    assert [one.script for one in project.run().done] == ["V3__price.sql", "R__also.sql", "R__names.sql"]


def test_a_statement_that_fails_takes_its_whole_script_back_and_is_named_with_its_line(project: Project) -> None:
    project.write(V3__broken="INSERT INTO item (name) VALUES ('x');\n\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(
        SlipwayError, match=r"V3__broken\.sql line 3: .*no such table: nowhere.*nothing of it"
    ) as caught:
        project.run()
    assert caught.value.cause == "migration_failed"
    assert [one["script"] for one in caught.value.evidence["applied"]] == ["V1__item.sql", "V2__first.sql"]
    assert project.ask("SELECT count(*) FROM item") == [(2,)]
    assert [row[1] for row in project.ask(HISTORY)] == ["1", "2"]
    project.write(V3__broken="INSERT INTO item (name) VALUES ('x');")
    assert project.run().changed


def test_a_constraint_that_is_only_checked_at_the_end_names_its_script_and_leaves_nothing(project: Project) -> None:
    """SQLite checks a deferred key at COMMIT, when no statement is at work any more."""
    project.run()
    project.write(
        V3__key="CREATE TABLE line (item INTEGER REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED);\n"
        "INSERT INTO line VALUES (99);"
    )
    runner = project.runner()
    runner._database.run("PRAGMA foreign_keys = ON")
    with pytest.raises(SlipwayError, match=r"V3__key\.sql: was refused.*FOREIGN KEY") as caught:
        runner.apply(Order())
    assert caught.value.cause == "migration_failed"
    assert [row[1] for row in project.ask(HISTORY)] == ["1", "2", None]
    assert "line" not in " ".join(project.dump())


def test_repair_of_what_was_never_recorded_makes_no_table(project: Project) -> None:
    before = project.dump()
    assert not project.run("repaired", token=8).changed
    assert project.dump() == before


def test_a_script_that_stands_outside_a_transaction_is_dirty_when_it_fails_until_it_is_repaired(
    project: Project,
) -> None:
    project.run()
    project.write(
        V3__apart="-- slipway: transaction=off\nINSERT INTO item (name) VALUES ('x');\nINSERT INTO nowhere VALUES (1);\n"
    )
    with pytest.raises(SlipwayError, match=r"V3__apart\.sql line 3.*all before line 3"):
        project.run()
    assert project.states()["V3__apart.sql"] == "dirty"
    project.refuses("dirty", "V3__apart.sql in main of .*did not end well")
    assert project.run("repaired").changed
    assert project.states()["V3__apart.sql"] == "pending"
    project.write(V3__apart="INSERT INTO item (name) VALUES ('y');")
    assert project.run().after.current == "3"


def test_a_run_that_was_cut_off_outside_a_transaction_is_dirty(project: Project) -> None:
    project.run()
    project.write(V3__apart="-- slipway: transaction=off\nINSERT INTO item (name) VALUES ('x');")
    project.ask(
        "INSERT INTO flyway_schema_history VALUES (4, '3', 'apart', 'SQL', 'V3__apart.sql', 0, '', '2026-01-01', -1, 0)"
    )
    project.refuses("dirty", "V3__apart.sql")


@pytest.mark.parametrize(
    ("change", "cause", "words"),
    [
        (
            {"V1__item": "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"},
            "edited",
            "V1__item.sql in .*was changed",
        ),
        ({"V1.5__late": "SELECT 1;"}, "out_of_order", "V1.5__late.sql in .*later ones are"),
        ({"V1__item": None}, "missing_file", "V1__item.sql in .*no longer there"),
        ({"V2_0__again": "SELECT 1;"}, "bad_input", "two versioned migrations have the version 2"),
        ({"V3_wrong": "SELECT 1;"}, "bad_input", "V3_wrong.sql: has .*where a version should be|V3_wrong.sql"),
        ({"V3__own": "BEGIN;\nSELECT 1;\nCOMMIT;"}, "bad_input", "V3__own.sql:1: begins or ends a transaction"),
        ({"V3__open": "SELECT 'x;"}, "bad_input", "V3__open.sql:1"),
    ],
    ids=["edited", "gap", "missing", "duplicate", "misnamed", "own transaction", "unterminated"],
)
def test_what_is_wrong_with_the_files_is_said_and_nothing_is_applied(
    project: Project, change: dict[str, str | None], cause: str, words: str
) -> None:
    project.run()
    for name, text in change.items():
        file = project.files / f"{name}.sql"
        file.unlink() if text is None else file.write_text(text)
    project.refuses(cause, words)


def test_several_problems_are_all_told_at_once(project: Project) -> None:
    project.run()
    project.write(**{"V1__item": "SELECT 1;", "V1.5__late": "SELECT 1;"})
    error = project.refuses("edited", "and 1 more problems")
    assert [one["cause"] for one in error.evidence["problems"]] == ["edited", "out_of_order"]


def test_out_of_order_is_applied_where_it_is_allowed(project: Project) -> None:
    project.run()
    project.write(**{"V1.5__late": "INSERT INTO item (name) VALUES ('late');"})
    report = project.run(out_of_order=True)
    assert [one.script for one in report.done] == ["V1.5__late.sql"]
    assert project.states(out_of_order=True)["V1.5__late.sql"] == "out_of_order"
    assert report.after.current == "2"


def test_what_a_later_version_of_the_program_has_applied_is_ahead_and_no_error(project: Project) -> None:
    project.write(V3__later="ALTER TABLE item ADD COLUMN price INTEGER;")
    project.run()
    (project.files / "V3__later.sql").unlink()
    status = project.run().after
    assert [one.script for one in status.of("ahead")] == ["V3__later.sql"]
    assert (status.problems, status.current) == ((), "3")


def test_repair_takes_the_files_for_true_and_notes_what_is_gone_as_deleted(project: Project) -> None:
    project.run()
    project.write(V1__item="CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL);", V3__last="SELECT 1;")
    (project.files / "V2__first.sql").unlink()
    assert project.run("repaired").changed
    assert project.states()["V2__first.sql"] == "deleted"
    assert project.run().after.current == "3"
    assert not project.run("repaired").changed


def test_undo_takes_the_last_one_back_and_with_a_target_all_above_it(project: Project) -> None:
    project.write(U2__first="DELETE FROM item;", U1__item="DROP VIEW names; DROP TABLE item;")
    project.run()
    report = project.run("undone")
    assert [one.script for one in report.done] == ["U2__first.sql"]
    assert (report.after.current, project.ask("SELECT count(*) FROM item")) == ("1", [(0,)])
    assert project.run().after.current == "2"
    project.write(V3__more="SELECT 1;", U3__more="SELECT 1;")
    project.run()
    assert [one.script for one in project.run("undone", "1").done] == ["U3__more.sql", "U2__first.sql"]
    assert [row[2] for row in project.ask(HISTORY)].count("UNDO_SQL") == 3


def test_undo_refuses_as_a_whole_when_one_script_is_missing(project: Project) -> None:
    project.write(U2__first="DELETE FROM item;", V3__more="SELECT 1;")
    project.run()
    project.refuses("no_undo", "V3__more.sql: cannot be undone.*nothing was undone", "undone", "1")


def test_tables_without_a_history_want_a_baseline(project: Project) -> None:
    project.ask("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
    project.refuses("not_baselined", "has tables, and no history")
    assert project.run("baselined", "1").changed
    assert not project.run("baselined", "1").changed
    report = project.run()
    assert [one.script for one in report.done] == ["V2__first.sql", "R__names.sql"]
    assert project.states()["V1__item.sql"] == "below_baseline"
    project.refuses("exists", "has a history already", "baselined", "5")


def test_the_newest_baseline_script_stands_for_all_before_it_where_there_is_no_history(project: Project) -> None:
    project.write(
        B2__both="CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item (name) VALUES ('b');"
    )
    report = project.run()
    assert [one.script for one in report.done] == ["B2__both.sql", "R__names.sql"]
    assert project.ask(HISTORY)[0][1:] == ("2", "SQL_BASELINE", 1)


def test_the_phases_are_applied_apart(project: Project) -> None:
    project.write(
        V3__drop="-- slipway: phase=contract\nDROP VIEW names;", V4__more="INSERT INTO item (name) VALUES ('m');"
    )
    assert [one.script for one in project.run(phase="expand").done] == [
        "V1__item.sql",
        "V2__first.sql",
        "V4__more.sql",
        "R__names.sql",
    ]
    assert [one.script for one in project.run(phase="contract").done] == ["V3__drop.sql"]


def test_a_small_file_is_read_but_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counted(read: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def reading(path: str, *options: t.Any) -> t.Any:
            opened.append(path)
            return read(path, *options)

        return reading

    for name in ("read", "little"):
        monkeypatch.setattr(source, name, counted(getattr(source, name)))
    project.run()
    assert sorted(opened) == sorted(str(path) for path in project.files.iterdir())


NEEDLESS = (
    *("migration.split", "migration.split_sqlite", "migration.execution", "migration.backfill", "migration.lint.check"),
    "state.machine",
)
LOOKING = """
import sys
from ansible_collections.slipway.deploy.plugins.module_utils.stages import migration_runner
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

given = {"engine": "sqlite", "locations": [sys.argv[2]], "lint_squawk": ""}
params = ArgumentSpecValidator(MIGRATION_RUNNER.options).validate(given).validated_parameters
found = migration_runner.run(params, sys.argv[1], System(), False)
print(found["changed"], *sorted(name.partition(".module_utils.")[2] for name in sys.modules))
"""


def test_what_finds_nothing_pending_imports_nothing_to_apply_with(project: Project) -> None:
    words = [sys.executable, "-c", LOOKING, str(project.path), str(project.files)]
    root = os.path.abspath(source.__file__).partition(f"{os.sep}ansible_collections{os.sep}")[0]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    for changed in ("True", "False"):
        said, *imported = subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout.split()
        assert said == changed
        needless = set(imported) & set(NEEDLESS)
        assert needless == (set(NEEDLESS) - {"state.machine"} if changed == "True" else set())


def test_a_database_that_is_not_there_is_named(project: Project) -> None:
    project.path.unlink()
    with pytest.raises(SlipwayError, match=r"shop\.db: cannot be opened") as caught:
        project.run()
    assert caught.value.cause == "no_such_database"
