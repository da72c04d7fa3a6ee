# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL or MariaDB backup restored beside the live database (private to the collection).

A dump is of no database by name, but for a few of its lines; those are made to speak of the new one. Events wait until the
new one is the live one: in a copy they would run as well.
"""

from __future__ import annotations

import contextlib
import io
import re
import typing as t

from ..database.mysql_login import Login, quoted, rows
from ..errors import SlipwayError
from . import mysql_facts
from .engine import Facts
from .mysql import CLIENT, release_of, whole
from .mysql_objects import unqualified
from .pipeline import Chunks, flow

if t.TYPE_CHECKING:
    from .mysql import MySQL

EVENTS, SECTION = b"-- Dumping events for database ", b"-- Dumping "
TRIGGER = b"/*!50003 CREATE*/ "
# What the lines begin with that name the database, and what of them does.
ALTER, VIEW, COLUMN, NEXT = b"ALTER DATABASE ", b"/*!50001 VIEW ", b"  `", b" nextval("
SAID = re.compile(r"(\S+ ended with [^:]*: ).*(ERROR \d+ \(\w+\).*)\Z", re.DOTALL)
SIGNS = (SECTION, TRIGGER, ALTER, VIEW, NEXT)


def restore_beside(engine: MySQL, dump: Chunks, facts: Facts, name: str) -> list[str]:
    """Make a new database out of a dump, and compare it with what was backed up; see RV(Engine)."""
    login = engine.login.to(name)
    with contextlib.closing(engine.login.to("").connect()) as link:
        vendor = release_of(link).vendor
        create(link, name, facts["properties"])
    renamed = Renamed(str(facts["database"]), name)
    fill(engine, login, vendor, renamed.through(whole(dump)))
    engine.held[name] = renamed.events.decode(errors="surrogateescape")
    with contextlib.closing(login.connect()) as link:
        return mysql_facts.differences(link, facts, events=False, progress=engine.progress)


def discard(engine: MySQL, name: str) -> None:
    """Drop a restored database, if there is one."""
    with contextlib.closing(engine.login.to("").connect()) as link:
        rows(link, f"DROP DATABASE IF EXISTS {quoted(name)}")


def exists(link: t.Any, name: str) -> bool:
    """Whether there is a database of this name that the user may see."""
    return bool(rows(link, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", name))


def create(link: t.Any, name: str, properties: t.Mapping[str, str]) -> None:
    """An empty database as that of a backup."""
    rows(
        link,
        f"CREATE DATABASE {quoted(name)} CHARACTER SET {properties['charset']} COLLATE {properties['collation']}",
    )


def fill(engine: MySQL, login: Login, vendor: str, script: Chunks) -> None:
    """Let the client of the server do what a script says, up to its first error.

    In binary mode it takes lines as they are, and knows none of its own commands, as that which starts a program.
    """
    options = (
        "--batch",
        "--binary-mode",
        "--comments",  # those in a routine are part of it
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
        f"--database={login.database}",
    )
    with engine.logged_in(engine.program(CLIENT[vendor]), *options, login=login, reads=True) as program:
        try:
            for _said in flow([program], script):
                pass
        except SlipwayError as error:
            raise _without_rows(error) from None


def _without_rows(error: SlipwayError) -> SlipwayError:
    """The client repeats the statement that failed, which has rows in it."""
    if error.cause == "command_failed":
        error.actual = SAID.sub(r"\1\2", str(error.actual))
        error.args = (error.message,)
    return error


class Renamed:
    """A dump for a database of another name.

    :ivar events: the part of it that makes the events, which is left out.
    """

    def __init__(self, database: str, name: str) -> None:
        self.events = b""
        self._old, self._new = quoted(database).encode(), quoted(name).encode()
        self._in_events = False

    def through(self, dump: Chunks) -> t.Iterator[bytes]:
        """The dump by whole lines; most of it untouched."""
        rest: list[bytes] = []
        for chunk in dump:
            lines, newline, more = chunk.rpartition(b"\n")
            if newline:
                yield self._block(b"".join([*rest, lines, newline]))
                rest = [more]
            else:
                rest.append(more)
        yield self._block(b"".join(rest))

    def _block(self, block: bytes) -> bytes:
        if not self._in_events and not any(sign in block for sign in SIGNS):
            return block
        return b"".join(self._line(line) for line in io.BytesIO(block) if not self._held(line))

    def _held(self, line: bytes) -> bool:
        if line.startswith(SECTION):
            self._in_events = line.startswith(EVENTS)
        if self._in_events:
            self.events += line
        return self._in_events

    def _line(self, line: bytes) -> bytes:
        if line.startswith(ALTER):
            return line.replace(ALTER + self._old, ALTER + self._new, 1)
        if line.startswith(VIEW):  # of a function in it, the database is said
            return line.replace(self._old + b".", self._new + b".")
        if line.startswith(COLUMN):
            return line.replace(NEXT + self._old + b".", NEXT + self._new + b".")
        if line.startswith(TRIGGER):
            return unqualified(line.decode("latin-1")).encode("latin-1")
        return line
