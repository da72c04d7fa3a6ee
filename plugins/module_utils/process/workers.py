# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers of the live side, as processes (private to the collection)."""

from __future__ import annotations

import typing as t

from ..side import pause
from ..system import System
from .acts import boots, starts, stops
from .manager import Manager
from .report import Report
from .sides import Note, look, of_role
from .spec import WORKER, Order


class Workers:
    """See RV(pause.Workers)."""

    def __init__(self, order: Order, system: System, manager: Manager, report: Report) -> None:
        scene, self._acting = look(order, system, manager, report)
        self._found = of_role(scene.old, WORKER)
        self.names: t.Sequence[str] = [item.name for item in self._found]

    def announce(self, work: bool, check: bool) -> bool:
        acts = starts(self._found) if work else stops(self._found)
        return self._acting.announce([*boots(self._found, work), *acts], check)

    def stop(self) -> None:
        self._acting.apply(boots(self._found, False), stops(self._found))
        self._acting.read_back(self._found, running=False, boot=False)

    def start(self) -> None:
        start = starts(self._found)
        self._acting.apply(boots(self._found, True))
        self._acting.start_workers(start)
        self._acting.read_back(self._found, running=True, boot=True)


def hold(order: Order, system: System, manager: Manager, note: Note, *, check: bool = False) -> Report:
    """See RV(pause.hold)."""
    report = Report(system, order.secrets.values())
    pause.hold(lambda: Workers(order, system, manager, report), order.scope, report, note, check=check)
    return report


def let_go(order: Order, system: System, manager: Manager, note: Note, *, check: bool = False) -> Report:
    """See RV(pause.let_go)."""
    report = Report(system, order.secrets.values())
    pause.let_go(lambda: Workers(order, system, manager, report), order.scope, report, note, check=check)
    return report
