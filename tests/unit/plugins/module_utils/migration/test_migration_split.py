# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts taken apart into statements."""

from __future__ import annotations

import contextlib
import pathlib
import re
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import (
    controls,
    expect_uncontrolled,
    split,
    transactional,
)
from hypothesis import given, settings
from hypothesis import strategies as st

CORPUS = pathlib.Path(__file__).parents[4] / "integration_local/migration/corpus"
DIALECTS = ("postgresql", "mysql", "sqlite")
SOME = settings(max_examples=50)
SIZES = st.sampled_from([1, 2, 3, 7, 10_000])


def pieces(text, size=10_000):
    return [text[start : start + size] for start in range(0, len(text), size)]


def texts(text, dialect, size=10_000):
    return [one.text for one in split(pieces(text, size), dialect, "x.sql")]


# Made by a grammar --------------------------------------------------------------------------------------------

NASTY = st.text("';\"$`\\/*-#\n ab()[]|", max_size=8)
WORDS = st.sampled_from(["SELECT", "a", "1", "x_1", "été", "e", "U", "+", "<=", "1.5", "END", "BEGIN", "CASE"])


def string(payload):
    return "'" + payload.replace("'", "''") + "'"


def escaped(payload):
    return payload.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')


def comment(payload):
    return "/*" + payload.replace("*", "").replace("/", "") + "*/"


def line(payload):
    return "-- " + payload.replace("\n", "") + "\n"


PARTS = {
    "postgresql": st.one_of(
        WORDS,
        NASTY.map(string),
        NASTY.map(lambda text: "E'" + escaped(text) + "'"),
        NASTY.map(lambda text: "U&" + string(text)),
        NASTY.map(lambda text: '"' + text.replace('"', '""') + '"'),
        NASTY.filter(lambda text: "$" not in text).map(lambda text: f"$${text}$$"),
        NASTY.map(lambda text: f"$tag${text} $$ $tag$"),
        NASTY.map(comment),
        NASTY.map(lambda text: "/* " + comment(text) + " ; */"),
        NASTY.map(line),
        WORDS.map(lambda word: f"({word}; {word})"),
    ),
    "mysql": st.one_of(
        WORDS,
        NASTY.map(lambda text: "'" + escaped(text) + "'"),
        NASTY.map(lambda text: '"' + escaped(text).replace("''", "'") + '"'),
        NASTY.map(lambda text: "'" + text.replace("\\", "").replace("'", "''") + "'"),
        NASTY.map(lambda text: "`" + text.replace("`", "``") + "`"),
        NASTY.map(comment),
        NASTY.map(lambda text: "/*!50003 '" + escaped(text) + "' ; */"),
        NASTY.map(line),
        NASTY.map(lambda text: "#" + text.replace("\n", "") + "\n"),
    ),
    "sqlite": st.one_of(
        WORDS,
        NASTY.map(string),
        NASTY.map(lambda text: '"' + text.replace('"', '""') + '"'),
        NASTY.map(lambda text: "`" + text.replace("`", "``") + "`"),
        NASTY.map(lambda text: "[" + text.replace("]", "") + "]"),
        NASTY.map(comment),
        NASTY.map(line),
    ),
}
BETWEEN = st.sampled_from(["", " ", "\n", "\r\n\t", "/* ; */", "-- ';\n", " -- $$ \n\n"])


@st.composite
def scripts(draw, dialect):
    """A script and its statements."""
    bodies = draw(st.lists(st.lists(PARTS[dialect], max_size=5), max_size=4))
    statements = ["SELECT " + " , ".join([*body, "last"]) for body in bodies]
    end = draw(st.sampled_from([";", "//", "$$", "|", "go"])) if dialect == "mysql" else ";"
    if end != ";":
        statements = [one.replace(end, "") if end in ("|", "//", "$$") else one for one in statements]
        statements = [one for one in statements if texts(f"{one};", dialect) == [one]]
    text = "" if end == ";" else f"DELIMITER {end}\n"
    for one in statements:
        text += f"{draw(BETWEEN)}{one} {end}" + ("\n" if end != ";" else "") + draw(BETWEEN)
    return text, statements


def check(made, dialect, size):
    text, statements = made
    assert texts(text, dialect, size) == statements


@SOME
@given(scripts("postgresql"), SIZES)
def test_a_script_of_postgresql_is_split_where_its_statements_end(made, size):
    check(made, "postgresql", size)


@SOME
@given(scripts("mysql"), SIZES)
def test_a_script_of_mysql_is_split_where_its_statements_end(made, size):
    check(made, "mysql", size)


