# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand over from one side to the other: decided, settled, paused, reverted (private to the collection).

The live side comes back after a reboot, nothing else does. Each function plans from what it reads back, so a second run, or
one after a kill at any instant, does what is left.
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.checks import Prober
from ..side.held import forget_held, read_held
from ..side.records import Record, last_settled
from ..system import System
from .acts import Act, Acting, boots, handing, starts, stops
from .manager import Found, Manager
from .observe import shown
from .records import SHELF
from .report import Report
from .retire import predict, retire
from .spec import IN_PLACE, TRAFFIC, WORKER, Order

Note = t.Callable[..., None]


class Scene(t.NamedTuple):
    """What is there, seen from one order."""

    records: list[Record]
    found: list[Found]
    new: list[Found]  # the processes of the release that is acted on
    old: list[Found]  # the processes of the release that was live before
    live: Record | None  # that release, as far as it is written down


def of_role(items: t.Iterable[Found], *roles: str) -> list[Found]:
    """Those with traffic, those that have their port in turn, or the workers."""
    return [item for item in items if item.labels.role in roles]


def decide(
    order: Order, system: System, manager: Manager, note: Note, *, check: bool = False, probe: Prober | None = None
) -> Report:
    """The new side comes back after a reboot from now on, C(current) names its release, and the jobs are its own.

    Workers: the old ones stop, and only when they have ended the new ones start. So two versions never work at the same
    time; a reboot while the old ones end brings them back, and never both. What has its port in turn is handed over, too: where the
    manager can, it starts before the other one ends.

    :param probe: asks what has taken over a port.
    :raises SlipwayError: C(not_prepared), C(exited) when a new process does not run, or why one does not answer.
    """
    report = Report(system, order.secrets.values())
    scene, acting = look(order, system, manager, report)
    if not scene.new and not _without_new_side(order, report, check):
        return report
    leaving = _leaving(scene, order)
    moved = handing(manager, leaving, of_role(scene.new, WORKER, IN_PLACE))
    disarm, let_go = boots(of_role(leaving, WORKER), False), boots(of_role(leaving, IN_PLACE), False)
    acts = [*moved.first, *disarm, *boots(scene.new, True), *acting.links_to(order.release), *let_go]
    if acting.announce([*acts, *moved.start, *moved.last], check):
        return report
    acting.expect_running(of_role(scene.new, TRAFFIC), since_start=True)
    if moved.first or moved.start:
        note("workers_hand_over", stop=_names([*moved.first, *moved.last]), start=_names(moved.start))
    acting.apply(acts)
    acting.start_workers(moved.start)
    acting.handover.started((item.labels.service for item in of_role(scene.new, WORKER)), now=False)
    acting.apply(moved.last)
    if moved.first or moved.start:
        note("workers_handed_over")
    if probe is not None:
        acting.expect_answers(of_role(scene.new, IN_PLACE), probe)
    acting.read_back(scene.new, running=True, boot=True)
    acting.read_back_link(order.release)
    return report


def _leaving(scene: Scene, order: Order) -> list[Found]:
    """The workers of the other side, and what has its port in turn there as it has here."""
    there = [item for item in scene.found if item.labels.side != order.side]
    in_turn = {item.labels.service for item in of_role(scene.new, IN_PLACE)}
    return [*of_role(there, WORKER), *(item for item in of_role(there, IN_PLACE) if item.labels.service in in_turn)]


def settle(order: Order, system: System, manager: Manager, *, check: bool = False) -> Report:
    """The new side is the live one; the old one is stopped and kept, what is beyond the retention goes.

    :raises SlipwayError: C(exited) when the new side does not run; the old one is left alone then.
    """
    report = Report(system, order.secrets.values())
    scene, acting = look(order, system, manager, report)
    if not scene.new and not _without_new_side(order, report, check):
        return report
    new = {item.name for item in scene.new}
    others = [item for item in scene.found if item.name not in new]
    arm, link = boots(scene.new, True), acting.links_to(order.release)
    disarm, stop = boots(others, False), stops(others)
    acting.announce_outcome(scene.records, "settled")
    if acting.announce([*arm, *link, *disarm, *stop], check):
        predict(order, scene.records, report)
        return report
    acting.expect_running(scene.new)
    acting.write_outcome(scene.records, "settled")
    acting.apply(arm, link, disarm, stop)
    acting.read_back(scene.new, running=True, boot=True)
    acting.read_back(others, running=False, boot=False)
    forget_held(system, order.scope)  # the work is the new side's
    with report.timed("prune"):
        retire(order, system, manager, report)
    return report


