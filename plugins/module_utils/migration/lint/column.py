# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of columns and constraints (private to the collection)."""

from __future__ import annotations

import typing as t

from .action import Action
from .tokens import Cursor, Name

# What ends a column's type, or the expression of its default.
_ENDS = frozenset(
    {
        "NOT",
        "NULL",
        "DEFAULT",
        "CONSTRAINT",
        "CHECK",
        "UNIQUE",
        "PRIMARY",
        "REFERENCES",
        "GENERATED",
        "COLLATE",
        "COMMENT",
        "AUTO_INCREMENT",
        "AUTOINCREMENT",
        "FIRST",
        "AFTER",
        "AS",
        "ON",
        "KEY",
        "STORAGE",
        "COMPRESSION",
        "CHARACTER",
        "CHARSET",
        "INVISIBLE",
        "VISIBLE",
        "VIRTUAL",
        "STORED",
        "PERSISTENT",
        "USING",
    }
)
_SERIAL = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"})

# What may stand before a parenthesis in a default without making it another value in each row: functions that are stable or
# immutable (PostgreSQL's pg_proc), and types. All others are taken for volatile.
_STEADY = frozenset(
    {
        "now",
        "transaction_timestamp",
        "statement_timestamp",
        "current_timestamp",
        "current_date",
        "current_time",
        "localtime",
        "localtimestamp",
        "current_setting",
        "current_schema",
        "lower",
        "upper",
        "length",
        "concat",
        "format",
        "md5",
        "coalesce",
        "nullif",
        "greatest",
        "least",
        "row",
        "array",
        "array_fill",
        "to_timestamp",
        "to_date",
        "to_char",
        "date_trunc",
        "timezone",
        "make_interval",
        "make_date",
        "make_timestamp",
        "json_build_object",
        "jsonb_build_object",
        "json_build_array",
        "jsonb_build_array",
        "json_object",
        "json_array",
        "to_json",
        "to_jsonb",
        "int4range",
        "int8range",
        "numrange",
        "daterange",
        "tsrange",
        "tstzrange",
        "abs",
        "round",
        "floor",
        "ceil",
        "power",
        "in",
        "and",
        "or",
        "cast",
        "convert",
        "bit",
        "char",
        "character",
        "varchar",
        "varying",
        "text",
        "numeric",
        "decimal",
        "dec",
        "float",
        "double",
        "precision",
        "int",
        "integer",
        "bigint",
        "smallint",
        "timestamp",
        "timestamptz",
        "time",
        "timetz",
        "interval",
        "date",
        "binary",
        "varbinary",
        "enum",
        "set",
    }
)

_CONSTRAINTS = {
    ("PRIMARY", "KEY"): "add primary key",
    ("FOREIGN", "KEY"): "add foreign key",
    ("UNIQUE",): "add unique",
    ("CHECK",): "add check",
    ("EXCLUDE",): "add exclusion",
    ("NOT", "NULL"): "add not null",
}
_SUFFIXES = {
    "add primary key": "pkey",
    "add foreign key": "fkey",
    "add unique": "key",
    "add check": "check",
    "add exclusion": "excl",
    "add not null": "not_null",
}


def column(cursor: Cursor) -> tuple[str, frozenset[str]]:
    """Of a definition behind the column's name: its type, and what else is said."""
    first = cursor.at
    while not cursor.ended and not _stops(cursor):
        cursor.next()
    begin, end = Cursor(cursor.tokens[first:], cursor.dialect), cursor.at - first
    kind = begin.shown(end)
    flags: set[str] = set()
    if any(token.word in _SERIAL for token in begin.tokens[:end]):
        flags.update(("default", "volatile", "serial", "not null"))
    while not cursor.ended:
        flags |= _said(cursor)
    return kind, frozenset(flags)


def _stops(cursor: Cursor) -> bool:
    word = cursor.peek().word
    # CHARACTER SET follows MySQL's types; CHARACTER VARYING is one.
    return word in _ENDS and not (word == "CHARACTER" and not cursor.sees("CHARACTER", "SET"))


