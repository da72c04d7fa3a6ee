# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May this release go out at all? Every problem at once, each with its remedy; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from ..config.coerce import MismatchError, size
from .batches import stops_first
from .fleet import Fleet, Read, of_model

LEAST = {"git": "2.25"}  # versions of programs
RESERVED = {"container": "container.mem_reservation", "process": "unit.MemoryLow"}


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
        if goal == "deploy":  # a rollback builds nothing
            problems += [f"{machine}: {problem}" for problem in _unlike(machine, fleet.readable(), config)]
        if goal == "deploy":  # a rollback keeps what the balancer has
            refused = (read.get("traffic") or {}).get("refused_certificates") or []
            problems += [f"{machine}: {problem}" for problem in refused]
    return problems + [
        f"{problem}. Traffic was moved by hand; move it to one side with traffic_switch, or roll back to a release."
        for problem in fleet.disagreements()
        if goal == "deploy" and "mixed" in problem
    ]


def _of_machine(machine: str, read: Read, config: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    yield from _engine(of_model(read))
    for problem in (read.get("traffic") or {}).get("problems", []):
        yield str(problem["message"])
    facts = read["facts"]
    yield from _needed(facts, config["machines"][machine])
    yield from _room(facts, config["preflight"]["min_free_disk"])
    yield from _memory(config, machine, read)
    yield from _clock(facts, read["stage"], config["preflight"]["max_clock_skew"])
    yield from _ports(facts, config, machine, read)


def _engine(found: Read) -> t.Iterator[str]:
    """The Docker Engine, or the process manager."""
    engine = found.get("engine") or found.get("manager") or {"ok": True}
    if not engine["ok"]:
        yield str(engine["problem"]["message"])


def _needed(facts: Read, about: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Programs and users that the services name."""
    for program, version in (facts.get("programs") or {}).items():
        if program in about["interpreters"] and program not in about["programs"]:
            continue  # its version is to be compared, see _unlike
        least = LEAST.get(program, "0")
        if not version:
            yield f"{program} is missing, which its services' source needs. Install it (provision does)."
        elif _numbers(version) < _numbers(least):
            yield f"{program} {version} is too old for its services' source, wanted {least}. Install a newer one."
    for user, known in (facts.get("users") or {}).items():
        if not known:
            yield f"there is no user {user}, as which its services run. Make one: useradd --system --home-dir /nonexistent {user}."


def _unlike(machine: str, reads: t.Mapping[str, Read], config: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Whether what another machine builds would run here."""
    builds: dict[str, list[str]] = {}
    for name, about in config["builders"].items():
        if machine in about["for"] and about["on"] in reads:
            builds.setdefault(about["on"], []).append(name)
    for builder, names in builds.items():
        there, here = _kind(reads[builder]["facts"]), _kind(reads[machine]["facts"])
        differ = [key for key, value in there.items() if value and here.get(key, "") not in (value, "")]
        if differ:
            services = ", ".join(names)
            yield (
                f"it has {_words(here, differ)}, but {builder}, which builds {services} for it, has {_words(there, differ)}."
                f" Make them alike, or set build_on: each for {services}."
            )


def _kind(facts: Read) -> dict[str, str]:
    """What compiled code and virtual environments depend on. An interpreter that is missing may not be needed."""
    platform = facts.get("platform") or {}
    system = f"{platform.get('distribution', '')} {platform.get('version', '')}".strip()
    versions = {
        name: ".".join(version.split(".")[: 1 if name == "node" else 2])
        for name, version in (facts.get("programs") or {}).items()
        if name == "node" or "python" in name
    }
    return {"architecture": platform.get("machine", ""), "system": system, **versions}


def _words(kind: t.Mapping[str, str], keys: t.Sequence[str]) -> str:
    return ", ".join(f"{key} {kind[key]}" for key in keys)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


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
    """Whether both sides fit into the memory at once; the live one has its share already, unless it stops first."""
    memory, least = read["facts"]["memory"], config["preflight"]["min_free_memory"]
    names = config["machines"][machine]["services"]
    if not names or memory["available"] is None:
        return
    alone = config["strategy"] == "recreate" or (config["strategy"] == "rolling" and stops_first(config["rolling"]))
    freed = sum(sum(_in_use(name, read)) for name in names) if alone else 0
    available = memory["available"] + freed
    needs = {name: _need(config["services"][name], _in_use(name, read)) for name in names}
    wanted = sum(needs.values()) + least
    if available < wanted:
        most = ", ".join(f"{name} {need // 2**20} MiB" for name, need in sorted(needs.items()) if need)
        yield (
            f"memory for a second side: {available // 2**20} MiB available, wanted {wanted // 2**20} MiB "
            f"({most or 'no service says how much it needs'}; {least // 2**20} MiB must be left). Add memory, run fewer "
            f"replicas, or correct {RESERVED[config['model']]} or slipway_preflight.min_free_memory."
        )


def _need(service: t.Mapping[str, t.Any], in_use: t.Sequence[int]) -> int:
    """Bytes for all replicas of a service: what it reserves, else what as many of those that run now hold."""
    reserved = (service.get("container") or {}).get("mem_reservation") or (service.get("unit") or {}).get("MemoryLow")
    try:
        each = size(reserved) if reserved is not None else 0
    except MismatchError:  # the SDK and systemd know more spellings, and refuse what is none
        each = 0
    return int(service["replicas"]) * (each or max(in_use, default=0))


def _in_use(service: str, read: Read) -> list[int]:
    """What each running replica of a service holds now, in bytes."""
    holds = read["facts"]["memory"]["containers"]
    sides = of_model(read).get("sides", {})
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
    """The ports of those sides whose containers or processes of ours run."""
    sides = of_model(read).get("sides", {})
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
