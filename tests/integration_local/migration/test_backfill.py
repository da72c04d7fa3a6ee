# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many rows changed in batches, on each kind of database: killed, held up, and beside the program that goes on."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import time
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.backfill_count import TABLE
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Database
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import Report
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests import sampling

from .projects import Project
from .test_migration_kills import forked, signalled

ROWS, BATCH = 50_000, 4_000
BATCHES = 13
INSTANTS = 30

FILL = f"""-- slipway: phase=backfill batch={BATCH} slow=60
UPDATE item SET state = 'new', touched = touched + 1 WHERE id IN (SELECT id FROM item WHERE state IS NULL LIMIT ${{slipway:batch}});
"""
FILLS = {
    "postgresql": FILL,
    "sqlite": FILL,
    "mariadb": f"-- slipway: phase=backfill batch={BATCH} slow=60\n"
    "UPDATE item SET state = 'new', touched = touched + 1 WHERE state IS NULL LIMIT ${slipway:batch};\n",
}
NUMBERS = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
ITEM = """-- slipway: transaction=off
CREATE TABLE item (id integer PRIMARY KEY, state varchar(20), touched integer NOT NULL);
{fill};
"""
INSERTS = {
    "postgresql": f"INSERT INTO item SELECT i, NULL, 0 FROM generate_series(1, {ROWS}) i",
    "sqlite": f"INSERT INTO item {NUMBERS} SELECT i, NULL, 0 FROM n",
    "mariadb": f"INSERT INTO item SELECT seq, NULL, 0 FROM seq_1_to_{ROWS}",
}
# Whoever wants to change any of the rows, and does not wait.
AT_ONCE = {
    "postgresql": ("BEGIN", "SELECT * FROM item FOR UPDATE NOWAIT", "ROLLBACK"),
    "mariadb": ("BEGIN", "SELECT * FROM item FOR UPDATE NOWAIT", "ROLLBACK"),
    "sqlite": ("PRAGMA busy_timeout = 0", "BEGIN IMMEDIATE", "ROLLBACK"),
}

pytestmark = [pytest.mark.sample(4), pytest.mark.parametrize("engine", ["postgresql", "mariadb", "sqlite"])]


@pytest.fixture(name="project")
def _project(engine: str, request: pytest.FixtureRequest) -> Project:
    """50,000 rows that are to be filled."""
    project: Project = request.getfixturevalue(f"on_{engine}")
    project.write(V1__item=ITEM.format(fill=INSERTS[engine]))
    project.run()
    project.write(V2__fill=FILLS[engine])
    return project


def filled(
    project: Project, phase: str = "backfill", *, say: t.Any = None, timeout: float = 0.0, **options: t.Any
) -> Report:
    runner = project.runner(**options)
    if say is not None:
        runner.say = say
    return runner.apply(Order("latest", "", phase, timeout))


def refused(project: Project, phase: str = "backfill", **options: t.Any) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        filled(project, phase, **options)
    return caught.value


def expect_each_once(project: Project) -> None:
    assert project.ask("SELECT state, touched, count(*) FROM item GROUP BY 1, 2") == [("new", 1, ROWS)]
    assert project.ask("SELECT success FROM flyway_schema_history WHERE version = '2'")[0][0] in (1, True)
    assert project.ask(f"SELECT * FROM {TABLE}") == []


def test_all_rows_once_and_one_line_of_the_history(project: Project) -> None:
    said: list[str] = []
    report = filled(project, say=said.append)
    (done,) = report.done
    assert (done.script, done.rows, done.transactional) == ("V2__fill.sql", ROWS, False)
    assert len(said) == BATCHES and said[-1].startswith(f"V2__fill.sql: {ROWS} rows") and "13 batches" in said[-1]
    expect_each_once(project)
    assert not filled(project).changed and report.after.current == "2"


@pytest.mark.sample(1, of="killed")
@pytest.mark.parametrize("number", range(INSTANTS))
def test_killed_at_any_statement_it_goes_on(project: Project, number: int) -> None:
    def work() -> None:
        counted = itertools.count()
        for name in ("run", "change"):
            usual = getattr(Database, name)

            def counting(self: Database, statement: str, *values: t.Any, usual: t.Any = usual) -> t.Any:
                if next(counted) == 20 + number:  # within the first batches
                    os.kill(os.getpid(), signal.SIGKILL)
                return usual(self, statement, *values)

            setattr(Database, name, counting)
        filled(project)

    assert signalled(forked(work))
    assert project.states()["V2__fill.sql"] in ("backfilling", "pending")
    left = project.ask("SELECT count(*) FROM item WHERE state IS NULL")[0][0]
    (done,) = filled(project).done
    assert 0 < left <= ROWS and done.rows == ROWS  # of both runs
    expect_each_once(project)


@pytest.mark.sample(1, of="instants")
@pytest.mark.parametrize("number", range(INSTANTS))
def test_killed_at_any_instant_it_goes_on(project: Project, engine: str, number: int) -> None:
    """The processes begin to count the time when the first batch is done."""
    reading, writing = os.pipe()
    child = forked(lambda: filled(project, say=lambda _said: os.write(writing, b".")))
    os.read(reading, 1)
    began, drawn = time.monotonic(), sampling.drawn(f"{engine} {number}")
    select.select([], [], [], drawn.uniform(0.0, 0.5))
    os.kill(child, signal.SIGKILL)
    signalled(child)
    assert time.monotonic() >= began
    filled(project)
    expect_each_once(project)


