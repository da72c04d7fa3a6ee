# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the exchange of two MySQL or MariaDB databases has come, and what is done to either (private to the collection)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import typing as t

from ..database.mysql_login import quoted, rows
from ..errors import SlipwayError
from . import mysql_objects as objects
from .engine import taken
from .mysql import MARIADB, release_of
from .mysql_objects import Made
from .mysql_restore import exists

if t.TYPE_CHECKING:
    from .mysql import MySQL

_USERS = "SELECT ID, USER, HOST FROM information_schema.PROCESSLIST WHERE DB = %s AND ID <> CONNECTION_ID()"
_REFERENCED = """
SELECT CONCAT(CONSTRAINT_SCHEMA, '.', TABLE_NAME) FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND CONSTRAINT_SCHEMA <> %s
"""

Pairs = list[tuple[str, str]]  # what is renamed to what, both quoted


def survey(engine: MySQL, link: t.Any, new: str, kept: str) -> dict[str, t.Any]:
    """What is to be done, so that another run can undo or finish it."""
    live = engine.database
    if exists(link, kept):
        raise taken(kept)
    others = [str(row[0]) for row in rows(link, _REFERENCED, live, live)]
    if others:
        raise SlipwayError(
            "has tables that foreign keys of other databases point to, and those would point to the replaced ones",
            obj=live,
            actual=", ".join(others),
            remedy="Drop these foreign keys, and make them again afterwards.",
            cause="referenced",
        )
    note: dict[str, t.Any] = {"live": live, "new": new, "kept": kept, "events": engine.held.get(new, "")}
    for whose, database in (("old", live), ("coming", new)):
        rows(link, f"USE {quoted(database)}")
        tables = objects.tables(link, database)
        triggered = sorted({made.table for made in objects.triggers(link, database)})
        token = hashlib.sha256(kept.encode()).hexdigest()[:8]
        note[whose] = {
            "tables": tables,
            "sequences": objects.sequences(link, database),
            "aside": {table: f"slipway_{whose}_{number}_{token}" for number, table in enumerate(triggered)},
            "triggers": [],
            "views": live_named(objects.views(link, database), database, live),
            "routines": objects.routines(link, database),
            "events": objects.events(link, database),
        }
    return t.cast("dict[str, t.Any]", json.loads(json.dumps(note)))


def live_named(made: t.Iterable[Made], database: str, live: str) -> list[Made]:
    """Views, in which a function stands with its database."""
    old, new = (quoted(name).encode().decode("latin-1") + "." for name in (database, live))
    return [one._replace(text=one.text.replace(old, new)) for one in made]


class Change:
    """An exchange that is under way.

    :param note: by RV(survey); what was done since stands in it, too.
    """

    def __init__(self, engine: MySQL, link: t.Any, note: dict[str, t.Any]) -> None:
        self.engine, self.link, self.note = engine, link, note
        self.live, self.new, self.kept = str(note["live"]), str(note["new"]), str(note["kept"])
        self.said: list[str] = []

    def write(self, **changes: t.Any) -> None:
        """Write down how far it has come."""
        self.note.update(changes)
        system, path = self.engine.system, self.engine.closed_file
        system.make_directory(os.path.dirname(path))
        system.replace_file(path, json.dumps(self.note).encode())

    def forget(self) -> None:
        """It is at its end."""
        self.engine.system.unlink(self.engine.closed_file)

    def made(self, whose: str, kind: str) -> list[Made]:
        """Objects as they were when it began."""
        return [Made(*one) for one in self.note[whose][kind]]

    def aside(self, whose: str) -> dict[str, str]:
        """Table with triggers to the name that it has meanwhile."""
        return dict(self.note[whose]["aside"])

    def plain(self, whose: str) -> list[str]:
        """Tables without triggers."""
        return [name for name in self.note[whose]["tables"] if name not in self.note[whose]["aside"]]

    def use(self, database: str) -> None:
        """The database that objects are made in."""
        rows(self.link, f"USE {quoted(database)}")

    def rename(self, pairs: Pairs) -> None:
        """All at once."""
        if pairs:
            rows(self.link, f"RENAME TABLE {', '.join(f'{old} TO {new}' for old, new in pairs)}")

    def is_done(self) -> bool:
        """Whether the restored tables have the names of the live ones."""
        if self.note.get("opened") or self.note.get("back") or not self.note.get("bringing"):
            return bool(self.note.get("opened"))
        aside, there = self.aside("coming"), {*objects.tables(self.link, self.new)}
        names = {*self.note["coming"]["tables"]} - {*self.note["coming"]["sequences"]}
        waiting = there & {*names, *aside.values()} | {*objects.tables(self.link, self.live)} & {*aside.values()}
        return bool(names) and not waiting


def make_routines(change: Change, old: t.Sequence[Made], wanted: t.Sequence[Made]) -> None:
    """Let the live database's routines be those that are wanted."""
    replaces = release_of(change.link).vendor == MARIADB
    there, names = {made.title for made in old}, {made.title for made in wanted}
    for made in old:
        if made.title not in names:
            objects.drop(change.link, made)
    for made in wanted:
        if made in old:
            continue
        if made.title in there and not replaces:
            objects.drop(change.link, made)
        objects.make(change.link, made, replace=made.title in there and replaces)


def end_connections(change: Change) -> list[str]:
    """End those that are in the live database, as far as this user may, and say whose they were."""
    users = rows(change.link, _USERS, change.live)
    for number, _user, _host in users:
        with contextlib.suppress(SlipwayError):
            rows(change.link, f"KILL {int(number)}")
    return [f"{user} from {host.partition(':')[0]}" for _number, user, host in users]
