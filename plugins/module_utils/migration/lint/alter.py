# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ALTER TABLE does, action by action (private to the collection).

Source: the synopses of PostgreSQL 18, MySQL 8.4, MariaDB 11 and SQLite 3.
"""

from __future__ import annotations

import typing as t

from .action import Action
from .column import column, constraint
from .tokens import Cursor, Name

MYSQL = ("mysql", "mariadb")
_OPTIONS = (
    "ENGINE",
    "ROW_FORMAT",
    "KEY_BLOCK_SIZE",
    "FORCE",
    "ORDER",
    "PARTITION",
    "REMOVE",
)  # that copy a table in MySQL


def alter_table(cursor: Cursor) -> list[Action]:
    """Behind C(ALTER TABLE)."""
    cursor.take("IF", "EXISTS")
    cursor.take("ONLY")
    table = cursor.name()
    if table is None:
        return []
    cursor.take("*")
    if cursor.dialect in MYSQL and cursor.any_of("NOWAIT", "WAIT") == "WAIT":
        cursor.next()
    flags = algorithm(cursor) if cursor.dialect in MYSQL else ()
    actions = []
    for part in cursor.parts():
        actions += [one.flagged(*flags) for one in _action(part, table)]
    return actions


def algorithm(cursor: Cursor) -> tuple[str, ...]:
    """What ALGORITHM and LOCK say, wherever they stand."""
    words = [word for word in cursor.flat() if word != "="]
    said = {before: after for before, after in zip(words, words[1:]) if before in ("ALGORITHM", "LOCK")}
    flags = []
    if said.get("ALGORITHM") in ("INPLACE", "INSTANT", "NOCOPY"):
        flags.append("no copy")
    if said.get("ALGORITHM") == "COPY":
        flags.append("copy")
    if said.get("LOCK") in ("SHARED", "EXCLUSIVE"):
        flags.append("locks")
    return tuple(flags)


def _action(part: Cursor, table: Name) -> t.Iterator[Action]:
    line, first = part.line, part.at
    word = part.next().word
    if word in _ACTIONS:
        yield from _ACTIONS[word](part, table, line)
    elif part.dialect in MYSQL and word in (*_OPTIONS, "CONVERT", "ALGORITHM", "LOCK"):
        part.at = first
        kind = "say how" if word in ("ALGORITHM", "LOCK") else "rewrite table"
        yield Action(kind, line, table, body=part.shown())


# Each of these stands behind its word -----------------------------------------------------------------------------


def _add(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    found = constraint(part, table) if part.dialect != "sqlite" else None
    if found is not None:
        yield found
    elif part.dialect in MYSQL and part.peek().word in ("INDEX", "KEY", "FULLTEXT", "SPATIAL"):
        kind = part.next().word
        part.any_of("INDEX", "KEY")
        name = part.name() if part.peek().word != "(" else None
        flags = frozenset(["blocks"] if kind in ("FULLTEXT", "SPATIAL") else [])
        yield Action("create index", line, table, name, body=part.shown(), flags=flags)
    elif not (part.dialect in MYSQL and part.peek().word in ("PARTITION", "PERIOD", "SYSTEM")):
        part.take("COLUMN")
        exists = part.take("IF", "NOT", "EXISTS")
        group = part.group() if part.peek().word == "(" else None
        for definition in group.parts() if group else [part]:
            name = definition.name()
            if name is not None:
                kind, flags = column(definition)
                more = ["if not exists"] if exists else []
                yield Action("add column", line, table, name, body=kind, flags=flags.union(more))


_DROPPED = {
    ("CONSTRAINT",): "drop constraint",
    ("FOREIGN", "KEY"): "drop constraint",
    ("CHECK",): "drop constraint",
    ("PRIMARY", "KEY"): "drop primary key",
    ("INDEX",): "drop index",
    ("KEY",): "drop index",
    ("PARTITION",): "drop partition",
    ("COLUMN",): "drop column",
}


def _drop(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    kind = "drop column"
    for words, dropped in _DROPPED.items():
        theirs = part.dialect in MYSQL or words[0] in ("COLUMN", "CONSTRAINT")
        if theirs and part.sees(*words) and (part.peek(len(words)).kind != "end" or words[-1] == "KEY"):
            part.take(*words)
            kind = dropped
            break
    part.take("IF", "EXISTS")
    name = Name("PRIMARY KEY", ("",)) if kind == "drop primary key" else part.name()
    if name is not None:
        yield Action(kind, line, table, name)


def _alter(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    if part.any_of("CONSTRAINT", "INDEX", "CHECK"):
        return
    part.take("COLUMN")
    part.take("IF", "EXISTS")
    name = part.name()
    part.take("SET", "DATA")
    if part.take("TYPE"):
        yield Action("change type", line, table, name, body=_type(part))
    elif part.take("SET", "NOT", "NULL"):
        yield Action("set not null", line, table, name)
    elif part.take("SET", "DEFAULT"):
        yield Action("set default", line, table, name)
    elif part.take("SET", "EXPRESSION"):
        yield Action("rewrite table", line, table, body=part.shown())
    elif part.take("DROP") and part.any_of("DEFAULT", "IDENTITY"):
        yield Action("drop default", line, table, name)


def _type(part: Cursor) -> str:
    words = [token.word for token in part.tokens]
    return part.shown(words.index("USING") if "USING" in words else None)


def _rename(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    what = "column"
    if part.any_of("CONSTRAINT"):
        what = "constraint"
    elif part.dialect in MYSQL and part.any_of("INDEX", "KEY"):
        what = "index"
    elif part.peek(1).kind == "end" or part.peek().word in ("TO", "=") or (part.sees("AS") and part.dialect in MYSQL):
        part.any_of("TO", "AS", "=")
        to = part.name()
        if to is not None:
            yield Action("rename table", line, None, table, to)
        return
    else:
        part.take("COLUMN")
        part.take("IF", "EXISTS")
    name = part.name()
    part.take("TO")
    to = part.name()
    if name is not None and to is not None:
        yield Action(f"rename {what}", line, table, name, to)


def _set(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    if part.take("SCHEMA"):
        yield Action("move table", line, None, table, part.name())
    elif part.peek().word in ("TABLESPACE", "LOGGED", "UNLOGGED", "ACCESS"):
        yield Action("rewrite table", line, table, body=f"SET {part.shown()}")


def _row_security(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    if part.take("ROW", "LEVEL", "SECURITY"):
        yield Action("enable row security", line, table)
    elif part.dialect in MYSQL and part.ended:  # FORCE
        yield Action("rewrite table", line, table, body="FORCE")


def _validate(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    if part.take("CONSTRAINT"):
        yield Action("validate constraint", line, table, part.name())


def _detach(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    if part.take("PARTITION"):
        name = part.name()
        said = part.any_of("CONCURRENTLY", "FINALIZE")
        yield Action("detach partition", line, table, name, flags=frozenset(["concurrently"] if said else []))


def _change(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    part.take("COLUMN")
    part.take("IF", "EXISTS")
    name, to = part.name(), part.name()
    if name is not None and to is not None:
        renamed = name.parts != to.parts
        kind, flags = column(part)
        yield Action("rename column" if renamed else "change type", line, table, name, to, kind, flags)


def _modify(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    part.take("COLUMN")
    part.take("IF", "EXISTS")
    name = part.name()
    if name is not None:
        kind, flags = column(part)
        yield Action("change type", line, table, name, body=kind, flags=flags)


def _truncate(part: Cursor, table: Name, line: int) -> t.Iterator[Action]:
    if part.take("PARTITION"):
        yield Action("truncate", line, table, part.name())


_Act = t.Callable[[Cursor, Name, int], t.Iterator[Action]]
_ACTIONS: dict[str, _Act] = {
    "ADD": _add,
    "DROP": _drop,
    "ALTER": _alter,
    "RENAME": _rename,
    "SET": _set,
    "ENABLE": _row_security,
    "FORCE": _row_security,
    "VALIDATE": _validate,
    "DETACH": _detach,
    "CHANGE": _change,
    "MODIFY": _modify,
    "TRUNCATE": _truncate,
}
