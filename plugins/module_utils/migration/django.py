# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Django, by its C(MigrationExecutor) (private to the collection).

The database of the project's settings is led to ours before anything connects, so that both cannot be different ones.
"""

from __future__ import annotations

import json
import typing as t

from . import model
from .address import session
from .model import Migration, Status
from .outside import Run, compared, notes_of, unable
from .python_tool import PythonTool
from .tool import Order

TABLE = "django_migrations"


class Django(PythonTool):
    """See RV(Tool). A migration is called C(app.0003_name)."""

    name = "django"

    def _url(self) -> str:
        """What is put over the settings of its database."""
        where = self._setup.address
        given: dict[str, t.Any] = {"NAME": where.database}
        if where.engine != "sqlite":
            given.update(USER=where.user, PASSWORD=where.password, HOST=where.host, PORT=str(where.port))
        options = {**where.options, "options": session(where, self._setup.database.settings)}
        return json.dumps({"where": given, "options": {name: text for name, text in options.items() if text}})

    def _read(self, target: str, run: Run) -> Status:
        told = self._once(target, lambda: self._ask(run, do="list", target=target))
        rows = self._rows()
        replaced = {name for one in told["migrations"] for name in one["replaces"]}
        self._notes = {one["version"]: notes_of(one["notes"], one["version"]) for one in told["migrations"]}
        known = [_known(one, self._notes[one["version"]].phase) for one in told["migrations"]]
        names = {one.version for one in known}
        applied = [one for one in rows or [] if one.version in names or one.version not in replaced]
        found = compared(known, applied, set(told["target"]) if target else None)
        current = max(applied, key=lambda one: one.rank).version if applied else ""
        last = max((one.rank for one in rows or []), default=0)
        return Status(current, rows is not None, tuple(found), last=last)

    def _carry_out(self, order: Order, before: Status, wanted: t.Sequence[Migration], run: Run) -> t.Mapping[str, int]:
        if order.state == "baselined" and not self._expect_no_history(before):
            return {}
        do, undo = "fake" if order.state == "baselined" else "migrate", order.state == "undone"
        took: dict[str, int] = self._ask(run, do=do, names=self._names(order, before, wanted), undo=undo)["took"]
        self._told.clear()  # which migrations stand for others depends on what is applied
        return took

    def _show(self, order: Order, status: Status, wanted: t.Sequence[Migration], run: Run) -> str:
        undo = order.state == "undone"
        return str(self._ask(run, do="show", names=self._names(order, status, wanted), undo=undo)["sql"])

    def _names(self, order: Order, before: Status, wanted: t.Sequence[Migration]) -> list[str]:
        """What the executor is to reach."""
        if order.state in ("latest", "target"):
            return [one.version for one in wanted]
        if order.state == "baselined":
            return [order.target] if order.target else [one.version for one in before.pending]
        if not order.target:
            raise unable(self.name, "undo without a target", "Name it: app.0003, or app.zero; it says what is to stay.")
        return [order.target]

    def _rows(self) -> list[Migration] | None:
        rows = self._database.lines("id", "app", "name", "applied")
        return None if rows is None else [_applied(*row) for row in rows]


def _known(told: t.Mapping[str, t.Any], phase: str) -> Migration:
    name = told["version"]
    return Migration(
        model.VERSIONED, name, "", name, model.PENDING, transactional=told["atomic"], phase=phase or "expand"
    )


def _applied(rank: int, app: str, name: str, when: object) -> Migration:
    full = f"{app}.{name}"
    return Migration(model.VERSIONED, full, "", full, model.SUCCESS, rank=int(rank), installed_on=str(when))
