# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of weights: shares of sides to weights of servers and back (private to the collection)."""

from __future__ import annotations

import math
import typing as t

from ..errors import SlipwayError
from .model import SIDES, Key, Service, Traffic, Weights, machine_of, side_of

MAX_SERVER_WEIGHT = 256  # HAProxy Management Guide, "set weight"


def server_weights(service: Service, weights: t.Mapping[str, int]) -> Weights:
    """Weights of the servers such that each *side* gets its share, however many servers it has.

    :raises SlipwayError: C(no_servers) when a side is to get traffic and has no server.
    """
    counts = {side: sum(server.side == side for server in service.servers) for side in SIDES}
    for side in SIDES:
        if weights[side] and not counts[side]:
            raise SlipwayError(
                "a side without servers cannot get traffic",
                obj=f"services.{service.name}.sides.{side}",
                actual=[],
                wanted="at least one server",
                cause="no_servers",
            )
    each = dict(weights)
    if all(weights.values()) and counts["blue"] != counts["green"]:
        blue, green = weights["blue"] * counts["green"], weights["green"] * counts["blue"]
        divisor = math.gcd(blue, green)
        blue, green = blue // divisor, green // divisor
        scale = min(1.0, MAX_SERVER_WEIGHT / max(blue, green))
        each = {"blue": max(1, round(blue * scale)), "green": max(1, round(green * scale))}
    return {server.key: each[server.side] for server in service.servers}


def wanted_weights(traffic: Traffic) -> Weights:
    """Weights of the servers of all services, for those per side, and per machine, that are asked for."""
    wanted: Weights = {}
    for service in traffic.services:
        if traffic.apart:
            wanted.update(machine_weights(service, traffic.weights or {}, traffic.apart))
        else:
            wanted.update(server_weights(service, traffic.weights or {}))
    return wanted


def machine_weights(
    service: Service, weights: t.Mapping[str, int], apart: t.Mapping[str, t.Mapping[str, int]]
) -> Weights:
    """Weights of the servers such that each *machine* gets what it got before, however many servers it has on either side.

    :param apart: the weights per side of the machines for which C(weights) does not hold.
    :raises SlipwayError: C(no_servers) when no server at all would get traffic.
    """
    counts: dict[str, dict[str, int]] = {side: {} for side in SIDES}
    for server in service.servers:
        machine = machine_of(server.name)
        counts[server.side][machine] = counts[server.side].get(machine, 0) + 1
    most = {side: max(counts[side].values(), default=1) for side in SIDES}
    shared = math.lcm(*most.values())
    wanted = {
        server.key: apart.get(machine_of(server.name), weights)[server.side] * shared // most[server.side]
        for server in service.servers
    }
    if not any(wanted.values()):
        raise SlipwayError(
            "no server would get traffic",
            obj=f"services.{service.name}",
            actual={"weights": dict(weights), "apart": sorted(apart)},
            wanted="at least one server",
            cause="no_servers",
        )
    scale = min(1.0, MAX_SERVER_WEIGHT / max(wanted.values()))
    return {key: max(1, round(weight * scale)) if weight else 0 for key, weight in wanted.items()}


def kept_weights(traffic: Traffic, before: t.Mapping[Key, int]) -> Weights:
    """The weights as they are; a service without any gets what each side has of the others, and so is never dead.

    :raises SlipwayError: C(no_servers) when the live side has no server of such a service.
    """
    others = shares(before, {key: side_of(key[1]) for key in before}).values()
    sums = {side: sum(by_side[side] for by_side in others) for side in SIDES}
    total = sum(sums.values())
    blue = round(100 * sums["blue"] / total) if total else 0
    kept: Weights = {}
    for service in traffic.services:
        known = {server.key: before.get(server.key, 0) for server in service.servers}
        new = total and not any(known.values())
        kept.update(server_weights(service, {"blue": blue, "green": 100 - blue}) if new else known)
    return kept


def shares(weights: t.Mapping[Key, int], sides: t.Mapping[Key, str]) -> dict[str, dict[str, int]]:
    """Server weights said as percent per side, by service: the inverse of C(server_weights)."""
    sums: dict[str, dict[str, int]] = {}
    for key, weight in weights.items():
        if sides.get(key) in SIDES:
            sums.setdefault(key[0], {side: 0 for side in SIDES})[sides[key]] += weight
    for by_side in sums.values():
        total = sum(by_side.values())
        if total:
            blue = round(100 * by_side["blue"] / total)
            by_side.update(blue=blue, green=100 - blue)
    return sums


def live_side(by_service: t.Mapping[str, t.Mapping[str, int]]) -> str | None:
    """The one side that has all traffic of all services; C(mixed) when split; None when nothing is loaded."""
    live = {side for by_side in by_service.values() for side in SIDES if by_side[side]}
    if not live:
        return None
    return live.pop() if len(live) == 1 else "mixed"