@SOME
@given(scripts("sqlite"), SIZES)
def test_a_script_of_sqlite_is_split_where_its_statements_end(made, size):
    check(made, "sqlite", size)


# Anything at all ----------------------------------------------------------------------------------------------

TOKENS = [
    "'",
    '"',
    "$$",
    "$a$",
    "`",
    "[",
    "]",
    "/*",
    "*/",
    "--",
    "#",
    "\n",
    ";",
    "\\",
    " ",
    "(",
    ")",
    "E'",
    "a",
    "BEGIN",
    "END",
    "CASE",
]
TOKENS += [
    "CREATE TRIGGER t",
    "CREATE PROCEDURE p",
    "CREATE FUNCTION f",
    "ATOMIC",
    "DELIMITER //\n",
    "//",
    "/*!",
    "-",
    "COPY a FROM stdin",
]
ANYTHING = st.lists(st.sampled_from(TOKENS), max_size=14).map(" ".join) | st.lists(
    st.sampled_from(TOKENS), max_size=14
).map("".join)


def outcome(text, dialect, size=10_000):
    cut = pieces(text, size) if isinstance(text, str) else text
    try:
        return [(*one[:4], list(one.data)) for one in split(cut, dialect, "x.sql")]
    except SlipwayError as error:
        return error.obj, error.what


@pytest.mark.parametrize("dialect", DIALECTS)
@SOME
@given(ANYTHING, SIZES)
def test_any_text_is_split_or_refused(dialect, text, size):
    found = outcome(text, dialect, 10_000)
    assert outcome(text, dialect, size) == found
    if isinstance(found, tuple) or any(one[4] for one in found):
        return
    given_lines = text.split("\n")
    for statement, number, *_rest in found:
        assert statement.split("\n")[0] in given_lines[number - 1]
    if dialect != "mysql":  # which may have had another delimiter
        again = "\n;".join(one[0] for one in found)
        assert [one[0] for one in outcome(again, dialect, size)] == [one[0] for one in found]


@SOME
@given(ANYTHING)
def test_sqlite_itself_finds_each_statement_complete(text):
    found = outcome(text, "sqlite", 10_000)
    for statement, *_rest in found if isinstance(found, list) else []:
        assert sqlite3.complete_statement(statement + "\n;")


