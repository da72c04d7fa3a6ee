# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the schema alone cannot say about services that are processes of the machine (private to the collection)."""

from __future__ import annotations

import typing as t
import urllib.parse

from ..errors import SlipwayError
from ..process.directives import refuse_unknown
from ..process.options import parse_services
from .findings import Findings, shown
from .schema_process import INSTALLED, SOURCE_KEYS
from .suggest import closest

Services = t.Mapping[str, dict[str, t.Any]]


def check_processes(
    services: Services, carriers: t.Mapping[str, t.Sequence[str]], manager: str, findings: Findings
) -> None:
    """Check the code of each service, and then all that the machines would refuse, before any of them is contacted.

    :param carriers: service to the machines that carry it.
    :param manager: the process manager of the machines.
    """
    for name, service in services.items():
        path = f"slipway_services.{name}"
        if not service.get("command") and not findings.about(f"{path}.command"):
            findings.problem(f"{path}.command", "missing", remedy="Say which program to run: a list, or one line.")
        _check_port(service, path, findings)
        if "source" in service:
            _check_source(service["source"], f"{path}.source", findings)
            if service["source"].get("kind") in INSTALLED and not service.get("user"):
                remedy = "Name the user who installs the code and owns it."
                findings.problem(f"{path}.user", "missing", remedy=remedy)
        if "code" in service:
            _check_code(name, services, carriers, findings)
        elif "source" not in service and not findings.about(f"{path}.source"):
            findings.problem(
                f"{path}.source",
                "missing",
                remedy="Say where the code comes from, or name with code the service whose code it runs.",
            )
    if not any(problem.path.startswith("slipway_services.") for problem in findings.problems):
        for name in services:
            _check_as_machines_do(name, services, manager, findings)


def _check_port(service: t.Mapping[str, t.Any], path: str, findings: Findings) -> None:
    """What is about a port is for services that have one."""
    for key, what, has in (("socket", "port", "port" in service), ("strategy", "traffic", service["traffic"])):
        if service.get(key) and not has:
            findings.problem(f"{path}.{key}", f"it has no {what}", remedy="Take it out, or give the service a port.")


def source_secrets(services: Services, names: t.Collection[str], findings: Findings) -> None:
    """Every key that a source names exists.

    :param names: of all secrets that are written.
    """
    for name, service in services.items():
        key = (service.get("source") or {}).get("key")
        if key and key not in names:
            guess = closest(key, names)
            findings.problem(
                f"slipway_services.{name}.source.key",
                f"there is no secret {key}" + (f", did you mean {guess}?" if guess else ""),
                remedy="" if guess else f"Add {key} to slipway_secrets.",
            )


def builders_of(services: Services, carriers: t.Mapping[str, t.Sequence[str]]) -> dict[str, dict[str, t.Any]]:
    """The services that one machine builds for all: C(on) which, the first of the inventory, and C(for) which others."""
    found = {}
    for name, service in services.items():
        machines = list(carriers.get(name, ()))
        if service.get("build_on") == "one" and service.get("source") and len(machines) > 1:
            found[name] = {"on": machines[0], "for": machines[1:]}
    return found


