# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a proxy, typed and validated, and the abstract class of them all (private to the collection)."""

from __future__ import annotations

import abc
import ipaddress
import math
import re
import socket
import typing as t

from ..errors import SlipwayError

SIDES = ("blue", "green")
MAX_SERVER_WEIGHT = 256  # HAProxy Management Guide, "set weight"

_SHARED_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}")
_TEXT = re.compile(r"[\x21-\x7e]+")
_ADDRESS = re.compile(r"[A-Za-z0-9._:\[\]%-]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")

Key = tuple[str, str]  # (service, server)
Weights = dict[Key, int]


class Server(t.NamedTuple):
    """One replica of a service on one side of one host, as the proxy reaches it."""

    service: str
    side: str
    name: str
    address: str
    port: int

    @property
    def key(self) -> Key:
        """What names the server within a platform."""
        return (self.service, self.name)


class Health(t.NamedTuple):
    """The proxy's own check: path, statuses that count as healthy (none: every one), extra headers, seconds until it gives up."""

    path: str
    status: tuple[int, ...]
    headers: tuple[tuple[str, str], ...]
    timeout: float


class Service(t.NamedTuple):
    """A service with traffic: its check and its servers of both sides."""

    name: str
    health: Health
    servers: tuple[Server, ...]


class Route(t.NamedTuple):
    """Requests for a path prefix (on segment boundaries), of one host or of any (empty), go to a service."""

    path: str
    service: str
    host: str


class Traffic(t.NamedTuple):
    """Everything that is wanted of the proxy for one platform in one environment."""

    platform: str
    environment: str
    bind: str
    listen: int
    routes: tuple[Route, ...]
    services: tuple[Service, ...]
    weights: dict[str, int] | None

    def servers(self) -> t.Iterator[Server]:
        """All servers of all services."""
        for service in self.services:
            yield from service.servers


class Plan(t.NamedTuple):
    """What will be done, computed from what was read back; check mode stops here.

    ``traffic`` holds the effective addresses. ``start`` are the weights that the configuration is (re)loaded with,
    ``after`` those wanted in the end. ``gated`` are the servers that must be seen healthy before they get traffic.
    """

    traffic: Traffic
    before: Weights
    start: Weights
    after: Weights
    text_before: str
    text_after: str
    reload: bool
    corrections: tuple[Server, ...]
    gated: tuple[Server, ...]
    actions: list[str]

    @property
    def shifts(self) -> bool:
        """Whether any weight moves."""
        return any(self.before.get(key, 0) != weight for key, weight in self.after.items())

    @property
    def changed(self) -> bool:
        """Whether anything at all is to be done."""
        return self.reload or bool(self.corrections) or self.shifts or self.text_before != self.text_after

    def rising(self) -> set[Key]:
        """The servers to be watched: those that get more, or all that have traffic when nothing moves."""
        more = {key for key, weight in self.after.items() if weight > self.before.get(key, 0)}
        return more or {key for key, weight in self.after.items() if weight}

    def idle(self) -> set[Key]:
        """The servers that have no traffic in the end, and so are to be drained."""
        return {key for key, weight in self.after.items() if not weight}


class Counters(t.NamedTuple):
    """What the proxy counted for the watched servers of one service: requests sent, and what went wrong."""

    requests: int
    errors: int
    detail: dict[str, int]


class Look(t.NamedTuple):
    """One reading while traffic is watched and the old side drains."""

    counters: dict[str, Counters]  # by service, of the watched servers
    sessions: dict[str, int]  # by server, of the servers to be drained; only those above zero
    down: dict[str, str]  # by server, of the watched servers that fail their check: the last check's text
    weights: dict[str, int]  # by server, of the watched servers, those whose weight is not the one set


class Provider(abc.ABC):
    """What moves traffic. One platform in one environment; the proxy itself is shared with others."""

    @abc.abstractmethod
    def lock(self) -> t.ContextManager[None]:
        """Hold what several platforms share on this proxy. Never held while gating, watching or draining."""

    @abc.abstractmethod
    def observe(self) -> dict[str, t.Any]:
        """What is live, read back, and every problem that would stop a release; never raises for a broken proxy."""

    @abc.abstractmethod
    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        """Read back and compare; changes nothing. Without ``shift`` the weights of a known platform stay."""

    @abc.abstractmethod
    def configure(self, plan: Plan) -> None:
        """Bring the configuration (and the addresses of idle servers) to what is wanted, weights as they are."""

    @abc.abstractmethod
    def gate(self, plan: Plan, seconds: float) -> None:
        """Return once the proxy sees every server that is to get traffic healthy, or raise C(gate)."""

    @abc.abstractmethod
    def shift(self, plan: Plan) -> float | None:
        """Move the weights, read them back, persist them; milliseconds of command and read-back, None when still."""

    @abc.abstractmethod
    def revert(self, plan: Plan) -> None:
        """Back to the weights from before, read back and persisted; raises when the old side is not healthy."""

    @abc.abstractmethod
    def look(self, plan: Plan) -> Look:
        """One reading of the counters and sessions."""


