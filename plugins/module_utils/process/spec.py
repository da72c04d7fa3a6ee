# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted: services as the user wrote them, and the programs that follow (private to the collection).

Nothing here talks to a manager or a disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t

from ..errors import SlipwayError

SIDES = ("blue", "green")
TRAFFIC, WORKER, IN_PLACE = "traffic", "worker", "in_place"  # roles
PORT, REPLICA = "PORT", "REPLICA"  # in the environment of each process


class Scope(t.NamedTuple):
    """One platform in one environment on this machine."""

    platform: str
    environment: str
    directory: str  # /var/lib/slipway/<platform>/<environment>, for root alone
    base: str  # /srv/slipway/<platform>/<environment>, for the programs

    def program_name(self, service: str, side: str) -> str:
        """C(slipway-<platform>.<environment>.<service>.<side>): names have hyphens, but no dots."""
        return f"slipway-{self.platform}.{self.environment}.{service}.{side}"

    def release_path(self, release: str, service: str = "") -> str:
        """Where the code of a release is."""
        return os.path.join(self.base, "releases", release, service).rstrip("/")


def release_name(release: str) -> str:
    """A release id as the name of a directory."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", release)[:120]
    return f"_{name}" if name.startswith(".") else name


class Step(t.NamedTuple):
    """One command that builds a release, before it sees traffic."""

    name: str
    command: list[str]
    env: dict[str, str]
    timeout: float


class Built(t.NamedTuple):
    """What one machine has built of a service for all."""

    by: str
    package: str  # the SHA-256 of its archive; empty in a preview of what is not built yet
    source: dict[str, t.Any]  # what it was made of


class Service(t.NamedTuple):
    """One service of the platform on this host, every default filled in."""

    name: str
    source: dict[str, t.Any] | None  # None: it runs the code of another service
    code: str  # the service whose code it runs; its own name, mostly
    command: list[str]
    replicas: int
    ports: dict[str, list[int]]
    listens: bool
    traffic: bool
    env: dict[str, str]
    secrets: list[str]
    env_secrets: list[str]
    health: dict[str, t.Any] | None
    smoke: list[dict[str, t.Any]]
    user: str
    build: list[Step]
    shared_directories: list[str]
    shared_files: list[str]
    notify: bool
    stop_grace: float
    start_limit: float
    unit: dict[str, t.Any]
    build_on: str = "each"
    built: Built | None = None
    singleton: bool = False  # one in the whole fleet
    socket: bool = False  # the manager listens for it
    in_place: bool = False  # both sides have one port, one after the other

    @property
    def role(self) -> str:
        """C(traffic), C(worker) or C(in_place): the latter two are defined but not started before the hand-over."""
        return WORKER if not self.traffic else IN_PLACE if self.in_place else TRAFFIC

    @property
    def ahead(self) -> bool:
        """Whether the new side runs before any traffic moves."""
        return self.role == TRAFFIC


class Order(t.NamedTuple):
    """What one call of the module was asked for."""

    scope: Scope
    side: str
    release: str
    version: str
    identity: str
    publish: str
    services: list[Service]
    secrets: dict[str, str]
    keep: int = 3
    live_side: str | None = None  # None: look it up in the records; empty: nothing is live yet
    deadline: float = 900.0
    kept_release: str = ""  # run the code of this kept release
    alone: bool = False  # whether the new side stops before the old one starts again
    manager: str = "systemd"

    @property
    def other_side(self) -> str:
        """The side that is not acted on."""
        return SIDES[1 - SIDES.index(self.side)]


class Labels(t.NamedTuple):
    """What a definition says of itself, so that it is recognised without any record."""

    platform: str
    environment: str
    service: str
    side: str
    release: str
    version: str
    identity: str
    spec: str
    role: str
    grace: float
    start_limit: float
    replicas: int
    tree: str

    def belongs_to(self, scope: Scope) -> bool:
        """Whether it is one of this platform's."""
        return (self.platform, self.environment) == (scope.platform, scope.environment)