def test_between_two_batches_nothing_is_held(project: Project, engine: str) -> None:
    """Each is a transaction of its own: whoever wants any row then does not even wait."""
    looked: list[str] = []

    def look(said: str) -> None:
        looked.append(said)
        project.execute(*AT_ONCE[engine])

    filled(project, say=look)
    assert len(looked) == BATCHES
    expect_each_once(project)


def test_what_waits_for_a_row_too_long_is_taken_back_and_tried_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as stack:
        holding = project.blocking()
        stack.enter_context(holding)
        slept: list[float] = []

        def release(_system: System, seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 2:
                stack.close()

        monkeypatch.setattr(System, "sleep", release)
        filled(project, retry=3600)
    assert len(slept) == 2
    expect_each_once(project)


def test_what_is_held_for_too_long_is_left_for_the_next_run(project: Project) -> None:
    def hold(_said: str) -> None:
        if len(held) == 0:
            held.append(project.blocking())
            held[0].__enter__()

    held: list[t.Any] = []
    try:
        error = refused(project, say=hold, retry=0)
    finally:
        held[0].__exit__(None, None, None)
    assert error.cause == "lock_timeout" and error.evidence["rows"] in (0, BATCH) and "the next run" in error.remedy
    assert project.ask("SELECT count(*) FROM item WHERE state = 'new'") == [(BATCH,)]
    assert project.states()["V2__fill.sql"] == "backfilling"
    filled(project)
    expect_each_once(project)


def test_the_time_for_all_of_it_ends_it_between_two_batches(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = [0.0]
    usual = System.monotonic
    monkeypatch.setattr(System, "monotonic", lambda self: usual(self) + ahead[0])

    def later(_said: str) -> None:
        ahead[0] = 10_000.0

    error = refused(project, say=later, timeout=9_000)
    assert error.cause == "timeout" and error.evidence["rows"] == BATCH and f"{BATCH} rows" in error.remedy
    filled(project)
    expect_each_once(project)


def test_each_phase_in_its_turn(project: Project) -> None:
    project.write(
        V3__more="ALTER TABLE item ADD COLUMN more integer;",
        V4__touched="-- slipway: phase=contract\nALTER TABLE item DROP COLUMN touched;",
    )
    assert [one.script for one in filled(project, "expand").done] == ["V3__more.sql"]
    assert project.ask("SELECT count(*) FROM item WHERE state IS NOT NULL") == [(0,)]
    error = refused(project, "contract")
    assert error.cause == "backfill_pending" and error.actual == "V2__fill.sql"
    assert [one.script for one in filled(project).done] == ["V2__fill.sql"]
    expect_each_once(project)
    assert [one.script for one in filled(project, "contract").done] == ["V4__touched.sql"]
    assert project.states() == dict.fromkeys(["V1__item.sql", "V3__more.sql", "V4__touched.sql"], "success") | {
        "V2__fill.sql": "out_of_order"
    }


def test_a_file_that_has_changed_since_it_was_begun_is_not_gone_on_with(project: Project) -> None:
    def end(_said: str) -> None:
        raise SlipwayError("stop", cause="stop")

    assert refused(project, say=end).cause == "stop"
    text = (project.files / "V2__fill.sql").read_text()
    project.write(V2__fill=text.replace("'new'", "'other'"))
    assert refused(project).cause == "dirty"
    assert project.run("repaired").changed
    filled(project)
    assert project.ask("SELECT state, touched, count(*) FROM item GROUP BY 1, 2 ORDER BY 1") == [
        ("new", 1, BATCH),
        ("other", 1, ROWS - BATCH),
    ]


def test_who_has_an_older_token_changes_no_row_more(project: Project) -> None:
    def overtake(_said: str) -> None:
        runner = project.runner(token=2)
        runner._database.create_fence()
        runner._database.close()

    error = refused(project, say=overtake, token=1)
    assert error.cause == "fenced"
    assert project.ask("SELECT count(*) FROM item WHERE state = 'new'") == [(BATCH,)]
    filled(project, token=2)
    expect_each_once(project)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("UPDATE item SET state = 'x' WHERE id < 10;", "does not say how many rows"),
        ("SELECT ${slipway:batch};", "changes no rows"),
        ("UPDATE item SET state = '${slipway:batch}';", "more rows than its batch"),
        ("DELETE FROM item WHERE id = ${slipway:batch};\nDELETE FROM item;", "is no backfill"),
    ],
)
@pytest.mark.sample(1, of="refused")
def test_what_is_no_backfill_is_refused(project: Project, engine: str, text: str, said: str) -> None:
    project.write(V2__fill=f"-- slipway: phase=backfill batch=10\n{text}")
    if engine == "mariadb" and "more rows" in said:
        return  # what MySQL counts are not always rows
    error = refused(project)
    assert error.cause == "bad_input" and said in error.what
    assert project.ask("SELECT count(*) FROM item WHERE state IS NULL") == [(ROWS,)]
