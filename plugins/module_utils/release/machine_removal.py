# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing one machine from a platform; controller-only (private to the collection).

It is drained, then it leaves the balancers' configuration, then what the platform has on it goes. That it is removed stands in
the journals of all others, so that nothing from before is done with it any more. Cut off, it ends with the machine drained.
"""

from __future__ import annotations

import typing as t

from . import drain, removal
from .fleet import Fleet
from .maintenance import unready_balancers
from .spared import carriers, nothing_for, services_of, without
from .target import MARGIN, RELOADS, Live, Target, from_config

GOAL = "remove_machine"
Config = t.Mapping[str, t.Any]


def asked(goal: str, config: Config, fleet: Fleet, live: Live) -> drain.Asked:
    """Remove C(slipway_machine)."""
    others = _without_it(config)
    problems = problems_of(config, fleet, live)
    if problems:
        return drain.Asked(problems, None, {}, [])
    target = target_of(goal, config, fleet, live)
    machine, about = config["machine"], {"remove": target["removal_of"]}
    if target["draining"]:
        about["drain"] = target["drain_of"]
    lost = "it is lost, so what runs there, if anything does, is not stopped" if target["removal_of"]["lost"] else ""
    say = [
        f"{config['platform']}/{config['environment']}: remove {machine}, which was {', '.join(_parts(config))}",
        *([f"  {lost}. Power it off."] if lost else []),
        *([f"  clients must not come to {machine} any more: its address leads elsewhere"] if _balances(config) else []),
        f"  stay: {', '.join(sorted(others['machines']))}",
    ]
    return drain.Asked([], target, about, say, goal)


def problems_of(config: Config, fleet: Fleet, live: Live) -> list[str]:
    """All that is in the way of it."""
    machine = config["machine"]
    if machine not in config["machines"]:
        return [f"slipway_machine: {machine or 'missing'}, wanted one of {', '.join(sorted(config['machines']))}."]
    others = _without_it(config)
    problems = unready_balancers(others, fleet) + _lost_or_not(config, fleet)
    problems += [f"{said}. Run the deployment first, which moves it to one side." for said in fleet.disagreements()]
    if _balances(config) and not others["proxies"]:
        problems.append(f"{machine} is the only balancer. Add another one first.")
    for name in config["services"]:
        having = [one for one, about in config["machines"].items() if name in about["services"]]
        if having == [machine]:
            problems.append(f"only {machine} carries {name}. Give it to another machine first, and deploy.")
    problems += _needed_elsewhere(config)
    if live.side and others["proxies"] and machine not in live.drained:
        problems += drain.last_ones(machine, fleet, live)
    return problems


def target_of(goal: str, config: Config, fleet: Fleet, live: Live) -> Target:
    """As that of a release which prepares nothing; it is not named yet."""
    machine, others = config["machine"], _without_it(config)
    lost = bool(config["machine_lost"])
    services = services_of(live.target)
    draining = bool(others["proxies"]) and any(machine in carriers(service) for service in services.values())
    asked_for = {**others, "machine": machine, "drain_why": config["drain_why"] or "it is being removed"}
    if draining:
        target = drain.target_of("drain", asked_for, fleet, live)
    else:
        target = {**from_config({**config, "version": goal, "identity": ""}, live), "proxies": others["proxies"]}
    target["machines"] = sorted(fleet.readable())
    target["backup"], target["draining"] = None, draining
    target["removal_of"] = {"machine": machine, "lost": lost, "who": config["drain_who"] or ""}
    if draining:
        left = without(live.target or {}, [machine])
        still = {one for service in services_of(left).values() for one in carriers(service)}
        target["left"] = {**target, "traffic": left["traffic"]}
        target["apart_left"] = nothing_for(still & set(live.drained))
    target["deadlines"]["unroute"] = float(target["drain"]["deadline"]) + RELOADS + MARGIN
    target["deadlines"]["remove"] = removal.deadline(config)
    return target


def _without_it(config: Config) -> dict[str, t.Any]:
    machine = config["machine"]
    return {
        **config,
        "machines": {name: about for name, about in config["machines"].items() if name != machine},
        "proxies": [name for name in config["proxies"] if name != machine],
    }


def _balances(config: Config) -> bool:
    return config["machine"] in config["proxies"]


def _parts(config: Config) -> list[str]:
    carried = list(config["machines"][config["machine"]]["services"])
    return [*carried, *(["a balancer"] if _balances(config) else [])] or ["nothing"]


def _lost_or_not(config: Config, fleet: Fleet) -> list[str]:
    machine, away = config["machine"], fleet.unreadable()
    if machine in away and not config["machine_lost"]:
        return [
            f"{machine}: cannot be read ({away[machine]}). Bring it back, so that what runs there can be stopped; gone for good:"
            " -e slipway_machine_lost=true."
        ]
    if machine not in away and config["machine_lost"]:
        return [f"slipway_machine_lost: {machine} can be read, so it is not lost. Leave that out."]
    return []


def _needed_elsewhere(config: Config) -> list[str]:
    """What only the inventory or the variables can give to another machine."""
    machine, database = config["machine"], config["database"] or {}
    backup = database.get("backup") or {}
    places = {
        "slipway_database.backup.host": backup.get("host"),
        "slipway_database.backup.verify_host": backup.get("verify_host"),
        "slipway_migrations.host": (config["migrations"] or {}).get("host"),
    }
    return [
        f"{path} is {machine}. Name another machine there first, and deploy."
        for path, host in places.items()
        if host == machine
    ]
