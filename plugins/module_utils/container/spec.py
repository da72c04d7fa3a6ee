# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted: services as the user wrote them, and the containers that follow (private to the collection).

Nothing here talks to an engine or a disk.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from ..errors import SlipwayError
from ..side.options import check_shapes, check_singleton, environment, invalid, mappings, number, ports_of

SIDES = ("blue", "green")
SECRETS_TARGET = "/run/secrets"
LABEL = "slipway."
SERVICE_KEYS = (
    "assets", "command", "container", "env", "env_secrets", "health", "image", "port", "ports", "pull", "replicas",
    "secrets", "singleton", "smoke", "stop_grace", "traffic",
)  # fmt: skip

#: Keywords of the docker SDK that are Slipway's own, and why.
RESERVED = {
    "restart_policy": "only the live side may come back after a reboot, so Slipway sets the restart policy itself",
    "name": "the name carries platform, environment, service and release",
    "labels": "labels are how Slipway recognises its own containers",
    "ports": "the host ports belong to the sides; use port",
    "publish_all_ports": "the host ports belong to the sides; use port",
    "detach": "containers of a side always run detached",
    "auto_remove": "a stopped side is kept for an instant rollback",
    "remove": "a stopped side is kept for an instant rollback",
    "image": "use image of the service",
    "command": "use command of the service",
    "environment": "use env of the service",
}

_SHAPES: dict[str, tuple[type[t.Any], str]] = {
    "assets": (dict, "a mapping"),
    "container": (dict, "a mapping"),
    "env": (dict, "a mapping"),
    "health": (dict, "a mapping"),
    "ports": (dict, "a mapping of side to host ports"),
    "env_secrets": (list, "a list of names"),
    "secrets": (list, "a list of names"),
    "smoke": (list, "a list of mappings"),
}
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_RELEASE_ODD = re.compile(r"[^A-Za-z0-9_.-]")


class Scope(t.NamedTuple):
    """One platform in one environment on this machine."""

    platform: str
    environment: str
    directory: str  # /var/lib/slipway/<platform>/<environment>

    @property
    def labels(self) -> dict[str, str]:
        """The labels that all its containers carry."""
        return {f"{LABEL}platform": self.platform, f"{LABEL}environment": self.environment}

    def container_name(self, service: str, release: str, number: int) -> str:
        """C(slipway-<platform>-<environment>-<service>-<release>-<n>)."""
        return f"slipway-{self.platform}-{self.environment}-{service}-{safe_release(release)}-{number}"

    def kept_image(self, service: str, release: str) -> str:
        """The tag that keeps the image of a release on this machine."""
        return f"slipway/{self.platform}-{self.environment}-{service}".lower() + f":{safe_release(release)}"


class Service(t.NamedTuple):
    """One service of the platform on this host, every default filled in."""

    name: str
    image: str
    command: str | list[str] | None
    replicas: int
    port: int | None
    ports: dict[str, list[int]]
    traffic: bool
    env: dict[str, str]
    secrets: list[str]
    env_secrets: list[str]
    health: dict[str, t.Any] | None
    smoke: list[dict[str, t.Any]]
    assets_path: str
    assets_keep: float
    container: dict[str, t.Any]
    stop_grace: float
    pull: str
    singleton: bool = False  # one in the whole fleet


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
    kept_release: str = ""  # take the images that this kept release ran with
    alone: bool = False  # whether the new side stops before the old one starts again

    @property
    def other_side(self) -> str:
        """The side that is not acted on."""
        return SIDES[1 - SIDES.index(self.side)]


class Wanted(t.NamedTuple):
    """One container that should exist on the side."""

    service: Service
    number: int
    name: str
    spec: str
    labels: dict[str, str]
    environment: dict[str, str]
    keywords: dict[str, t.Any]  # of the docker SDK
    host_port: int | None


def parse_services(options: t.Mapping[str, t.Any], side: str) -> list[Service]:
    """Check and complete the services of a host.

    :param options: service name to its options, as the module takes them.
    :param side: the side that is acted on; its ports must be enough for the replicas.
    :raises SlipwayError: C(invalid), naming the key.
    """
    services = []
    for name, option in sorted(options.items()):
        if not isinstance(option, t.Mapping):
            raise invalid(f"services.{name}", option, "a mapping of options")
        services.append(_parse_service(str(name), option, side))
    return services


def default_identity(services: t.Sequence[Service], version: str) -> str:
    """An identity for a call without one: the hash of version and services (no secret is part of it)."""
    return digest({"version": version, "services": [service._asdict() for service in services]})


def wanted_containers(order: Order, service: Service, image_id: str, mounts: t.Sequence[Mount]) -> list[Wanted]:
    """The containers of one service on the order's side, one per replica.

    The specification hash covers everything that would make a container behave differently, with the image's id
    instead of its name, and neither the release nor a secret's value.
    """
    environment = _environment(order, service)
    public = {name: value for name, value in environment.items() if name not in service.env_secrets}
    base = {
        "format": 1,
        "image": image_id,
        "version": order.version,
        "command": service.command,
        "env": public,
        "env_secrets": sorted(service.env_secrets),
        "container": service.container,
        "mounts": [list(mount) for mount in mounts],
        "publish": order.publish,
        "port": service.port,
        "role": role(service),
        "grace": service.stop_grace,
    }
    found = []
    for index in range(service.replicas):
        port = service.ports[order.side][index] if service.port is not None else None
        spec = digest({**base, "side": order.side, "host_port": port, "replica": index + 1})
        name = order.scope.container_name(service.name, order.release, index + 1)
        labels = _labels(order, service, index + 1, spec)
        keywords = _keywords(order, service, port, mounts)
        found.append(Wanted(service, index + 1, name, spec, labels, environment, keywords, port))
    return found


