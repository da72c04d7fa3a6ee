# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that runs already, made by hand: its servers become the side that is live; controller-only (private to the
collection)."""

from __future__ import annotations

import json
import typing as t

from . import rebuild
from .fleet import Fleet, Read
from .target import MARGIN, RELOADS, Live, Target, from_config

SIDE = "blue"
VERSION = "by-hand"  # where nobody says which one it is
Probes = t.Mapping[str, t.Optional[Read]]  # balancer to the result of health_probe


def servers_of(config: t.Mapping[str, t.Any]) -> dict[str, list[dict[str, t.Any]]]:
    """The servers made by hand, by service, in the words of traffic_switch."""
    found: dict[str, list[dict[str, t.Any]]] = {}
    for service, given in (config["adopt"] or {}).items():
        places = [place.rpartition(":") for place in given]
        found[service] = [
            {"name": f"{SIDE}_by-hand_{number}", "address": address.strip("[]"), "port": int(port)}
            for number, (address, _colon, port) in enumerate(places, start=1)
        ]
    return found


def targets_of(config: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """What health_probe is to ask: each server by the check that its service has."""
    return [
        _probe(f"{name} at {_place(server)}", (config["services"].get(name) or {}).get("health") or {}, server)
        for name, servers in servers_of(config).items()
        for server in servers
    ]


def _probe(name: str, health: Read, server: Read) -> dict[str, t.Any]:
    """An HTTP check is asked as it is. Of another kind only the port is: it would ask inside of a machine of ours."""
    policy = {key: health[key] for key in ("successes", "minimum", "interval", "timeout", "deadline") if key in health}
    if health.get("kind", "http") != "http":
        return {"kind": "tcp", "name": name, "host": server["address"], "port": server["port"], **policy}
    asked = {key: health[key] for key in ("headers", "status") if health.get(key)}
    return {"name": name, "url": f"http://{_place(server)}{health.get('path', '/')}", **asked, **policy}


def _place(server: Read) -> str:
    address = f"[{server['address']}]" if ":" in server["address"] else server["address"]
    return f"{address}:{server['port']}"


def problems_of(config: t.Mapping[str, t.Any], fleet: Fleet, probes: Probes) -> list[str]:
    """All that is in the way."""
    problems = [
        f"{machine}: cannot be read ({why}). Every machine is told what is live."
        for machine, why in sorted(fleet.unreadable().items())
    ]
    if not config["proxies"]:
        problems.append(
            "there is no balancer of this collection (group slipway_proxy), which alone could carry traffic over. Deploy beside"
            " what runs, and move the traffic at your balancer."
        )
    problems += _services(config)
    for machine, read in sorted(fleet.readable().items()):
        if _has_own(read):
            problems.append(f"{machine}: the platform is Slipway's already, as its journal or what runs there says.")
        problems += [
            f"{machine}: {problem['message']}" for problem in (read.get("traffic") or {}).get("problems") or []
        ]
    return [*problems, *(_unhealthy(config, fleet, probes) if not problems else [])]


def _services(config: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    given = config["adopt"] or {}
    example = '-e \'{"slipway_adopt": {"backend": ["10.0.0.1:8080"]}}\''
    for name in sorted(given):
        if not (config["services"].get(name) or {}).get("traffic"):
            yield f"slipway_adopt.{name}: there is no service {name} with traffic. Correct the name, or leave it out."
    for name, service in sorted(config["services"].items()):
        if service["traffic"] and not given.get(name):
            yield f"slipway_adopt.{name}: missing. Say where the servers of {name} are: {example}."


def _has_own(read: Read) -> bool:
    """Whether there is more of the platform than an adoption that was cut off."""
    journal = read["journal"]
    made = [release for release in journal["releases"] if release["decided"] and not is_adopted(release["decision"])]
    return bool(made or rebuild.sides_of(read) or (read.get("traffic") or {}).get("weights"))


def _unhealthy(config: t.Mapping[str, t.Any], fleet: Fleet, probes: Probes) -> t.Iterator[str]:
    for machine in sorted(set(config["proxies"]) & set(fleet.readable())):
        said = probes.get(machine) or {}
        results = said.get("results")
        if not results:
            yield f"{machine}: the servers could not be asked from there: {said.get('msg') or 'no answer'}"
        for one in results or ():
            if not one["healthy"]:
                yield f"{machine}: {one['name']}: {one['cause']}: {one['message']} {one['remedy']}"


def is_adopted(spec: Read | None) -> bool:
    """Whether a frozen specification is that of servers made by hand."""
    return bool((spec or {}).get("adopted"))


def target_of(config: t.Mapping[str, t.Any]) -> Target:
    """What is live: no service of ours on any machine, and the servers made by hand as one side."""
    target = from_config(
        {**config, "version": config["version"] or VERSION, "identity": ""}, Live("green", "", "", None)
    )
    target["adopted"] = True
    target["live_side"], target["weights_before"], target["previous"] = "", None, None
    target["backup"] = target["migrations"] = target["replicas"] = target["rehearse"] = None
    for name, servers in servers_of(config).items():
        target["traffic"]["services"][name]["sides"][SIDE] = servers
    target["services"] = {machine: {} for machine in target["services"]}
    target["deadlines"]["rebuild"] = MARGIN
    return target


def stands(target: Target, fleet: Fleet) -> bool:
    """Whether every journal says already what this adoption would write. The run that wrote it comes after, undecided."""
    journals = [read["journal"]["releases"] for read in fleet.readable().values()]
    decided = [[one["decision"] for one in releases if one["decided"]] for releases in journals]
    return all(specs and _adoption(specs[-1]) == _adoption(target) for specs in decided)


def _adoption(spec: Read) -> dict[str, t.Any]:
    """What it says, whenever that was, as a journal tells it."""
    once = ("id", "token", "started", "about", "rebuild")
    told: dict[str, t.Any] = json.loads(json.dumps({key: value for key, value in spec.items() if key not in once}))
    return told


def memory_of(target: Target, now: float) -> dict[str, t.Any]:
    """The one release that every journal begins with."""
    name = f"{target['id']}-adopted"
    about = {key: target[key] for key in ("version", "identity", "side")}
    frozen = {key: value for key, value in target.items() if key not in ("about", "rebuild")}
    release = {"id": name, "token": 0, "started": now, "ended": now, "about": about, "decision": {**frozen, "id": name}}
    return {"releases": [release], "bad": {}, "frozen": None}


def carried_over(live: Live) -> dict[str, t.Any] | None:
    """What a balancer that does not know the platform serves first, so that nobody notices that it took over."""
    if not is_adopted(live.target):
        return None
    traffic = t.cast(Target, live.target)["traffic"]
    return {"routes": traffic["routes"], "services": traffic["services"], "weights": {SIDE: 100}}


def in_the_way(target: Target, fleet: Fleet) -> list[str]:
    """Why a release cannot take over from servers made by hand."""
    problems = [
        f"{machine}: {problem}"
        for machine in target["proxies"]
        for problem in ((fleet.reads[machine] or {}).get("traffic") or {}).get("refused_listen") or []
    ]
    if target["adopts"] and target["strategy"] != "blue_green":
        problems.append(
            f"slipway_strategy {target['strategy']}: it can neither stop nor split servers made by hand. Release the first"
            " version with -e slipway_strategy=blue_green."
        )
    if target["adopts"]:
        target["deadlines"]["shift"] += RELOADS
        target["deadlines"]["revert_traffic"] += RELOADS
    return problems


def said(target: Target) -> list[str]:
    """For the terminal of the release that takes over."""
    if not target["adopts"]:
        return []
    services = target["adopts"]["services"].items()
    places = [f"{name} {_place(server)}" for name, service in services for server in service["sides"][SIDE]]
    return [
        f"  servers made by hand are taken over from, and not stopped: {', '.join(places)}",
        "  once this has succeeded they get nothing more from these balancers; stop them then, and workers made by hand before",
    ]


def told(config: t.Mapping[str, t.Any], fleet: Fleet, target: Target) -> list[str]:
    """For the terminal of the adoption: what is recorded, and how each balancer's address will change hands."""
    lines = [
        f"{config['platform']}/{config['environment']}: adopt {target['version']} as what is live; nothing is touched"
    ]
    for name, servers in servers_of(config).items():
        lines.append(f"  {name}: {', '.join(_place(server) for server in servers)}")
    for machine in target["proxies"]:
        taken = ((fleet.reads[machine] or {}).get("traffic") or {}).get("refused_listen") or []
        listen = f"port {target['traffic']['listen']}"
        lines += [f"  {machine}: before the first release: {problem}" for problem in taken]
        lines += [f"  {machine}: {listen} can be taken by the first release"][: not taken]
    return lines
