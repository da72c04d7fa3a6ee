# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a statement to what it does to the schema, as far as a rule may ask (private to the collection).

It reads the beginning of a statement, where it says what it does, and skips the rest. What it does not know it leaves out. Blocks
(C(DO), C(BEGIN NOT ATOMIC)) are read statement by statement, C(EXECUTE 'text') as well; text that is put together at run time and
the bodies of routines are not.
"""

from __future__ import annotations

import typing as t

from ..splitter import Statement
from .action import Action
from .alter import MYSQL, algorithm, alter_table
from .column import constraint
from .tokens import Cursor, Name, Token, tokens, unquoted

# What can be created, renamed and dropped, by the name that rules have for it.
_OBJECTS = {
    "TABLE": "table",
    "VIEW": "view",
    "TYPE": "type",
    "DOMAIN": "type",
    "SCHEMA": "schema",
    "DATABASE": "schema",
    "SEQUENCE": "sequence",
    "FUNCTION": "routine",
    "PROCEDURE": "routine",
    "ROUTINE": "routine",
    "AGGREGATE": "routine",
    "TRIGGER": "trigger",
    "INDEX": "index",
    "EXTENSION": "extension",
}
_BEFORE_OBJECT = 20  # tokens: DEFINER, ALGORITHM, OR REPLACE, …
_OPENERS = frozenset({"BEGIN", "THEN", "ELSE", "LOOP", ";"})  # behind which a statement of a block begins
_WEAK = (["ACCESS", "SHARE"], ["ROW", "SHARE"], ["ROW", "EXCLUSIVE"])  # locks under which everybody can write


def read(statement: Statement, dialect: str) -> list[Action]:
    """What a statement does, in order; nothing for one of which no rule speaks.

    :param dialect: C(postgresql), C(mysql), C(mariadb), C(sqlite).
    """
    if statement.words and statement.words[0] not in _STATEMENTS:
        return []
    return list(_read(Cursor(tokens(statement.text, statement.line, dialect), dialect)))


def concerned(statement: Statement) -> bool:
    """Whether any rule may speak of it."""
    return bool(statement.words) and statement.words[0] in _STATEMENTS


def _read(cursor: Cursor) -> t.Iterable[Action]:
    if cursor.ended:
        return []
    line = cursor.line
    known = _STATEMENTS.get(cursor.next().word)
    return known(cursor, line) if known else []


# ALTER, CREATE, DROP, RENAME ----------------------------------------------------------------------------------------


def _alter(cursor: Cursor, line: int) -> t.Iterable[Action]:
    cursor.skip("ONLINE", "IGNORE", "FOREIGN", "MATERIALIZED")
    what = _OBJECTS.get(cursor.next().word, "")
    if what == "table":
        return alter_table(cursor)
    cursor.take("IF", "EXISTS")
    name = cursor.name() if what else None
    if name is None:
        return []
    cursor.group()  # the arguments of a routine
    if what == "type":
        return _alter_type(cursor, name, line)
    return _renamed(cursor, what, name, line)


def _renamed(cursor: Cursor, what: str, name: Name, line: int) -> t.Iterable[Action]:
    if cursor.take("RENAME", "TO") or cursor.take("SET", "SCHEMA"):
        yield Action(f"rename {what}", line, None, name, cursor.name())
    elif what == "view" and cursor.take("RENAME"):
        cursor.take("COLUMN")
        column = cursor.name()
        cursor.take("TO")
        yield Action("rename column", line, name, column, cursor.name())


def _alter_type(cursor: Cursor, name: Name, line: int) -> t.Iterable[Action]:
    if cursor.take("RENAME", "VALUE"):
        body = cursor.next().text
        yield Action("rename value", line, None, name, body=body)
    elif cursor.take("RENAME", "ATTRIBUTE") or cursor.take("DROP", "ATTRIBUTE") or cursor.take("ALTER", "ATTRIBUTE"):
        yield Action("change attribute", line, None, name)
    elif cursor.sees("SET", "NOT", "NULL"):
        yield Action("tighten domain", line, None, name, body="")
    elif cursor.take("ADD"):
        found = constraint(cursor, name)
        if found is not None:
            yield Action("tighten domain", line, None, name, found.name, found.body, found.flags)
    else:
        yield from _renamed(cursor, "type", name, line)


def _create(cursor: Cursor, line: int) -> t.Iterable[Action]:
    words = [one.word for one in cursor.tokens[cursor.at : cursor.at + _BEFORE_OBJECT]]
    number = next((number for number, word in enumerate(words) if word in _OBJECTS), None)
    if number is None:
        return
    before, what = words[:number], _OBJECTS[words[number]]
    cursor.at += number + 1
    if what == "index":
        yield from _create_index(cursor, before, line)
        return
    flags = {"or replace"} if "REPLACE" in before else set()
    flags |= {"if not exists"} if cursor.take("IF", "NOT", "EXISTS") else set()
    name = cursor.name()
    if name is not None and what == "table" and "or replace" in flags:  # MariaDB
        yield Action("drop table", line, None, name)
    if name is not None:
        yield Action(f"create {what}", line, None, name, flags=frozenset(flags))


def _create_index(cursor: Cursor, before: t.Sequence[str], line: int) -> t.Iterable[Action]:
    flags = {"concurrently"} if cursor.take("CONCURRENTLY") else set()
    flags |= {"unique"} if "UNIQUE" in before else set()
    flags |= {"blocks"} if "FULLTEXT" in before or "SPATIAL" in before else set()
    behind = cursor.at
    flags |= {"if not exists"} if cursor.take("IF", "NOT", "EXISTS") else set()
    name = None if cursor.sees("ON") else cursor.name()
    while not cursor.ended and not cursor.take("ON"):  # USING BTREE, in MySQL
        cursor.next()
    cursor.take("ONLY")
    table = cursor.name()
    if cursor.dialect in MYSQL:
        flags.update(algorithm(cursor))
    cursor.at = behind
    body = f"CREATE {'UNIQUE ' if 'unique' in flags else ''}INDEX CONCURRENTLY {cursor.shown()}"
    yield Action("create index", line, table, name, body=body, flags=frozenset(flags))


def _drop(cursor: Cursor, line: int) -> t.Iterable[Action]:
    temporary = cursor.any_of("TEMPORARY")
    cursor.skip("FOREIGN", "MATERIALIZED")
    what = _OBJECTS.get(cursor.next().word, "")
    if not what or temporary:
        return
    flags = {"concurrently"} if cursor.take("CONCURRENTLY") else set()
    cursor.take("IF", "EXISTS")
    names = cursor.names()
    table = cursor.name() if cursor.take("ON") else None
    if cursor.dialect in MYSQL:
        flags.update(algorithm(cursor))
    for name in names:
        yield Action(f"drop {what}", line, table, name, flags=frozenset(flags))


def _rename(cursor: Cursor, line: int) -> t.Iterable[Action]:
    if not cursor.any_of("TABLE", "TABLES"):
        return
    cursor.take("IF", "EXISTS")
    for part in cursor.parts():
        at, name = part.line, part.name()
        while not part.ended and not part.take("TO"):
            part.next()
        to = part.name()
        if name is not None and to is not None:
            yield Action("rename table", at, None, name, to)


# Rows and locks -----------------------------------------------------------------------------------------------------


def _truncate(cursor: Cursor, line: int) -> t.Iterable[Action]:
    cursor.take("TABLE")
    for name in cursor.names():
        yield Action("truncate", line, name)


def _delete(cursor: Cursor, line: int) -> t.Iterable[Action]:
    if cursor.take("FROM"):
        yield from _all_rows("delete all", cursor, line)


def _update(cursor: Cursor, line: int) -> t.Iterable[Action]:
    cursor.skip("LOW_PRIORITY", "IGNORE")
    yield from _all_rows("update all", cursor, line)


def _all_rows(kind: str, cursor: Cursor, line: int) -> t.Iterable[Action]:
    cursor.take("ONLY")
    table = cursor.name()
    if table is not None and not {"WHERE", "LIMIT", "USING", "JOIN"}.intersection(cursor.flat()):
        yield Action(kind, line, table)


def _with(cursor: Cursor, line: int) -> t.Iterable[Action]:
    """Those in its parentheses, and the one behind them."""
    before = ""
    for at, token in enumerate(cursor.tokens):
        if token.word in ("DELETE", "UPDATE") and before in ("(", ")"):
            yield from _read(Cursor(_until_closed(cursor.tokens[at:]), cursor.dialect))
        before = token.word


def _until_closed(found: t.Sequence[Token]) -> t.Sequence[Token]:
    depth = 0
    for at, token in enumerate(found):
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if depth < 0:
            return found[:at]
    return found


def _lock(cursor: Cursor, line: int) -> t.Iterable[Action]:
    if cursor.dialect in MYSQL and not cursor.any_of("TABLE", "TABLES"):
        return
    cursor.take("TABLE")
    names = cursor.names()
    words = cursor.flat()
    mode = words[1 : words.index("MODE")] if words[:1] == ["IN"] and "MODE" in words else ["ACCESS", "EXCLUSIVE"]
    if mode not in _WEAK:
        for name in names:
            yield Action("lock table", line, name, body=" ".join(mode))


def _vacuum(cursor: Cursor, line: int) -> t.Iterable[Action]:
    group = cursor.group()
    full = group is not None and "FULL" in group.flat()
    while cursor.any_of("FULL", "FREEZE", "VERBOSE", "ANALYZE"):
        full = full or cursor.peek(-1).word == "FULL"
    if full and cursor.dialect == "postgresql":
        yield Action("rewrite table", line, cursor.name(), body="VACUUM FULL")


def _cluster(cursor: Cursor, line: int) -> t.Iterable[Action]:
    cursor.group()
    cursor.take("VERBOSE")
    yield Action("rewrite table", line, cursor.name(), body="CLUSTER")


def _reindex(cursor: Cursor, line: int) -> t.Iterable[Action]:
    whole = cursor.flat()
    group = cursor.group()
    if "CONCURRENTLY" not in whole and not (group and "CONCURRENTLY" in group.flat()):
        what = cursor.next().word
        name = cursor.name()
        yield Action("reindex", line, name if what == "TABLE" else None, name, body=what)


def _refresh(cursor: Cursor, line: int) -> t.Iterable[Action]:
    if cursor.take("MATERIALIZED", "VIEW") and not cursor.take("CONCURRENTLY"):
        yield Action("refresh", line, None, cursor.name())


# Blocks -------------------------------------------------------------------------------------------------------------


def _do(cursor: Cursor, line: int) -> t.Iterable[Action]:
    for token in cursor.tokens:
        if token.kind == "string":
            yield from _block(tokens(unquoted(token, cursor.dialect), token.line, cursor.dialect), cursor.dialect)


def _begin(cursor: Cursor, line: int) -> t.Iterable[Action]:
    if cursor.take("NOT", "ATOMIC"):
        yield from _block(cursor.tokens[cursor.at :], cursor.dialect)


def _block(found: t.Sequence[Token], dialect: str) -> t.Iterable[Action]:
    first = 0
    for at, token in enumerate([*found, Token("end", "", ";", 0, 0)]):
        if token.word in _OPENERS:
            yield from _read(Cursor(found[first:at], dialect))
            first = at + 1


def _execute(cursor: Cursor, line: int) -> t.Iterable[Action]:
    token = cursor.peek()
    if token.kind == "string":
        yield from _read(Cursor(tokens(unquoted(token, cursor.dialect), token.line, cursor.dialect), cursor.dialect))


_STATEMENTS: dict[str, t.Callable[[Cursor, int], t.Iterable[Action]]] = {
    "ALTER": _alter,
    "CREATE": _create,
    "DROP": _drop,
    "RENAME": _rename,
    "TRUNCATE": _truncate,
    "DELETE": _delete,
    "UPDATE": _update,
    "WITH": _with,
    "LOCK": _lock,
    "VACUUM": _vacuum,
    "CLUSTER": _cluster,
    "REINDEX": _reindex,
    "REFRESH": _refresh,
    "DO": _do,
    "BEGIN": _begin,
    "EXECUTE": _execute,
}
