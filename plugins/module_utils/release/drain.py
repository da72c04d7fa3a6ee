# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a machine out of traffic and giving it back, planned over all balancers; controller-only (private to the collection).

Which machines are drained stands in every journal, as the outcome of the run that has done it; where two journals differ, the
higher token is right. One that was cut off ends with the machine drained, because that needs nobody to be healthy.
"""

from __future__ import annotations

import time
import typing as t

from ..errors import SlipwayError
from ..traffic.model import machine_of
from .fleet import Fleet, Read, of_model
from .maintenance import unready_balancers
from .spared import alone_on, carriers, nothing_for, services_of
from .target import MARGIN, OTHER, RELOADS, Live, Target, from_config

DONE = {"drain": "drained", "undrain": "undrained"}  # by goal: how it ends
SERVING = ("UP", "DRAIN", "no check")  # what HAProxy calls a server that it could send requests to
Config = t.Mapping[str, t.Any]


class Asked(t.NamedTuple):
    """What is asked for: what is in the way, or what is done, which is nothing without a target."""

    problems: list[str]
    target: t.Optional[Target]
    about: dict[str, t.Any]  # for every journal
    say: list[str]
    action: str = "drain"


def asked(goal: str, config: Config, fleet: Fleet, live: Live) -> Asked:
    """Take C(slipway_machine) out of traffic, or give it back."""
    problems = problems_of(goal, config, fleet, live)
    if problems:
        return Asked(problems, None, {}, [])
    if is_done(goal, config, fleet, live):
        return Asked([], None, {}, done_already(goal, config, live))
    target = target_of(goal, config, fleet, live)
    return Asked([], target, {"drain": target["drain_of"]}, said(target, live))


def problems_of(goal: str, config: Config, fleet: Fleet, live: Live) -> list[str]:
    """All that is in the way of it."""
    if not config["proxies"]:
        return [
            "there is no balancer of this collection (group slipway_proxy). Take the machine out of traffic at yours."
        ]
    if not live.side:
        return ["nothing was released yet, so no machine has traffic. Release a version first."]
    machine, known = config["machine"], sorted(_with_traffic(live))
    if machine not in known:
        return [
            f"slipway_machine: {machine or 'missing'}, wanted one that carries a service with traffic:"
            f" {', '.join(known) or 'none'}. Clients come to a balancer by its address: take that to another one."
        ]
    problems = unready_balancers(config, fleet)
    problems += [f"{said}. Run the deployment first, which moves it to one side." for said in fleet.disagreements()]
    if goal == "drain" and not config["drain_why"]:
        problems.append("slipway_drain_why: missing. Say it to those who will wonder: -e \"slipway_drain_why='…'\".")
    if goal == "drain":
        problems += last_ones(machine, fleet, live)
    return problems


def is_done(goal: str, config: Config, fleet: Fleet, live: Live) -> bool:
    """Whether it is recorded, and every balancer does it."""
    recorded = config["machine"] in live.drained
    return recorded == (goal == "drain") and not strays(fleet, live)


def target_of(goal: str, config: Config, fleet: Fleet, live: Live) -> Target:
    """As that of a release which prepares nothing and goes where the traffic is; it is not named yet."""
    machine, others = config["machine"], set(live.drained) - {config["machine"]}
    target = from_config({**config, "version": f"{goal} of {machine}", "identity": ""}, live)
    drained = nothing_for({*others, machine} & _with_traffic(live))
    target["machines"] = sorted(fleet.readable())
    target["backup"] = None
    target["traffic"] = (live.target or {}).get("traffic")
    target["weights"] = {live.side: 100, OTHER[live.side]: 0}
    target["apart_drained"] = drained
    target["apart"] = drained if goal == "drain" else nothing_for(others & _with_traffic(live))
    why = config["drain_why"] or live.drained.get(machine, {}).get("why") or ""
    target["drain_of"] = {"machine": machine, "goal": goal, "who": config["drain_who"] or "", "why": why}
    target["deadlines"]["drain"] = float(target["gate"]) + float(target["drain"]["deadline"]) + RELOADS + MARGIN
    return target


def cut_off(release_id: str, about: Read, why: str, config: Config, fleet: Fleet) -> tuple[Target, list[str]]:
    """The target that brings one to its end which was cut off, and what is said of it.

    Whichever of the two it was, the machine ends without traffic; but not where nobody else could serve any more.

    :raises SlipwayError: C(balancer_away).
    """
    drain = about["drain"]
    problems = unready_balancers(config, fleet)
    if problems:
        raise SlipwayError(
            f"{about['version']} was interrupted ({why}), and not every balancer can be told", obj=f"release {release_id}",
            actual=" ".join(problems), remedy="Run this again then.", cause="balancer_away",
        )  # fmt: skip
    names = {"machine": drain["machine"], "drain_who": drain["who"], "drain_why": drain["why"]}
    live = fleet.live()
    alone = last_ones(drain["machine"], fleet, live)
    target = target_of("undrain" if alone else "drain", {**config, **names}, fleet, live)
    target.update(id=release_id, token=fleet.next_token(), majority=False, about=dict(about))
    does = f"undrain {drain['machine']} first: {' '.join(alone)}" if alone else f"drain {drain['machine']} first"
    return target, [f"{about['version']} was interrupted ({why}): {does}"]


def said(target: Target, live: Live) -> list[str]:
    """For the terminal."""
    where, about = f"{target['platform']}/{target['environment']}", target["drain_of"]
    done = live.drained.get(about["machine"])
    lines = [f"  {about['machine']} is {words(done)}"] if done else []
    if about["goal"] == "drain":
        return [
            f"{where}: take {about['machine']} out of traffic at {', '.join(target['proxies'])}; what has none goes on there",
            *lines,
        ]
    return [f"{where}: give {about['machine']} its part of the traffic, once every balancer sees it healthy", *lines]


def done_already(goal: str, config: Config, live: Live) -> list[str]:
    """For the terminal, where there is nothing to do."""
    machine = config["machine"]
    what = words(live.drained[machine]) if goal == "drain" else "not drained"
    return [f"{config['platform']}/{config['environment']}: {machine} is {what}"]


def words(drained: Read) -> str:
    """Who has drained it, since when and why."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(drained["since"])))
    return f"drained by {drained['who'] or '?'} since {since}: {drained['why']}"


