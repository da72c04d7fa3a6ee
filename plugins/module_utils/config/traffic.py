# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests go to which service (private to the collection)."""

from __future__ import annotations

import typing as t

from .findings import Findings
from .reader import Reader
from .schema import PROXY_GROUP, option
from .suggest import closest
from .tls import check_by_host, complete_listening

_PATH = "slipway_traffic"


def complete_traffic(
    traffic: dict[str, t.Any] | None,
    services: t.Mapping[str, dict[str, t.Any]],
    proxies: t.Sequence[str],
    reader: Reader,
    findings: Findings,
    *,
    platform: str,
    secrets: t.Collection[str],
) -> dict[str, t.Any] | None:
    """The traffic section, completed and its routes checked; None when nothing is to be shifted.

    :param traffic: the section as read, None when the user wrote none.
    :param platform: its name, and its environment's.
    :param secrets: names of all secrets that are written.
    """
    receiving = [name for name, service in services.items() if service["traffic"]]
    if traffic is None and proxies and receiving:
        traffic = reader.default(option(_PATH)._replace(default={}), _PATH)
    if traffic is None:
        _note_nothing_shifts(receiving, proxies, findings)
        return None
    complete_listening(traffic, platform, proxies, secrets, findings)
    if not proxies and receiving:
        findings.problem(
            f"group {PROXY_GROUP}",
            "is empty, so nothing would shift the traffic",
            remedy=f"Put the balancers into {PROXY_GROUP}; or take {_PATH} out, when the balancer is somebody else's.",
        )
    if not traffic.get("routes") and len(receiving) == 1:
        traffic["routes"] = [{"path": "/", "service": receiving[0]}]
    elif not traffic.get("routes") and receiving:
        example = f"[{{path: /api, service: {receiving[0]}}}, {{path: /, service: {receiving[1]}}}]"
        findings.problem(
            f"{_PATH}.routes", "missing, and several services have traffic", remedy=f"Write routes: {example}."
        )
    _check_routes(traffic.setdefault("routes", []), services, findings)
    check_by_host(traffic, findings)
    for name in receiving:
        if traffic["routes"] and name not in [route.get("service") for route in traffic["routes"]]:
            findings.warnings.append(f"slipway_services.{name}: it has traffic, but no route of {_PATH} reaches it.")
    return traffic if receiving else None


def _note_nothing_shifts(receiving: t.Sequence[str], proxies: t.Sequence[str], findings: Findings) -> None:
    if receiving:
        findings.notes.append(
            f"No balancer of this platform is in {PROXY_GROUP} and {_PATH} is not set: no traffic is shifted here."
        )
    elif proxies:
        findings.notes.append(f"No service has traffic: the machines of {PROXY_GROUP} shift nothing.")


def _check_routes(
    routes: list[dict[str, t.Any]], services: t.Mapping[str, dict[str, t.Any]], findings: Findings
) -> None:
    seen: dict[tuple[str, str], int] = {}
    for index, route in enumerate(routes):
        path = f"{_PATH}.routes[{index}]"
        route["path"] = route["path"].rstrip("/") or "/"
        if "host" in route:
            route["host"] = route["host"].lower()
        _check_target(route.get("service"), services, f"{path}.service", findings)
        first = seen.setdefault((route.get("host", ""), route["path"]), index)
        if first != index:
            findings.problem(
                path,
                f"the same requests as {_PATH}.routes[{first}]",
                found=f"{route.get('host', '')}{route['path']} twice",
                remedy="Take one of the two out, or give it another path or host.",
            )


def _check_target(
    service: str | None, services: t.Mapping[str, dict[str, t.Any]], path: str, findings: Findings
) -> None:
    if service is None:
        return  # missing or unusable, and reported as such
    if service not in services:
        guess = closest(service, services)
        findings.problem(
            path,
            f"there is no service {service}" + (f", did you mean {guess}?" if guess else ""),
            remedy="" if guess else f"Known are {', '.join(services)}.",
        )
    elif not services[service]["traffic"]:
        findings.problem(
            path, f"{service} takes no traffic", remedy=f"Set port (and traffic: true) of slipway_services.{service}."
        )