# One by one ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("postgresql", "E'a'\n -- ;\n '\\';' ; b", ["E'a'\n -- ;\n '\\';'", "b"]),
        ("postgresql", "E'a' '\\'; b", ["E'a' '\\'", "b"]),
        ("postgresql", "'\\'; b", ["'\\'", "b"]),
        ("postgresql", "nameE'\\'; b", ["nameE'\\'", "b"]),
        ("postgresql", "a$b$c; d$b$", ["a$b$c", "d$b$"]),
        ("postgresql", "$1$2; $a$1$b$;$a$", ["$1$2", "$a$1$b$;$a$"]),
        ("postgresql", "$ä$;$ä$; $$$a$;$$", ["$ä$;$ä$", "$$$a$;$$"]),
        ("postgresql", "1--2;\n; 3 - -4", ["1", "3 - -4"]),
        ("postgresql", "1/2; 3*/* ; */4", ["1/2", "3*/* ; */4"]),
        ("postgresql", "do also (a; (b; c); d); e", ["do also (a; (b; c); d)", "e"]),
        ("postgresql", "a); b", ["a)", "b"]),
        (
            "postgresql",
            "create or replace procedure p() begin atomic select case when (case 1 when 2 then 3 end) then 1 end; end; x",
            [
                "create or replace procedure p() begin atomic select case when (case 1 when 2 then 3 end) then 1 end; end",
                "x",
            ],
        ),
        ("postgresql", "select begin atomic; b", ["select begin atomic", "b"]),
        ("mysql", "a -- ;\n; b --; c", ["a", "b --", "c"]),
        ("mysql", "--\na; b", ["a", "b"]),
        ("mysql", "delimiter //\na;b//c\n//\nDELIMITER ;\nd;", ["a;b", "c", "d"]),
        ("mysql", "DELIMITER #\na; b# c#", ["a; b", "c"]),
        ("mysql", "DELIMITER go\ncargo go b\ngo", ["cargo", "b"]),
        ("mysql", "DELIMITER $$ -- what follows\r\nBEGIN a; END$$b$$", ["BEGIN a; END", "b"]),
        ("mysql", "select delimiter; b", ["select delimiter", "b"]),
        ("mysql", "/* ; */ /*! a; */; /*M!100100 '*/;' */; b", ["/*! a; */", "/*M!100100 '*/;' */", "b"]),
        ("mysql", "select 2*/*!;*/3; b", ["select 2*/*!;*/3", "b"]),
        ("mysql", "select 2*/* ; */3; b", ["select 2*/* ; */3", "b"]),
        ("mysql", "create event e do begin a; end; b", ["create event e do begin a; end", "b"]),
        ("mysql", "create table event (begin int); b", ["create table event (begin int)", "b"]),
        (
            "mysql",
            "create trigger t begin if a then set new.end = 1; end if; end; b",
            ["create trigger t begin if a then set new.end = 1; end if; end", "b"],
        ),
        (
            "mysql",
            "create function f() begin for i in 1..2 do a; end for; end; b",
            ["create function f() begin for i in 1..2 do a; end for; end", "b"],
        ),
        ("mysql", "begin; a; end; b", ["begin", "a", "end", "b"]),
        (
            "sqlite",
            "create trigger t begin select case when 1 then 2 end; end; b",
            ["create trigger t begin select case when 1 then 2 end; end", "b"],
        ),
        (
            "sqlite",
            "create temporary trigger t begin a; end ; -- c\nb",
            ["create temporary trigger t begin a; end", "b"],
        ),
        ("sqlite", "create table trigger_t (a); b", ["create table trigger_t (a)", "b"]),
        ("sqlite", "[a;]];b;", ["[a;]]", "b"]),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_where_statements_end(dialect, text, expected, size):
    assert texts(text, dialect, size) == expected


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("mysql", "a; /*M!100100 b */#;\n c; d"),
        ("mysql", "DELIMITER ////\na // b;////c////"),
        ("mysql", "create trigger t begin a .  begin; end; b"),
        ("mysql", "a .  "),
        ("postgresql", "a $x$;$y$;$x$; E'\\'' /* */ ; COPY b FROM stdin;\n1\n\\.\nc -- d"),
        ("sqlite", "create trigger t begin a; end; /* b */ [c;] -- d"),
    ],
)
def test_a_text_is_split_in_the_same_way_wherever_it_is_cut(dialect, text):
    whole = outcome(text, dialect)
    assert isinstance(whole, list)
    assert [outcome([text[:at], text[at:]], dialect) for at in range(len(text) + 1)] == [whole] * (len(text) + 1)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_line_that_ends_with_crlf_is_one_line(dialect, size):
    found = split(pieces("-- a\r\n\r\nb /* c\r\n */ -- d\r\n; e\r\n;", size), dialect, "x.sql")
    assert [(one.text, one.line) for one in found] == [("b", 3), ("e", 5)]