def build_traffic(params: t.Mapping[str, t.Any]) -> Traffic:
    """Validate the options of the module (see its documentation).

    :raises SlipwayError: C(invalid), naming the key.
    """
    platform = _name(params["platform"], "platform", _SHARED_NAME)
    environment = _name(params["environment"], "environment", _SHARED_NAME)
    services = tuple(
        _service(name, value or {}, f"services.{name}") for name, value in sorted((params["services"] or {}).items())
    )
    names = {service.name for service in services}
    routes = tuple(_route(route, f"routes[{index}]", names) for index, route in enumerate(params["routes"] or []))
    if services and not routes:
        raise _invalid("routes", routes, "at least one route", "Add {path: /, service: NAME}.")
    _refuse_twins(routes)
    listen = params["listen"]
    if not isinstance(listen, int) or not 0 < listen < 65536:
        raise _invalid("listen", listen, "a port, 1 to 65535")
    bind = "*" if params["bind"] == "*" else _matching(params["bind"], "bind", _ADDRESS, "an address or *")
    bind = f"[{bind}]" if ":" in bind and not bind.startswith("[") else bind
    weights = None if params.get("weights") is None else side_weights(params["weights"])
    return Traffic(platform, environment, bind, listen, routes, services, weights)


def side_weights(value: t.Mapping[str, t.Any]) -> dict[str, int]:
    """Weights per side, 0 to 100, never all zero (a proxy without a target answers 503 to everyone)."""
    weights = {side: 0 for side in SIDES}
    for side, weight in value.items():
        if side not in SIDES:
            raise _invalid(f"weights.{side}", side, "blue or green")
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
            raise _invalid(f"weights.{side}", weight, "a whole number, 0 to 100")
        weights[side] = weight
    if not any(weights.values()):
        raise _invalid("weights", weights, "at least one side above zero", "Give the side that is to serve a weight.")
    return weights


def server_weights(service: Service, weights: t.Mapping[str, int]) -> Weights:
    """Weights of the servers such that each *side* gets its share, however many servers it has.

    :raises SlipwayError: C(no_servers) when a side is to get traffic and has no server.
    """
    counts = {side: sum(server.side == side for server in service.servers) for side in SIDES}
    for side in SIDES:
        if weights[side] and not counts[side]:
            raise SlipwayError(
                "a side without servers cannot get traffic",
                obj=f"services.{service.name}.sides.{side}",
                actual=[],
                wanted="at least one server",
                cause="no_servers",
            )
    each = dict(weights)
    if all(weights.values()) and counts["blue"] != counts["green"]:
        blue, green = weights["blue"] * counts["green"], weights["green"] * counts["blue"]
        divisor = math.gcd(blue, green)
        blue, green = blue // divisor, green // divisor
        scale = min(1.0, MAX_SERVER_WEIGHT / max(blue, green))
        each = {"blue": max(1, round(blue * scale)), "green": max(1, round(green * scale))}
    return {server.key: each[server.side] for server in service.servers}


def wanted_weights(traffic: Traffic) -> Weights:
    """C(server_weights) of all services, for the weights per side that are asked for."""
    wanted: Weights = {}
    for service in traffic.services:
        wanted.update(server_weights(service, traffic.weights or {}))
    return wanted


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


def shares(weights: t.Mapping[Key, int], sides: t.Mapping[Key, str]) -> dict[str, dict[str, int]]:
    """Server weights said as percent per side, by service: the inverse of C(server_weights)."""
    sums: dict[str, dict[str, int]] = {}
    for key, weight in weights.items():
        if sides.get(key) in SIDES:
            sums.setdefault(key[0], {side: 0 for side in SIDES})[sides[key]] += weight
    for by_side in sums.values():
        total = sum(by_side.values())
        if total:
            blue = round(100 * by_side["blue"] / total)
            by_side.update(blue=blue, green=100 - blue)
    return sums


def live_side(by_service: t.Mapping[str, t.Mapping[str, int]]) -> str | None:
    """The one side that has all traffic of all services; C(mixed) when split; None when nothing is loaded."""
    live = {side for by_side in by_service.values() for side in SIDES if by_side[side]}
    if not live:
        return None
    return live.pop() if len(live) == 1 else "mixed"


def side_of(server: str) -> str:
    """The side that a server's name begins with (C(green_app1_1)), or nothing."""
    side = server.split("_", 1)[0]
    return side if side in SIDES else ""


def _service(name: str, value: t.Mapping[str, t.Any], where: str) -> Service:
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
    return Service(name, _health(value.get("health") or {}, f"{where}.health"), servers)


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


def _health(value: t.Mapping[str, t.Any], where: str) -> Health:
    path = _matching(value.get("path", "/"), f"{where}.path", _TEXT, "a path that begins with /")
    if not path.startswith("/"):
        raise _invalid(f"{where}.path", path, "a path that begins with /")
    if value.get("kind", "http") != "http":
        # The machine itself asks in another way; to the proxy every answer in HTTP is a sign of life.
        return Health(path, (), (), float(value.get("timeout", 2.0)))
    status = value.get("status", [200])
    statuses = tuple(status) if isinstance(status, (list, tuple)) else (status,)
    if not statuses or not all(isinstance(one, int) and 100 <= one < 600 for one in statuses):
        raise _invalid(f"{where}.status", status, "HTTP statuses")
    headers = []
    for header, text in sorted((value.get("headers") or {}).items()):
        _matching(header, f"{where}.headers", _HEADER_NAME, "the name of a header")
        headers.append((header, _matching(str(text), f"{where}.headers.{header}", _HEADER_VALUE, "printable ASCII")))
    return Health(path, statuses, tuple(headers), float(value.get("timeout", 2.0)))


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
