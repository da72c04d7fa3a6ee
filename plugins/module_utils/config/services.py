# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the schema alone cannot say about a service (private to the collection)."""

from __future__ import annotations

import string
import typing as t

from .docker_keywords import REFUSED_NETWORKS
from .findings import Findings
from .reader import Reader
from .schema_service import HEALTH, PORT_LOW
from .suggest import closest

_WORKER_REFUSES = {
    "health": "a worker is not started before the old one has stopped taking work, so nothing can be asked of it",
    "smoke": "a worker answers no requests",
    "assets": "a worker serves no files",
}
_ONLY_HTTP = ("path", "status", "headers", "host")
_SHORTEST_SECRET = 8


def complete_service(name: str, service: dict[str, t.Any], reader: Reader, findings: Findings) -> None:
    """Fill in what depends on other options of the same service, and check them against each other."""
    path = f"slipway_services.{name}"
    if findings.about(f"{path}.port"):
        service["port"] = PORT_LOW  # the one written is reported; nothing shall follow from its absence too
    service.setdefault("traffic", "port" in service)
    if not service["traffic"]:
        _check_worker(service, path, findings)
    elif "port" not in service:
        findings.problem(
            f"{path}.port",
            "missing",
            wanted="the port that the program listens on",
            remedy="Give it one, or set traffic: false for a worker.",
        )
    else:
        health = service.setdefault("health", reader.default(HEALTH._replace(default={}), f"{path}.health"))
        _complete_health(health, f"{path}.health", findings)
    _check_singleton(service, path, findings)
    _check_environment(service, path, findings)
    _check_container(service, path, findings)
    _check_image(service, path, findings)


def _check_worker(service: dict[str, t.Any], path: str, findings: Findings) -> None:
    for option, why in _WORKER_REFUSES.items():
        if service.get(option):
            findings.problem(
                f"{path}.{option}", why, remedy="Take it out, or give the service a port and traffic: true."
            )
    if "publish_from" in service and "port" not in service:
        findings.problem(
            f"{path}.publish_from", "nothing is published without a port", remedy="Take it out, or set port."
        )


def _check_singleton(service: dict[str, t.Any], path: str, findings: Findings) -> None:
    """Of what has traffic both sides run at once."""
    if service.get("singleton") and service["traffic"]:
        findings.problem(
            f"{path}.singleton",
            "both sides of a service with traffic run at once",
            remedy="Take it out, or set traffic: false for a worker.",
        )
    if service.get("singleton") and service["replicas"] != 1:
        findings.problem(
            f"{path}.replicas", "a singleton has one", found=str(service["replicas"]), remedy="Take one of them out."
        )


def _complete_health(health: dict[str, t.Any], path: str, findings: Findings) -> None:
    kind = health["kind"]
    if kind == "http":
        health.setdefault("path", "/")
        health.setdefault("status", [200])
        _fold_host(health, path, findings)
    for option in _ONLY_HTTP if kind != "http" else ():
        if option in health:
            findings.problem(
                f"{path}.{option}", f"has no effect with kind: {kind}", remedy="Take it out, or set kind: http."
            )
    if kind == "command" and "command" not in health:
        findings.problem(f"{path}.command", "missing", remedy="Say which program to run.")
    elif kind != "command" and "command" in health:
        findings.problem(
            f"{path}.command", f"has no effect with kind: {kind}", remedy="Take it out, or set kind: command."
        )
    needed = max(health["minimum"], (health["successes"] - 1) * health["interval"])
    if needed >= health["deadline"]:
        findings.problem(
            f"{path}.deadline",
            "no version could ever be healthy by then",
            found=f"{health['deadline']:g} s",
            wanted=f"more than {needed:g} s, the least that {health['successes']} successes take",
            remedy="Set a longer deadline.",
        )


def _fold_host(health: dict[str, t.Any], path: str, findings: Findings) -> None:
    """The host is one of the headers from here on."""
    host = health.pop("host", None)
    if host is None:
        return
    headers = health.setdefault("headers", {})
    if any(header.lower() == "host" for header in headers):
        findings.problem(f"{path}.host", "written twice", remedy="Take the header Host out of headers.")
    headers["Host"] = host


def _check_environment(service: dict[str, t.Any], path: str, findings: Findings) -> None:
    """The environment of a program has each name once."""
    given = {name: f"env_secrets sets {name}" for name in service["env_secrets"]}
    given.update({f"{name}_FILE": f"secrets sets {name}_FILE" for name in service["secrets"]})
    for name in service["env"]:
        if name in given:
            findings.problem(f"{path}.env.{name}", f"set twice: {given[name]} too", remedy="Take it out of env.")


def _check_container(service: dict[str, t.Any], path: str, findings: Findings) -> None:
    network = str((service.get("container") or {}).get("network_mode", "")).partition(":")[0]
    if "port" in service and network in REFUSED_NETWORKS:
        findings.problem(
            f"{path}.container.network_mode",
            f"refused: {REFUSED_NETWORKS[network]}",
            found=network,
            remedy="Name a network that Docker bridges, or take it out.",
        )


def _check_image(service: dict[str, t.Any], path: str, findings: Findings) -> None:
    image = service.get("image")
    if image is None or "@" in image:
        return
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        findings.warnings.append(
            f"{path}.image: {image} has no fixed version, so a new image of that name is no new release; use a tag like"
            " {{ slipway_version }}."
        )


def check_secret_names(
    services: t.Mapping[str, dict[str, t.Any]], names: t.Collection[str], findings: Findings
) -> None:
    """Every secret that a service names exists.

    :param names: of all secrets that are written, also of those whose value cannot be used.
    """
    for name, service in services.items():
        for option in ("secrets", "env_secrets"):
            for index, secret in enumerate(service[option]):
                if secret not in names:
                    guess = closest(secret, names)
                    findings.problem(
                        f"slipway_services.{name}.{option}[{index}]",
                        f"there is no secret {secret}" + (f", did you mean {guess}?" if guess else ""),
                        remedy="" if guess else f"Add {secret} to slipway_secrets.",
                    )


def check_leaks(services: t.Mapping[str, t.Any], secrets: t.Mapping[str, str], findings: Findings) -> None:
    """No secret is written where everybody can see it.

    :param secrets: name, as a message says it, to value. An ordinary word may stand elsewhere by
        chance, so it is passed over.
    """
    strong = {name: value for name, value in secrets.items() if _is_strong(value)}
    for path, text in _texts(services, "slipway_services"):
        found = next((name for name, value in strong.items() if value in text), None)
        if found is not None:
            findings.problem(
                path,
                f"contains the value of the secret {found}, and everybody can read it here",
                remedy="Take it out, put it into slipway_secrets and name it in secrets or env_secrets of the service.",
            )


def _is_strong(value: str) -> bool:
    """Whether a secret is no ordinary word, which may well stand elsewhere by chance."""
    kinds = (string.ascii_letters, string.digits)
    mixed = sum(any(sign in kind for sign in value) for kind in kinds) + any(not sign.isalnum() for sign in value)
    return len(value) >= _SHORTEST_SECRET and mixed > 1


def _texts(value: t.Any, path: str) -> t.Iterator[tuple[str, str]]:
    """Every text in a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
