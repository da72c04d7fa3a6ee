# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that get no traffic, and who carries it meanwhile: pure functions over a target's traffic (private to the collection).

A machine that is spared stays in the balancers' configuration with the weight 0, so that its checks go on and it comes back at run
time.
"""

from __future__ import annotations

import typing as t

from ..traffic.model import machine_of

Services = t.Mapping[str, t.Mapping[str, t.Any]]  # by name, as traffic_switch takes them


def nothing_for(machines: t.Iterable[str]) -> dict[str, dict[str, int]]:
    """The option C(apart) of traffic_switch by which these machines get no traffic."""
    return {machine: {"blue": 0, "green": 0} for machine in sorted(machines)}


def services_of(target: t.Mapping[str, t.Any] | None) -> Services:
    """The services of a target that have traffic; none where nothing is live or nobody balances."""
    return t.cast(Services, ((target or {}).get("traffic") or {}).get("services") or {})


def carriers(service: t.Mapping[str, t.Any], side: str = "") -> set[str]:
    """The machines that a service has servers on, on one side or on any."""
    return {
        machine_of(server["name"])
        for of_side, servers in service["sides"].items()
        for server in servers or ()
        if side in ("", of_side)
    }


def alone_on(services: Services, machines: t.Iterable[str]) -> list[str]:
    """The services that would have nobody left without these machines, on a side where they have somebody."""
    away = set(machines)
    return sorted(
        name
        for name, service in services.items()
        if any(found and found <= away for found in (carriers(service, side) for side in service["sides"]))
    )


def interrupted(
    machine: str, target: t.Mapping[str, t.Any] | None, proxies: t.Sequence[str], drained: t.Iterable[str]
) -> list[str]:
    """What nobody serves while this machine is away beside those that are drained; empty where there is always somebody."""
    services = services_of(target)
    reasons = [
        f"only {machine} carries {name}"
        for name in alone_on(services, {machine, *drained})
        if machine in carriers(services[name])
    ]
    return reasons + ([f"{machine} is the only balancer"] if list(proxies) == [machine] else [])


def without(target: t.Mapping[str, t.Any], machines: t.Iterable[str]) -> dict[str, t.Any]:
    """A specification as if these machines had never had a part in it."""
    gone = set(machines)
    left = dict(target)
    for name in ("services", "publish", "addresses", "apart", "apart_before", "retained"):
        if name in left:
            left[name] = {machine: value for machine, value in left[name].items() if machine not in gone}
    for name in ("machines", "proxies", "closing"):
        if name in left:
            left[name] = [machine for machine in left[name] if machine not in gone]
    for name in ("traffic", "traffic_before"):
        if left.get(name):
            services = _without_servers(left[name]["services"], gone)
            routes = [route for route in left[name]["routes"] if route["service"] in services]
            left[name] = {**left[name], "services": services, "routes": routes}
    if left.get("traffic"):
        left["routes"] = left["traffic"]["routes"]
    return left


def _without_servers(services: Services, gone: set[str]) -> dict[str, t.Any]:
    left = {
        name: {
            **service,
            "sides": {
                side: [server for server in servers or () if machine_of(server["name"]) not in gone]
                for side, servers in service["sides"].items()
            },
        }
        for name, service in services.items()
    }
    return {name: service for name, service in left.items() if any(service["sides"].values())}