def interpreters_of(services: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """What has to be of one version wherever code runs that one machine has built."""
    pythons = {(service.get("source") or {}).get("python") for service in services}
    return sorted({"node", "python3", *(str(python) for python in pythons if python)}) if services else []


def programs_of(services: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """What a machine must have to prepare these services."""
    sources = [service["source"] for service in services if service.get("source")]
    kinds = {one.get("kind") for one in sources} & {"git", "npm"}
    return sorted(kinds | {one["installer"] for one in sources if one.get("installer") == "uv"})


def users_of(services: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """The users that a machine must have to run these services."""
    return sorted({str(service["user"]) for service in services if service.get("user")})


def _check_code(name: str, services: Services, carriers: t.Mapping[str, t.Sequence[str]], findings: Findings) -> None:
    service, path = services[name], f"slipway_services.{name}"
    owner = service["code"]
    if "source" in service:
        findings.problem(f"{path}.code", "cannot be together with source", remedy="Take one of them out.")
        return
    if service.get("build") or service.get("shared") or service.get("build_on") == "one":
        findings.problem(
            f"{path}.code",
            f"it runs the code of {owner} as it is",
            remedy=f"Put build, build_on and shared into that of {owner}.",
        )
    if owner in services and findings.about(f"slipway_services.{owner}.source"):
        return
    if owner not in services or "source" not in services[owner]:
        guess = closest(owner, [one for one, about in services.items() if "source" in about])
        findings.problem(
            f"{path}.code",
            f"there is no service {owner} with a source" + (f", did you mean {guess}?" if guess else ""),
            remedy="" if guess else "Name one that has one.",
        )
        return
    away = sorted(set(carriers.get(name, ())) - set(carriers.get(owner, ())))
    if away:
        findings.problem(
            f"{path}.code",
            f"{owner} and its code are not on {', '.join(away)}",
            remedy=f"Place both in the same group with hosts, or give {name} a source of its own.",
        )


def _check_source(source: dict[str, t.Any], path: str, findings: Findings) -> None:
    kind = source.get("kind")
    for key in source if kind else ():
        if key != "kind" and key not in SOURCE_KEYS[str(kind)]:
            kinds = " or ".join(one for one, keys in SOURCE_KEYS.items() if key in keys)
            findings.problem(f"{path}.{key}", f"is for kind: {kinds}", remedy=f"Take it out, or set kind: {kinds}.")
    wrong = _lacks(source, kind)
    if wrong and not findings.about(f"{path}.{wrong[0]}"):
        findings.problem(f"{path}.{wrong[0]}", wrong[1], remedy=wrong[2])
    if kind == "git" and "branch" in source and "commit" not in source:
        findings.warnings.append(
            f"{path}.branch: a branch is wherever it is when a machine is prepared, and a new commit in it is no new release;"
            " use a tag like {{ slipway_version }}, or commit."
        )


def _lacks(source: t.Mapping[str, t.Any], kind: str | None) -> tuple[str, str, str] | None:
    """What a source needs beside its kind and does not have, or has too much: key, what is wrong, remedy."""
    has = set(source)
    opened = {key: bool(urllib.parse.urlsplit(source.get(key, "")).password) for key in ("repository", "url")}
    relative = source.get("from") == "machine" and not str(source.get("path", "/")).startswith("/")
    there = (relative, "path", "not absolute", "Begin it with a slash: it is one of the machine.")
    packaged = (
        ("path" in has) == ("package" in has),
        "path",
        "one of path and package",
        "Name the file, or the package.",
    )
    wrong = {
        "directory": [("path" not in has, "path", "missing", "Say which directory it is."), there],
        "npm": [packaged, there],
        "wheel": [packaged, there],
        "archive": [
            there,
            (("path" in has) == ("url" in has), "path", "one of path and url", "Name the archive, or its address."),
            (has >= {"url"} and "checksum" not in has, "checksum", "missing", "What a URL serves may change: sha256:…"),
            (
                opened["url"],
                "url",
                "has a password in it",
                "Journals hold it; put the archive on the machines instead.",
            ),
        ],
        "git": [
            ("repository" not in has, "repository", "missing", "Say where the repository is."),
            (opened["repository"], "repository", "has a password in it", "Name a key out of slipway_secrets instead."),
            (
                has >= {"branch", "tag"} or not has & {"branch", "tag", "commit"},
                "tag",
                "one of tag, branch and commit",
                "Say which commit it is.",
            ),
        ],
    }
    return next(((key, what, do) for is_so, key, what, do in wrong.get(str(kind), ()) if is_so), None)


def _check_as_machines_do(name: str, services: Services, manager: str, findings: Findings) -> None:
    """What only the module itself knows: directives that are Slipway's, names and placeholders in a command."""
    wanted = {name, services[name].get("code", name)}
    try:
        for service in parse_services({one: services[one] for one in wanted}, "blue"):
            refuse_unknown(manager, service)
    except SlipwayError as error:
        path = f"slipway_{error.obj}"
        if path.startswith(f"slipway_services.{name}"):
            remedy = error.remedy
            findings.problem(path, error.what, found=shown(error.actual), wanted=str(error.wanted or ""), remedy=remedy)
