# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of services, checked and completed (private to the collection)."""

from __future__ import annotations

import posixpath
import re
import typing as t

from ..errors import SlipwayError
from ..side.options import check_shapes, check_singleton, environment, invalid, mappings, number, ports_of
from .kinds import BUILD_ON
from .spec import PORT, REPLICA, Built, Service, Step

SERVICE_KEYS = (
    "build", "build_on", "built", "code", "command", "env", "env_secrets", "health", "notify", "port", "ports", "replicas",
    "secrets", "shared", "singleton", "smoke", "socket", "source", "start_limit", "stop_grace", "strategy", "traffic", "unit",
    "user",
)  # fmt: skip
RELOAD = "reload"  # the strategy of a service of which both sides have one port
STEP_KEYS = ("command", "env", "name", "timeout")

_SHAPES: dict[str, tuple[type[t.Any], str]] = {
    "build": (list, "a list of steps"),
    "built": (dict, "what the action plugin puts there"),
    "command": (list, "a list: the program and its arguments"),
    "env": (dict, "a mapping"),
    "env_secrets": (list, "a list of names"),
    "health": (dict, "a mapping"),
    "ports": (dict, "a mapping of side to ports"),
    "secrets": (list, "a list of names"),
    "shared": (dict, "a mapping with directories and files"),
    "smoke": (list, "a list of mappings"),
    "source": (dict, "a mapping with kind"),
    "unit": (dict, "a mapping of directives"),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SERVICE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_-]*\$?|[0-9]+")
_PACKAGE = re.compile(r"([0-9a-f]{64})?")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


def parse_services(options: t.Mapping[str, t.Any], side: str) -> list[Service]:
    """Check and complete the services of a host.

    :param options: service name to its options, as the module takes them.
    :param side: the side that is acted on; its ports must be enough for the replicas.
    :raises SlipwayError: C(invalid), naming the key.
    """
    services = []
    for name, option in sorted(options.items()):
        if not _SERVICE_NAME.fullmatch(str(name)):
            raise invalid(f"services.{name}", name, "small letters, digits and hyphens")
        if not isinstance(option, t.Mapping):
            raise invalid(f"services.{name}", option, "a mapping of options")
        services.append(_parse_service(str(name), option, side))
    with_code = {service.name for service in services if service.source is not None}
    for service in services:
        if service.code not in with_code:
            wanted = f"one of {', '.join(sorted(with_code)) or 'the services with a source, of which there is none'}"
            raise invalid(f"services.{service.name}.code", service.code, wanted)
    return services


def _parse_service(name: str, option: t.Mapping[str, t.Any], side: str) -> Service:
    where = f"services.{name}"
    check_shapes(option, where, SERVICE_KEYS, _SHAPES)
    for key in ("notify", "singleton", "socket", "traffic"):
        if not isinstance(option.get(key), (bool, type(None))):
            raise invalid(f"{where}.{key}", option[key], "true or false")
    if option.get("strategy") not in (None, "", RELOAD):
        raise invalid(f"{where}.strategy", option["strategy"], RELOAD)
    if bool(option.get("source")) == bool(option.get("code")):
        raise invalid(f"{where}.source", None, "either source or code")
    shared = option.get("shared") or {}
    service = Service(
        name=name,
        source=dict(option["source"]) if option.get("source") else None,
        code=str(option.get("code") or name),
        command=[str(word) for word in option.get("command") or []],
        replicas=number(option, "replicas", 1, where, int, low=1),
        ports=ports_of(option, where),
        listens=option.get("port") is not None,
        traffic=bool(option.get("traffic", option.get("port") is not None)),
        env=environment(option),
        secrets=[str(item) for item in option.get("secrets") or []],
        env_secrets=[str(item) for item in option.get("env_secrets") or []],
        health=dict(option["health"]) if option.get("health") else None,
        smoke=mappings(option.get("smoke") or [], f"{where}.smoke"),
        user=str(option.get("user") or ""),
        build=[_step(step, f"{where}.build[{index}]") for index, step in enumerate(option.get("build") or [])],
        shared_directories=_paths(shared, "directories", where),
        shared_files=_paths(shared, "files", where),
        notify=bool(option.get("notify")),
        stop_grace=number(option, "stop_grace", 10.0, where, float, low=0.1),
        start_limit=number(option, "start_limit", 60.0, where, float, low=0.1),
        unit=dict(option.get("unit") or {}),
        build_on=str(option.get("build_on") or BUILD_ON[0]),
        built=_built(option["built"], f"{where}.built") if option.get("built") else None,
        singleton=bool(option.get("singleton")),
        socket=bool(option.get("socket")),
        in_place=option.get("strategy") == RELOAD,
    )
    _check(service, where, side)
    _check_unit(service.unit, f"{where}.unit")
    return service


