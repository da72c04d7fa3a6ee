# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The target of a release: all that its stages need, frozen at the decision; controller-only (private to the collection).

A target is plain JSON: it travels through Ansible's variables, and it is the frozen specification in every journal."""

from __future__ import annotations

import typing as t
from types import MappingProxyType

from ..config.identity import release_identity
from ..config.migrations import asked_of
from .batches import batches, stops_first
from .rehearsal import rehearsal
from .spared import carriers, nothing_for

OTHER = {"blue": "green", "green": "blue"}
PULL = 600.0  # seconds that pulling images, or fetching code, may take inside prepare
RESTORE = 86400.0  # seconds that a restore may take: nobody is helped by one that is given up
MARGIN = 30.0  # seconds that a stage may take beside what its own deadlines say
RELOADS = 40.0  # seconds that two reloads of a balancer may take, and putting them back
ANSWER = 20.0  # seconds that a replica may take to be reached and to answer

STRATEGIES = {"blue_green": "blue_green_cutover", "rolling": "rolling_update", "recreate": "recreate"}

Target = dict[str, t.Any]

# What a target has that goes to the other side in one step; those that were frozen by an earlier version lack it.
IN_ONE_STEP: t.Final[Target] = {
    "strategy": "blue_green",
    "batches": [],
    "rolling": {},
    "in_place": False,  # the old side of a batch stops before the new one starts
    "interrupts": False,  # the same of all machines at once
    "closing": [],  # the balancers that are closed meanwhile
    "closed": {},
    "opening": 0.0,  # seconds that opening them may take
    "adopts": None,  # what a balancer that does not know the platform serves first
    "apart": {},  # the machines that get no traffic, because they are drained
    "retained": {},  # what machines that are new get of the releases before this one
    "handed_on": {},  # the packages that they get of it from other machines
    "apart_before": {},  # the same where the traffic goes back
}


class Live(t.NamedTuple):
    """What serves now, read back from the machines; side is empty on a platform's first release."""

    side: str
    release: str
    version: str
    target: t.Optional[Target]  # the specification it was released with
    drained: t.Mapping[str, t.Mapping[str, t.Any]] = MappingProxyType({})  # by machine: who, why, since


def from_config(config: t.Mapping[str, t.Any], live: Live) -> Target:
    """The target of releasing the version that the site's configuration names."""
    side = OTHER.get(live.side, "blue")
    hosts = {machine: about for machine, about in config["machines"].items() if about["services"]}
    target: Target = {
        **{
            key: config[key]
            for key in ("platform", "environment", "state_root", "version", "identity", "configuration_hash")
        },
        "kept_release": "",
        "model": config["model"],
        "model_role": f"slipway.deploy.{config['model']}_deploy",
        "process": config["process"],
        "machines": sorted(config["machines"]),
        "proxies": sorted(config["proxies"]),
        "publish": {machine: about["publish"] for machine, about in hosts.items()},
        "addresses": {machine: about["address"] for machine, about in hosts.items()},
        "services": {
            machine: {name: config["services"][name] for name in about["services"]} for machine, about in hosts.items()
        },
        "builders": config["builders"],
        "routes": (config["traffic"] or {}).get("routes", []),
        "backup": _backup(config),
        "migrations": _migrations(config),
        "replicas": _replicas(config),
        "rehearse": rehearsal(config, live),
        "ships": (config["migrations"] or {}).get("ships"),
        "restore": None,
        "forgotten": config["balancer_forget"] or [],
    }
    return _placed(target, config, live, side)


