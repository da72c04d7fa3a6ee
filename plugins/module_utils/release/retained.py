# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine gets of earlier releases that is new, or was made anew; controller-only (private to the collection).

So that the platform can go back to them with it. It gets them before it has traffic, and what it cannot get holds nothing up: a
rollback leaves the machine out then, and says so.
"""

from __future__ import annotations

import typing as t

from ..process.packages import package_of
from ..process.source import CONTROLLER, MACHINE
from ..process.tree import BUILT
from .fleet import Fleet, Read, of_model
from .target import Target

Retained = dict[str, t.Any]  # release, version, identity, side, services, marks
Services = dict[str, dict[str, t.Any]]


def missing(target: Target, fleet: Fleet) -> dict[str, list[Retained]]:
    """By machine, oldest first: what all that had a part in a kept release can go back to, and this machine cannot.

    C(marks) is what tells the images or the code of a release from those of the same name that came later. A service whose code
    the controller had, or one machine has built for all, is told of the package that other machines have of it.
    """
    found: dict[str, list[Retained]] = {}
    for release in _kept(target, fleet):
        spec = release["decision"]
        once = {name: one for services in spec["services"].values() for name, one in services.items()}
        for machine, services in target["services"].items():
            if any(item["release"] == release["id"] for item in _releases(machine, fleet)):
                continue
            own = {name: once[name] for name in services if name in once}
            if own:
                own = {name: _told(name, one, release["id"], target, fleet) for name, one in own.items()}
                found.setdefault(machine, []).append(_retained(release, own, fleet))
    return found


def handed_on(retained: t.Mapping[str, t.Sequence[Retained]], fleet: Fleet) -> dict[str, dict[str, t.Any]]:
    """The packages that new machines get from others: by name, C(on) which machine it is and C(for) which.

    C(of) says in words what it is of; C(whole) is whether its name is the hash of the file, and not of what is in it.
    """
    found: dict[str, dict[str, t.Any]] = {}
    for machine, all_of_them in retained.items():
        for about in all_of_them:
            for name, service in about["services"].items():
                package = package_of(service)
                on = next((one for one in _ready(about["release"], fleet) if package in _packages(one, fleet)), None)
                if on is None or package in _packages(machine, fleet):
                    continue
                whole = bool(service.get("built")) or service["source"]["kind"] != "directory"
                entry = found.setdefault(package, {"on": on, "for": [], "of": [], "whole": whole})
                entry["for"] = sorted({*entry["for"], machine})
                entry["of"] = list(dict.fromkeys([*entry["of"], f"{name} {about['version']}"]))
    return found


def added(kept: Target, config: t.Mapping[str, t.Any], fleet: Fleet) -> dict[str, Services]:
    """By machine that has come since: the services of a kept release that it can go back to as well."""
    once = {name: one for services in kept["services"].values() for name, one in services.items()}
    return {
        machine: services
        for machine, about in config["machines"].items()
        if machine not in kept["services"]
        and machine in _ready(kept["id"], fleet)
        and (services := {name: once[name] for name in about["services"] if name in once})
    }


def said(target: Target, config: t.Mapping[str, t.Any]) -> list[str]:
    """For the terminal."""
    lines = [
        f"  {machine} is new: before it has traffic it gets {', '.join(one['version'] for one in all_of_them)} to go back to"
        for machine, all_of_them in target["retained"].items()
    ]
    codes: dict[tuple[str, str], list[str]] = {}
    for about in target["handed_on"].values():
        for machine in about["for"]:
            codes.setdefault((machine, about["on"]), []).extend(about["of"])
    lines += [f"  {machine} gets the code of {', '.join(of)} from {on}" for (machine, on), of in sorted(codes.items())]
    if target["kept_release"]:
        out = sorted(m for m, about in config["machines"].items() if about["services"] and m not in target["services"])
        lines += [
            f"  {machine} does not have {target['version']} to go back to: it gets no traffic until the next deployment"
            for machine in out
        ]
    return lines


def _kept(target: Target, fleet: Fleet) -> list[Read]:
    """The newest of each identity that a machine of it keeps ready, but for what goes out now."""
    newest = {release["identity"]: release for release in fleet.succeeded()}
    return [
        release
        for release in newest.values()
        if release["identity"] != target["identity"]
        and {*_ready(release["id"], fleet)} & {*release["decision"]["services"]}
    ]


def _ready(release: str, fleet: Fleet) -> dict[str, Read]:
    """The machines that can go back to a release, with what each says of it."""
    return {
        machine: item
        for machine in sorted(fleet.readable())
        for item in _releases(machine, fleet)
        if item["release"] == release and item["ready"]
    }


def _releases(machine: str, fleet: Fleet) -> list[Read]:
    return list(of_model(fleet.readable().get(machine)).get("releases") or ())


def _packages(machine: str, fleet: Fleet) -> list[str]:
    return list(of_model(fleet.readable().get(machine)).get("packages") or ())


def _told(name: str, service: dict[str, t.Any], release: str, target: Target, fleet: Fleet) -> dict[str, t.Any]:
    """A service of a kept release whose code comes out of a package that other machines have, where there is one.

    What one machine has built for all runs on machines that are alike, as those are for which one builds today.
    """
    ready = _ready(release, fleet)
    made_of = {machine: item["sources"][name] for machine, item in ready.items() if name in (item.get("sources") or {})}
    builds = target["builders"].get(name, {}) if service.get("build_on") == "one" else {}
    alike = {builds.get("on"), *builds.get("for", ())}
    for machine, source in made_of.items():
        if machine in alike and source.get(BUILT) in _packages(machine, fleet):
            resolved = {key: value for key, value in source.items() if key != BUILT}
            return {**service, "built": {"by": machine, "package": source[BUILT], "source": resolved}}
    option = service.get("source") or {}
    contents = [source["content"] for source in made_of.values() if source.get("content")]
    if contents and option.get("from") != MACHINE:
        return {**service, "source": {**option, "from": CONTROLLER, "content": contents[0]}}
    return service


def _retained(release: Read, services: Services, fleet: Fleet) -> Retained:
    marks: dict[str, str] = {}
    for machine in release["decision"]["services"]:
        for item in _releases(machine, fleet):
            if item["release"] == release["id"]:
                marks = {**(item.get("marks") or {}), **marks}
    about = {key: release[key] for key in ("version", "identity", "side")}
    return {"release": release["id"], **about, "services": services, "marks": marks}