def _said(cursor: Cursor) -> set[str]:
    """One of the things that a definition says."""
    if cursor.take("DEFAULT"):
        return _default(cursor)
    if cursor.take("GENERATED") or cursor.sees("AS"):
        return _generated(cursor)
    found: set[str] = set()
    if cursor.take("NOT", "NULL"):
        found = {"not null"}
    elif cursor.take("PRIMARY", "KEY"):
        found = {"primary", "not null"}
    elif cursor.take("ON"):  # UPDATE CURRENT_TIMESTAMP, DELETE SET DEFAULT: no value of new rows
        cursor.any_of("UPDATE", "DELETE")
        cursor.take("SET")
        cursor.next()
    else:
        word = cursor.any_of("UNIQUE", "REFERENCES", "CHECK", "AUTO_INCREMENT")
        found = {word.lower()} if word else set()
        if word == "AUTO_INCREMENT":
            found.add("default")
        elif not word and cursor.group() is None:
            cursor.next()
    return found


def _generated(cursor: Cursor) -> set[str]:
    cursor.skip("ALWAYS", "BY", "DEFAULT")
    cursor.take("AS")
    if cursor.take("IDENTITY"):
        return {"default", "volatile", "identity", "not null"}
    cursor.group()
    return {"default", "stored"} if cursor.any_of("STORED", "PERSISTENT") else {"default"}


def _default(cursor: Cursor) -> set[str]:
    first = cursor.at
    while not cursor.ended and not (cursor.at > first and _stops(cursor)):
        if cursor.group() is None:
            cursor.next()
    said = cursor.tokens[first : cursor.at]
    if [token.word for token in said[:1]] == ["NULL"]:
        return set()
    return {"default", "volatile"} if volatile(said) else {"default"}


def volatile(said: t.Sequence[t.Any]) -> bool:
    """Whether an expression may be another value in each row, so that all of them are written."""
    return any(
        after.word == "(" and before.kind in ("word", "name") and before.text.strip('"').lower() not in _STEADY
        for before, after in zip(said, said[1:])
    )


def constraint(cursor: Cursor, table: Name) -> Action | None:
    """C(CONSTRAINT name CHECK (…) NOT VALID), with or without a name; None for something else."""
    at, line = cursor.at, cursor.line
    name = cursor.name() if cursor.take("CONSTRAINT") and not _kind(cursor) else None
    first, kind = cursor.at, _kind(cursor)
    if not kind:
        cursor.at = at
        return None
    cursor.take(*next(words for words, known in _CONSTRAINTS.items() if known == kind))
    flags: set[str] = set()
    to, columns = None, ""
    cursor.any_of("INDEX", "KEY")
    if cursor.peek().word != "(" and kind in ("add unique", "add foreign key") and cursor.peek(1).word == "(":
        name = cursor.name() or name  # MySQL's name of the index
    if kind == "add not null":
        to = cursor.name()
        columns = to.shown if to else ""
    cursor.take("NULLS", "NOT", "DISTINCT")
    inside = cursor.group()
    if inside is not None:
        to, columns = _inside(kind, inside)
    if kind in ("add check", "add not null") and to is not None:
        flags.add("is not null")
    if cursor.take("REFERENCES"):
        to = cursor.name()
    end = _behind_body(cursor)
    rest = cursor.flat()
    for pair in zip(rest, rest[1:]):
        if pair in (("NOT", "VALID"), ("USING", "INDEX"), ("NOT", "ENFORCED")):
            flags.add(" ".join(pair).lower())
    body = Cursor(cursor.tokens[first:], cursor.dialect).shown(end - first)
    if kind in ("add unique", "add primary key"):
        body = f"({columns})"
    name = name or _named(table, columns, _SUFFIXES[kind])
    return Action(kind, line, table, name, to, body, frozenset(flags))


def _kind(cursor: Cursor) -> str:
    return next((kind for words, kind in _CONSTRAINTS.items() if cursor.sees(*words)), "")


def _inside(kind: str, inside: Cursor) -> tuple[Name | None, str]:
    """Of a check the column that it says is not null, if that is all; of others the columns."""
    columns = inside.shown()
    if kind != "add check":
        return None, columns
    name = inside.name()
    return (name if name and inside.take("IS", "NOT", "NULL") and inside.ended else None), name.shown if name else ""


def _behind_body(cursor: Cursor) -> int:
    """Where C(NOT VALID) stands, or the end."""
    for at in range(cursor.at, len(cursor.tokens)):
        if [token.word for token in cursor.tokens[at : at + 2]] == ["NOT", "VALID"]:
            return at
    return len(cursor.tokens)


def _named(table: Name, columns: str, suffix: str) -> Name:
    """A name for a constraint without one, as PostgreSQL would make it."""
    words = [table.parts[-1], *columns.replace("(", " ").replace(")", " ").replace(",", " ").split(), suffix]
    text = "_".join(word.strip('"`') for word in words if word.strip('"`').isidentifier())
    return Name(text, (text,))
