# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May this release go out at all? Every problem at once, each with its remedy; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from ..config.coerce import MismatchError, size
from .fleet import Fleet, Read


def problems_of(goal: str, config: t.Mapping[str, t.Any], fleet: Fleet) -> list[str]:
    """All that speaks against the release, on every machine, before anything is touched.

    :param goal: C(deploy) or C(rollback).
    """
    problems = [
        f"{machine}: cannot be read ({reason}). A release needs every machine of the inventory."
        for machine, reason in sorted(fleet.unreadable().items())
    ]
    for machine, read in sorted(fleet.readable().items()):
        problems += [f"{machine}: {problem}" for problem in _of_machine(machine, read, config)]
    return problems + [
        f"{problem}. Traffic was moved by hand; move it to one side with traffic_switch, or roll back to a release."
        for problem in fleet.disagreements()
        if goal == "deploy" and "mixed" in problem
    ]


def _of_machine(machine: str, read: Read, config: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    yield from _engine(read.get("container") or {})
    for problem in (read.get("traffic") or {}).get("problems", []):
        yield str(problem["message"])
    facts = read["facts"]
    yield from _room(facts, config["preflight"]["min_free_disk"])
    yield from _memory(config, machine, read)
    yield from _clock(facts, read["stage"], config["preflight"]["max_clock_skew"])
    yield from _ports(facts, config, machine, read)


def _engine(container: Read) -> t.Iterator[str]:
    engine = container.get("engine") or {"ok": True}
    if not engine["ok"]:
        yield str(engine["problem"]["message"])


def _room(facts: Read, least: int) -> t.Iterator[str]:
    seen = set()
    for disk in facts["disk"].values():
        if disk["path"] in seen:
            continue
        seen.add(disk["path"])
        if disk["free"] < least:
            yield (
                f"disk of {disk['path']}: {disk['free'] // 2**20} MiB free, wanted {least // 2**20} MiB. Free some, or "
                "lower slipway_preflight.min_free_disk."
            )
        if disk["inodes_free"] is not None and disk["inodes_free"] < 1:
            yield f"disk of {disk['path']}: {disk['inodes_free']} % of its inodes free, wanted 1 %. Remove small files."


def _memory(config: t.Mapping[str, t.Any], machine: str, read: Read) -> t.Iterator[str]:
    """Whether both sides fit into the memory at once; the live one has its share already."""
    memory, least = read["facts"]["memory"], config["preflight"]["min_free_memory"]
    names = config["machines"][machine]["services"]
    if not names or memory["available"] is None:
        return
    needs = {name: _need(config["services"][name], _in_use(name, read)) for name in names}
    wanted = sum(needs.values()) + least
    if memory["available"] < wanted:
        most = ", ".join(f"{name} {need // 2**20} MiB" for name, need in sorted(needs.items()) if need)
        yield (
            f"memory for a second side: {memory['available'] // 2**20} MiB available, wanted {wanted // 2**20} MiB "
            f"({most or 'no service says how much it needs'}; {least // 2**20} MiB must be left). Add memory, run fewer "
            "replicas, or correct container.mem_reservation or slipway_preflight.min_free_memory."
        )


def _need(service: t.Mapping[str, t.Any], in_use: t.Sequence[int]) -> int:
    """Bytes for all replicas of a service: what it reserves, else what as many of those that run now hold."""
    reserved = (service.get("container") or {}).get("mem_reservation")
    try:
        each = size(reserved) if reserved is not None else 0
    except MismatchError:  # the SDK knows more spellings, and refuses what is none
        each = 0
    return int(service["replicas"]) * (each or max(in_use, default=0))


def _in_use(service: str, read: Read) -> list[int]:
    """What each running replica of a service holds now, in bytes."""
    holds = read["facts"]["memory"]["containers"]
    sides = (read.get("container") or {}).get("sides", {})
    return [
        holds.get(replica["name"], 0)
        for side in sides.values()
        for replica in side["services"].get(service, [])
        if replica["running"]
    ]


def _clock(facts: Read, stage: Read, most: float) -> t.Iterator[str]:
    wall = float(facts["time"]["wall"])
    skew = max(stage["started"] - wall, wall - stage["ended"], 0.0)
    if skew > most:
        there = time.strftime("%H:%M:%S", time.gmtime(wall))
        yield (
            f"its clock says {there} UTC, {skew:.0f} s away from the controller's; wanted at most {most:.0f} s. Start a "
            "time service (provision does), or raise slipway_preflight.max_clock_skew."
        )


def _ports(facts: Read, config: t.Mapping[str, t.Any], machine: str, read: Read) -> t.Iterator[str]:
    """Ports that the new side wants and somebody else has; our own containers may well listen there."""
    ours = _own_ports(config, machine, read)
    for listener in facts["ports"]:
        if listener["port"] in ours:
            continue
        names = [
            name
            for name in config["machines"][machine]["services"]
            for ports in config["services"][name].get("ports", {}).values()
            if listener["port"] in ports
        ]
        service = ", ".join(names)
        yield (
            f"port {listener['port']} of service {service} is taken by {listener['process'] or 'a process'} "
            f"(pid {listener['pid']}). {_free_it(listener['process'])}, or move the service with "
            f"slipway_services.{service}.publish_from."
        )


def _free_it(process: str) -> str:
    """What frees a port. Docker 20.10 may keep that of a container that ran when power was lost, until it is restarted."""
    if process == "docker-proxy":
        return (
            "Stop the container that publishes it (docker ps); where none does, the Docker Engine has kept it since a loss "
            "of power: systemctl restart docker (with live-restore, as provision sets it, containers run on)"
        )
    return "Stop it"


def _own_ports(config: t.Mapping[str, t.Any], machine: str, read: Read) -> set[int]:
    """The ports of those sides whose containers of ours run."""
    sides = (read.get("container") or {}).get("sides", {})
    running = {
        side: {name for name, replicas in about["services"].items() if any(replica["running"] for replica in replicas)}
        for side, about in sides.items()
    }
    return {
        port
        for name in config["machines"][machine]["services"]
        for side, ports in config["services"][name].get("ports", {}).items()
        for port in ports
        if name in running.get(side, set())
    }