def from_kept(
    kept: Target,
    config: t.Mapping[str, t.Any],
    live: Live,
    added: t.Mapping[str, dict[str, t.Any]] = MappingProxyType({}),
) -> Target:
    """The target of going back to a kept release: its own services, on today's machines.

    :param added: by machine that has come since and has it too, its services.
    """
    side = OTHER.get(live.side, "blue")
    machines = sorted(config["machines"])
    target: Target = {
        **kept,
        # Today's secrets: they are part of what identifies a release.
        "identity": release_identity(kept["version"], kept["configuration_hash"], config["secrets_hash"]),
        "kept_release": kept["id"],
        "builders": {},
        "model": config["model"],
        "process": config["process"],
        "restore": None,
        "forgotten": config["balancer_forget"] or [],
        "backup": None,  # what is gone back to has stood beside this database before
        "migrations": None,
        "replicas": None,
        "rehearse": None,
        "machines": machines,
        "proxies": sorted(config["proxies"]),
        "services": {
            **{machine: services for machine, services in kept["services"].items() if machine in machines},
            **added,
        },
        "addresses": {m: config["machines"][m]["address"] for m in (*kept["addresses"], *added) if m in machines},
        "publish": {**kept["publish"], **{machine: config["machines"][machine]["publish"] for machine in added}},
    }
    return _placed(target, config, live, side)


