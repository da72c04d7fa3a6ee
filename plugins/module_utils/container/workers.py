# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers of the live side, as containers (private to the collection)."""

from __future__ import annotations

import typing as t

from ..side import pause
from ..system import System
from .acts import IDLE, LIVE, announce, apply, policies, read_back, start_workers, starts, stops
from .engine import Engine
from .report import Report
from .sides import Note, look
from .spec import Order


class Workers:
    """See RV(pause.Workers)."""

    def __init__(self, order: Order, system: System, engine: Engine, report: Report) -> None:
        scene = look(order, system, engine, report)
        self._order, self._engine, self._report = order, engine, report
        self._found = scene.by_role(scene.old, "worker")
        self.names: t.Sequence[str] = [item.name for item in self._found]

    def announce(self, work: bool, check: bool) -> bool:
        acts = starts(self._found) if work else stops(self._found)
        return announce(self._report, [*policies(self._found, LIVE if work else IDLE), *acts], check)

    def stop(self) -> None:
        for acts in (policies(self._found, IDLE), stops(self._found)):
            apply(self._engine, self._report, acts)
        read_back(self._engine, self._report, self._found, running=False, policy=IDLE)

    def start(self) -> None:
        start = starts(self._found)
        apply(self._engine, self._report, policies(self._found, LIVE))
        start_workers(self._order.scope, self._engine, self._report, start)
        read_back(self._engine, self._report, self._found, running=True, policy=LIVE)


def hold(order: Order, system: System, engine: Engine, note: Note, *, check: bool = False) -> Report:
    """See RV(pause.hold)."""
    report = Report(system, order.secrets.values())
    pause.hold(lambda: Workers(order, system, engine, report), order.scope, report, note, check=check)
    return report


def let_go(order: Order, system: System, engine: Engine, note: Note, *, check: bool = False) -> Report:
    """See RV(pause.let_go)."""
    report = Report(system, order.secrets.values())
    pause.let_go(lambda: Workers(order, system, engine, report), order.scope, report, note, check=check)
    return report