def _check(service: Service, where: str, side: str) -> None:
    if not service.command or "\0" in "".join(service.command) or not service.command[0]:
        raise invalid(f"{where}.command", service.command, "a list: the program and its arguments")
    if service.listens and len(service.ports.get(side, [])) < service.replicas:
        raise invalid(f"{where}.ports.{side}", service.ports.get(side), f"{service.replicas}, one a replica")
    if service.traffic and not service.listens:
        raise invalid(f"{where}.port", None, "a port, because traffic is true")
    if service.socket and not service.listens:
        raise invalid(f"{where}.port", None, "a port, because of socket")
    if service.in_place and not service.traffic:
        raise invalid(f"{where}.strategy", RELOAD, "a service with traffic; a worker is handed over anyway")
    check_singleton(service.singleton, service.traffic, service.replicas, where)
    if service.user and not _USER.fullmatch(service.user):
        raise invalid(f"{where}.user", service.user, "the name of a user of this machine")
    if service.build_on not in BUILD_ON:
        raise invalid(f"{where}.build_on", service.build_on, " or ".join(BUILD_ON))
    needs = [key for key, value in (("build", service.build), ("shared", service.shared_directories)) if value]
    if needs and not service.user:
        raise invalid(f"{where}.user", None, f"a user, because {needs[0]} makes files that somebody must own")
    _check_environment(service, where)


def _check_environment(service: Service, where: str) -> None:
    for key in service.env:
        if not _NAME.fullmatch(key):
            raise invalid(f"{where}.env", key, "names of letters, digits and underscores")
    for kind in ("secrets", "env_secrets"):
        for name in getattr(service, kind):
            if not _NAME.fullmatch(name):
                raise invalid(f"{where}.{kind}", name, "names of letters, digits and underscores")
    given = [*service.env_secrets, *(f"{name}_FILE" for name in service.secrets), PORT, REPLICA]
    taken = [name for name in given if name in service.env]
    if taken:
        raise invalid(f"{where}.env.{taken[0]}", None, f"{taken[0]} left to Slipway", what="set twice")
    for name in sorted({name for word in service.command for name in _PLACEHOLDER.findall(word)}):
        if name in service.env_secrets:
            raise SlipwayError(
                "a secret must not be an argument, which everybody on the machine can read",
                obj=f"{where}.command",
                actual=f"${{{name}}}",
                wanted="a program that reads it from its environment, or from a file",
                remedy=f"Take it out of the command; or name {name} in secrets, and give the program ${{{name}_FILE}}.",
                cause="invalid",
            )
        if name not in {*service.env, *given}:
            raise invalid(
                f"{where}.command", f"${{{name}}}", "a variable of env, PORT, REPLICA or NAME_FILE of a secret"
            )


def _check_unit(unit: t.Mapping[str, t.Any], where: str) -> None:
    """What holds for the directives of every manager; which there are, each knows."""
    for key, value in unit.items():
        values = value if isinstance(value, list) else [value]
        if not _NAME.fullmatch(str(key)) or any("\n" in str(item) or isinstance(item, dict) for item in values):
            raise invalid(f"{where}.{key}", value, "a directive of the process manager, in one line")


def _built(option: t.Mapping[str, t.Any], where: str) -> Built:
    by, package, source = (option.get(key) for key in Built._fields)
    whole = isinstance(package, str) and _PACKAGE.fullmatch(package) and isinstance(source, t.Mapping)
    if not whole or not source or not isinstance(by, str):
        raise invalid(where, None, "what the action plugin puts there, and nobody else")
    return Built(by, str(package), dict(t.cast("t.Mapping[str, t.Any]", source)))


def _step(option: t.Any, where: str) -> Step:
    if not isinstance(option, t.Mapping) or not isinstance(option.get("command"), list) or not option["command"]:
        raise invalid(where, option, "a mapping with command, a list")
    for key in option:
        if key not in STEP_KEYS:
            raise invalid(f"{where}.{key}", None, f"one of {', '.join(STEP_KEYS)}", what="unknown option")
    command = [str(word) for word in option["command"]]
    return Step(
        str(option.get("name") or " ".join(command)),
        command,
        environment(option),
        number(option, "timeout", 600.0, where, float, low=1),
    )


def _paths(shared: t.Mapping[str, t.Any], key: str, where: str) -> list[str]:
    """Names below the release: relative, and never out of it."""
    for other in shared:
        if other not in ("directories", "files"):
            raise invalid(f"{where}.shared.{other}", None, "directories or files", what="unknown option")
    paths = [posixpath.normpath(str(item)) for item in shared.get(key) or []]
    for path in paths:
        if path.startswith(("/", "..")) or path == ".":
            raise invalid(f"{where}.shared.{key}", path, "paths inside the release")
    return paths
