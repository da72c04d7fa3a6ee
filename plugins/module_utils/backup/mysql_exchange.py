# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored MySQL or MariaDB database in the place of the live one (private to the collection).

A database cannot be renamed here; its tables can, across databases and many in one statement. One such statement takes the
live tables away, so that programs find none of them and nobody writes; one puts the restored tables in their place. Nothing
has to be forbidden to anybody for that, and other databases of the server go on.

A table that has triggers goes to no other database, and without its triggers nobody may write to it. Therefore it gets
another name in its own database first, loses its triggers there, and goes on then; the restored one has its own again before
it gets its name. (The server keeps the triggers of a table that is renamed within its database.)

How far this has come is seen in the server, and what cannot be seen there is written down before it is done. A run that was
cut off before the restored tables had their names is put back by the next one, and finished after that.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import re
import typing as t

from ..database.mysql_login import quoted, rows, value
from ..errors import SlipwayError
from . import mysql_facts
from . import mysql_objects as objects
from .engine import taken
from .mysql import release_of
from .mysql_change import Change, end_connections, live_named, make_routines, survey
from .mysql_restore import create, discard, exists, fill

if t.TYPE_CHECKING:
    from .mysql import MySQL

TRIES = 4  # times that connections are ended: a program may come back at once
WAIT = 5  # seconds that a try waits for transactions to end
FINISHED = "finished"
CUT_OFF = 60  # seconds until the statement of a run that was cut off has ended

_ASTRAY = """
SELECT CONCAT(TABLE_NAME, ' (', CONSTRAINT_NAME, ')') FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = %s AND UNIQUE_CONSTRAINT_SCHEMA IN (%s, %s)
"""
_CHARACTERS = """
SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s
"""
_DEFAULTS = """
SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = %s AND INSTR(COLUMN_DEFAULT, %s)
"""
_ENABLED = re.compile(r"( ON COMPLETION (?:NOT )?PRESERVE) ENABLE\b")


def give_name(engine: MySQL, new: str, name: str) -> None:
    """Let the tables and objects of a restored database be those of a new one, without its events, which would run there, too.

    The new one is there before, but empty: its tables get their names by one statement.

    :raises SlipwayError: C(exists), C(denied), …; there is no such database then. C(incomplete) as RV(take_the_place).
    """
    with contextlib.closing(engine.login.to("").connect()) as link:
        if exists(link, name):
            raise taken(name)
        engine.system.make_directory(os.path.dirname(engine.closed_file))
        engine.system.replace_file(engine.closed_file, json.dumps({"making": name}).encode())
        try:
            charset, collation = rows(link, _CHARACTERS, new)[0]
            create(link, name, {"charset": charset, "collation": collation})
        except SlipwayError:
            engine.system.unlink(engine.closed_file)
            raise
    other = copy.copy(engine)
    other.login, other.held = engine.login.to(name), {}
    take_the_place(other, new, engine.named(f"_old_{hashlib.sha256(new.encode()).hexdigest()[:8]}", name), made=True)


def take_the_place(engine: MySQL, new: str, kept: str, *, made: bool = False) -> list[str]:
    """Let the tables and objects of a restored database be those of the live one, which go to one of another name.

    :param made: the live one is empty and was made for this, and nothing of it is kept.
    :return: the counters that were advanced, and what the kept database is without, in words.
    :raises SlipwayError: C(in_use), C(referenced), C(denied), …; the live database is as it was then, and the new one gone.
        C(incomplete): it is the restored one, but for what that names.
    """
    with _alone(engine, engine.database, 0) as link:
        try:
            change = Change(engine, link, {**survey(engine, link, new, kept), "made": made})
            change.write()
            for step in BEFORE:
                reached(step.__name__)
                step(change)
        except BaseException as error:
            with contextlib.suppress(SlipwayError):  # a lost connection lets go by itself
                rows(link, "DO RELEASE_LOCK(%s)", _lock(engine.database))
            done = recover(engine)
            discard(engine, new)
            if isinstance(error, SlipwayError) and done and done[0].startswith(FINISHED):
                return done  # it was lost after the last statement had been done
            raise
        finish(change)
    return change.said