def _backup(config: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What the stage backup needs; without the connection string, which only its action plugin reads."""
    database = config["database"] or {}
    if not database.get("backup"):
        return None
    name = f"{config['platform']}-{config['environment']}"
    return {**database["backup"], "engine": database["engine"], "name": name, "waive": config["waive_backup"] or ""}


def _migrations(config: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What the stage migrate needs; the connection string and the files are read by its action plugin only."""
    migrations = config["migrations"]
    if not migrations:
        return None
    return {"host": migrations["host"], "options": {**migrations["options"], **asked_of("deploy", config)}}


def _replicas(config: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What is waited for after the migrations; C(owed) is whether an earlier run has applied some and not waited to the end."""
    if not replicated(config):
        return None
    wait, count = float(config["migrations"]["replica_wait"]), len(config["database"]["replicas"])
    return {"wait": wait, "takes": wait + count * ANSWER, "owed": False, "waive": config["waive_replicas"] or ""}


def replicated(config: t.Mapping[str, t.Any]) -> bool:
    """Whether there are replicas that what has migrated must wait for."""
    return bool(config["migrations"] and (config["database"] or {}).get("replicas"))


def _migrate_deadline(migrations: t.Mapping[str, t.Any]) -> float:
    """All of it within the user's own limit, beside the lint and, in a container, the pull of its image."""
    options = migrations["options"]
    return (
        float(options["timeout"]) + float(options["lock_wait"]) + MARGIN + (PULL if options.get("container") else 0.0)
    )


def _backup_deadline(backup: t.Mapping[str, t.Any]) -> float:
    """For a dump and its restore, a wait for another run, and the WAL of a restore point, or the commands that make a snapshot."""
    archived = float((backup.get("physical") or {}).get("archive_timeout") or 0.0)
    snapshot = 2 * float((backup.get("snapshot") or {}).get("timeout") or 0.0)
    return 3 * float(backup["in_release_max"]) + archived + snapshot + PULL + MARGIN


def _placed(target: Target, config: t.Mapping[str, t.Any], live: Live, side: str) -> Target:
    """The target with everything that depends on which side is live."""
    target.update(IN_ONE_STEP)
    for key in ("strategy", "rolling", "watch", "drain", "gate", "keep"):
        target[key] = config[key]
    target["strategy_role"] = f"slipway.deploy.{STRATEGIES[config['strategy']]}"
    target["side"] = side
    target["live_side"] = live.side
    target["previous"] = {"release": live.release, "version": live.version} if live.release else None
    target["weights"] = {side: 100, OTHER[side]: 0}
    target["weights_before"] = {live.side: 100, OTHER[live.side]: 0} if live.side else None
    target["traffic"] = _traffic(target, config["traffic"] or {}, live, side)
    # Routes and services that this release takes away come back with the traffic.
    target["traffic_before"] = (live.target or {}).get("traffic") or target["traffic"]
    target["apart"], target["apart_before"] = (
        _apart(target, traffic, live) for traffic in ("traffic", "traffic_before")
    )
    if config["strategy"] == "rolling" and live.side:  # before there is anything live, nobody is to be spared
        target["in_place"] = stops_first(config["rolling"])
        target["batches"] = _batches(target, config)
    target["deadlines"] = _deadlines(target)
    return target


def _apart(target: Target, traffic: str, live: Live) -> dict[str, dict[str, int]]:
    services = target[traffic]["services"].values()
    return nothing_for({machine for service in services for machine in carriers(service)} & set(live.drained))


def _batches(target: Target, config: t.Mapping[str, t.Any]) -> list[list[str]]:
    """Those that are drained go with the first batch, as nobody is taken away by them."""
    zones = {name: config["machines"][name]["zone"] for name in target["services"]}
    found = batches({name: zone for name, zone in zones.items() if name not in target["apart"]}, config["rolling"])
    spared = [name for name in target["services"] if name in target["apart"]]
    return [sorted([*spared, *found[0]]), *found[1:]] if found else [sorted(spared)]


def _traffic(target: Target, traffic: t.Mapping[str, t.Any], live: Live, side: str) -> dict[str, t.Any]:
    before = ((live.target or {}).get("traffic") or {}).get("services", {})
    return {
        **{key: traffic[key] for key in ("provider", "listen", "bind", "tls") if key in traffic},
        "routes": target["routes"],
        "services": {
            name: {
                "health": service["health"],
                "sides": {
                    side: _servers(target, name, side),
                    # The live side is where it was released to, not where today's configuration would put it.
                    OTHER[side]: (before.get(name) or {}).get("sides", {}).get(OTHER[side])
                    or _servers(target, name, OTHER[side]),
                },
            }
            for name, service in _with_traffic(target).items()
        },
    }


def _with_traffic(target: Target) -> dict[str, t.Any]:
    return {
        name: service
        for services in target["services"].values()
        for name, service in sorted(services.items())
        if service["traffic"]
    }


def _servers(target: Target, service: str, side: str) -> list[dict[str, t.Any]]:
    return [
        {"name": f"{side}_{machine}_{number}", "address": target["addresses"][machine], "port": port}
        for machine, services in sorted(target["services"].items())
        if service in services
        for number, port in enumerate(services[service]["ports"][side], start=1)
    ]


def _deadlines(target: Target) -> dict[str, float]:
    """Seconds that each stage may take; leases are taken for as long."""
    services = [service for services in target["services"].values() for service in services.values()]
    healthy = max([service["health"]["deadline"] for service in services if service.get("health")] or [0.0])
    grace = max([service["stop_grace"] for service in services] or [0.0])
    build = sum(float(step["timeout"]) for service in _once(target) for step in service.get("build") or ())
    start = max([float(service.get("start_limit") or 0.0) for service in services] or [0.0])
    taken_over = healthy if any(service.get("strategy") for service in services) else 0.0
    bake, drain = float(target["watch"]["bake"]), float(target["drain"]["deadline"])
    return {
        "lock": MARGIN,
        "reach": MARGIN,
        "backup": _backup_deadline(target["backup"]) if target["backup"] else 0.0,
        "prove": _backup_deadline(target["backup"]) if target["backup"] else 0.0,
        "rehearse": _backup_deadline(target["backup"]) + target["rehearse"]["takes"] if target.get("rehearse") else 0.0,
        "migrate": _migrate_deadline(target["migrations"]) if target.get("migrations") else 0.0,
        "replicas": target["replicas"]["takes"] + MARGIN if target.get("replicas") else 0.0,
        "pause": 2 * grace + MARGIN,
        "restore": RESTORE,
        "prepare": PULL + build + start + healthy + MARGIN,
        "decision": 2 * grace + start + taken_over + MARGIN if taken_over else grace + start + MARGIN,
        "shift": float(target["gate"]) + max(bake, drain) + MARGIN,
        "settle": 2 * grace + MARGIN,
        "revert_traffic": float(target["gate"]) + MARGIN,
        "revert": 2 * grace + start + MARGIN,
    }


def _once(target: Target) -> list[dict[str, t.Any]]:
    """Every service once, on however many machines it is."""
    return list({name: one for services in target["services"].values() for name, one in services.items()}.values())
