# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structure in force: written into the proxy's own file, read back, bridged to the one wanted (private to the collection).

A file says of itself whose it is and what it was rendered from, in comments. So what is in force is known without the
caller, also after a run that was killed or a person who called the module by hand.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from ..errors import SlipwayError
from .closure import read_closure
from .model import Key, Service, Traffic, Weights
from .options import build_traffic

VERSION = "1"
LINE_BYTES = 2000  # nginx takes no longer line than 4096, a comment included

_OWNER_LINE = re.compile(
    r"^# slipway: platform=(\S+) environment=(\S+) bind=(\S+) listen=(\d+)( tls redirect_from=(\d+))?$", re.MULTILINE
)
_SPECIFICATION_LINE = re.compile(r"^# slipway-specification: (.*)\n", re.MULTILINE)
_SECRET_HEADER = re.compile(r"(hdr '(?!Host')[^']*') '(?:[^']|'\\'')*'")


class Owner(t.NamedTuple):
    """Whose file it is and where it listens."""

    platform: str
    environment: str
    bind: str
    listen: int
    tls: bool = False
    redirect_from: int = 0

    def ports(self) -> set[int]:
        """All that it listens on."""
        return {self.listen, self.redirect_from or self.listen}


def heading(traffic: Traffic) -> str:
    """The comments by which a file says whose it is and what it was rendered from."""
    owned = f"platform={traffic.platform} environment={traffic.environment} bind={traffic.bind} listen={traffic.listen}"
    owned += f" tls redirect_from={traffic.tls.redirect_from}" if traffic.tls else ""
    body = json.dumps(_options(traffic), separators=(",", ":"), sort_keys=True)
    body = body.replace("{$", "{\\u0024")  # a Caddyfile has variables of the environment in comments, too
    body = body.replace("{{", "{\\u007b")  # what Traefik reads is a template of Go first
    whole = f"{VERSION} {_digest(body)} {body}"
    parts = (whole[start : start + LINE_BYTES] for start in range(0, len(whole), LINE_BYTES))
    return "\n".join([f"# slipway: {owned}", *(f"# slipway-specification: {part}" for part in parts)])


def owner(text: str) -> Owner | None:
    """Whose file it is, or None when it is not one of ours."""
    match = _OWNER_LINE.search(text)
    if match is None:
        return None
    return Owner(match[1], match[2], match[3], int(match[4]), match[5] is not None, int(match[6] or 0))


def specification(text: str) -> Traffic | None:
    """What a file was rendered from; None when it does not say so, or not in a way that can be believed."""
    version, _space, rest = "".join(_SPECIFICATION_LINE.findall(text)).partition(" ")
    digest, _space, body = rest.partition(" ")
    if version != VERSION or digest != _digest(body):
        return None
    try:
        options = json.loads(body)
        unchecked = tuple((str(service), str(server)) for service, server in options["unchecked"])
        return build_traffic(options)._replace(
            unchecked=unchecked,
            closure=read_closure(options["closure"]) if "closure" in options else None,
            entrance="entrance" in options,
        )
    except (SlipwayError, ValueError, KeyError, TypeError, AttributeError):
        return None


def masked(text: str) -> str:
    """The text for people: without the specification, and the values of the check's headers (a token, perhaps) hidden."""
    return _SECRET_HEADER.sub(r"\1 '********'", unspecified(text))


def unspecified(text: str) -> str:
    """The text without the specification."""
    return _SPECIFICATION_LINE.sub("", text)


def loaded(traffic: Traffic, addresses: t.Mapping[Key, tuple[str, int]]) -> Traffic:
    """The part of a structure that the proxy really has, at the addresses that it really uses."""
    services = []
    for service in traffic.services:
        servers = tuple(
            server._replace(address=addresses[server.key][0], port=addresses[server.key][1])
            for server in service.servers
            if server.key in addresses
        )
        if servers:
            services.append(service._replace(servers=servers))
    return traffic._replace(services=tuple(services))