class Program(t.NamedTuple):
    """One service on one side, as a process manager is to define it."""

    name: str
    labels: Labels
    service: Service
    environments: list[dict[str, str]]  # one a replica, secrets of the environment included
    secret_files: dict[str, str]  # name → path
    writable: list[str]
    publish: str = ""  # the address that a socket is on

    @property
    def command(self) -> list[str]:
        """The argument list; a program with a path that is not absolute is one of the release."""
        first = self.service.command[0]
        if "/" in first and not first.startswith("/"):
            first = os.path.join(self.labels.tree, first)
        return [first, *self.service.command[1:]]


class SecretPlaces(t.NamedTuple):
    """Where the secrets of a program are."""

    stored: dict[str, str]  # name → file of this machine
    seen: t.Callable[[int, str], str]  # number of the replica and name → file as the process sees it


def wanted_program(order: Order, service: Service, tree: str, tree_digest: str, secrets: SecretPlaces) -> Program:
    """One service on the order's side.

    The specification hash covers everything that would make a process behave differently: the digest of its code instead
    of a path, and neither the release nor a secret's value.
    """
    ports = service.ports.get(order.side, [])[: service.replicas] if service.listens else []
    environments = [_environment(order, service, number, ports, secrets) for number in range(service.replicas)]
    public = [
        {k: v for k, v in each.items() if k not in (*service.env_secrets, *_files(service))} for each in environments
    ]
    writable = [os.path.join(order.scope.base, "shared", service.code)] if has_shared(order, service) else []
    spec = digest(
        {
            "format": 1,
            "tree": tree_digest,
            "version": order.version,
            "command": service.command,
            "env": public,
            "secrets": sorted(service.secrets),
            "env_secrets": sorted(service.env_secrets),
            "user": service.user,
            "notify": service.notify,
            "unit": service.unit,
            "role": service.role,
            "grace": service.stop_grace,
            "start_limit": service.start_limit,
            "writable": writable,
            **({"socket": order.publish} if service.socket else {}),
        }
    )
    labels = Labels(
        platform=order.scope.platform,
        environment=order.scope.environment,
        service=service.name,
        side=order.side,
        release=order.release,
        version=order.version,
        identity=order.identity,
        spec=spec,
        role=service.role,
        grace=service.stop_grace,
        start_limit=service.start_limit,
        replicas=service.replicas,
        tree=tree,
    )
    name = order.scope.program_name(service.name, order.side)
    return Program(name, labels, service, environments, secrets.stored, writable, order.publish)


def has_shared(order: Order, service: Service) -> bool:
    """Whether the code that a service runs has anything that all releases share."""
    owner = next((item for item in order.services if item.name == service.code), service)
    return bool(owner.shared_directories or owner.shared_files)


def digest(value: t.Any) -> str:
    """24 hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def default_identity(services: t.Sequence[Service], version: str) -> str:
    """An identity for a call without one: the hash of version and services (no secret is part of it)."""
    return digest({"version": version, "services": [service._asdict() for service in services]})


def _files(service: Service) -> list[str]:
    return [f"{name}_FILE" for name in service.secrets]


def _environment(
    order: Order, service: Service, number: int, ports: t.Sequence[int], secrets: SecretPlaces
) -> dict[str, str]:
    missing = sorted(name for name in {*service.secrets, *service.env_secrets} if name not in order.secrets)
    if missing:
        raise SlipwayError(
            "no value for a secret",
            obj=f"services.{service.name}",
            actual=", ".join(missing),
            remedy="Add it to slipway_secrets.",
            cause="secret_missing",
        )
    environment = {**service.env, REPLICA: str(number + 1)}
    if ports:
        environment[PORT] = str(ports[number])
    environment.update({f"{name}_FILE": secrets.seen(number + 1, name) for name in service.secrets})
    environment.update({name: order.secrets[name] for name in service.env_secrets})
    return environment