@pytest.mark.parametrize(
    ("dialect", "text", "number", "what"),
    [
        ("postgresql", "a;\n'b", 2, "a string begins here"),
        ("postgresql", "a;\nE'b\\'", 2, "a string begins here"),
        ("postgresql", 'a\n"b', 2, "a quoted name begins here"),
        ("postgresql", "a;\n$x$b$y$", 2, "a string in $x$ begins here"),
        ("postgresql", "a;\r\n/* /* */\r\n", 2, "a comment begins here"),
        ("postgresql", "a\n(b\n;c", 2, "a parenthesis begins here"),
        ("postgresql", "create function f()\nbegin atomic select 1;", 2, "the body of a routine begins here"),
        ("postgresql", "a;\n\nCOPY b FROM stdin;\n1\n", 3, "the data of COPY"),
        ("postgresql", "a;\nCOPY b FROM stdin", 2, "COPY … FROM stdin begins here"),
        ("postgresql", "COPY b FROM stdin; a\n\\.\n", 1, "something stands behind COPY"),
        ("postgresql", "a;\n\\connect shop\n", 2, "a command of psql"),
        ("postgresql", "select 1 \\gset", 1, "a command of psql"),
        ("mysql", "a;\n'b\\'", 2, "what is quoted with ' begins here"),
        ("mysql", "a;\n`b", 2, "what is quoted with `"),
        ("mysql", "a;\n/* b", 2, "a comment begins here"),
        ("mysql", "a;\nb /*! c", 2, "a comment with a statement in it begins here"),
        ("mysql", "create trigger t\nbegin a; if b then c; end if;", 2, "a block begins here"),
        ("mysql", "DELIMITER\na;", 1, "DELIMITER needs a delimiter"),
        ("mysql", "DELIMITER \\\\\na;", 1, "DELIMITER needs a delimiter"),
        ("mysql", "a;\nsource b.sql", 2, "a command of mysql"),
        ("mysql", "select 1\\G", 1, "a command of mysql"),
        ("mysql", "-- a\rselect 1;\r", 1, "lines end with CR alone"),
        ("mysql", "a;\n# a\r# b\r\n", 2, "lines end with CR alone"),
        ("sqlite", "a;\n[b", 2, "a name in brackets begins here"),
        ("sqlite", "a;\n/* b", 2, "a comment begins here"),
        ("sqlite", "a;\ncreate trigger t begin b; end", 2, "a trigger begins here"),
        ("sqlite", "a;\n.read b.sql", 2, "a command of sqlite3"),
        ("postgresql", "a;\n-- slipway: phase=contract\n", 2, "an annotation below"),
        ("postgresql", "a\n-- slipway: phase=contract\nb", 2, "an annotation below"),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_does_not_end_or_is_for_a_client_is_refused_with_its_line(dialect, text, number, what, size):
    with pytest.raises(SlipwayError, match=re.escape(what)) as caught:
        list(split(pieces(text.replace("trigger t begin b; end", "trigger t begin b; end x"), size), dialect, "x.sql"))
    assert (caught.value.obj, caught.value.cause) == (f"x.sql:{number}", "bad_input")


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_data_of_a_copy(size, end):
    text = end.join(
        [
            "copy a (b) from stdin with (format csv); -- data",
            "1;",
            "'2",
            "",
            "\\.x",
            "\\.",
            "select 1;",
            "COPY c FROM STDIN;",
            "\\.",
        ]
    )
    found = list(split(pieces(text, size), "postgresql", "x.sql"))
    assert [(one.text, one.line, one.kind) for one in found] == [
        ("copy a (b) from stdin with (format csv)", 1, "copy"),
        ("select 1", 7, "sql"),
        ("COPY c FROM STDIN", 8, "copy"),
    ]
    read = [list(one.data) for one in split(pieces(text, size), "postgresql", "x.sql")]
    assert read == [[f"{row}{end}" for row in ("1;", "'2", "", "\\.x")], [], []]


def test_the_data_of_a_copy_is_read_once():
    statement = next(split(["COPY a FROM stdin;\n1\n2\n\\.\n"], "postgresql", "x.sql"))
    assert next(iter(statement.data)) == "1\n"
    with pytest.raises(RuntimeError, match="read once"):
        list(statement.data)


def test_what_is_half_read_of_a_copy_is_skipped():
    statements = split(["COPY a FROM stdin;\n1;\n2;\n\\.\nb;"], "postgresql", "x.sql")
    next(iter(next(statements).data))
    assert [one.text for one in statements] == ["b"]


def test_no_more_is_held_than_a_statement():
    asked = []

    def source():
        for number in range(1000):
            asked.append(number)
            yield f"SELECT {number};\n" * 10

    statements = split(source(), "postgresql", "x.sql")
    next(statements)
    assert len(asked) < 5
    assert sum(1 for _one in statements) == 9999


# Transactions -------------------------------------------------------------------------------------------------


def one(text, dialect):
    (statement,) = split([text], dialect, "x.sql")
    return statement


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("postgresql", "CREATE INDEX CONCURRENTLY ON a (b)"),
        ("postgresql", "/* x */ create unique index concurrently if not exists a on b (c)"),
        ("postgresql", "DROP INDEX CONCURRENTLY a"),
        ("postgresql", "REINDEX INDEX CONCURRENTLY a"),
        ("postgresql", "REINDEX (CONCURRENTLY, VERBOSE) TABLE a"),
        ("postgresql", "REINDEX (VERBOSE) DATABASE a"),
        ("postgresql", "REINDEX SCHEMA a"),
        ("postgresql", "ALTER TABLE a DETACH PARTITION b CONCURRENTLY"),
        ("postgresql", "VACUUM (ANALYZE) a"),
        ("postgresql", "CREATE DATABASE a"),
        ("postgresql", "DROP TABLESPACE a"),
        ("postgresql", "ALTER DATABASE a SET TABLESPACE b"),
        ("postgresql", "CREATE SUBSCRIPTION a CONNECTION 'b' PUBLICATION c"),
        ("postgresql", "ALTER SUBSCRIPTION a REFRESH PUBLICATION"),
        ("postgresql", "ALTER SYSTEM SET a = 1"),
        ("postgresql", "DISCARD ALL"),
        ("postgresql", "CLUSTER"),
        ("postgresql", "COMMIT PREPARED 'a'"),
        ("mysql", "CREATE TABLE a (b int)"),
        ("mysql", "CREATE OR REPLACE VIEW a AS SELECT 1"),
        ("mysql", "/*!50003 CREATE TRIGGER a BEFORE INSERT ON b FOR EACH ROW SET @a = 1 */"),
        ("mysql", "ALTER TABLE a ADD b int"),
        ("mysql", "TRUNCATE a"),
        ("mysql", "RENAME TABLE a TO b"),
        ("mysql", "GRANT SELECT ON a TO b"),
        ("mysql", "LOCK TABLES a WRITE"),
        ("mysql", "ANALYZE TABLE a"),
        ("sqlite", "VACUUM"),
        ("sqlite", "PRAGMA foreign_keys = ON"),
        ("sqlite", "pragma main.journal_mode = wal"),
    ],
)
def test_what_no_transaction_can_hold(dialect, text):
    assert not transactional(one(text, dialect), dialect)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("postgresql", "CREATE INDEX concurrently_made ON a (b)"),
        ("postgresql", 'DROP INDEX "concurrently"'),
        ("postgresql", "CREATE TABLE vacuum_log (a int)"),
        ("postgresql", "REINDEX TABLE a"),
        ("postgresql", "CLUSTER a USING b"),
        ("postgresql", "ALTER DATABASE a SET work_mem = '1MB'"),
        ("postgresql", "SELECT 'VACUUM'"),
        ("postgresql", "ALTER TABLE a DETACH PARTITION b"),
        ("mysql", "INSERT INTO a VALUES (1)"),
        ("mysql", "CREATE TEMPORARY TABLE a (b int)"),
        ("mysql", "DROP TEMPORARY TABLE a"),
        ("mysql", "UPDATE a SET b = 1"),
        ("sqlite", "CREATE TABLE a (b)"),
        ("sqlite", "PRAGMA user_version = 3"),
    ],
)
def test_what_a_transaction_can_hold(dialect, text):
    assert transactional(one(text, dialect), dialect)


