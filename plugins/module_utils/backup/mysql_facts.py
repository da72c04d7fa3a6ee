# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restored MySQL or MariaDB database must have: its objects, rows, a sample of them (private to the collection).

Rows are read in a transaction of the dump's own moment. C(AUTO_INCREMENT) and sequences stand outside of transactions, so
they are read before and after, and the restored ones must lie between.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import typing as t

from ..database.mysql_login import quoted, rows, value
from . import mysql_objects as objects
from .compare import compare, rows_differ
from .engine import Facts
from .progress import SILENT, Progress

ENDS, FEWEST = 500, 4  # rows at each end of the primary key that a sample has, at most and at least
SAMPLE = 4 << 20  # bytes of them that are enough
ALL = 50_000  # rows up to which a table without a primary key is read whole
SHARE = 64  # else one of so many rows, chosen by what is in it

_TABLES = """
SELECT TABLE_NAME, TABLE_TYPE, COALESCE(TABLE_ROWS, 0) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME
"""

# What is computed whenever it is read is known by how it is computed, which is part of the objects.
_COLUMNS = """
SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s AND EXTRA NOT LIKE '%%VIRTUAL%%' ORDER BY ORDINAL_POSITION
"""

_KEY = """
SELECT COLUMN_NAME FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX
"""

# By themselves: joined, the server would look for the columns in all of its databases.
_WITH_NUMBERS = (
    "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND EXTRA LIKE '%%auto_increment%%'"
)
_NUMBERS = "SELECT TABLE_NAME, COALESCE(AUTO_INCREMENT, 1) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"

# One that is over by the time of a restore is dropped by the server as soon as it is made.
_LASTING = """
SELECT EVENT_NAME FROM information_schema.EVENTS
WHERE EVENT_SCHEMA = DATABASE() AND NOT (ON_COMPLETION = 'NOT PRESERVE' AND (EVENT_TYPE = 'ONE TIME' OR ENDS IS NOT NULL))
"""

_ZONES = """
SELECT DISTINCT TIME_ZONE FROM information_schema.EVENTS
WHERE EVENT_SCHEMA = DATABASE() AND TIME_ZONE <> 'SYSTEM' AND TIME_ZONE NOT REGEXP '^[+-]'
"""

NUMBERED, SEQUENCE = "auto_increment of ", "sequence "  # what a counter is, before its name

# Objects on which no transaction has a lock, so that they may change while a dump is written.
LOOSE = ("event ", "function ", "package ", "package body ", "procedure ", "view ")


def of_source(link: t.Any, known: Facts, progress: Progress = SILENT) -> Facts:
    """Of the moment that a connection's transaction has.

    :param known: what was asked when it began, C(counters) among it.
    """
    return {
        **known,
        "schema": schema(link),
        "tables": _tables(link, progress),
        "zones": [row[0] for row in rows(link, _ZONES)],
    }


def differences(link: t.Any, facts: Facts, *, events: bool = True, progress: Progress = SILENT) -> list[str]:
    """In what the restored database that a connection is in is not what the facts say.

    :param facts: without what there is under C(apart): C(objects), and tables of which only the C(rows) are.
    :param events: whether they were restored, too.
    """
    apart = facts.get("apart") or {"objects": (), "rows": ()}
    found = _astray(facts["counters"], counters(link, str(value(link, "SELECT DATABASE()"))))
    rows(link, "START TRANSACTION READ ONLY")

    def compared(name: str) -> bool:
        return (events or not name.startswith("event ")) and name not in apart["objects"]

    objects_then, objects_now = (
        {name: made for name, made in there.items() if compared(name)} for there in (facts["schema"], schema(link))
    )
    found += compare("object", objects_then, objects_now)
    tables_then, tables_now = (
        {name: has for name, has in there.items() if name not in apart["rows"] and compared(f"table {name}")}
        for there in (facts["tables"], _tables(link, progress, facts["tables"]))
    )
    found += compare("table", tables_then, tables_now, rows_differ)
    rows(link, "COMMIT")
    return found


def schema(link: t.Any) -> dict[str, str]:
    """Each object of the database that a connection is in, with the checksum of what makes it."""
    database = str(value(link, "SELECT DATABASE()"))
    found = {}
    for name, _kind, _rows in rows(link, _TABLES):
        with _let_go(link):
            text = str(rows(link, f"SHOW CREATE TABLE {quoted(name)}")[0][1])
        # Where the next number stands is compared by itself; a dump may say it later than its moment.
        found[f"table {name}"] = _digest(re.sub(r" AUTO_INCREMENT=\d+", "", text), database)
    for name in objects.sequences(link, database):
        text = str(rows(link, f"SHOW CREATE SEQUENCE {quoted(name)}")[0][1])
        found[f"sequence {name}"] = _digest(text, database)
    for trigger in objects.triggers(link, database):
        found[trigger.title] = _digest(repr(trigger), database)
    return {**found, **loose(link)}


def schema_now(link: t.Any) -> dict[str, str]:
    """RV(schema), of a connection that has no transaction."""
    rows(link, "START TRANSACTION READ ONLY")
    found = schema(link)
    rows(link, "COMMIT")
    return found


def loose(link: t.Any) -> dict[str, str]:
    """Those objects of RV(schema) that may change while a dump is written."""
    database = str(value(link, "SELECT DATABASE()"))
    lasting = {row[0] for row in rows(link, _LASTING)}
    made = [*objects.views(link, database), *objects.routines(link, database)]
    made += [event for event in objects.events(link, database) if event.name in lasting]
    return {one.title: _digest(repr(one), database) for one in made}


