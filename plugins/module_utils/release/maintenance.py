# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing a platform for maintenance and opening it, planned over all balancers; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from .fleet import Fleet, Read
from .target import MARGIN, Live, Target, from_config

RELOADS = 40.0  # seconds that two reloads of a balancer may take, and putting them back


def wanted(config: t.Mapping[str, t.Any]) -> str:
    """C(closed) or C(opened)."""
    return "closed" if config["maintenance"] == "on" else "opened"


def problems_of(config: t.Mapping[str, t.Any], fleet: Fleet, live: Live) -> list[str]:
    """All that is in the way: what is closed must be closed at every balancer."""
    if not config["proxies"]:
        return [
            "there is no balancer of this collection (group slipway_proxy), so there is nothing to close. Close it at yours."
        ]
    if not live.side:
        return ["nothing was released yet, so there is nothing to close. Release a version first."]
    away = fleet.unreadable()
    problems = [
        f"{machine}: cannot be read ({away[machine]}), and it is a balancer. Bring it back; gone for good: take it out of the"
        " inventory."
        for machine in config["proxies"]
        if machine in away
    ]
    for machine in config["proxies"]:
        traffic = (fleet.readable().get(machine) or {}).get("traffic") or {}
        problems += [f"{machine}: {problem['message']}" for problem in traffic.get("problems") or []]
    hold = (config["closed"] or {}).get("hold")
    if hold and (config["traffic"] or {}).get("provider") == "nginx" and config["maintenance"] == "on":
        problems.append("slipway_closed.hold: nginx cannot hold requests. Leave it out; they get 503 at once.")
    return problems


def is_done(config: t.Mapping[str, t.Any], fleet: Fleet) -> bool:
    """Whether every balancer is open, as is wanted. How it is closed may differ, so closing is never done beforehand."""
    return wanted(config) == "opened" and not any(closed_of(read) for read in fleet.readable().values())


def target_of(config: t.Mapping[str, t.Any], fleet: Fleet, live: Live) -> Target:
    """As that of a release which prepares nothing; it is not named yet."""
    state = wanted(config)
    target = from_config({**config, "version": state, "identity": ""}, live)
    target["machines"] = sorted(fleet.readable())
    target["backup"] = None
    closed = {key: value for key, value in (config["closed"] or {}).items() if value is not None}
    closed["retry_after"] = int(closed.get("retry_after") or 60)
    target["maintenance"] = {"state": state, "closed": closed}
    held = max([float(about["hold"]) for about in map(closed_of, fleet.readable().values()) if about] or [0.0])
    target["deadlines"]["maintenance"] = float(target["drain"]["deadline"]) + held + RELOADS + MARGIN
    return target


def said(target: Target, fleet: Fleet, live: Live) -> list[str]:
    """For the terminal."""
    do = "close for maintenance" if target["maintenance"]["state"] == "closed" else "open again"
    where = f"{target['platform']}/{target['environment']}"
    lines = [f"{where}: {do}; {live.version} is live on {live.side}"]
    for machine, read in sorted(fleet.readable().items()):
        about = closed_of(read)
        if about:
            lines.append(f"  {machine}: closed for {about['seconds']:.0f} s")
    return lines


def reminder(fleet: Fleet) -> list[str]:
    """For the terminal of a release that is made behind closed doors."""
    closed = sorted(machine for machine, read in fleet.readable().items() if closed_of(read))
    return [f"  closed for maintenance, and stays so until it is opened: {', '.join(closed)}"] if closed else []


def closed_of(read: Read) -> dict[str, t.Any] | None:
    """How a balancer is closed, as it was read back; None where it is open, or the machine is none."""
    return (read.get("traffic") or {}).get("closed")
