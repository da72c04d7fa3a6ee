# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a proxy, what will be done, and the abstract class of them all (private to the collection)."""

from __future__ import annotations

import abc
import typing as t
from types import MappingProxyType

from .tls import Tls

SIDES = ("blue", "green")

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


class Line(t.NamedTuple):
    """A server as a file of ours has it."""

    address: str
    port: int
    weight: int


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

    def precedence(self) -> tuple[bool, int, str, str]:
        """Sorts them for a proxy that takes the first that matches: with a host before without, then the longest path."""
        return (not self.host, -len(self.path), self.path, self.host)


class Closure(t.NamedTuple):
    """That a platform is closed for maintenance, and what its customers get meanwhile.

    ``since`` is the wall clock of the machine. Requests for one of the ``paths`` are answered with 200 by the proxy
    itself, so that outer balancers go on sending. With ``hold`` a request waits so many seconds for the platform to be
    opened before it is answered with 503.
    """

    since: float
    retry_after: int
    page: str
    paths: tuple[str, ...]
    hold: float

    def told(self) -> str:
        """In words, what a customer gets."""
        held = f"requests are held for {self.hold:g} s, then " if self.hold else ""
        return f"{held}503 with Retry-After {self.retry_after}"


class Traffic(t.NamedTuple):
    """Everything that is wanted of the proxy for one platform in one environment.

    ``unchecked`` are servers with traffic that the check of their service does not concern: until the traffic moves, the
    new version's check must not take the old version down. ``entrance`` lets requests in that were held while the
    platform was closed. ``apart`` are the weights per side of the machines for which those of all others do not hold.
    """

    platform: str
    environment: str
    bind: str
    listen: int
    routes: tuple[Route, ...]
    services: tuple[Service, ...]
    weights: dict[str, int] | None
    unchecked: tuple[Key, ...] = ()
    closure: Closure | None = None
    entrance: bool = False
    tls: Tls | None = None
    apart: t.Mapping[str, dict[str, int]] = MappingProxyType({})

    def hosts(self) -> list[str]:
        """The hosts that routes are for."""
        return sorted({route.host for route in self.routes if route.host})

    def ports(self) -> set[int]:
        """All that it listens on."""
        return {self.listen, (self.tls.redirect_from if self.tls else 0) or self.listen}

    def check_paths(self) -> list[str]:
        """The paths of the services' checks, which what is in front of this proxy may ask for in plain HTTP."""
        return sorted({service.health.path.partition("?")[0] for service in self.services})

    def servers(self) -> t.Iterator[Server]:
        """All servers of all services."""
        for service in self.services:
            yield from service.servers


