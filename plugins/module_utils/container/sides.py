# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand over from one side to the other: decided, settled, reverted; and paused (private to the collection).

Restart policies. The live side has C(always), everything else C(no). Not C(unless-stopped): that one remembers a stop
through the API, so a live container that somebody stopped before a reboot stays down. With C(always) it comes back
(tried on Docker 20.10; a container that was never started comes back under neither).

Each function plans from what it reads back, so a second run, or one after a kill at any instant, does what is left.
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.handover import Handover
from ..side.held import forget_held, read_held
from ..side.records import Record, find, last_settled
from ..system import System
from .acts import (
    IDLE,
    LIVE,
    announce,
    apply,
    keep_logs,
    names_of,
    policies,
    put_away,
    read_back,
    start_workers,
    starts,
    stops,
)  # fmt: skip
from .engine import Engine, Found
from .observe import shown
from .records import SHELF, containers_of
from .report import Report
from .retire import predict, retire
from .spec import Order
from .verify import Failures, not_running

Note = t.Callable[..., None]


class Scene(t.NamedTuple):
    """What is there, seen from one order."""

    records: list[Record]
    found: list[Found]
    new: list[Found]  # the containers of the release that is acted on
    old: list[Found]  # the containers of the release that was live before

    def by_role(self, items: t.Iterable[Found], role: str) -> list[Found]:
        """Those with traffic, or the workers."""
        return [item for item in items if item.label("role") == role]


# -- decided -------------------------------------------------------------------------------------------------------


def decide(order: Order, system: System, engine: Engine, note: Note, *, check: bool = False) -> Report:
    """The new side comes back after a reboot from now on, and the jobs are its own.

    Workers: the old ones stop, and only when they have ended the policies change and the new ones start. So two
    versions never work at the same time; a reboot while the old ones end brings them back, and never both.

    :raises SlipwayError: C(not_prepared), C(exited) when a new container does not run.
    """
    report = Report(system, order.secrets.values())
    scene = look(order, system, engine, report)
    if not scene.new and not _without_new_side(order, report, check):
        return report
    new_workers = scene.by_role(scene.new, "worker")
    old_workers = [item for item in scene.found if item.label("side") != order.side and item.label("role") == "worker"]
    disarm = policies(old_workers, IDLE)
    arm = policies(scene.new, LIVE)
    stop, start = stops(old_workers), starts(new_workers)
    if announce(report, [*stop, *disarm, *arm, *start], check):
        return report
    _expect_running(scene.by_role(scene.new, "traffic"), engine, report)
    if stop or start:
        note("workers_hand_over", stop=names_of(stop), start=names_of(start))
    for acts in (stop, disarm, arm):
        apply(engine, report, acts)
    start_workers(order.scope, engine, report, start)
    if report.handover:
        report.handover.started((item.label("service") for item in new_workers), now=False)
    if stop or start:
        note("workers_handed_over")
    read_back(engine, report, scene.new, running=True, policy=LIVE)
    return report


# -- settled -------------------------------------------------------------------------------------------------------


def settle(order: Order, system: System, engine: Engine, *, check: bool = False) -> Report:
    """The new side is the live one; the old one is stopped and kept, what is beyond the retention goes.

    :raises SlipwayError: C(exited) when the new side does not run; the old one is left alone then.
    """
    report = Report(system, order.secrets.values())
    scene = look(order, system, engine, report)
    if not scene.new and not _without_new_side(order, report, check):
        return report
    current = {item.id for item in scene.new}
    others = [item for item in scene.found if item.id not in current and item.label("side")]
    arm, disarm, stop = policies(scene.new, LIVE), policies(others, IDLE), stops(others)
    _announce_outcome(order, scene, report, "settled")
    if announce(report, [*arm, *disarm, *stop], check):
        predict(order, scene.records, report)
        return report
    _expect_running(scene.new, engine, report)
    _write_outcome(order, system, scene, report, "settled")
    for acts in (arm, disarm, stop):
        apply(engine, report, acts)
    read_back(engine, report, scene.new, running=True, policy=LIVE)
    read_back(engine, report, others, running=False, policy=IDLE)
    forget_held(system, order.scope)  # the work is the new side's
    with report.timed("prune"):
        retire(order, system, engine, report)
    return report


# -- reverted ------------------------------------------------------------------------------------------------------


