# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rolling release whose batches stop the old version before the new one starts; controller-only (private to the collection).

A batch is out between the withdrawal of its traffic and its return, with the new version or, on the way back, the old one.
No two batches are out at a time, in either direction, and not after an interruption either.
"""

from __future__ import annotations

import typing as t

from ..traffic.model import machine_of
from .fleet import Fleet
from .spared import nothing_for
from .stage import Stage, baked, of_model, shift
from .target import MARGIN, Live, Target


def forward(target: Target) -> list[Stage]:
    """Fetch and decide everywhere; then, batch by batch, withdraw, stop, start, verify, decide and return."""
    new, old, batches = target["side"], target["live_side"], target["batches"]
    stages = [of_model("fetch", target, target["machines"]), of_model("decision", target, [])]
    done: list[str] = []
    for number, batch in enumerate(batches, start=1):
        about = {"number": number, "of": len(batches), "machines": batch}
        moved = _each(done, {new: 100, old: 0})
        stages += [
            _weigh(target, batch, {**moved, **nothing_for(batch)}, "withdraw", batch=about),
            of_model("pause", target, batch),
            of_model("prepare", target, batch, done),
            of_model("decision", target, batch, done),
        ]
        done = [*done, *batch]
        last = number == len(batches)
        weights = target["weights"] if last else {old: 100, new: 0}
        apart = {**({} if last else _each(done, {new: 100, old: 0})), **target["apart"]}
        stages.append(shift(target, batch, weights, apart, bake=baked(target, last), batch=about))
    return stages


def back(target: Target, groups: t.Sequence[t.Sequence[str]]) -> list[list[Stage]]:
    """The stages that put each of these back, in their order; a part of them from any on does so for the rest.

    :param groups: machines that are back at the same time; all behind it are still on the new side.
    """
    new, old = target["side"], target["live_side"]
    found = []
    for number, group in enumerate(groups):
        still = _each([machine for later in groups[number + 1 :] for machine in later], {new: 100, old: 0})
        found.append(
            [
                _weigh(target, group, {**still, **nothing_for(group)}, "revert_traffic"),
                {"name": "resume", "role": target["model_role"], "tasks": "resume", "at": list(group)},
                _weigh(target, group, still, "revert_traffic", returns=True),
            ]
        )
    return found


def to_put_back(target: Target, fleet: Fleet) -> list[list[str]]:
    """The machines that an interrupted release has left on the new side, or out; what is out comes first, as one.

    Without a balancer that could tell, all of them.
    """
    batches = [[machine for machine in batch if machine in target["machines"]] for batch in reversed(target["batches"])]
    if not target["proxies"]:
        return [batch for batch in batches if batch]
    sides = [_sides(fleet, proxy) for proxy in target["proxies"]]
    seen = {m: [on[m] for on in sides if m in on] for batch in batches for m in batch}
    back = {m for m, found in seen.items() if found and all(one == {target["live_side"]} for one in found)}
    moved = {m for m, found in seen.items() if all(one == {target["side"]} for one in found)}  # or without traffic
    out = [m for m in seen if m not in back | moved]
    return [group for group in (out, *([m for m in batch if m in moved] for batch in batches)) if group]


def problems_of(target: Target, live: Live) -> list[str]:
    """What it cannot do."""
    found = []
    if target["rolling"].get("ramp"):
        found.append("slipway_rolling.ramp: with max_surge 0 a machine has one version at a time. Leave it out.")
    for service in sorted((live.target or target)["traffic"]["services"]):
        lost = _nobody_left(target, live, service)
        if lost:
            found.append(
                f"slipway_rolling.max_surge 0: service {service} would be interrupted, because nobody else serves it while"
                f" {', '.join(lost)} is out. Lower max_unavailable or add a machine; allow max_surge, so that the new version"
                " starts beside the old one; or interrupt and say so, with -e slipway_strategy=recreate."
            )
    return found


def said(target: Target) -> str:
    """For the terminal."""
    most, machines = max(map(len, target["batches"])), len(target["services"])
    return f"  each stops before its new version starts: at most {most} of {machines} machines is out at a time"


def _nobody_left(target: Target, live: Live, service: str) -> list[str]:
    """The first batch without which no machine would serve; one that is drained serves nobody."""
    before, after = (
        {machine for machine, services in spec["services"].items() if service in services} - set(target["apart"])
        for spec in (live.target or target, target)
    )
    done: set[str] = set()
    for batch in target["batches"]:
        if before & set(batch) and not (before - done | after & done) - set(batch):
            return list(batch)
        done |= set(batch)
    return []


def _sides(fleet: Fleet, proxy: str) -> dict[str, set[str]]:
    """The sides on which each machine has traffic, by the word of a balancer; empty where it has none."""
    servers = ((fleet.readable().get(proxy) or {}).get("traffic") or {}).get("servers") or []
    found: dict[str, set[str]] = {}
    for server in servers:
        found.setdefault(machine_of(server["name"]), set()).update({server["side"]} if server["weight"] else ())
    return found


def _weigh(
    target: Target,
    at: t.Sequence[str],
    apart: t.Mapping[str, t.Any],
    stage: str,
    *,
    batch: t.Mapping[str, t.Any] | None = None,
    returns: bool = False,
) -> Stage:
    """Take the traffic of some machines away and wait until they are empty; or give it back."""
    drain, gate = float(target["drain"]["deadline"]), float(target["gate"])
    spared = target["apart" if stage == "withdraw" else "apart_before"]  # drained, whatever happens
    return {
        "name": stage,
        "role": target["strategy_role"],
        "tasks": "weigh",
        "at": list(at),
        "weights": {target["live_side"]: 100, target["side"]: 0},
        "apart": {**apart, **spared},
        "batch": dict(batch) if batch else None,
        "drains": not returns,
        # On the way back a host that is away holds nobody up.
        "confirmed": target["machines"] if stage == "withdraw" else target["proxies"],
        "spares": returns,
        "deadline": (gate if returns else drain) + MARGIN,
    }


def _each(machines: t.Sequence[str], weights: t.Mapping[str, int]) -> dict[str, dict[str, int]]:
    return {machine: dict(weights) for machine in machines}
