# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine carries what, where balancers reach it, and on which ports (private to the collection)."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .findings import Findings
from .model import Machine, Service
from .ports import Slot, free_base, slot_for
from .processes import interpreters_of, programs_of, users_of
from .reader import Reader
from .schema import APP_GROUP, GROUPS, PROXY_GROUP, option
from .suggest import closest

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
# Linux gives ports from here up to outgoing connections (ip(7), ip_local_port_range).
_EPHEMERAL = 32768
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")

Groups = t.Mapping[str, t.Sequence[str]]


def find_carriers(services: dict[str, dict[str, t.Any]], groups: Groups, findings: Findings) -> dict[str, list[str]]:
    """The machines that carry each service, by the group that it names; a singleton is on the first of them."""
    if not groups.get(APP_GROUP):
        _report_no_apps(groups, findings)
        return {name: [] for name in services}
    carriers = {}
    for name, service in services.items():
        group = service.pop("hosts")
        carriers[name] = list(groups.get(group, ()))[: 1 if service.get("singleton") else None]
        path = f"slipway_services.{name}.hosts"
        if group not in groups:
            guess = closest(group, groups)
            question = f", did you mean {guess}?" if guess else ""
            findings.problem(
                path, f"the inventory has no group {group}{question}", remedy="" if guess else "Add the group."
            )
        elif not carriers[name]:
            findings.problem(path, f"the group {group} is empty", remedy="Put a machine into it.")
        strangers = [machine for machine in carriers[name] if machine not in groups[APP_GROUP]]
        if strangers:
            findings.problem(
                path,
                f"the group {group} is not inside {APP_GROUP}",
                found=", ".join(strangers),
                remedy=f"Make {group} a child of {APP_GROUP} in the inventory.",
            )
    carrying = {machine for machines in carriers.values() for machine in machines}
    for machine in groups[APP_GROUP] if services else ():
        if machine not in carrying:
            findings.warnings.append(f"{machine} is in {APP_GROUP}, but no service is placed on it.")
    return carriers


def _report_no_apps(groups: Groups, findings: Findings) -> None:
    guess = closest(APP_GROUP, [name for name in groups if name not in GROUPS])
    findings.problem(
        f"group {APP_GROUP}",
        "is empty" if APP_GROUP in groups else "the inventory does not have it",
        wanted="the machines that carry the services",
        remedy=f"Did you mean the group {guess}?" if guess else f"Put your machines into {APP_GROUP} in the inventory.",
    )


def place(
    carriers: t.Mapping[str, t.Sequence[str]],
    groups: Groups,
    own: t.Mapping[str, t.Mapping[str, t.Any]],
    proxies: t.Sequence[str],
    reader: Reader,
    *,
    keepers: t.Collection[str] = (),
    others: t.Collection[str] = (),
) -> dict[str, Machine]:
    """Every machine of the platform, with its addresses; services and ports follow from C(carriers).

    :param proxies: the balancers that shift; empty when nothing does.
    :param own: what the inventory says about each machine.
    :param keepers: the machines that back the database up and prove its backups.
    :param others: those that have a part in a release all the same.
    """
    apps = list(groups.get(APP_GROUP, ()))
    names = dict.fromkeys([*apps, *groups.get(PROXY_GROUP, ()), *keepers, *others])
    machines: dict[str, Machine] = {}
    for name in names:
        alone = name in apps and list(proxies) == [name]
        publish, address = _addresses(name, own.get(name, {}), alone, reader)
        parts = [part for part, members in (("app", apps), ("proxy", proxies), ("db", keepers)) if name in members]
        carried = [service for service, members in carriers.items() if name in members]
        zone = reader.read(option("slipway_zone"), own.get(name, {}).get("slipway_zone"), f"slipway_zone of {name}")
        empty: dict[str, t.Any] = {key: [] for key in ("ports", "secrets", "programs", "users", "interpreters")}
        machines[name] = t.cast(
            Machine,
            {"parts": parts, "address": address, "publish": publish, "zone": zone or "", "services": carried, **empty},
        )
    return machines


def _addresses(name: str, own: t.Mapping[str, t.Any], alone: bool, reader: Reader) -> tuple[str, str]:
    """What to publish on and where to reach it.

    :param alone: the only balancer is this machine itself, so nobody else needs to reach it.
    """
    publish = reader.read(option("slipway_publish"), own.get("slipway_publish"), f"slipway_publish of {name}")
    address = reader.read(option("slipway_address"), own.get("slipway_address"), f"slipway_address of {name}")
    if publish is None:
        publish = LOOPBACK if alone and address is None else EVERYWHERE
    if address is None and not _is_wildcard(publish):
        address = publish
    if address is None and alone:
        address = LOOPBACK
    return publish, address or str(own.get("ansible_host") or name)