@pytest.mark.parametrize(("server", "expected"), [(11, False), (12, True), (15, True)])
def test_a_value_for_an_enumeration(server, expected):
    assert (
        transactional(one("ALTER TYPE a.b ADD VALUE IF NOT EXISTS 'c'", "postgresql"), "postgresql", server) is expected
    )


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        *[(dialect, text, True) for dialect in DIALECTS for text in ("begin", "COMMIT", "ROLLBACK", "-- a\ncommit")],
        *[
            (dialect, text, False)
            for dialect in DIALECTS
            for text in ("SAVEPOINT a", "ROLLBACK TO SAVEPOINT a", "SELECT 1")
        ],
        ("postgresql", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE", True),
        ("postgresql", "END", True),
        ("postgresql", "ABORT", True),
        ("postgresql", "PREPARE TRANSACTION 'a'", True),
        ("postgresql", "PREPARE a AS SELECT 1", False),
        ("postgresql", "ROLLBACK WORK TO a", False),
        ("postgresql", "ROLLBACK PREPARED 'a'", False),
        ("postgresql", "DO $$ BEGIN END $$", False),
        ("mysql", "START TRANSACTION", True),
        ("mysql", "START SLAVE", False),
        ("mysql", "SET autocommit = 0", True),
        ("mysql", "XA START 'a'", True),
        ("mysql", "BEGIN NOT ATOMIC SELECT 1; END", False),
        ("sqlite", "BEGIN IMMEDIATE", True),
        ("sqlite", "END TRANSACTION", True),
        ("sqlite", "ROLLBACK TRANSACTION TO a", False),
    ],
)
def test_what_begins_or_ends_a_transaction(dialect, text, expected):
    statement = one(text, dialect)
    assert controls(statement, dialect) is expected
    with (
        contextlib.nullcontext()
        if not expected
        else pytest.raises(SlipwayError, match="begins or ends a transaction") as caught
    ):
        expect_uncontrolled(statement, dialect, "x.sql")
    assert not expected or caught.value.obj == f"x.sql:{statement.line}"


# The corpus ---------------------------------------------------------------------------------------------------

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
def test_scripts_of_mysql(name):
    text = (CORPUS / "mysql" / name).read_text(encoding="utf-8")
    found = [texts(text, "mysql", size) for size in (1, 10_000)] + [texts(text.replace("\n", "\r\n"), "mysql")]
    assert [len(statements) for statements in found] == [COUNTS[name]] * 3


def test_sqlite_carries_out_every_script():
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as link:
        for path in sorted((CORPUS / "sqlite").glob("*.sql")):
            for statement in split([path.read_text(encoding="utf-8")], "sqlite", path.name):
                values = {"a": 1, "b": 2, "c": 3, "1": 4} if "?" in statement.text else {}
                link.execute(statement.text, values)
        assert [
            row[0] for row in link.execute("SELECT said FROM notes WHERE typeof(said) = 'text' ORDER BY id LIMIT 2")
        ] == ["it''s; -- x".replace("''", "'"), "b"]