def reminder(target: Target, live: Live) -> list[str]:
    """For the terminal of a release."""
    return [
        f"  {machine} gets the new version and no traffic: it is {words(live.drained[machine])}"
        for machine in target["apart"]
    ]


def without_anybody(target: Target) -> list[str]:
    """What speaks against a release: a service whose every machine is drained."""
    return [
        f"service {name}: every machine that carries it is drained ({', '.join(sorted(target['apart']))}). Give one back with the"
        " playbook undrain."
        for name in alone_on(services_of(target), target["apart"])
    ]


def lines(fleet: Fleet) -> list[str]:
    """For the status: what is drained, and where a balancer does otherwise."""
    live = fleet.live()
    return [
        *(f"  {machine}: {words(about)}" for machine, about in live.drained.items()),
        *(f"  ! {stray}" for stray in strays(fleet, live)),
    ]


def strays(fleet: Fleet, live: Live) -> list[str]:
    """Where a balancer sends traffic to a machine that is drained, or none to one that is not."""
    found = []
    for proxy in fleet.proxies:
        has = fleet.with_traffic(proxy, live.side)
        for machine in sorted({*has} & {*live.drained}):
            if has[machine]:
                found.append(f"{proxy}: {machine} has traffic, though it is drained. Drain it once more.")
        for machine in sorted({*has} - {*live.drained}):
            if not has[machine]:
                found.append(
                    f"{proxy}: {machine} has no traffic, and is not drained. Run the deployment or undrain, which give it back."
                )
    return found


def _with_traffic(live: Live) -> set[str]:
    return {machine for service in services_of(live.target).values() for machine in carriers(service)}


def last_ones(machine: str, fleet: Fleet, live: Live) -> list[str]:
    """The services that no other machine could serve, as each balancer sees it."""
    found = []
    for name, service in sorted(services_of(live.target).items()):
        others = carriers(service, live.side) - {machine}
        if machine not in carriers(service, live.side):
            continue
        for proxy in fleet.proxies:
            why = {other: _why_not(other, name, proxy, fleet, live) for other in sorted(others)}
            if all(why.values()):
                seen = "; ".join(f"{other}: {reason}" for other, reason in why.items()) or "no other machine carries it"
                found.append(
                    f"{machine} is the last one that serves {name} behind {proxy} ({seen}). Bring another one back first."
                )
    return found


def _why_not(machine: str, service: str, proxy: str, fleet: Fleet, live: Live) -> str:
    """Why a machine could not take over; nothing where it could."""
    if machine in live.drained:
        return "drained"
    traffic = (fleet.readable().get(proxy) or {}).get("traffic") or {}
    seen = [
        str(server["status"])
        for server in traffic.get("servers") or ()
        if server["service"] == service
        and server["side"] == live.side
        and machine_of(server["name"]) == machine
        and "status" in server  # nginx and Caddy tell nobody what they see
    ]
    if seen and not any(status.startswith(SERVING) for status in seen):
        return f"{seen[0]} for {proxy}"
    if seen:
        return ""
    read = fleet.readable().get(machine)
    side = of_model(read).get("sides", {}).get(live.side, {})
    running = any(replica["running"] for replica in side.get("services", {}).get(service, ()))
    return "" if running else "cannot be read" if read is None else "it does not run there"
