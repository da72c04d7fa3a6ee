# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of MySQL and MariaDB taken apart into statements."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration import splitting
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration.splitting import (
    NASTY,
    SIZES,
    SOME,
    WORDS,
    comment,
    escaped,
    line,
    named,
    scripts,
    texts,
)
from hypothesis import given
from hypothesis import strategies as st

PARTS = st.one_of(
    WORDS,
    NASTY.map(lambda text: "'" + escaped(text) + "'"),
    NASTY.map(lambda text: '"' + escaped(text).replace("''", "'") + '"'),
    NASTY.map(lambda text: "'" + text.replace("\\", "").replace("'", "''") + "'"),
    named("`"),
    NASTY.map(comment),
    NASTY.map(lambda text: "/*!50003 '" + escaped(text) + "' ; */"),
    NASTY.map(line),
    NASTY.map(lambda text: "#" + text.replace("\n", "") + "\n"),
)
DELIMITERS = (";", "//", "$$", "|", "go")


@SOME
@given(scripts("mysql", PARTS, DELIMITERS), SIZES)
def test_a_script_is_split_where_its_statements_end(made, size):
    text, statements = made
    assert texts(text, "mysql", size) == statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a -- ;\n; b --; c", ["a", "b --", "c"]),
        ("--\na; b", ["a", "b"]),
        ("delimiter //\na;b//c\n//\nDELIMITER ;\nd;", ["a;b", "c", "d"]),
        ("DELIMITER #\na; b# c#", ["a; b", "c"]),
        ("DELIMITER go\ncargo go b\ngo", ["cargo", "b"]),
        ("DELIMITER $$ -- what follows\r\nBEGIN a; END$$b$$", ["BEGIN a; END", "b"]),
        ("select delimiter; b", ["select delimiter", "b"]),
        ("/* ; */ /*! a; */; /*M!100100 '*/;' */; b", ["/*! a; */", "/*M!100100 '*/;' */", "b"]),
        ("select 2*/*!;*/3; b", ["select 2*/*!;*/3", "b"]),
        ("select 2*/* ; */3; b", ["select 2*/* ; */3", "b"]),
        ("create event e do begin a; end; b", ["create event e do begin a; end", "b"]),
        ("create table event (begin int); b", ["create table event (begin int)", "b"]),
        (
            "create trigger t begin if a then set new.end = 1; end if; end; b",
            ["create trigger t begin if a then set new.end = 1; end if; end", "b"],
        ),
        (
            "create function f() begin for i in 1..2 do a; end for; end; b",
            ["create function f() begin for i in 1..2 do a; end for; end", "b"],
        ),
        ("begin; a; end; b", ["begin", "a", "end", "b"]),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_where_statements_end(text, expected, size):
    splitting.check_ends("mysql", text, expected, size)


@pytest.mark.parametrize(
    "text",
    [
        "a; /*M!100100 b */#;\n c; d",
        "DELIMITER ////\na // b;////c////",
        "create trigger t begin a .  begin; end; b",
        "a .  ",
    ],
)
def test_a_text_is_split_in_the_same_way_wherever_it_is_cut(text):
    splitting.check_cuts("mysql", text)


@pytest.mark.parametrize(
    ("text", "number", "what"),
    [
        ("a;\n'b\\'", 2, "what is quoted with ' begins here"),
        ("a;\n`b", 2, "what is quoted with `"),
        ("a;\n/* b", 2, "a comment begins here"),
        ("a;\nb /*! c", 2, "a comment with a statement in it begins here"),
        ("create trigger t\nbegin a; if b then c; end if;", 2, "a block begins here"),
        ("DELIMITER\na;", 1, "DELIMITER needs a delimiter"),
        ("DELIMITER \\\\\na;", 1, "DELIMITER needs a delimiter"),
        ("a;\nsource b.sql", 2, "a command of mysql"),
        ("select 1\\G", 1, "a command of mysql"),
        ("-- a\rselect 1;\r", 1, "lines end with CR alone"),
        ("a;\n# a\r# b\r\n", 2, "lines end with CR alone"),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_does_not_end_or_is_for_a_client_is_refused_with_its_line(text, number, what, size):
    splitting.check_refused("mysql", text, number, what, size)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE a (b int)",
        "CREATE OR REPLACE VIEW a AS SELECT 1",
        "/*!50003 CREATE TRIGGER a BEFORE INSERT ON b FOR EACH ROW SET @a = 1 */",
        "ALTER TABLE a ADD b int",
        "TRUNCATE a",
        "RENAME TABLE a TO b",
        "GRANT SELECT ON a TO b",
        "LOCK TABLES a WRITE",
        "ANALYZE TABLE a",
    ],
)
def test_what_no_transaction_can_hold(text):
    splitting.check_held("mysql", text, False)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO a VALUES (1)",
        "CREATE TEMPORARY TABLE a (b int)",
        "DROP TEMPORARY TABLE a",
        "UPDATE a SET b = 1",
    ],
)
def test_what_a_transaction_can_hold(text):
    splitting.check_held("mysql", text, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("START TRANSACTION", True),
        ("START SLAVE", False),
        ("SET autocommit = 0", True),
        ("XA START 'a'", True),
        ("BEGIN NOT ATOMIC SELECT 1; END", False),
    ],
)
def test_what_begins_or_ends_a_transaction(text, expected):
    splitting.check_control("mysql", text, expected)


# The corpus ---------------------------------------------------------------------------------------------------

CORPUS = pathlib.Path(__file__).parents[4] / "integration_local/migration/corpus/mysql"
COUNTS = {
    "V1__tables.sql": 3,
    "V2__delimiter.sql": 2,
    "V3__delimiters.sql": 5,
    "V4__without_delimiter.sql": 2,
    "V5__trigger.sql": 3,
    "V6__comments_with_code.sql": 6,
    "V7__definer.sql": 3,
    "V8__end_in_names.sql": 3,
    "V9__not_atomic.sql": 2,
    "V10__no_last_delimiter.sql": 2,
    "V11__crlf.sql": 2,
}


@pytest.mark.parametrize("name", COUNTS)
def test_scripts_of_the_corpus(name):
    text = (CORPUS / name).read_text(encoding="utf-8")
    found = [texts(text, "mysql", size) for size in (1, 10_000)] + [texts(text.replace("\n", "\r\n"), "mysql")]
    assert [len(statements) for statements in found] == [COUNTS[name]] * 3
