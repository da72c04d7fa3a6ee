# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of SQLite taken apart into statements."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import split
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration import splitting
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration.splitting import (
    ANYTHING,
    NASTY,
    SIZES,
    SOME,
    WORDS,
    comment,
    line,
    named,
    outcome,
    scripts,
    string,
    texts,
)
from hypothesis import given
from hypothesis import strategies as st

PARTS = st.one_of(
    WORDS,
    NASTY.map(string),
    named('"'),
    named("`"),
    NASTY.map(lambda text: "[" + text.replace("]", "") + "]"),
    NASTY.map(comment),
    NASTY.map(line),
)


@SOME
@given(scripts("sqlite", PARTS), SIZES)
def test_a_script_is_split_where_its_statements_end(made, size):
    text, statements = made
    assert texts(text, "sqlite", size) == statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "create trigger t begin select case when 1 then 2 end; end; b",
            ["create trigger t begin select case when 1 then 2 end; end", "b"],
        ),
        (
            "create temporary trigger t begin a; end ; -- c\nb",
            ["create temporary trigger t begin a; end", "b"],
        ),
        ("create table trigger_t (a); b", ["create table trigger_t (a)", "b"]),
        ("[a;]];b;", ["[a;]]", "b"]),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_where_statements_end(text, expected, size):
    splitting.check_ends("sqlite", text, expected, size)


@pytest.mark.parametrize(
    "text",
    [
        "create trigger t begin a; end; /* b */ [c;] -- d",
    ],
)
def test_a_text_is_split_in_the_same_way_wherever_it_is_cut(text):
    splitting.check_cuts("sqlite", text)


@pytest.mark.parametrize(
    ("text", "number", "what"),
    [
        ("a;\n[b", 2, "a name in brackets begins here"),
        ("a;\n/* b", 2, "a comment begins here"),
        ("a;\ncreate trigger t begin b; end x", 2, "a trigger begins here"),
        ("a;\n.read b.sql", 2, "a command of sqlite3"),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_does_not_end_or_is_for_a_client_is_refused_with_its_line(text, number, what, size):
    splitting.check_refused("sqlite", text, number, what, size)


@pytest.mark.parametrize(
    "text",
    [
        "VACUUM",
        "PRAGMA foreign_keys = ON",
        "pragma main.journal_mode = wal",
    ],
)
def test_what_no_transaction_can_hold(text):
    splitting.check_held("sqlite", text, False)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE a (b)",
        "PRAGMA user_version = 3",
    ],
)
def test_what_a_transaction_can_hold(text):
    splitting.check_held("sqlite", text, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BEGIN IMMEDIATE", True),
        ("END TRANSACTION", True),
        ("ROLLBACK TRANSACTION TO a", False),
    ],
)
def test_what_begins_or_ends_a_transaction(text, expected):
    splitting.check_control("sqlite", text, expected)


@SOME
@given(ANYTHING)
def test_sqlite_itself_finds_each_statement_complete(text):
    found = outcome(text, "sqlite", 10_000)
    for statement, *_rest in found if isinstance(found, list) else []:
        assert sqlite3.complete_statement(statement + "\n;")


CORPUS = pathlib.Path(__file__).parents[4] / "integration_local/migration/corpus/sqlite"


def test_sqlite_carries_out_every_script():
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as link:
        for path in sorted(CORPUS.glob("*.sql")):
            for statement in split([path.read_text(encoding="utf-8")], "sqlite", path.name):
                values = {"a": 1, "b": 2, "c": 3, "1": 4} if "?" in statement.text else {}
                link.execute(statement.text, values)
        assert [
            row[0] for row in link.execute("SELECT said FROM notes WHERE typeof(said) = 'text' ORDER BY id LIMIT 2")
        ] == ["it''s; -- x".replace("''", "'"), "b"]
