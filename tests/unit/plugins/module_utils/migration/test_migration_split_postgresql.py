# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of PostgreSQL taken apart into statements."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import split, transactional
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
    one,
    pieces,
    scripts,
    string,
    texts,
)
from hypothesis import given
from hypothesis import strategies as st

PARTS = st.one_of(
    WORDS,
    NASTY.map(string),
    NASTY.map(lambda text: "E'" + escaped(text) + "'"),
    NASTY.map(lambda text: "U&" + string(text)),
    named('"'),
    NASTY.filter(lambda text: "$" not in text).map(lambda text: f"$${text}$$"),
    NASTY.map(lambda text: f"$tag${text} $$ $tag$"),
    NASTY.map(comment),
    NASTY.map(lambda text: "/* " + comment(text) + " ; */"),
    NASTY.map(line),
    WORDS.map(lambda word: f"({word}; {word})"),
)


@SOME
@given(scripts("postgresql", PARTS), SIZES)
def test_a_script_is_split_where_its_statements_end(made, size):
    text, statements = made
    assert texts(text, "postgresql", size) == statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("E'a'\n -- ;\n '\\';' ; b", ["E'a'\n -- ;\n '\\';'", "b"]),
        ("E'a' '\\'; b", ["E'a' '\\'", "b"]),
        ("'\\'; b", ["'\\'", "b"]),
        ("nameE'\\'; b", ["nameE'\\'", "b"]),
        ("a$b$c; d$b$", ["a$b$c", "d$b$"]),
        ("é$b$c; d$$ ;x; a.€$b$; c$$$; e", ["é$b$c", "d$$", "x", "a.€$b$", "c$$$", "e"]),
        ("a, E'\\';' ; t.e'\\';'; b", ["a, E'\\';'", "t.e'\\';'", "b"]),
        ("a, 1e'\\'; x_E'\\'; éE'\\'; b", ["a, 1e'\\'", "x_E'\\'", "éE'\\'", "b"]),
        ("1.e'\\'; e, 1.e'\\'; $1e'\\';'; b", ["1.e'\\'", "e, 1.e'\\'", "$1e'\\';'", "b"]),
        ("$1$2; $a$1$b$;$a$", ["$1$2", "$a$1$b$;$a$"]),
        ("$ä$;$ä$; $$$a$;$$", ["$ä$;$ä$", "$$$a$;$$"]),
        ("1--2;\n; 3 - -4", ["1", "3 - -4"]),
        ("1/2; 3*/* ; */4", ["1/2", "3*/* ; */4"]),
        ("do also (a; (b; c); d); e", ["do also (a; (b; c); d)", "e"]),
        ("a); b", ["a)", "b"]),
        (
            "create or replace procedure p() begin atomic select case when (case 1 when 2 then 3 end) then 1 end; end; x",
            [
                "create or replace procedure p() begin atomic select case when (case 1 when 2 then 3 end) then 1 end; end",
                "x",
            ],
        ),
        ("select begin atomic; b", ["select begin atomic", "b"]),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_where_statements_end(text, expected, size):
    splitting.check_ends("postgresql", text, expected, size)


@pytest.mark.parametrize(
    "text",
    [
        "a $x$;$y$;$x$; E'\\'' /* */ ; COPY b FROM stdin;\n1\n\\.\nc -- d",
    ],
)
def test_a_text_is_split_in_the_same_way_wherever_it_is_cut(text):
    splitting.check_cuts("postgresql", text)


@pytest.mark.parametrize(
    ("text", "number", "what"),
    [
        ("a;\n'b", 2, "a string begins here"),
        ("a;\nE'b\\'", 2, "a string begins here"),
        ('a\n"b', 2, "a quoted name begins here"),
        ("a;\n$x$b$y$", 2, "a string in $x$ begins here"),
        ("a;\r\n/* /* */\r\n", 2, "a comment begins here"),
        ("a\n(b\n;c", 2, "a parenthesis begins here"),
        ("create function f()\nbegin atomic select 1;", 2, "the body of a routine begins here"),
        (
            "create function f() returns int\nlanguage sql\nbegin\natomic select 1;",
            3,
            "the body of a routine begins here",
        ),
        ("a;\n\nCOPY b FROM stdin;\n1\n", 3, "the data of COPY"),
        ("a;\nCOPY b FROM stdin", 2, "COPY … FROM stdin begins here"),
        ("COPY b FROM stdin; a\n\\.\n", 1, "something stands behind COPY"),
        ("a;\n\\connect shop\n", 2, "a command of psql"),
        ("select 1 \\gset", 1, "a command of psql"),
        ("a;\n-- slipway: phase=contract\n", 2, "an annotation below"),
        ("a\n-- slipway: phase=contract\nb", 2, "an annotation below"),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_does_not_end_or_is_for_a_client_is_refused_with_its_line(text, number, what, size):
    splitting.check_refused("postgresql", text, number, what, size)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX CONCURRENTLY ON a (b)",
        "/* x */ create unique index concurrently if not exists a on b (c)",
        "DROP INDEX CONCURRENTLY a",
        "REINDEX INDEX CONCURRENTLY a",
        "REINDEX (CONCURRENTLY, VERBOSE) TABLE a",
        "REINDEX (VERBOSE) DATABASE a",
        "REINDEX SCHEMA a",
        "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
        "VACUUM (ANALYZE) a",
        "CREATE DATABASE a",
        "DROP TABLESPACE a",
        "ALTER DATABASE a SET TABLESPACE b",
        "CREATE SUBSCRIPTION a CONNECTION 'b' PUBLICATION c",
        "ALTER SUBSCRIPTION a REFRESH PUBLICATION",
        "ALTER SYSTEM SET a = 1",
        "DISCARD ALL",
        "CLUSTER",
        "COMMIT PREPARED 'a'",
    ],
)
def test_what_no_transaction_can_hold(text):
    splitting.check_held("postgresql", text, False)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX concurrently_made ON a (b)",
        'DROP INDEX "concurrently"',
        "CREATE TABLE vacuum_log (a int)",
        "REINDEX TABLE a",
        "CLUSTER a USING b",
        "ALTER DATABASE a SET work_mem = '1MB'",
        "SELECT 'VACUUM'",
        "ALTER TABLE a DETACH PARTITION b",
    ],
)
def test_what_a_transaction_can_hold(text):
    splitting.check_held("postgresql", text, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", True),
        ("END", True),
        ("ABORT", True),
        ("PREPARE TRANSACTION 'a'", True),
        ("PREPARE a AS SELECT 1", False),
        ("ROLLBACK WORK TO a", False),
        ("ROLLBACK PREPARED 'a'", False),
        ("DO $$ BEGIN END $$", False),
    ],
)
def test_what_begins_or_ends_a_transaction(text, expected):
    splitting.check_control("postgresql", text, expected)


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


def test_the_words_of_a_statement():
    text = "select a.b_1, 1e5 + 2x, €, x$y -- no\n, 'no', \"no\", $a$no$a$, E'no' /* no */ from(c)"
    assert one(text, "postgresql").words == ("SELECT", "A", "B_1", "€", "X$Y", "FROM", "C")


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


@pytest.mark.parametrize(("server", "expected"), [(11, False), (12, True), (15, True)])
def test_a_value_for_an_enumeration(server, expected):
    assert (
        transactional(one("ALTER TYPE a.b ADD VALUE IF NOT EXISTS 'c'", "postgresql"), "postgresql", server) is expected
    )