def recover(engine: MySQL) -> list[str]:
    """Put back, or finish, what a run that was cut off has begun; what was done, in words."""
    note = json.loads(engine.system.read_file(engine.closed_file) or b"{}")
    if not note:
        return []
    if "making" in note:
        return _unmake(engine, str(note["making"]))
    with _alone(engine, str(note["live"]), CUT_OFF) as link:
        change = Change(engine, link, note)
        made = bool(note.get("made"))
        if change.is_done():
            finish(change)
            return [
                f"{FINISHED} the {'making' if made else 'replacing'} of {change.live}, which was cut off",
                *change.said,
            ]
        back(change)
        discard(engine, change.new)
    if made:
        return [f"dropped {change.live}, which a run that was cut off was about to make"]
    return [f"put {change.live} back, which a run that was cut off was about to replace"]


def _unmake(engine: MySQL, name: str) -> list[str]:
    """Drop a database that was made, but nothing was done to it yet."""
    with contextlib.closing(engine.login.to("").connect()) as link:
        there = exists(link, name) and not objects.tables(link, name)
        if there:
            rows(link, f"DROP DATABASE {quoted(name)}")
    engine.system.unlink(engine.closed_file)
    return [f"dropped {name}, which a run that was cut off was about to make"] if there else []


def reached(_step: str) -> None:
    """Before each step; tests are killed here."""


@contextlib.contextmanager
def _alone(engine: MySQL, database: str, patience: int) -> t.Iterator[t.Any]:
    """A connection that nobody else exchanges the live database with; the server lets go of it with the connection."""
    with contextlib.closing(engine.login.to("").connect()) as link:
        if not value(link, "SELECT GET_LOCK(%s, %s)", _lock(database), patience):
            raise SlipwayError(
                "is being replaced by another run",
                obj=database,
                remedy="Wait until it has ended.",
                cause="busy",
            )
        yield link


def _lock(database: str) -> str:
    return "slipway:" + hashlib.sha256(database.encode()).hexdigest()[:32]


# --- until the restored tables have their names


def make_kept(change: Change) -> None:
    """The database in which the live tables stay."""
    change.use(change.live)
    charset, collation = rows(change.link, "SELECT @@character_set_database, @@collation_database")[0]
    create(change.link, change.kept, {"charset": charset, "collation": collation})


def close(change: Change) -> None:
    """Take the live tables away, all at once. From here on programs find none, and nobody has written since."""
    pairs = [(quoted(change.live, name), quoted(change.kept, name)) for name in change.plain("old")]
    pairs += [(quoted(change.live, name), quoted(change.live, other)) for name, other in change.aside("old").items()]
    rows(change.link, f"SET SESSION lock_wait_timeout = {WAIT}")
    for left in reversed(range(TRIES)):
        users = end_connections(change)
        try:
            change.rename(pairs)
            break
        except SlipwayError as error:
            if error.cause != "busy":
                raise
            if not left:
                raise SlipwayError(
                    "is still used by a transaction that does not end",
                    obj=change.live,
                    actual=", ".join(sorted(set(users))) or "nobody whom this user may see",
                    wanted=f"no transaction within {TRIES * WAIT} s",
                    remedy="Stop these programs: this user may not end their connections.",
                    cause="in_use",
                ) from None
    reached("closed")
    change.write(closed=True)


def set_aside(change: Change) -> None:
    """Let the live tables that have triggers follow, without those."""
    change.use(change.live)
    mine = set(change.aside("old").values())
    triggers = [made for made in objects.triggers(change.link, change.live) if made.table in mine]
    change.note["old"]["triggers"] = triggers
    change.write()
    for made in triggers:
        objects.drop(change.link, made)
    change.rename([(quoted(change.live, name), quoted(change.kept, name)) for name in mine])