def counters(link: t.Any, database: str) -> dict[str, int]:
    """The next number of each AUTO_INCREMENT and each sequence of a database.

    :param link: without a transaction, which would hold the sequences.
    """
    numbered, numbers = rows(link, _WITH_NUMBERS, database), dict(rows(link, _NUMBERS, database))
    found = {f"{NUMBERED}{name}": int(numbers[name]) for (name,) in numbered if name in numbers}
    for name in objects.sequences(link, database):
        found[f"{SEQUENCE}{name}"] = int(value(link, f"SELECT next_not_cached_value FROM {quoted(database, name)}"))
    return found


def counter(title: str) -> tuple[str, str]:
    """What a counter is, and its name."""
    kind = next(kind for kind in (NUMBERED, SEQUENCE) if title.startswith(kind))
    return kind, title[len(kind) :]


def with_counters_after(facts: Facts, after: t.Mapping[str, int]) -> Facts:
    """The facts, with where each counter stands now, after the dump."""
    before = facts["counters"]
    return {**facts, "counters": {name: [first, after.get(name, first)] for name, first in before.items()}}


def _tables(
    link: t.Any, progress: Progress, wanted: t.Mapping[str, t.Sequence[t.Any]] | None = None
) -> dict[str, list[t.Any]]:
    """Table to its number of rows, and the checksum of some of them.

    :param wanted: what they should be.
    """
    found, what = {}, "counted" if wanted is None else "compared"

    def estimated(table: t.Sequence[t.Any]) -> int:
        return int(table[2] if wanted is None else wanted.get(table[0], [0])[0])

    for name, kind, _rows in progress.tables(what, rows(link, _TABLES), estimated):
        versioned = kind == "SYSTEM VERSIONED"  # the rows that were are dumped, too; they share their keys
        source = quoted(name) + (" FOR SYSTEM_TIME ALL" if versioned else "")
        columns = rows(link, _COLUMNS, name)
        key = [] if versioned else [str(row[0]) for row in rows(link, _KEY, name)]
        with _let_go(link):
            count = int(value(link, f"SELECT COUNT(*) FROM {source}"))
            found[name] = [count, _sample(link, source, columns, key, count)]
    return found


def _sample(link: t.Any, source: str, columns: t.Sequence[t.Sequence[str]], key: t.Sequence[str], count: int) -> str:
    """The checksum of the same rows on every server: by the primary key, else by content."""
    row = _row(columns)
    if not key:
        share = "" if count <= ALL else f" WHERE {row} % {SHARE} = 0"
        return str(value(link, f"SELECT COALESCE(SUM({row}), 0) FROM {source}{share}"))
    # How many they are follows from what is in them, too, and from nothing that a restore does not bring back.
    size = " + ".join(["1", *(f"IFNULL(OCTET_LENGTH({quoted(name)}), 0)" for name, _kind in columns)])
    longest = int(value(link, f"SELECT COALESCE(MAX(one), 1) FROM {_ends(size, source, key, FEWEST)}"))
    most = max(FEWEST, min(ENDS, SAMPLE // longest))
    return str(value(link, f"SELECT COALESCE(SUM(one), 0) FROM {_ends(row, source, key, most)}"))


def _ends(what: str, source: str, key: t.Sequence[str], most: int) -> str:
    """Something, C(one), of so many rows at each end of a table."""
    ends = " UNION ALL ".join(
        f"(SELECT {what} AS one FROM {source} ORDER BY {', '.join(f'{quoted(column)} {way}' for column in key)} LIMIT {most})"
        for way in ("ASC", "DESC")
    )
    return f"({ends}) AS ends"


def _row(columns: t.Sequence[t.Sequence[str]]) -> str:
    """A number out of a row. Each value by itself first: joined, they might be longer than a value may be.

    A float is compared as the server shows it: a dump has no more of it.
    """
    values = ["''", *(f"IFNULL(SHA2({_text(quoted(name), kind)}, 256), '-')" for name, kind in columns)]
    return f"CAST(CONV(LEFT(SHA2(CONCAT_WS(',', {', '.join(values)}), 256), 15), 16, 10) AS UNSIGNED)"


def _text(column: str, kind: str) -> str:
    """What of a value is hashed: in one character set where it is text, else two of them do not mix."""
    if kind in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"):
        return f"CONVERT({column} USING utf8mb4)"
    return column


@contextlib.contextmanager
def _let_go(link: t.Any) -> t.Iterator[None]:
    """Hold no table's definition for longer than it is read, as far as the server lets it go: a change waits for it."""
    rows(link, "SAVEPOINT slipway")
    yield
    rows(link, "ROLLBACK TO SAVEPOINT slipway")


def _digest(text: str, database: str) -> str:
    """Of a definition, whatever name its database has: a sequence and a function stand in it with that, and so do the columns of
    a view whose definer is unknown. A definition that is bytes has its name so, too.
    """
    named = quoted(database) + "."
    for name in (named, named.encode(errors="surrogateescape").decode("latin-1")):
        text = text.replace(name, "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _astray(wanted: t.Mapping[str, t.Sequence[int]], found: t.Mapping[str, int]) -> list[str]:
    said = []
    for name, ends in wanted.items():
        if name not in found:
            said.append(f"{name}: is missing")
        elif not min(ends) <= found[name] <= max(ends):
            said.append(f"{name}: stands at {found[name]}, wanted {min(ends)} to {max(ends)}")
    return said