def bridge(in_force: Traffic, wanted: Traffic, weights: Weights) -> Traffic:
    """What runs until the traffic moves: listen and routes as they are, the services of both.

    A service of both has the check wanted, because the new servers are gated by it; those with traffic are then not
    checked, because the old version may not know that check.
    """
    services = {service.name: service for service in in_force.services}
    unchecked = set(in_force.unchecked)
    for service in wanted.services:
        old = services.get(service.name, service)
        if old.health != service.health:
            unchecked.update(server.key for server in old.servers)
        services[service.name] = _with_servers_of(service, old)
    kept = tuple(sorted(key for key in unchecked if weights.get(key)))
    return in_force._replace(services=tuple(services[name] for name in sorted(services)), unchecked=kept)


def keep_live_addresses(traffic: Traffic, live: t.Mapping[Key, tuple[str, int]], actions: list[str]) -> Traffic:
    """A server with traffic keeps the address it has: where it is alive is a fact, what is asked for a wish.

    :param live: address and port of each server that has traffic now.
    :param actions: gets a line for each server that stays where it is.
    """
    services = []
    for service in traffic.services:
        servers = []
        for server in service.servers:
            address, port = live.get(server.key, (server.address, server.port))
            if (address, port) != (server.address, server.port):
                later = f"{server.address}:{server.port} is taken when it is idle"
                actions.append(f"{server.service}/{server.name} keeps {address}:{port} while it has traffic; {later}")
            servers.append(server._replace(address=address, port=port))
        services.append(service._replace(servers=tuple(servers)))
    return traffic._replace(services=tuple(services))


def changes(in_force: Traffic | None, wanted: Traffic) -> list[str]:
    """In words, what another structure changes for requests and servers; nothing where the one in force is unknown."""
    if in_force is None:
        return []
    said = []
    if (in_force.bind, in_force.listen) != (wanted.bind, wanted.listen):
        said.append(f"listen on {wanted.bind}:{wanted.listen} instead of {in_force.bind}:{in_force.listen}")
    if in_force.tls != wanted.tls:
        said.append("another TLS" if in_force.tls and wanted.tls else "with TLS" if wanted.tls else "without TLS")
    if in_force.closure != wanted.closure:
        said.append(f"closed for maintenance: {wanted.closure.told()}" if wanted.closure else "open again")
    before = {(route.host, route.path): route.service for route in in_force.routes}
    after = {(route.host, route.path): route.service for route in wanted.routes}
    for place in sorted({*before, *after}):
        if before.get(place) != after.get(place):
            old, new = before.get(place, "no route of its own"), after.get(place, "no route of its own")
            said.append(f"route {''.join(place)} has {new} instead of {old}")
    checks = {service.name: service.health for service in in_force.services}
    for service in wanted.services:
        if checks.get(service.name, service.health) != service.health:
            said.append(f"{service.name} has another check")
    old_servers = {f"{service}/{name}" for service, name in (one.key for one in in_force.servers())}
    new_servers = {f"{service}/{name}" for service, name in (one.key for one in wanted.servers())}
    said += [f"{name} joins" for name in sorted(new_servers - old_servers)]
    return said + [f"{name} leaves" for name in sorted(old_servers - new_servers)]


def _with_servers_of(service: Service, old: Service) -> Service:
    known = {server.key for server in service.servers}
    servers = [*service.servers, *(server for server in old.servers if server.key not in known)]
    return service._replace(servers=tuple(sorted(servers, key=lambda server: server.name)))


def _options(traffic: Traffic) -> dict[str, t.Any]:
    """A structure in the form of the module's options, which is what it is read back and validated by."""
    return {
        "platform": traffic.platform,
        "environment": traffic.environment,
        "bind": traffic.bind,
        "listen": traffic.listen,
        "routes": [route._asdict() for route in traffic.routes],
        "services": {service.name: _service(service) for service in traffic.services},
        "unchecked": traffic.unchecked,
        # Only where there is something to say: else every file would differ from what an earlier version wrote.
        **({"closure": traffic.closure._asdict()} if traffic.closure else {}),
        **({"entrance": True} if traffic.entrance else {}),
        **({"tls": traffic.tls.options()} if traffic.tls else {}),
    }


def _service(service: Service) -> dict[str, t.Any]:
    health = {**service.health._asdict(), "headers": dict(service.health.headers)}
    if not service.health.status:
        health["kind"] = "any"  # every answer counts
    sides: dict[str, list[dict[str, t.Any]]] = {}
    for one in service.servers:
        sides.setdefault(one.side, []).append({"name": one.name, "address": one.address, "port": one.port})
    return {"health": health, "sides": sides}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
