# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of HAProxy's configuration for one platform, and what can be read out of it (private to the collection).

Pure functions. Directives: HAProxy Configuration Manual 2.4 and newer (named defaults; Ubuntu 22.04 has 2.4).
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from .model import Route, Service, Traffic, Weights

SHARED_FILE = "00-slipway.cfg"
UNROUTED = "slipway_unrouted"

_SERVER_LINE = re.compile(r"^(    server \S+) .*$", re.MULTILINE)
_STATE_LINE = re.compile(r"^    server-state-file-name .*\n", re.MULTILINE)
_OWNER_LINE = re.compile(r"^# slipway: platform=(\S+) environment=(\S+) bind=(\S+) listen=(\d+)$", re.MULTILINE)
_SECRET_HEADER = re.compile(r"(hdr '(?!Host')[^']*') '(?:[^']|'\\'')*'")


class Owner(t.NamedTuple):
    """Whose file it is and where it listens, from its second line."""

    platform: str
    environment: str
    bind: str
    listen: int


def backend_name(platform: str, environment: str, service: str) -> str:
    """The backend of a service: names are shared by all platforms of a proxy."""
    return f"slipway_{platform}_{environment}_{service}"


def shared_text(socket: str) -> str:
    """C(00-slipway.cfg): what all platforms of this proxy share."""
    return f"""\
# Written by slipway.deploy; changes are overwritten. Your own configuration belongs into haproxy.cfg.
global
    stats socket {quoted(socket)} mode 600 level admin expose-fd listeners

defaults slipway
    mode http
    log global
    option httplog
    option dontlognull
    option forwardfor
    timeout connect 2s
    timeout http-request 10s
    timeout http-keep-alive 60s
    timeout queue 5s
    # Silence on a connection, not the length of a request: a stream that says something now and then lives on.
    timeout client 300s
    timeout server 300s
    timeout tunnel 1h
    # Only a connection that could not be made is tried again, and on another server: nothing is ever sent twice.
    retries 3
    retry-on conn-failure
    option redispatch 1

backend {UNROUTED} from slipway
    http-request return status 404 content-type text/plain string "no route\\n"
"""


def platform_text(traffic: Traffic, weights: Weights, state_directory: str) -> str:
    """The file of one platform; its weights name the live side, also when every state file is lost."""
    prefix = f"slipway_{traffic.platform}_{traffic.environment}"
    lines = [
        "# Written by slipway.deploy; changes are overwritten. Your own configuration belongs into haproxy.cfg.",
        f"# slipway: platform={traffic.platform} environment={traffic.environment}"
        f" bind={traffic.bind} listen={traffic.listen}",
        f"frontend {prefix} from slipway",
        f"    bind {quoted(f'{traffic.bind}:{traffic.listen}')}",
    ]
    for route in sorted(traffic.routes, key=_route_order):
        lines.append(f"    use_backend {prefix}_{route.service}{_condition(route)}")
    lines.append(f"    default_backend {UNROUTED}")
    for service in traffic.services:
        lines += ["", *_backend(traffic, service, weights, state_directory)]
    return "\n".join(lines) + "\n"


def state_file_name(traffic: Traffic, service: Service, directory: str) -> str:
    """The state file of one backend, named by the addresses of its servers.

    HAProxy lets the file's port override the configuration's (haproxy#1412), so a file that was written for other
    addresses must never be found.
    """
    addresses = " ".join(f"{server.name}={server.address}:{server.port}" for server in service.servers)
    digest = hashlib.sha256(addresses.encode()).hexdigest()[:8]
    return f"{directory}/{backend_name(traffic.platform, traffic.environment, service.name)}.{digest}.state"


def structure(text: str) -> str:
    """The text without weights and addresses: what differs here needs a reload, the rest is done at run time."""
    return _STATE_LINE.sub("", _SERVER_LINE.sub(r"\1", text))


def masked(text: str) -> str:
    """The text for people: values of the check's headers (a token, perhaps) hidden, except Host."""
    return _SECRET_HEADER.sub(r"\1 '********'", text)


def owner(text: str) -> Owner | None:
    """Whose file it is, or None when it is not one of ours."""
    match = _OWNER_LINE.search(text)
    return Owner(match[1], match[2], match[3], int(match[4])) if match else None


def quoted(text: str) -> str:
    """Strong quotes: nothing inside is special (Configuration Manual, section 2.2)."""
    return "'" + text.replace("'", "'\\''") + "'"


def _backend(traffic: Traffic, service: Service, weights: Weights, state_directory: str) -> t.Iterator[str]:
    health = service.health
    headers = dict(health.headers)
    if "host" not in {name.lower() for name in headers}:
        headers["Host"] = next((route.host for route in traffic.routes if route.host), "localhost")
    yield f"backend {backend_name(traffic.platform, traffic.environment, service.name)} from slipway"
    yield "    balance roundrobin"
    yield "    load-server-state-from-file local"
    yield f"    server-state-file-name {quoted(state_file_name(traffic, service, state_directory))}"
    yield f"    timeout check {max(1, round(health.timeout * 1000))}ms"
    yield "    option httpchk"
    yield f"    http-check send meth GET uri {_format(health.path)} ver HTTP/1.1" + "".join(
        f" hdr {quoted(name)} {_format(value)}" for name, value in headers.items()
    )
    yield f"    http-check expect status {','.join(map(str, health.status)) or '100-599'}"
    yield "    default-server check inter 500ms fastinter 200ms downinter 200ms fall 2 rise 1"
    for server in service.servers:
        yield f"    server {server.name} {_address(server.address)}:{server.port} weight {weights.get(server.key, 0)}"


def _route_order(route: Route) -> tuple[bool, int, str, str]:
    """A route with a host before one without, then the longest path first: HAProxy takes the first that matches."""
    return (not route.host, -len(route.path), route.path, route.host)


def _condition(route: Route) -> str:
    host = f"{{ req.hdr(host),field(1,:),lower -m str -- {quoted(route.host)} }}" if route.host else ""
    if route.path == "/":
        return f" if {host}" if host else ""
    exact = f"{{ path -m str -- {quoted(route.path)} }}"
    below = f"{{ path -m beg -- {quoted(route.path + '/')} }}"
    return " if " + " or ".join(f"{host} {path}".strip() for path in (exact, below))


def _address(address: str) -> str:
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def _format(text: str) -> str:
    """A quoted argument in which log-format variables mean nothing."""
    return quoted(text.replace("%", "%%"))
