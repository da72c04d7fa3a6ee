# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic, by its API (private to the collection).

It has no lock of its own, and refuses a database whose revision it does not know; here that is a later version's, and no error.
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from . import model
from .model import Migration, Status
from .outside import Run, Setup, compared, notes_of, unable
from .python_tool import PythonTool
from .tool import Order

TABLE = "alembic_version"


class Alembic(PythonTool):
    """See RV(Tool)."""

    name = "alembic"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._parents: dict[str, list[str]] = {}
        self._named: list[str] = []

    def _read(self, target: str, run: Run) -> Status:
        told = self._once(target, lambda: self._ask(run, do="list", target=target))
        self._notes = {_script(one): notes_of(one["notes"], _script(one)) for one in told["revisions"]}
        known = [_known(one, self._notes[_script(one)].phase) for one in told["revisions"]]
        self._parents = {one["version"]: one["parents"] for one in told["revisions"]}
        self._named = told["target"]
        heads = self._heads()
        foreign = [one for one in heads or [] if one not in self._parents]
        # What a later version has applied lies beyond all that this one has.
        there = self._before(list(self._parents) if foreign else heads or [])
        applied = [one._replace(rank=rank) for rank, one in enumerate((o for o in known if o.version in there), 1)]
        applied += [
            Migration(model.VERSIONED, one, "", one, model.AHEAD, rank=rank)
            for rank, one in enumerate(foreign, len(applied) + 1)
        ]
        within = self._before(self._named) if target else None
        found = compared(known, applied, within)
        return Status(", ".join(sorted(heads or [])), heads is not None, tuple(found), last=len(applied))

    def _carry_out(self, order: Order, before: Status, wanted: t.Sequence[Migration], run: Run) -> t.Mapping[str, int]:
        if order.state == "undone":
            do, revisions = "downgrade", [self._undo_to(order, before)]
        elif order.state == "baselined":
            do, revisions = "stamp", self._baseline(order, before)
        else:
            do, revisions = "upgrade", self._last(one.version for one in wanted)
        took: dict[str, int] = self._ask(run, do=do, revisions=revisions)["took"] if revisions else {}
        if revisions and before.current == ", ".join(sorted(self._heads() or [])):
            raise SlipwayError(
                "has done it, and the history is as before",
                obj=self.name,
                actual=f"{self._setup.database.schema}.{self._setup.database.settings.table}: {before.current or 'empty'}",
                remedy="Let env.py connect to sqlalchemy.url of its configuration; name the table with table, and its schema.",
                cause="other_database",
            )
        return took

    def _show(self, order: Order, status: Status, wanted: t.Sequence[Migration], run: Run) -> str:
        heads = [one for one in status.current.split(", ") if one]
        if order.state == "undone":
            ranges = [f"{heads[0]}:{self._undo_to(order, status)}"] if len(heads) == 1 else []
        else:
            ends = self._last(one.version for one in wanted)
            ranges = (
                [f"{heads[0] if heads else 'base'}:{end}" for end in ends] if len(heads) < 2 and len(ends) == 1 else []
            )
        if not ranges:
            raise unable(self.name, "show the SQL across branches", "Join them with alembic merge, or go by target.")
        return str(self._ask(run, do="show", ranges=ranges, undo=order.state == "undone")["sql"])

    # Revisions ----------------------------------------------------------------------------------------------

    def _heads(self) -> list[str] | None:
        rows = self._database.lines("version_num")
        return None if rows is None else [str(row[0]) for row in rows]

    def _before(self, revisions: t.Iterable[str]) -> set[str]:
        """These and all that they stand on."""
        found: set[str] = set()
        left = list(revisions)
        while left:
            one = left.pop()
            if one not in found and one in self._parents:
                found.add(one)
                left += self._parents[one]
        return found

    def _last(self, revisions: t.Iterable[str]) -> list[str]:
        """Those that no other one of them stands on."""
        given = list(revisions)
        beneath = {parent for one in given for parent in self._parents[one]}
        return [one for one in given if one not in beneath]

    def _undo_to(self, order: Order, before: Status) -> str:
        if before.of(model.AHEAD):
            raise unable(
                self.name, "undo what a later version has applied", "Undo it with the version that has its file."
            )
        if order.target:
            return order.target
        return "-1"

    def _baseline(self, order: Order, before: Status) -> list[str]:
        ends = [order.target] if order.target else self._last(self._parents)
        if before.current == ", ".join(sorted(ends)):
            return []
        self._expect_no_history(before)
        return ends


def _known(told: t.Mapping[str, t.Any], phase: str) -> Migration:
    return Migration(
        model.VERSIONED,
        told["version"],
        told["description"],
        _script(told),
        model.PENDING,
        phase=phase or "expand",
    )


def _script(told: t.Mapping[str, t.Any]) -> str:
    return str(told["file"].rpartition("/")[2])