def advance(change: Change) -> None:
    """No number is given out again that the live database has given out."""
    names, given = {other: name for name, other in change.aside("old").items()}, {}
    for title, number in mysql_facts.counters(change.link, change.kept).items():
        kind, name = mysql_facts.counter(title)
        given[kind + names.get(name, name)] = number
    for title, own in mysql_facts.counters(change.link, change.new).items():
        if title in given and _advanced(change, title, own, given[title]):
            change.said.append(f"advanced {title} to {given[title]}")


def _advanced(change: Change, title: str, own: int, number: int) -> bool:
    """Whether a counter of the restored database had to be."""
    kind, name = mysql_facts.counter(title)
    table = quoted(change.new, name)
    if kind == mysql_facts.NUMBERED:
        if number > own:
            rows(change.link, f"ALTER TABLE {table} AUTO_INCREMENT = {number}")
        return number > own
    ahead = (number - own) * int(value(change.link, f"SELECT increment FROM {table}")) > 0  # noqa: S608  # quoted
    if ahead:
        rows(change.link, f"SELECT SETVAL({table}, {number}, 0)")
    return ahead


def exchange_objects(change: Change) -> None:
    """Routines, which are not looked into before they are called; views that will not be the same, and events, go.

    A routine that is the same stays, and one of the same name is replaced, for with it the rights on it would go.
    """
    change.use(change.live)
    make_routines(change, change.made("old", "routines"), change.made("coming", "routines"))
    coming = change.made("coming", "views")
    for made in [*(one for one in change.made("old", "views") if one not in coming), *change.made("old", "events")]:
        objects.drop(change.link, made)


def bring(change: Change) -> None:
    """The restored sequences, for defaults to be of them; then the tables that have triggers, with those."""
    link, live, new = change.link, change.live, change.new
    change.write(bringing=True)
    change.rename([(quoted(new, name), quoted(live, name)) for name in change.note["coming"]["sequences"]])
    for table, column, default in rows(link, _DEFAULTS, new, quoted(new) + "."):
        text = str(default).replace(quoted(new) + ".", quoted(live) + ".")
        rows(link, f"ALTER TABLE {quoted(new, table)} ALTER COLUMN {quoted(column)} SET DEFAULT ({text})")
    aside = change.aside("coming")
    change.use(new)
    change.rename([(quoted(new, name), quoted(new, other)) for name, other in aside.items()])
    triggers = objects.triggers(link, new)
    for made in triggers:
        objects.drop(link, made)
    change.rename([(quoted(new, other), quoted(live, other)) for other in aside.values()])
    change.use(live)
    for made in triggers:
        objects.make(link, made)


def open_again(change: Change) -> None:
    """Give the restored tables their names, all at once."""
    aside = change.aside("coming")
    names = [name for name in change.plain("coming") if name not in change.note["coming"]["sequences"]]
    pairs = [(quoted(change.new, name), quoted(change.live, name)) for name in names]
    pairs += [(quoted(change.live, other), quoted(change.live, name)) for name, other in aside.items()]
    change.rename(pairs)
    reached("opened")
    change.write(opened=True)


BEFORE: tuple[t.Callable[[Change], None], ...] = (
    make_kept,
    close,
    set_aside,
    advance,
    exchange_objects,
    bring,
    open_again,
)


# --- afterwards


