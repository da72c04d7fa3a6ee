# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers of the live side paused, for as long as the platform is closed for maintenance (private to the collection)."""

from __future__ import annotations

from ..side.held import Held, forget_held, read_held, write_held
from ..system import System
from .acts import boots, starts, stops
from .manager import Manager
from .report import Report
from .sides import Note, look, of_role
from .spec import WORKER, Order


def hold(order: Order, system: System, manager: Manager, note: Note, *, check: bool = False) -> Report:
    """They stop, and stay so whatever happens: a reboot, a release that is put back, a restore.

    :raises SlipwayError: C(not_confirmed).
    """
    report = Report(system, order.secrets.values())
    scene, acting = look(order, system, manager, report)
    workers = of_role(scene.old, WORKER)
    disarm, stop = boots(workers, False), stops(workers)
    if acting.announce([*disarm, *stop], check) or not workers:
        return report
    held = read_held(system, order.scope)
    if held is None or held.ending:
        write_held(system, order.scope, Held(held.since if held else system.wall()))
        note("workers_paused", workers=[item.name for item in workers])
    acting.apply(disarm, stop)
    acting.read_back(workers, running=False, boot=False)
    report.said = "workers paused"
    return report


def let_go(order: Order, system: System, manager: Manager, note: Note, *, check: bool = False) -> Report:
    """They work again, where they were paused.

    :raises SlipwayError: C(exited) when one does not stay up; it counts as paused until another run has started it.
    """
    report = Report(system, order.secrets.values())
    held = read_held(system, order.scope)
    if held is None:
        return report
    scene, acting = look(order, system, manager, report)
    workers = of_role(scene.old, WORKER)
    arm, start = boots(workers, True), starts(workers)
    if acting.announce([*arm, *start], check):
        return report
    write_held(system, order.scope, held._replace(ending=True))
    acting.apply(arm)
    acting.start_workers(start)
    acting.read_back(workers, running=True, boot=True)
    forget_held(system, order.scope)
    note("workers_resumed", paused_seconds=held.seconds(system))
    report.said = f"workers at work again after {held.seconds(system)} s"
    return report