def revert(order: Order, system: System, manager: Manager, *, check: bool = False) -> Report:
    """The old side is live as before; the new one is stopped and kept, with its last log lines in the report.

    Workers that are paused for maintenance stay so. Where the two sides may not run at once, the new one stops first.

    :raises SlipwayError: C(live_side) for the side that was live before the release; C(exited) or C(gone) when the old
        side cannot be brought back (the new side's processes with traffic are left running then).
    """
    if order.live_side == order.side:
        raise SlipwayError(
            "the side that was live before is never taken back", obj=f"side {order.side}", cause="live_side"
        )
    report = Report(system, order.secrets.values())
    scene, acting = look(order, system, manager, report)
    workers, others = of_role(scene.new, WORKER), of_role(scene.new, TRAFFIC, IN_PLACE)
    held = read_held(system, order.scope)
    resting, serving = _apart(scene.old, of_role(scene.old, WORKER) if held and not held.ending else [])
    moved = handing(manager, of_role(scene.new, WORKER, IN_PLACE), serving)
    hand_back, disarm = [*moved.first, *stops(resting)], boots([*workers, *resting], False)
    arm, start = boots(serving, True), starts(of_role(serving, TRAFFIC, IN_PLACE))
    start_workers = starts(of_role(serving, WORKER))
    link = acting.links_to(scene.live.release if scene.live else scene.old[0].labels.release if scene.old else "")
    away = [*boots(others, False), *stops(of_role(others, TRAFFIC)), *moved.last]
    acting.announce_outcome(scene.records, "reverted")
    if acting.announce([*hand_back, *disarm, *arm, *link, *start, *start_workers, *away], check):
        return report
    first, last = (away, []) if order.alone else ([], away)
    acting.apply(first, hand_back, disarm, arm, link, start)
    acting.start_workers(start_workers)
    acting.expect_running(serving)
    _expect_all(scene, manager)
    acting.apply(last)
    acting.keep_logs([*hand_back, *away])
    acting.read_back(serving, running=True, boot=True)
    acting.read_back([*resting, *scene.new], running=False, boot=False)
    if held and held.ending:
        forget_held(system, order.scope)
    acting.write_outcome(scene.records, "reverted")
    return report


def pause(order: Order, system: System, manager: Manager, *, check: bool = False) -> Report:
    """The live side stops, first its workers; :func:`revert` starts it again.

    A machine that reboots meanwhile comes back serving, rather than down for good.

    :raises SlipwayError: C(not_confirmed).
    """
    report = Report(system, order.secrets.values())
    scene, acting = look(order, system, manager, report)
    workers, others = stops(of_role(scene.old, WORKER)), stops(of_role(scene.old, TRAFFIC, IN_PLACE))
    if acting.announce([*workers, *others], check):
        return report
    acting.apply(workers, others)
    held = read_held(system, order.scope)
    resting, serving = _apart(scene.old, of_role(scene.old, WORKER) if held else [])
    acting.read_back(serving, running=False, boot=True)
    acting.read_back(resting, running=False, boot=False)
    return report


def _apart(items: t.Sequence[Found], resting: t.Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """Those that rest, and the others."""
    names = {item.name for item in resting}
    return list(resting), [item for item in items if item.name not in names]


def look(order: Order, system: System, manager: Manager, report: Report) -> tuple[Scene, Acting]:
    """What is there, and what acts on it."""
    with report.timed("read"):
        manager.facts()
        records = SHELF.read(system, order.scope.directory)
        found = manager.found(order.scope)
    new = [item for item in found if item.labels.release == order.release and item.labels.side == order.side]
    live = last_settled(records, side=order.other_side)
    there = [item for item in found if item.labels.side == order.other_side]
    # Without a record, for whatever reason, what runs there is what was live.
    old = [item for item in there if (item.labels.release == live.release if live else item.running)]
    report.before = shown(found)
    return Scene(records, found, new, old, live), Acting(order, system, manager, report)


def _without_new_side(order: Order, report: Report, check: bool) -> bool:
    """Whether there is something to say although no process of the release is there: in a preview of all its stages.

    :raises SlipwayError: C(not_prepared).
    """
    if not order.services:
        report.after = report.before
        return False
    if check:
        report.actions.append(f"act on side {order.side} of {order.release} once it is prepared")
        return True
    raise SlipwayError(
        "no process of this release on this side",
        obj=f"side {order.side}, release {order.release}",
        remedy="Run state=prepared first.",
        cause="not_prepared",
    )


def _expect_all(scene: Scene, manager: Manager) -> None:
    """Every service of the release that was live is there.

    :raises SlipwayError: C(gone).
    """
    there = {item.labels.service for item in scene.old}
    missing = sorted(set(scene.live.services) - there) if scene.live else []
    if missing:
        raise SlipwayError(
            "the process is not defined any more", obj=missing[0], remedy="Run the release again.", cause="gone"
        )


def _names(acts: t.Iterable[Act]) -> list[str]:
    return [name for act in acts for name in act.names]