def finish(change: Change) -> None:
    """Make what needs the tables, give the kept ones what belongs to them, and forget the new database.

    :raises SlipwayError: C(incomplete).
    """
    reached("finish")
    link, live = change.link, change.live
    change.use(live)
    there = {made.name for made in objects.views(link, live)}
    problems = objects.make_all(link, [made for made in change.made("coming", "views") if made.name not in there])
    if change.note["events"]:
        script = str(change.note["events"]).encode(errors="surrogateescape")
        try:
            fill(change.engine, change.engine.login.to(live), release_of(link).vendor, [script])
        except SlipwayError as error:
            problems.append(f"events: {error.actual}")
    problems += [f"foreign key {row[0]} points elsewhere" for row in rows(link, _ASTRAY, live, change.new, change.kept)]
    reached("kept")
    change.said += [f"{change.kept} is without {problem}" for problem in _complete_kept(change)]
    discard(change.engine, change.new)
    if change.note.get("made"):
        discard(change.engine, change.kept)
    rows(link, "DO 1")  # were the connection lost, none of this had been done
    change.forget()
    if problems:
        raise SlipwayError(
            "is the restored one now, but without some of its objects",
            obj=live,
            actual="; ".join(problems),
            remedy=f"Make them by hand; the replaced database is {change.kept}.",
            cause="incomplete",
        )


def _complete_kept(change: Change) -> list[str]:
    """Its triggers, routines, views and events, which do not run; of which that was impossible, in words."""
    link, kept = change.link, change.kept
    change.use(kept)
    aside = {name: other for name, other in change.aside("old").items() if other in objects.tables(link, kept)}
    there = {made.title for made in [*objects.triggers(link, kept), *objects.routines(link, kept)]}
    there |= {made.title for made in [*objects.views(link, kept), *objects.events(link, kept)]}
    asleep = [
        made._replace(text=_ENABLED.sub(r"\1 DISABLE", made.text, count=1)) for made in change.made("old", "events")
    ]
    wanted = [*change.made("old", "triggers"), *change.made("old", "routines")]
    problems = objects.make_all(link, [made for made in wanted if made.title not in there])
    change.rename([(quoted(kept, other), quoted(kept, name)) for name, other in aside.items()])
    wanted = [*live_named(change.made("old", "views"), change.live, kept), *asleep]
    return problems + objects.make_all(link, [made for made in wanted if made.title not in there])


def back(change: Change) -> None:
    """Put the live database back: tables by one statement, as they went, with their triggers."""
    link, live, kept = change.link, change.live, change.kept
    reached("back")
    change.write(back=True)
    change.use(live)
    aside = change.aside("old")
    if change.note.get("closed"):  # what has a name there by now is of the restored one
        foreign = [name for name in objects.tables(link, live) if name not in aside.values()]
        foreign = [] if change.note.get("putting") else foreign
        rows(link, "SET SESSION foreign_key_checks = 0")
        for name in foreign:
            rows(link, f"DROP TABLE {quoted(live, name)}")
        rows(link, "SET SESSION foreign_key_checks = 1")
    change.write(putting=True)
    reached("putting")
    make_routines(change, objects.routines(link, live), change.made("old", "routines"))
    there = objects.tables(link, kept)
    change.rename([(quoted(kept, other), quoted(live, other)) for other in aside.values() if other in there])
    reached("triggers")
    has = {made.name for made in objects.triggers(link, live)}
    for made in change.made("old", "triggers"):
        if made.name not in has:
            objects.make(link, made)
    mine = objects.tables(link, live)
    pairs = [(quoted(live, other), quoted(live, name)) for name, other in aside.items() if other in mine]
    pairs += [(quoted(kept, name), quoted(live, name)) for name in change.plain("old") if name in there]
    change.rename(pairs)
    has = {made.title for made in [*objects.views(link, live), *objects.events(link, live)]}
    wanted = [*change.made("old", "views"), *change.made("old", "events")]
    problems = objects.make_all(link, [made for made in wanted if made.title not in has])
    for database in (kept, *([live] if change.note.get("made") else [])):
        if exists(link, database) and not objects.tables(link, database):
            rows(link, f"DROP DATABASE {quoted(database)}")
    change.forget()
    if problems:
        raise SlipwayError(
            "was put back, but without some of its objects",
            obj=live,
            actual="; ".join(problems),
            remedy="Make them by hand.",
            cause="incomplete",
        )
