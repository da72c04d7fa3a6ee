# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a strategy refuses, says and leaves; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from . import in_place
from .batches import stops_first
from .fleet import Fleet
from .maintenance import closed_of, closure_of
from .target import MARGIN, RELOADS, Live, Target


def prepare_to_interrupt(target: Target, config: t.Mapping[str, t.Any], fleet: Fleet, live: Live) -> None:
    """With C(recreate): who closes the door before the old side stops, and what customers get meanwhile.

    A balancer that is closed for maintenance stays closed, and one that does not know the platform yet has nothing to close.
    """
    if target["strategy"] != "recreate" or not live.side:
        return
    reads = fleet.readable()
    known = [proxy for proxy in target["proxies"] if ((reads.get(proxy) or {}).get("traffic") or {}).get("live_side")]
    closure = closure_of(config)
    target["interrupts"] = True
    target["closing"] = (
        [proxy for proxy in known if not closed_of(reads[proxy])] if target["traffic"]["services"] else []
    )
    target["closed"] = closure
    target["opening"] = RELOADS + float(closure.get("hold") or 0.0)
    target["deadlines"]["interrupt"] = float(target["drain"]["deadline"]) + RELOADS + MARGIN
    target["deadlines"]["revert_traffic"] += target["opening"]


def problems_of(target: Target, live: Live) -> list[str]:
    """What a strategy cannot do."""
    if target["closing"] and target["closed"].get("hold") and target["traffic"]["provider"] != "haproxy":
        return [
            f"slipway_closed.hold: {target['traffic']['provider']} cannot hold requests. Leave it out; they get 503 at once."
        ]
    if (
        target["rolling"].get("max_unavailable")
        and target["strategy"] == "rolling"
        and not stops_first(target["rolling"])
    ):
        return [
            "slipway_rolling.max_unavailable: without max_surge 0 no machine is ever out. Set max_surge to 0, or leave it out."
        ]
    changes = _changes(target, live)
    return [*changes, *(in_place.problems_of(target, live) if target["in_place"] else ())]


def _changes(target: Target, live: Live) -> list[str]:
    """What must be the same for both versions, because both serve."""
    if len(target["batches"]) > 1 and target["proxies"] and live.target is not None:
        before, after = _shape(live.target["traffic"]), _shape(target["traffic"])
        differ = [key for key, value in after.items() if before[key] != value]
        return [
            f"slipway_strategy rolling: this release changes {', '.join(differ)} of slipway_traffic, and both versions would"
            " serve behind that until the last batch. Release it with -e slipway_strategy=blue_green."
        ][: len(differ)]
    return []


def said(target: Target) -> list[str]:
    """For the terminal, before anything is touched."""
    if target["interrupts"]:
        return [
            f"  recreate interrupts, from before the old version stops until the new one is healthy: {_meanwhile(target)}"
        ]
    if len(target["batches"]) > 1:
        named = "; ".join(", ".join(batch) for batch in target["batches"])
        batches = f"  rolling, {len(target['batches'])} batches: {named}"
        return [batches, *([in_place.said(target)] if target["in_place"] else ())]
    return []


def is_whole(target: Target, fleet: Fleet) -> bool:
    """Whether every balancer has all traffic on the new side and is open. A half of a rolling release, or an interruption that
    was cut off, is not finished but put back."""
    if target["strategy"] == "blue_green":
        return True
    reads = [(proxy, (fleet.readable().get(proxy) or {}).get("traffic") or {}) for proxy in target["proxies"]]
    return bool(reads) and all(
        traffic.get("live_side") == target["side"] and not (proxy in target["closing"] and traffic.get("closed"))
        for proxy, traffic in reads
    )


def serves_new_side(target: Target, fleet: Fleet) -> bool:
    """Whether any balancer sends customers to the new side."""
    reads = [(fleet.readable().get(proxy) or {}).get("traffic") or {} for proxy in target["proxies"]]
    return any(traffic.get("live_side") == target["side"] and not traffic.get("closed") for traffic in reads)


def _meanwhile(target: Target) -> str:
    if not target["closing"]:
        return "nobody answers" if not target["proxies"] else "closed for maintenance already"
    hold = float(target["closed"].get("hold") or 0.0)
    held = f"requests are held for {hold:g} s, then " if hold else ""
    return f"{held}503 with Retry-After {target['closed']['retry_after']}"


def _shape(traffic: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"routes": traffic["routes"], "services": sorted(traffic["services"])}
