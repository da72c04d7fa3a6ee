# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restored SQLite database must have (private to the collection)."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import typing as t

from .compare import compare, rows_differ
from .engine import Facts

ENDS = 500  # rows at each end that a sample has
LONG = 1 << 20  # bytes, or characters, of a value above which its length stands for it: a row is held in memory

_OBJECTS = "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"


def of(link: sqlite3.Connection) -> Facts:
    """Of a database that nobody writes to."""
    objects = {f"{kind} {name}": _digest(sql) for kind, name, sql in link.execute(_OBJECTS).fetchall()}
    tables = {name: _rows(link, name) for (name,) in link.execute(_TABLES).fetchall()}
    return {"schema": objects, "tables": tables, "sequences": given_out(link)}


def differences(link: sqlite3.Connection, facts: Facts) -> list[str]:
    """In what a restored database is not what the facts say."""
    found = of(link)
    return [
        *compare("object", facts["schema"], found["schema"]),
        *compare("table", facts["tables"], found["tables"], rows_differ),
        *compare("sequence", facts["sequences"], found["sequences"]),
    ]


def text(raw: bytes) -> str:
    """SQLite keeps any bytes as text."""
    return raw.decode(errors="surrogateescape")


def given_out(link: sqlite3.Connection) -> dict[str, int]:
    """Table to the last number that AUTOINCREMENT has given out (SQLite, "SQLite Autoincrement")."""
    if not link.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone()[0]:
        return {}
    return {str(name): int(last) for name, last in link.execute("SELECT name, seq FROM sqlite_sequence").fetchall()}


def advance(path: str, given: t.Mapping[str, int]) -> list[str]:
    """No number is given out again that another database has given out; what was advanced, in words."""
    done = []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as link:
        own = given_out(link)
        for name in sorted(set(own) & set(given)):
            if given[name] > own[name]:
                link.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (given[name], name))
                done.append(f"advanced {name} to {given[name]}")
    return done


def _rows(link: sqlite3.Connection, table: str) -> list[t.Any]:
    """The number of rows, and a checksum of the first and the last ones by key."""
    name = '"' + table.replace('"', '""') + '"'
    (count,) = link.execute(f"SELECT count(*) FROM {name}").fetchone()
    key = ", ".join(_key(link, name))
    down = ", ".join(f"{column} DESC" for column in _key(link, name))
    values = ", ".join(_value(column) for column in _columns(link, name))
    sample = hashlib.sha256()
    for order in (key, down):
        for row in link.execute(f"SELECT {values} FROM {name} ORDER BY {order} LIMIT {ENDS}"):
            sample.update(repr(row).encode())
    return [count, sample.hexdigest()[:16]]


def _columns(link: sqlite3.Connection, name: str) -> list[str]:
    """All but those that a virtual table hides."""
    columns = link.execute(f"PRAGMA table_xinfo({name})").fetchall()
    return ['"' + column[1].replace('"', '""') + '"' for column in columns if column[6] != 1]


def _value(column: str) -> str:
    long = f"typeof({column}) IN ('blob', 'text') AND length({column}) > {LONG}"
    return f"CASE WHEN {long} THEN typeof({column}) || length({column}) ELSE {column} END"


def _key(link: sqlite3.Connection, name: str) -> list[str]:
    """The primary key's columns; the row's number where it has none, or is one itself."""
    columns = link.execute(f"PRAGMA table_info({name})").fetchall()
    found = [(column[5], '"' + column[1].replace('"', '""') + '"') for column in columns if column[5]]
    return [column for _place, column in sorted(found)] or ["rowid"]


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()[:16]