def check_addresses(
    machines: t.Mapping[str, Machine], proxies: t.Sequence[str], with_traffic: t.Collection[str], findings: Findings
) -> None:
    """Every balancer can reach every machine that has services with traffic, and takes no two for one."""
    seen: dict[str, str] = {}
    for name, machine in machines.items():
        if not _NAME.fullmatch(name):
            findings.problem(
                f"machine {name}",
                "its name becomes part of the names of servers and files, and cannot",
                wanted="letters, digits and _ . -, 100 at most",
                remedy="Rename it in the inventory; ansible_host says where it is.",
            )
        if not proxies or not set(machine["services"]) & set(with_traffic):
            continue
        others = [proxy for proxy in proxies if proxy != name]
        for name_of, value in (("slipway_publish", machine["publish"]), ("slipway_address", machine["address"])):
            if others and _is_loopback(value):
                findings.problem(
                    f"{name_of} of {name}",
                    f"{others[0]} cannot reach {name} there",
                    found=value,
                    remedy=f"Set {name_of} of {name} to an address that {others[0]} reaches.",
                )
                break
        twin = seen.setdefault(machine["address"], name)
        if twin != name:
            findings.problem(
                f"slipway_address of {name}",
                f"the same as that of {twin}, so balancers could not tell them apart",
                found=machine["address"],
                remedy="Set slipway_address of both to addresses of their own; list one machine only once.",
            )


def allocate(platform: str, environment: str, services: t.Mapping[str, dict[str, t.Any]]) -> dict[str, Slot]:
    """Give each service with a port its ports, on C(ports); C(publish_from) is used up by that."""
    slots = {}
    for name, service in services.items():
        base = service.pop("publish_from", None)
        if "port" in service:
            slots[name] = slot_for(platform, environment, name, base)
            ports = slots[name].ports(service["replicas"])
            service["ports"] = dict.fromkeys(ports, ports["blue"]) if service.get("strategy") else ports
    return slots


def check_ports(
    slots: t.Mapping[str, Slot], machines: t.Mapping[str, Machine], listen: int | None, findings: Findings
) -> None:
    """No two services on one machine, nor a service and the balancer there, want the same port."""
    names = list(slots)
    for index, name in enumerate(names):
        slot = slots[name]
        path = f"slipway_services.{name}.publish_from"
        others = [slots[other] for other in names if other != name]
        for other in names[:index]:
            if slot.overlaps(slots[other]) and any({name, other} <= set(m["services"]) for m in machines.values()):
                findings.problem(
                    path,
                    f"its ports overlap with those of {other}",
                    found=f"{slot.base} and {slots[other].base}",
                    wanted="20 ports of its own",
                    remedy=f"Set {path}: {free_base(slot, others)}.",
                )
        for machine, about in machines.items():
            if listen is not None and slot.holds(listen) and name in about["services"] and "proxy" in about["parts"]:
                findings.problem(
                    path,
                    f"its ports hold the port that the balancer on {machine} listens on",
                    found=str(listen),
                    remedy=f"Set {path}: {free_base(slot, others)}, or another slipway_traffic.listen.",
                )
        if slot.base + 19 >= _EPHEMERAL:
            findings.warnings.append(
                f"{path}: Linux gives ports from {_EPHEMERAL} up to outgoing connections, so one may be taken when a"
                " side starts; choose a lower one."
            )


def fill_machines(
    machines: t.Mapping[str, Machine],
    services: t.Mapping[str, Service],
    builders: t.Mapping[str, t.Mapping[str, t.Any]],
) -> None:
    """Tell each machine the ports and the names of the secrets of its services, and what they need there.

    :param builders: the services that one machine builds for all.
    """
    for host, machine in machines.items():
        carried = [services[name] for name in machine["services"]]
        machine["ports"] = sorted(
            {port for service in carried for side in service.get("ports", {}).values() for port in side}
        )
        machine["secrets"] = sorted(
            {name for service in carried for name in [*service["secrets"], *service["env_secrets"]]}
        )
        builds = [services[name] for name in machine["services"] if builders.get(name, {}).get("on", host) == host]
        machine["programs"], machine["users"] = programs_of(builds), users_of(carried)
        machine["interpreters"] = interpreters_of([services[name] for name in machine["services"] if name in builders])


def _is_loopback(value: str) -> bool:
    try:
        return ipaddress.ip_address(value).is_loopback
    except ValueError:
        return value == "localhost"


def _is_wildcard(value: str) -> bool:
    try:
        return ipaddress.ip_address(value).is_unspecified
    except ValueError:
        return False