def revert(order: Order, system: System, engine: Engine, *, check: bool = False) -> Report:
    """The old side is live as before; the new one is stopped and kept, with its last log lines in the report.

    Workers that are paused for maintenance stay so. Where the two sides may not run at once, the new one stops first.

    :raises SlipwayError: C(live_side) for the side that was live before the release; C(exited) or C(gone) when the old
        side cannot be brought back (the new side's traffic containers are left running then).
    """
    if order.live_side == order.side:
        raise SlipwayError(
            "the side that was live before is never taken back", obj=f"side {order.side}", cause="live_side"
        )
    report = Report(system, order.secrets.values())
    scene = look(order, system, engine, report)
    workers, others = scene.by_role(scene.new, "worker"), [item for item in scene.new if item.label("role") != "worker"]
    held = read_held(system, order.scope)
    resting, serving = _apart(scene.old, scene.by_role(scene.old, "worker") if held and not held.ending else [])
    disarm, hand_back = policies([*workers, *resting], IDLE), stops([*workers, *resting])
    work = scene.by_role(serving, "worker")
    arm, start = policies(serving, LIVE), starts(item for item in serving if item not in work)
    resume = starts(work)
    away = [*policies(others, IDLE), *stops(others)]
    _announce_outcome(order, scene, report, "reverted")
    if announce(report, [*hand_back, *disarm, *arm, *start, *resume, *away], check):
        return report
    if order.alone:
        put_away(engine, report, others)
    for acts in (hand_back, disarm, arm, start):
        apply(engine, report, acts)
    start_workers(order.scope, engine, report, resume)
    _expect_running(serving, engine, report)
    _expect_all(order, scene)
    if not order.alone:
        put_away(engine, report, others)
    keep_logs(engine, report, [act.container for act in [*hand_back, *away] if act.kind == "stop"])
    read_back(engine, report, serving, running=True, policy=LIVE)
    read_back(engine, report, [*resting, *scene.new], running=False, policy=IDLE)
    if held and held.ending:
        forget_held(system, order.scope)
    _write_outcome(order, system, scene, report, "reverted")
    return report


# -- paused --------------------------------------------------------------------------------------------------------


def pause(order: Order, system: System, engine: Engine, *, check: bool = False) -> Report:
    """The live side stops, first its workers; :func:`revert` starts it again.

    The restart policies stay: a machine that reboots meanwhile comes back serving, rather than down for good.

    :raises SlipwayError: C(not_confirmed).
    """
    report = Report(system, order.secrets.values())
    scene = look(order, system, engine, report)
    workers = stops(scene.by_role(scene.old, "worker"))
    others = stops(item for item in scene.old if item.label("role") != "worker")
    if announce(report, [*workers, *others], check):
        return report
    for acts in (workers, others):
        apply(engine, report, acts)
    held = read_held(system, order.scope)
    resting, serving = _apart(scene.old, scene.by_role(scene.old, "worker") if held else [])
    read_back(engine, report, serving, running=False, policy=LIVE)
    read_back(engine, report, resting, running=False, policy=IDLE)
    return report


def _apart(items: t.Sequence[Found], resting: t.Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """Those that rest, and the others."""
    names = {item.name for item in resting}
    return list(resting), [item for item in items if item.name not in names]


# -- what is there -------------------------------------------------------------------------------------------------


def look(order: Order, system: System, engine: Engine, report: Report) -> Scene:
    report.handover = Handover(system, order.scope, {one.name for one in order.services if one.singleton})
    with report.timed("read"):
        records = SHELF.read(system, order.scope.directory)
        found = engine.containers(order.scope.labels)
    record = find(records, order.release)
    names = containers_of(record) if record else set()
    new = [item for item in found if item.name in names and item.label("side") == order.side]
    live = last_settled(records, side=order.other_side)
    if live:
        old = [item for item in found if item.name in containers_of(live)]
    else:  # no record, for whatever reason: what runs there is what was live
        old = [item for item in found if item.label("side") == order.other_side and item.running]
    report.before = shown(found)
    return Scene(records, found, new, old)


def _without_new_side(order: Order, report: Report, check: bool) -> bool:
    """Whether there is something to say although no container of the release is there: in a preview of all its stages.

    :raises SlipwayError: C(not_prepared).
    """
    if not order.services:
        report.after = report.before
        return False
    if check:
        report.actions.append(f"act on side {order.side} of {order.release} once it is prepared")
        return True
    raise SlipwayError(
        "no container of this release on this side",
        obj=f"side {order.side}, release {order.release}",
        remedy="Run state=prepared first.",
        cause="not_prepared",
    )


def _expect_all(order: Order, scene: Scene) -> None:
    live = last_settled(scene.records, side=order.other_side)
    missing = (containers_of(live) if live else set()) - {item.name for item in scene.old}
    if missing:
        raise not_running(sorted(missing)[0], None)


def _expect_running(items: t.Sequence[Found], engine: Engine, report: Report) -> None:
    failures = Failures(engine, report, stop=False)
    failures.expect_running([item.name for item in items])
    failures.raise_if_any()


# -- the outcome ---------------------------------------------------------------------------------------------------


def _announce_outcome(order: Order, scene: Scene, report: Report, outcome: str) -> None:
    record = find(scene.records, order.release)
    if record is not None and record.outcome != outcome:
        report.actions.append(f"note release {order.release} as {outcome}")


def _write_outcome(order: Order, system: System, scene: Scene, report: Report, outcome: str) -> None:
    """Write down how the release ended; a full disk must not stop a revert."""
    record = find(scene.records, order.release)
    if record is None or record.outcome == outcome:
        return
    try:
        SHELF.write(system, order.scope.directory, record._replace(outcome=outcome))
    except SlipwayError as error:
        if outcome != "reverted" or error.cause != "no_space":
            raise
        report.warnings.append(error.message)