class Mount(t.NamedTuple):
    """A directory of the host, mounted read-only."""

    source: str
    target: str


def role(service: Service) -> str:
    """C(traffic) or C(worker): a worker is created but not started before the hand-over."""
    return "traffic" if service.traffic else "worker"


def digest(value: t.Any) -> str:
    """24 hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def safe_release(release: str) -> str:
    """A release id in the alphabet of container names and image tags."""
    return _RELEASE_ODD.sub("_", release)[:120]


# -- parsing -------------------------------------------------------------------------------------------------------


def _parse_service(name: str, option: t.Mapping[str, t.Any], side: str) -> Service:
    where = f"services.{name}"
    check_shapes(option, where, SERVICE_KEYS, _SHAPES)
    if not option.get("image"):
        raise invalid(f"{where}.image", option.get("image"), "an image reference")
    assets = option.get("assets") or {}
    service = Service(
        name=name,
        image=str(option["image"]),
        command=option.get("command"),
        replicas=number(option, "replicas", 1, where, int, low=1),
        port=number(option, "port", None, where, int, low=1),
        ports=ports_of(option, where),
        traffic=bool(option.get("traffic", option.get("port") is not None)),
        env=environment(option),
        secrets=list(option.get("secrets") or []),
        env_secrets=list(option.get("env_secrets") or []),
        health=dict(option["health"]) if option.get("health") else None,
        smoke=mappings(option.get("smoke") or [], f"{where}.smoke"),
        assets_path=str(assets.get("path") or "").rstrip("/"),
        assets_keep=number(assets, "keep", 0.0, f"{where}.assets", float, low=0),
        container=dict(option.get("container") or {}),
        stop_grace=number(option, "stop_grace", 10.0, where, float, low=0),
        pull=str(option.get("pull") or "missing"),
        singleton=bool(option.get("singleton")),
    )
    if assets and not re.fullmatch(r"/[^/].*", service.assets_path):
        raise invalid(f"{where}.assets.path", assets.get("path"), "an absolute path inside the container, not /")
    _check(service, where, side)
    return service


def _check(service: Service, where: str, side: str) -> None:
    if service.pull not in ("missing", "always", "never"):
        raise invalid(f"{where}.pull", service.pull, "missing, always or never")
    if service.port is not None and len(service.ports.get(side, [])) < service.replicas:
        raise invalid(f"{where}.ports.{side}", service.ports.get(side), f"{service.replicas}, one a replica")
    check_singleton(service.singleton, service.traffic, service.replicas, where)
    if service.traffic and service.port is None:
        raise invalid(f"{where}.port", None, "a port, because traffic is true")
    for kind in ("secrets", "env_secrets"):
        for name in getattr(service, kind):
            if not isinstance(name, str) or not _SECRET_NAME.fullmatch(name):
                raise invalid(f"{where}.{kind}", name, "names of letters, digits and underscores")
    from_secrets = [*service.env_secrets, *(f"{name}_FILE" for name in service.secrets)]
    taken = [name for name in from_secrets if name in service.env]
    if taken:
        raise invalid(f"{where}.env.{taken[0]}", None, f"{taken[0]} left to the secret", what="set twice")
    command = service.command
    if command is not None and not isinstance(command, (str, list)):
        raise invalid(f"{where}.command", command, "a string or a list of strings")
    for key in service.container:
        if key in RESERVED:
            raise SlipwayError(
                "this keyword cannot be set",
                obj=f"{where}.container.{key}",
                remedy=f"Remove it: {RESERVED[key]}.",
                cause="invalid",
            )
    if service.port is not None and str(service.container.get("network_mode", "")) == "host":
        raise invalid(f"{where}.container.network_mode", "host", "a network of its own, so that both sides can run")


# -- the container -------------------------------------------------------------------------------------------------


def _environment(order: Order, service: Service) -> dict[str, str]:
    missing = [name for name in [*service.secrets, *service.env_secrets] if name not in order.secrets]
    if missing:
        raise SlipwayError(
            "no value for a secret",
            obj=f"services.{service.name}",
            actual=", ".join(sorted(set(missing))),
            remedy="Add it to slipway_secrets.",
            cause="secret_missing",
        )
    environment = dict(service.env)
    environment.update({f"{name}_FILE": f"{SECRETS_TARGET}/{name}" for name in service.secrets})
    environment.update({name: order.secrets[name] for name in service.env_secrets})
    return environment


def _labels(order: Order, service: Service, number: int, spec: str) -> dict[str, str]:
    return {
        **order.scope.labels,
        f"{LABEL}service": service.name,
        f"{LABEL}side": order.side,
        f"{LABEL}release": order.release,
        f"{LABEL}version": order.version,
        f"{LABEL}identity": order.identity,
        f"{LABEL}replica": str(number),
        f"{LABEL}spec": spec,
        f"{LABEL}role": role(service),
        f"{LABEL}grace": f"{service.stop_grace:g}",
    }


def _keywords(order: Order, service: Service, port: int | None, mounts: t.Sequence[Mount]) -> dict[str, t.Any]:
    keywords = dict(service.container)
    own = [{"Type": "bind", "Source": m.source, "Target": m.target, "ReadOnly": True} for m in mounts]
    if own:
        keywords["mounts"] = [*(keywords.get("mounts") or []), *own]
    if service.port is not None:
        keywords["ports"] = {f"{service.port}/tcp": (order.publish, port)}
    return keywords
