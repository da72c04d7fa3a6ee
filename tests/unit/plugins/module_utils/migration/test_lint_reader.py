# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of the lint: what stands between the words of a statement changes nothing, and no text is read as a statement."""

from __future__ import annotations

import typing as t

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.reader import read
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.tokens import tokens
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import split
from ansible_collections.slipway.deploy.plugins.module_utils.migration.splitter import Statement

DIALECTS = ("postgresql", "mysql", "sqlite")
NAMES = st.sampled_from(["a", "item", "price_2", "_x", "größe", "id"])
SPACES = ["\n", "  ", "\t", "\r\n", " /* DROP TABLE x; */ ", " -- DROP TABLE y;\n", " /* ' */ "]
QUOTES = {"postgresql": ('"', '"'), "mysql": ("`", "`"), "sqlite": ("[", "]")}


ODD = """\
ALTER TABLE|DROP|ADD|a|"b"|`c`|[d]|(|)|,|.|'x'|$$|CHECK|NOT|NULL|TO|DEFAULT|RENAME|CREATE|INDEX|ON|DO|BEGIN|END|;|/*|*/|--|
|é|1.5|UNIQUE|WITH|DELETE FROM|ALTER TYPE|ALTER DOMAIN|DROP FUNCTION|LOCK|VACUUM|REINDEX|MODIFY|CHANGE|FOREIGN KEY|REFERENCES\
|PRIMARY KEY|TYPE|USING|GENERATED|AS|EXECUTE|RENAME TABLE|'|"|VALIDATE CONSTRAINT|DETACH PARTITION|SET|#"""


class Name(t.NamedTuple):
    """A name in a statement, to be quoted or not."""

    text: str


Words = list[t.Union[str, Name]]


def shapes(dialect: str, table: str, name: str, to: str) -> dict[str, tuple[Words, list[tuple[str, str]]]]:
    """Statements, and what each does to what."""
    alter: Words = ["ALTER", "TABLE", Name(table)]
    found: dict[str, tuple[Words, list[tuple[str, str]]]] = {
        "drop": ([*alter, "DROP", "COLUMN", Name(name)], [("drop column", name)]),
        "rename": ([*alter, "RENAME", "COLUMN", Name(name), "TO", Name(to)], [("rename column", name)]),
        "table": ([*alter, "RENAME", "TO", Name(to)], [("rename table", table)]),
        "add": ([*alter, "ADD", "COLUMN", Name(name), "int", "NOT", "NULL", "DEFAULT", "1"], [("add column", name)]),
        "gone": (["DROP", "TABLE", "IF", "EXISTS", Name(table)], [("drop table", table)]),
        "index": (
            ["CREATE", "UNIQUE", "INDEX", Name(name), "ON", Name(table), "(", Name(to), ")"],
            [("create index", name)],
        ),
        "delete": (["DELETE", "FROM", Name(table)], [("delete all", "")]),
    }
    if dialect != "sqlite":
        both: Words = [
            *alter,
            "DROP",
            "COLUMN",
            Name(name),
            ",",
            "ADD",
            "COLUMN",
            Name(to),
            "numeric",
            "(",
            "9",
            ",",
            "2",
            ")",
        ]
        found["both"] = (both, [("drop column", name), ("add column", to)])
        found["more"] = (["DROP", "VIEW", Name(table), ",", Name(name)], [("drop view", table), ("drop view", name)])
    if dialect == "postgresql":
        found["only"] = (
            ["ALTER", "TABLE", "IF", "EXISTS", "ONLY", Name(table), "ALTER", Name(name), "SET", "NOT", "NULL"],
            [("set not null", name)],
        )
    return found


def written(draw: st.DrawFn, dialect: str, words: Words) -> str:
    """With something between its words, in any case, and names quoted or not."""
    text = ""
    for word in words:
        if isinstance(word, Name):
            begin, end = draw(st.sampled_from([("", ""), QUOTES[dialect]]))
            shown = begin + word.text + end
        else:
            shown = draw(st.sampled_from([word, word.lower(), word.capitalize()]))
        text += shown + draw(st.sampled_from([" ", *SPACES]))
    return text.rstrip(" ")


@hypothesis.given(data=st.data(), dialect=st.sampled_from(DIALECTS), table=NAMES, name=NAMES, to=NAMES)
def test_what_stands_between_changes_nothing(data: st.DataObject, dialect: str, table: str, name: str, to: str) -> None:
    words, expected = data.draw(st.sampled_from(list(shapes(dialect, table, name, to).values())))
    script = written(data.draw, dialect, words) + ";"
    statements = list(split([script], dialect, "V1__x.sql"))
    found = [action for one in statements for action in read(one, dialect)]
    assert [(one.kind, one.name.parts[-1] if one.name else "") for one in found] == expected
    assert all(one.line <= script.count("\n") + 1 for one in found)


@hypothesis.given(
    dialect=st.sampled_from(DIALECTS),
    pieces=st.lists(
        st.sampled_from(ODD.split("|")),
        max_size=14,
    ),
)
def test_nothing_is_too_odd_to_be_read(dialect: str, pieces: list[str]) -> None:
    text = " ".join(pieces)
    read(Statement(text, 1), dialect)
    at = 0
    for token in tokens(text, 1, dialect):
        assert text[token.start : token.start + len(token.text)] == token.text
        assert token.start >= at
        at = token.start + len(token.text)


@hypothesis.given(dialect=st.sampled_from(DIALECTS), text=st.text(max_size=60))
def test_a_string_is_no_statement(dialect: str, text: str) -> None:
    inside = text.replace("'", "''").replace("\\", "/")
    statement = Statement(f"ALTER TABLE item ADD note varchar(99) DEFAULT '{inside}, DROP COLUMN a'", 1)
    found = read(statement, dialect)
    assert [one.kind for one in found] == ["add column"]
    assert found[0].flags == {"default"}


@pytest.mark.parametrize(
    ("dialect", "name", "parts"),
    [
        ("postgresql", "Shop.Item", ("shop", "item")),
        ("postgresql", '"Shop"."It""em"', ("Shop", 'It"em')),
        ("mysql", "`Shop`.Item", ("shop", "item")),
        ("sqlite", "main.[Item]", ("main", "item")),
    ],
)
def test_names_are_what_the_database_takes_them_for(dialect: str, name: str, parts: tuple[str, ...]) -> None:
    (found,) = read(Statement(f"DROP TABLE {name}", 1), dialect)
    assert found.name is not None
    assert (found.name.shown, found.name.parts) == (name, parts)
