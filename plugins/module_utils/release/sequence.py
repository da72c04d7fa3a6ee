# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages between the database and the end of the old side, by strategy; controller-only (private to the collection)."""

from __future__ import annotations

from . import in_place
from .stage import Stage, baked, least, of_model, shift
from .target import Target


def forward(target: Target) -> list[Stage]:
    """From the first machine that prepares to the last balancer that has moved."""
    return [*_built(target), *_strategy(target)]


def _strategy(target: Target) -> list[Stage]:
    if target["interrupts"]:
        return _recreate(target)
    if target["in_place"]:
        return in_place.forward(target)
    if len(target["batches"]) > 1:
        return _rolling(target)
    return whole(target)


def _built(target: Target) -> list[Stage]:
    """What one machine builds for all, it builds before anything is touched elsewhere; what new machines lack, others hand on."""
    machines = sorted({about["on"] for about in [*target["builders"].values(), *target["handed_on"].values()]})
    return [of_model("build", target, machines)] if machines else []


def backward(target: Target) -> list[list[Stage]]:
    """What puts each batch back before all traffic moves, the last batch first; nothing where that is not done one by one."""
    return in_place.back(target, list(reversed(target["batches"]))) if target["in_place"] else []


def whole(target: Target) -> list[Stage]:
    """All machines at once. For a release that is found whole on the new side this confirms what is there."""
    everywhere = target["machines"]
    return [
        of_model("prepare", target, everywhere),
        of_model("decision", target, everywhere),
        shift(target, everywhere, target["weights"], target["apart"], bake=float(target["watch"]["bake"]), drains=True),
    ]


def _rolling(target: Target) -> list[Stage]:
    """Batch by batch. The first decision is written everywhere, as every one is, before any balancer moves.

    A page of the first batch may ask any machine for an asset of the new version, so all of them fetch it first.
    """
    stages = [of_model("fetch", target, target["machines"])]
    batches, new, old = target["batches"], target["side"], target["live_side"]
    done: list[str] = []
    for number, batch in enumerate(batches, start=1):
        moved = {machine: {new: 100, old: 0} for machine in done}
        stages += [of_model("prepare", target, batch, done), of_model("decision", target, batch, done)]
        for share in sorted(target["rolling"].get("ramp") or ()):
            apart = {**moved, **{machine: {new: share, old: 100 - share} for machine in batch}, **target["apart"]}
            stages.append(shift(target, batch, {old: 100, new: 0}, apart, bake=least(target)))
        about = {"number": number, "of": len(batches), "machines": batch}
        last = number == len(batches)
        bake = baked(target, last)
        if last:
            stages.append(shift(target, batch, target["weights"], target["apart"], bake=bake, drains=True, batch=about))
        else:
            apart = {**moved, **{machine: {new: 100, old: 0} for machine in batch}, **target["apart"]}
            stages.append(shift(target, batch, {old: 100, new: 0}, apart, bake=bake, batch=about))
        done = [*done, *batch]
    return stages


def _recreate(target: Target) -> list[Stage]:
    """Fetch, decide, close the door, stop the old side, start the new one behind it, and open."""
    everywhere = target["machines"]
    interrupt = {"name": "interrupt", "role": target["strategy_role"], "tasks": "interrupt", "at": everywhere}
    return [
        of_model("fetch", target, everywhere),
        of_model("decision", target, []),  # the commit point alone: nothing of the new side is there yet
        *([interrupt] if target["closing"] else []),
        of_model("pause", target, everywhere),
        *whole(target),
    ]