class Plan(t.NamedTuple):
    """What will be done, computed from what was read back; check mode stops here.

    ``traffic`` is what is wanted, with the effective addresses; ``in_force`` what was read back, None when unknown.
    ``bridge`` is what the proxy is reloaded with before the gate, so that it can see the new servers: what is in force
    and the new services beside it; None when nothing is missing. ``reshapes`` says that the shift itself is a reload,
    so that structure and weights change at the same instant. ``after`` are the weights wanted in the end. ``gated``
    are the servers that must be seen healthy before they get traffic.
    """

    traffic: Traffic
    in_force: Traffic | None
    bridge: Traffic | None
    reshapes: bool
    before: Weights
    after: Weights
    text_before: str
    text_after: str
    corrections: tuple[Server, ...]
    gated: tuple[Server, ...]
    actions: list[str]
    certificates: tuple[str, ...] = ()  # those that are new, in words

    @property
    def reload(self) -> bool:
        """Whether the proxy is reloaded at all."""
        return self.bridge is not None or self.reshapes

    @property
    def shifts(self) -> bool:
        """Whether any weight moves."""
        return any(self.before.get(key, 0) != weight for key, weight in self.after.items())

    @property
    def changed(self) -> bool:
        """Whether anything at all is to be done."""
        return (
            self.reload
            or bool(self.corrections or self.certificates)
            or self.shifts
            or self.text_before != self.text_after
        )

    def rising(self) -> set[Key]:
        """The servers to be watched: those that get more, or all that have traffic when nothing moves."""
        more = {key for key, weight in self.after.items() if weight > self.before.get(key, 0)}
        return more or {key for key, weight in self.after.items() if weight}

    def idle(self) -> set[Key]:
        """The servers that have no traffic in the end, and so are to be drained; those that have left too."""
        return {key for key in {**self.before, **self.after} if not self.after.get(key)}

    def origin(self) -> tuple[Traffic, Weights]:
        """What a revert goes back to. Where the structure from before is unknown, only the weights go back."""
        target = self.in_force or self.traffic
        weights: Weights = {}
        for service in target.services:
            had = any(self.before.get(server.key) for server in service.servers)
            # A service that came with this release has nowhere else to go: without a weight it answers 503.
            source = self.before if had or self.in_force is not None else self.after
            weights.update({server.key: source.get(server.key, 0) for server in service.servers})
        return target, weights


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
    """What moves traffic. One platform in one environment; the proxy itself is shared with others.

    :cvar by_side: whether a request is dealt to a side first and then to one of its servers, so that nobody of the other side
        steps in for a server that is not healthy.
    """

    by_side = False

    @abc.abstractmethod
    def lock(self) -> t.ContextManager[None]:
        """Hold what several platforms share on this proxy. Never held while gating, watching or draining."""

    @abc.abstractmethod
    def observe(self) -> dict[str, t.Any]:
        """What is live, read back, and every problem that would stop a release; never raises for a broken proxy."""

    @abc.abstractmethod
    def refused_certificates(self, tls: Tls, hosts: t.Sequence[str]) -> list[str]:
        """What is wrong with the certificates that are wanted, as far as it is known before a release; touches nothing."""

    def refused_listen(self, bind: str, listen: int | None, tls: Tls | None) -> list[str]:
        """Who has an address that a platform which is new here is to listen on, and how it can be taken; touches nothing."""
        return []

    @abc.abstractmethod
    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        """Read back and compare; changes nothing. Without ``shift`` the weights of a known platform stay."""

    @abc.abstractmethod
    def in_force(self) -> Traffic | None:
        """The structure that runs, read back, with whether it is closed; None when it is not known."""

    @abc.abstractmethod
    def retired(self) -> dict[str, int]:
        """The workers of before a reload that still have requests."""

    @abc.abstractmethod
    def configure(self, plan: Plan) -> None:
        """Let the proxy see every server that is to get traffic; nothing that serves is taken away or rerouted."""

    @abc.abstractmethod
    def gate(self, plan: Plan, seconds: float, *, anew: bool = False) -> None:
        """Return once the proxy sees every server that is to get traffic healthy, or raise C(gate).

        :param anew: whether only what the proxy sees from now on counts, because what it knows may be old.
        """

    @abc.abstractmethod
    def shift(self, plan: Plan) -> float | None:
        """Move routes and weights, read them back, persist them; milliseconds until read back, None when still."""

    @abc.abstractmethod
    def back(self, plan: Plan) -> Plan:
        """The plan that brings back what a plan, carried out, has moved: structure and weights from before."""

    @abc.abstractmethod
    def look(self, plan: Plan) -> Look:
        """One reading of the counters and sessions."""

    @abc.abstractmethod
    def belongings(self) -> list[str]:
        """The paths of what this platform has on the proxy, for removing it; empty where it is unknown there."""

    def keeps(self) -> list[str]:
        """What stays when the platform is removed: logs of its requests."""
        return []

    @abc.abstractmethod
    def remove(self) -> None:
        """Take the platform out of the proxy, read back that nothing of it runs, then delete its files. May be repeated."""


def machine_of(server: str) -> str:
    """The machine in a server's name, between its side and its number (C(green_app1_1)); nothing where it has no side."""
    rest = server.partition("_")[2] if side_of(server) else ""
    name, _underscore, number = rest.rpartition("_")
    return name if name and number.isdigit() else rest


def side_of(server: str) -> str:
    """The side that a server's name begins with (C(green_app1_1)), or nothing."""
    side = server.split("_", 1)[0]
    return side if side in SIDES else ""
