# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pending migrations make themselves: no version that runs knows it yet, so they may do with it what they like (private to
the collection)."""

from __future__ import annotations

import typing as t

from .action import Action
from .tokens import Name


class Thing(t.NamedTuple):
    """Something that a pending migration has made.

    :param flags: of a column or a constraint, as they are by now.
    :param to: the column that a check says is not null.
    :param text: number of the migration.
    """

    name: Name
    table: t.Optional[Name]
    flags: set[str]
    to: t.Optional[Name]
    text: int


class Known:
    """Grows with each action.

    :param tables: those that the database has; None where nobody asked it.
    """

    def __init__(self, tables: frozenset[str] | None = None) -> None:
        self._tables = None if tables is None else frozenset(table.lower() for table in tables)
        self._things: dict[tuple[str, str], list[Thing]] = {}
        self._actions: t.Sequence[Action] = ()  # of the migration at hand
        self._at = 0  # behind the action at hand
        self._gone: list[tuple[str, Name]] = []  # what live things pending migrations have given up
        self.text = 0
        self.whole = True

    def begin(self, text: int, actions: t.Sequence[Action], whole: bool) -> None:
        """A migration.

        :param whole: whether it runs in one transaction.
        """
        self._actions, self._at, self.text, self.whole = actions, 1, text, whole

    def find(self, what: str, name: Name | None, table: Name | None = None) -> Thing | None:
        """What a pending migration has made under this name."""
        found = self._things.get((what, name.parts[-1]), []) if name else []
        for thing in reversed(found):
            if thing.name.same(t.cast(Name, name)) and (not table or not thing.table or thing.table.same(table)):
                return thing
        return None

    def fresh(self, action: Action) -> bool:
        """Whether all that it touches was made by pending migrations."""
        if self.find("table", action.table) or self.find("view", action.table):
            return True
        verb, _space, what = action.kind.partition(" ")
        if action.kind == "change type":
            what = "column"
        elif action.kind in ("rename value", "change attribute", "tighten domain"):
            what = "type"
        elif action.kind == "move table":
            what = "table"
        if verb not in ("drop", "rename", "change", "move", "tighten"):
            return False
        return self.find(what, action.name, action.table) is not None

    def column(self, action: Action) -> set[str] | None:
        """What is said of a column that a pending migration has added."""
        thing = self.find("column", action.name, action.table)
        return thing.flags if thing else None

    def never_null(self, action: Action) -> bool:
        """Whether a check that has been validated says so of the column."""
        checks = (thing for things in self._things.values() for thing in things if "is not null" in thing.flags)
        return any(
            "not valid" not in one.flags and _same(one.table, action.table) and _same(one.to, action.name)
            for one in checks
        )

    def again(self, action: Action) -> bool:
        """Whether the name that it takes away is given again further down in the migration, and nobody sees it missing."""
        what = action.kind.partition(" ")[2]
        if what == "column":
            return False  # what was in it is gone
        for later in self._actions[self._at :]:
            verb, _space, made = later.kind.partition(" ")
            name = later.to if verb == "rename" else later.name
            if verb not in ("create", "rename", "add") or not name or not action.name or not name.same(action.name):
                continue
            if what == "table" and (verb == "rename" or made == "view"):
                return self.whole or verb == "rename"
            if what == made != "table" or (what == "constraint" and verb == "add" and made != "column"):
                return self.whole
        return False

    def taken_over(self, action: Action) -> bool:
        """Whether it gives a table of a pending migration the name of a live one."""
        return self.find("table", action.name) is not None and self._given_up("table", action.to)

    def learn(self, action: Action) -> None:
        """Behind an action."""
        self._at += 1
        verb, _space, what = action.kind.partition(" ")
        if verb == "rename" and action.to and self.fresh(action):
            self._add(what, action.to, action)
        elif verb in ("drop", "rename", "move") and action.name and not self.fresh(action):
            self._gone.append((what, action.name))
        elif verb == "create" and action.name and not self._there(action, what):
            self._add(what, action.name, action)
        elif verb == "add" and action.name and "if not exists" not in action.flags:
            self._add("column" if what == "column" else "constraint", action.name, action)
        self._change(action)

    def _given_up(self, what: str, name: Name | None) -> bool:
        """Whether a live thing has had this name, so that the version that still runs knows the new one by it."""
        like = ("table", "view") if what in ("table", "view") else (what,)
        return name is not None and any(kind in like and gone.may_be(name) for kind, gone in self._gone)

    def _add(self, what: str, name: Name, action: Action) -> None:
        if not self._given_up(what, name):
            thing = Thing(name, action.table, set(action.flags), action.to, self.text)
            self._things.setdefault((what, name.parts[-1]), []).append(thing)

    def _there(self, action: Action, what: str) -> bool:
        """Whether it may be there already: what is replaced, or made only if it is not there."""
        if "if not exists" in action.flags and what == "table":
            name = t.cast(Name, action.name).parts[-1].lower()
            return self._tables is not None and name in self._tables
        return bool(action.flags.intersection(("if not exists", "or replace")))

    def _change(self, action: Action) -> None:
        column = self.column(action)
        if column is not None:
            column.update({"set default": ["default"], "set not null": ["not null"]}.get(action.kind, []))
            column.difference_update(["default"] if action.kind == "drop default" else [])
        if action.kind == "validate constraint":
            thing = self.find("constraint", action.name, action.table)
            if thing is not None:
                thing.flags.discard("not valid")


def _same(one: Name | None, other: Name | None) -> bool:
    return one is not None and other is not None and one.same(other)
