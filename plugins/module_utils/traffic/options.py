# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of the module ask for, typed and validated (private to the collection)."""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t

from ..errors import SlipwayError
from .listening import canonical
from .model import SIDES, Health, Route, Server, Service, Traffic, machine_of, side_of
from .tls import build_tls

_SHARED_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}")
_TEXT = re.compile(r"[\x21-\x7e]+")
_ADDRESS = re.compile(r"[A-Za-z0-9._:\[\]%-]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def build_traffic(params: t.Mapping[str, t.Any]) -> Traffic:
    """Validate the options of the module (see its documentation).

    :raises SlipwayError: C(invalid), naming the key.
    """
    platform = _name(params["platform"], "platform", _SHARED_NAME)
    environment = _name(params["environment"], "environment", _SHARED_NAME)
    wanted = sorted((params["services"] or {}).items())
    names = {name for name, _value in wanted}
    routes = tuple(_route(route, f"routes[{index}]", names) for index, route in enumerate(params["routes"] or []))
    host = next((route.host for route in routes if route.host), "localhost")
    services = tuple(_service(name, value or {}, f"services.{name}", host) for name, value in wanted)
    if services and not routes:
        raise _invalid("routes", routes, "at least one route", "Add {path: /, service: NAME}.")
    _refuse_twins(routes)
    listen = params["listen"]
    if not isinstance(listen, int) or not 0 < listen < 65536:
        raise _invalid("listen", listen, "a port, 1 to 65535")
    tls = build_tls(params.get("tls"))
    if tls and tls.redirect_from == listen:
        raise _invalid("tls.redirect_from", listen, "another port than listen", "Listen on 443.")
    weights = None if params.get("weights") is None else side_weights(params["weights"])
    bind, apart = canonical(params["bind"]), _apart(params.get("apart") or {}, services)
    return Traffic(platform, environment, bind, listen, tuple(sorted(routes)), services, weights, tls=tls, apart=apart)


def side_weights(value: t.Mapping[str, t.Any], where: str = "weights", *, none: bool = False) -> dict[str, int]:
    """Weights per side, 0 to 100, never all zero (a proxy without a target answers 503 to everyone).

    :param none: whether they may be, as those of one machine among others may.
    """
    weights = {side: 0 for side in SIDES}
    for side, weight in value.items():
        if side not in SIDES:
            raise _invalid(f"{where}.{side}", side, "blue or green")
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
            raise _invalid(f"{where}.{side}", weight, "a whole number, 0 to 100")
        weights[side] = weight
    if not (none or any(weights.values())):
        raise _invalid(where, weights, "at least one side above zero", "Give the side that is to serve a weight.")
    return weights


def _apart(value: t.Mapping[str, t.Any], services: tuple[Service, ...]) -> dict[str, dict[str, int]]:
    """The weights per side of single machines, each of which has servers."""
    known = {machine_of(server.name) for service in services for server in service.servers}
    for machine in value:
        if machine not in known:
            raise _invalid(f"apart.{machine}", machine, f"one of {', '.join(sorted(known)) or 'no machine at all'}")
    return {machine: side_weights(weights, f"apart.{machine}", none=True) for machine, weights in value.items()}


def _service(name: str, value: t.Mapping[str, t.Any], where: str, host: str) -> Service:
    _name(name, where, _NAME)
    sides = value.get("sides") or {}
    for side in sides:
        if side not in SIDES:
            raise _invalid(f"{where}.sides.{side}", side, "blue or green")
    servers = tuple(
        _server(name, side, server, f"{where}.sides.{side}[{index}]")
        for side in SIDES
        for index, server in enumerate(sides.get(side) or [])
    )
    if not servers:
        raise _invalid(f"{where}.sides", sides, "at least one server")
    if len({server.name for server in servers}) != len(servers):
        raise _invalid(f"{where}.sides", sorted(server.name for server in servers), "every server's name once")
    health = _health(value.get("health") or {}, f"{where}.health", host)
    return Service(name, health, tuple(sorted(servers, key=lambda server: server.name)))  # in an order of our own


def _server(service: str, side: str, value: t.Mapping[str, t.Any], where: str) -> Server:
    name = _name(value.get("name"), f"{where}.name", _NAME)
    if side_of(name) != side:
        raise _invalid(f"{where}.name", name, f"a name that begins with {side}_")
    port = value.get("port")
    port = int(port) if isinstance(port, str) and port.isdigit() else port  # templates make strings of numbers
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise _invalid(f"{where}.port", port, "a port, 1 to 65535")
    return Server(service, side, name, _ip(value.get("address"), f"{where}.address"), port)


def _ip(value: object, where: str) -> str:
    """An address, never a name: proxies resolve names when they start, and their answers could not be compared."""
    try:
        return str(ipaddress.ip_address(str(value).strip("[]")))
    except ValueError:
        return resolve(_matching(value, where, _ADDRESS, "an IP address or the name of a host"), where)


def resolve(name: str, where: str) -> str:
    """The address behind a name, as this machine sees it; of several always the same one, IPv4 first.

    :raises SlipwayError: C(dns).
    """
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        remedy = "Give the IP address that the proxy reaches the host by."
        raise SlipwayError(f"no address ({error})", obj=where, actual=name, remedy=remedy, cause="dns") from None
    return min(found, key=lambda address: (":" in address, address))


def _health(value: t.Mapping[str, t.Any], where: str, host: str) -> Health:
    path = _matching(value.get("path", "/"), f"{where}.path", _TEXT, "a path that begins with /")
    if not path.startswith("/"):
        raise _invalid(f"{where}.path", path, "a path that begins with /")
    headers = _headers(value.get("headers") or {}, where, host)
    timeout = float(value.get("timeout", 2.0))
    if value.get("kind", "http") != "http":
        # The machine itself asks in another way; to the proxy every answer in HTTP is a sign of life.
        return Health(path, (), headers, timeout)
    status = value.get("status", [200])
    statuses = tuple(status) if isinstance(status, (list, tuple)) else (status,)
    if not statuses or not all(isinstance(one, int) and 100 <= one < 600 for one in statuses):
        raise _invalid(f"{where}.status", status, "HTTP statuses")
    return Health(path, statuses, headers, timeout)


def _headers(value: t.Mapping[str, t.Any], where: str, host: str) -> tuple[tuple[str, str], ...]:
    """The headers of a check, always with a Host: HTTP/1.1 wants one, and many programs a certain one."""
    headers = dict(value)
    if "host" not in {str(header).lower() for header in headers}:
        headers["Host"] = host
    for header, text in headers.items():
        _matching(header, f"{where}.headers", _HEADER_NAME, "the name of a header")
        _matching(str(text), f"{where}.headers.{header}", _HEADER_VALUE, "printable ASCII")
    return tuple(sorted((header, str(text)) for header, text in headers.items()))


def _route(value: t.Mapping[str, t.Any], where: str, services: set[str]) -> Route:
    path = _matching(value.get("path") or "/", f"{where}.path", _TEXT, "a path that begins with /")
    if not path.startswith("/"):
        raise _invalid(f"{where}.path", path, "a path that begins with /")
    service = value.get("service")
    if service not in services:
        raise _invalid(f"{where}.service", service, f"one of {', '.join(sorted(services)) or 'no service at all'}")
    host = value.get("host") or ""
    if host:
        _matching(host, f"{where}.host", re.compile(r"[A-Za-z0-9.-]+"), "a host name without a port")
    return Route(path.rstrip("/") or "/", service, host.lower())


def _refuse_twins(routes: tuple[Route, ...]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for route in routes:
        other = seen.setdefault((route.host, route.path), route.service)
        if other != route.service:
            both = f"{route.host}{route.path} to {other} and to {route.service}"
            raise _invalid("routes", both, "one service a route")


def _name(value: object, where: str, pattern: re.Pattern[str]) -> str:
    wanted = "letters, digits and hyphens" if pattern is _SHARED_NAME else "letters, digits, . _ and -"
    return _matching(value, where, pattern, wanted)


def _matching(value: object, where: str, pattern: re.Pattern[str], wanted: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _invalid(where, value, wanted)
    return value


def _invalid(where: str, actual: object, wanted: object, remedy: str = "") -> SlipwayError:
    return SlipwayError("invalid value", obj=where, actual=actual, wanted=wanted, remedy=remedy, cause="invalid")
