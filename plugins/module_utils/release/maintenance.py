# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing a platform for maintenance and opening it, planned over all balancers; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from .fleet import Fleet, Read, of_model
from .target import MARGIN, RELOADS, Live, Target, from_config

PAUSE = "pause"
PAUSABLE = ("container", "process")  # models whose workers can be paused alone


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
    away, problems = fleet.unreadable(), unready_balancers(config, fleet)
    if pauses(config, fleet, live):
        problems += [
            f"{machine}: cannot be read ({why}), so its workers cannot be paused. Bring it back; leave it out with"
            " -e slipway_break_glass=true; or let all workers run with slipway_closed: {workers: run}."
            for machine, why in away.items()
            if wanted(config) == "closed" and machine in workers_of(live) and not config["break_glass"]
        ]
    hold = (config["closed"] or {}).get("hold")
    provider = (config["traffic"] or {}).get("provider", "haproxy")
    if hold and provider != "haproxy" and config["maintenance"] == "on":
        problems.append(f"slipway_closed.hold: {provider} cannot hold requests. Leave it out; they get 503 at once.")
    return problems


def unready_balancers(config: t.Mapping[str, t.Any], fleet: Fleet) -> list[str]:
    """Balancers that cannot be told anything: what holds for one must hold for all."""
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
    return problems


def is_done(config: t.Mapping[str, t.Any], fleet: Fleet) -> bool:
    """Whether every balancer is open, as is wanted, and no worker is paused. How it is closed may differ, so closing is never done
    beforehand."""
    reads = fleet.readable().values()
    return wanted(config) == "opened" and not any(closed_of(read) or paused_of(read) for read in reads)


def workers_of(live: Live) -> dict[str, list[str]]:
    """The services without traffic that the live release has, by machine."""
    services = (live.target or {}).get("services", {})
    found = {
        machine: [name for name, one in known.items() if not one["traffic"]] for machine, known in services.items()
    }
    return {machine: names for machine, names in found.items() if names}


def pauses(config: t.Mapping[str, t.Any], fleet: Fleet, live: Live) -> bool:
    """Whether this run pauses workers, or lets them work again: those that are paused always, whatever is asked for now."""
    if wanted(config) == "opened":
        return any(paused_of(read) for read in fleet.readable().values())
    return (
        (config["closed"] or {}).get("workers", PAUSE) == PAUSE
        and config["model"] in PAUSABLE
        and bool(workers_of(live))
    )


def target_of(config: t.Mapping[str, t.Any], fleet: Fleet, live: Live) -> Target:
    """As that of a release which prepares nothing; it is not named yet."""
    state = wanted(config)
    target = from_config({**config, "version": state, "identity": ""}, live)
    target["machines"] = sorted(fleet.readable())
    target["backup"] = None
    target["maintenance"] = {"state": state, "closed": closure_of(config), "workers": pauses(config, fleet, live)}
    target["deadlines"]["workers"] = target["deadlines"]["pause"]
    held = max([float(about["hold"]) for about in map(closed_of, fleet.readable().values()) if about] or [0.0])
    target["deadlines"]["maintenance"] = float(target["drain"]["deadline"]) + held + RELOADS + MARGIN
    return target


def closure_of(config: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What customers get of a closed platform, in the words of traffic_switch."""
    about = config["closed"] or {}
    closed = {key: value for key, value in about.items() if value is not None and key != "workers"}
    return {**closed, "retry_after": int(closed.get("retry_after") or 60)}


def said(target: Target, fleet: Fleet, live: Live) -> list[str]:
    """For the terminal."""
    do = "close for maintenance" if target["maintenance"]["state"] == "closed" else "open again"
    where = f"{target['platform']}/{target['environment']}"
    lines = [f"{where}: {do}; {live.version} is live on {live.side}"]
    for machine, read in sorted(fleet.readable().items()):
        for word, about in (("closed", closed_of(read)), ("workers paused", paused_of(read))):
            if about:
                lines.append(f"  {machine}: {word} for {about['seconds']:.0f} s")
    names = sorted({name for names in workers_of(live).values() for name in names})
    if names and target["maintenance"]["state"] == "closed":
        do = "paused until it is opened" if target["maintenance"]["workers"] else "they go on working"
        lines.append(f"  services without traffic ({', '.join(names)}): {do}")
    return lines


def reminder(fleet: Fleet) -> list[str]:
    """For the terminal of a release that is made behind closed doors."""
    closed = sorted(machine for machine, read in fleet.readable().items() if closed_of(read))
    return [f"  closed for maintenance, and stays so until it is opened: {', '.join(closed)}"] if closed else []


def paused_of(read: Read) -> dict[str, t.Any] | None:
    """Since when a machine's workers are paused, as it was read back; None where they are not."""
    return of_model(read).get("workers_paused")


def closed_of(read: Read) -> dict[str, t.Any] | None:
    """How a balancer is closed, as it was read back; None where it is open, or the machine is none."""
    return (read.get("traffic") or {}).get("closed")
