# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a MySQL or MariaDB database by the statements that make them (private to the collection).

A definition is bytes in the character set of whoever made it. It is read and sent back as such, as C(mysqldump) does: by
another one its literals would become others. In a C(Made) each byte is one character (latin-1), so that it is text.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

from ..database.mysql_login import quoted, rows, value
from ..errors import SlipwayError

# The server keeps how a trigger's maker wrote its name and its table's, until the table gets another name.
_NAME = r"""(?:`(?:[^`]|``)*`|"(?:[^"]|"")*"|[\w$\x80-\xff]+)"""
_TRIGGER = re.compile(
    rf"(\bTRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?)(?:{_NAME}\s*\.\s*)?({_NAME}\s+(?:BEFORE|AFTER)\s+\w+\s+ON\s+)(?:{_NAME}\s*\.\s*)?({_NAME})",
    re.IGNORECASE,
)

_TRIGGERS = """
SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s
ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER
"""
_ROUTINES = """
SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s
ORDER BY ROUTINE_TYPE, ROUTINE_NAME
"""  # a package comes before its body
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY EVENT_NAME"


class Made(t.NamedTuple):
    """One object, and what a session must be set to for its statement to mean the same again.

    :param kind: C(VIEW), C(TRIGGER), C(PROCEDURE), C(FUNCTION), C(PACKAGE), C(PACKAGE BODY) or C(EVENT).
    :param table: of a trigger.
    :param text: the statement.
    :param client: character set that the statement is written in.
    :param collation: of the connection.
    :param of_database: collation that the database had.
    """

    kind: str
    name: str
    table: str
    text: str
    mode: str
    client: str
    collation: str
    of_database: str
    zone: str

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.kind.lower()} {self.name}"


def tables(link: t.Any, database: str) -> list[str]:
    """Tables and sequences: everything that is renamed."""
    return _named(link, database, "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')")


def sequences(link: t.Any, database: str) -> list[str]:
    """What MariaDB calls so."""
    return _named(link, database, "TABLE_TYPE = 'SEQUENCE'")


def views(link: t.Any, database: str) -> list[Made]:
    """Of the database that the connection is in, so that its own name does not stand in them."""
    names = _named(link, database, "TABLE_TYPE = 'VIEW'")
    return [_made(link, "VIEW", name, database) for name in names]


def triggers(link: t.Any, database: str) -> list[Made]:
    """In the order in which they must be made for each to fire when it did."""
    found = rows(link, _TRIGGERS, database)
    made = [_made(link, "TRIGGER", name, database, table) for name, table in found]
    return [one._replace(text=unqualified(one.text)) for one in made]


def routines(link: t.Any, database: str) -> list[Made]:
    """Procedures, functions, and packages."""
    return [_made(link, kind, name, database) for name, kind in rows(link, _ROUTINES, database)]


def events(link: t.Any, database: str) -> list[Made]:
    """What the server does by itself."""
    return [_made(link, "EVENT", name, database) for (name,) in rows(link, _EVENTS, database)]


def unqualified(trigger: str) -> str:
    """A trigger's statement without the database that its maker named, which is wrong in another one; its table as the
    server itself writes it.
    """

    def bare(match: re.Match[str]) -> str:
        before, name, table = match.groups()
        return before + name + (table if table[0] in '`"' else f"`{table}`")

    return _TRIGGER.sub(bare, trigger, count=1)


def make(link: t.Any, made: Made, *, replace: bool = False) -> None:
    """Make an object in the database that the connection is in, as it was made.

    :param replace: keep the rights that others have on it (MariaDB; MySQL has no such statement).
    """
    text = re.sub(r"^CREATE", "CREATE OR REPLACE", made.text, count=1) if replace else made.text
    database = str(value(link, "SELECT @@collation_database"))
    with _as_made(link, made):
        other = made.of_database and made.of_database != database
        if other:
            rows(link, f"ALTER DATABASE COLLATE {made.of_database}")
        try:
            rows(link, text.encode("latin-1"))
        finally:
            if other:
                rows(link, f"ALTER DATABASE COLLATE {database}")


def make_all(link: t.Any, wanted: t.Iterable[Made]) -> list[str]:
    """Make objects that may need one another, and say of which that failed, and why."""
    left, problems = list(wanted), [""]
    while left and problems:
        failed, problems = [], []
        for made in left:
            try:
                make(link, made)
            except SlipwayError as error:
                failed.append(made)
                problems.append(f"{made.title}: {error.actual}")
        if len(failed) == len(left):
            return problems
        left = failed
    return []


def drop(link: t.Any, made: Made) -> None:
    """Of the database that the connection is in."""
    rows(link, f"DROP {made.kind} IF EXISTS {quoted(made.name)}")


def _named(link: t.Any, database: str, which: str) -> list[str]:
    question = (
        f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND {which} ORDER BY TABLE_NAME"  # noqa: S608
    )
    return [str(row[0]) for row in rows(link, question, database)]


def _made(link: t.Any, kind: str, name: str, database: str, table: str = "") -> Made:
    """By C(SHOW CREATE), whose columns are not the same for each kind."""
    with _as_bytes(link), link.cursor() as cursor:
        cursor.execute(f"SHOW CREATE {kind} {quoted(database, name)}".encode().decode("latin-1"))
        row = cursor.fetchone()
        columns = {column[0]: answer for column, answer in zip(cursor.description, row)}
    text = columns.get("SQL Original Statement") or columns[f"Create {kind.title()}"]
    if text is None:
        raise SlipwayError(
            "may not be read",
            obj=f"{kind.lower()} {name}",
            wanted="the right to read what it does",
            remedy="GRANT SELECT ON mysql.proc (MariaDB) or SHOW_ROUTINE ON *.* (MySQL) to the user.",
            cause="denied",
        )
    return Made(
        kind,
        name,
        table,
        str(text),
        str(columns.get("sql_mode", "")),
        str(columns["character_set_client"]),
        str(columns["collation_connection"]),
        str(columns.get("Database Collation", "")),
        str(columns.get("time_zone", "")),
    )


@contextlib.contextmanager
def _as_bytes(link: t.Any) -> t.Iterator[None]:
    """Answers without conversion, each byte of them one character."""
    own = link.encoding
    rows(link, "SET character_set_results = NULL")
    link.encoding = "latin-1"
    try:
        yield
    finally:
        link.encoding = own
        rows(link, "SET character_set_results = utf8mb4")


@contextlib.contextmanager
def _as_made(link: t.Any, made: Made) -> t.Iterator[None]:
    """A session as that of the maker."""
    settings = "SET SESSION sql_mode = %s, character_set_client = %s, collation_connection = %s, time_zone = %s"
    rows(link, settings, made.mode, made.client, made.collation, made.zone or "+00:00")
    try:
        yield
    finally:
        rows(link, "SET NAMES utf8mb4")
        rows(link, "SET SESSION sql_mode = '', time_zone = '+00:00'")
