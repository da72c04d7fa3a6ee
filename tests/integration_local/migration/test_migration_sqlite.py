# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of plain SQL on SQLite beside programs that use it: journals, sessions, and what stands outside a transaction."""

from __future__ import annotations

import contextlib

import pytest

from .projects import SQLiteProject


@pytest.fixture(name="project")
def _project(on_sqlite: SQLiteProject) -> SQLiteProject:
    on_sqlite.write(**on_sqlite.usual)
    on_sqlite.run()
    return on_sqlite


def test_a_change_of_a_table_that_fails_in_the_middle_leaves_nothing(project: SQLiteProject) -> None:
    before = project.whole()
    project.write(
        V5__two="ALTER TABLE item ADD COLUMN size int;\nCREATE TABLE more (a int);\nSELECT nothing FROM item;"
    )
    with pytest.raises(Exception, match=r"V5__two\.sql line 3.*nothing of it"):
        project.run()
    assert project.whole() == before


def test_a_program_that_reads_in_its_own_transaction_keeps_nobody_out(project: SQLiteProject) -> None:
    project.execute("PRAGMA journal_mode = WAL")
    project.write(V5__more="SELECT count(*) FROM item;\nINSERT INTO item (name) VALUES ('z');")
    with contextlib.closing(project.connect()) as link:
        link.execute("BEGIN")
        assert link.execute("SELECT count(*) FROM item").fetchall() == [(3,)]
        project.run(retry=0.0)
        assert link.execute("SELECT count(*) FROM item").fetchall() == [(3,)]
    assert project.ask("SELECT count(*) FROM item") == [(4,)]


def test_what_a_script_sets_is_gone_for_the_next_one(project: SQLiteProject) -> None:
    project.write(
        V5__set="PRAGMA foreign_keys = ON;\nATTACH ':memory:' AS other;",
        V6__after="CREATE TABLE seen AS SELECT foreign_keys, (SELECT count(*) FROM pragma_database_list) AS many"
        " FROM pragma_foreign_keys;",
    )
    project.run()
    assert project.ask("SELECT * FROM seen") == [(0, 1)]
