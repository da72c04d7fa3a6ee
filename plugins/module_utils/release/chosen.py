# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which side somebody wants to look at, or to run something beside; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from ..config.suggest import closest
from ..errors import SlipwayError
from .fleet import Fleet, of_model


class Chosen(t.NamedTuple):
    """One side, as the machines that can be read have it."""

    side: str
    release: str
    version: str


class Replica(t.NamedTuple):
    """One replica of a service on a machine."""

    service: str
    number: int
    name: str  # of its container or process
    image: str  # id of what its container was made of
    running: bool


def chosen(config: t.Mapping[str, t.Any], fleet: Fleet) -> Chosen:
    """The side that C(slipway_side) or C(slipway_release) names; by default the live one.

    :raises SlipwayError: C(nothing_there).
    """
    live = fleet.live()
    wanted = config["release"]
    for side, about in _sides(fleet):
        asked = wanted in (about["release"], about["version"]) if wanted else side == (config["side"] or live.side)
        if asked and about["release"]:
            return Chosen(side, str(about["release"]), str(about["version"]))
    there = ", ".join(f"{about['version']} ({about['release']}) on {side}" for side, about in _sides(fleet))
    raise SlipwayError(
        "nothing stands there on any machine that can be read",
        obj=f"{config['platform']}/{config['environment']}",
        actual=there or "no release at all",
        wanted=wanted or config["side"] or "a live side",
        remedy="Name what `status` shows with -e slipway_side=blue or -e slipway_release=VERSION; or release a version first.",
        cause="nothing_there",
    )


def replicas(machine: str, side: str, config: t.Mapping[str, t.Any], fleet: Fleet) -> list[Replica]:
    """Those of one machine, of the service that C(slipway_service) names, or of all.

    :raises SlipwayError: C(invalid), when no machine has such a service.
    """
    wanted = config["service"]
    known = {name for _side, about in _sides(fleet) for name in about["services"]}
    if wanted and wanted not in known | set(config["services"]):
        guess = closest(wanted, sorted(known | set(config["services"])))
        raise SlipwayError(
            "there is no such service",
            obj="slipway_service",
            actual=wanted,
            wanted=", ".join(sorted(known | set(config["services"]))),
            remedy=f"Did you mean {guess}?" if guess else "Name one of them.",
            cause="invalid",
        )
    about = of_model(fleet.readable().get(machine)).get("sides", {}).get(side) or {}
    return [
        Replica(service, int(one["replica"]), str(one["name"]), str(one.get("image") or ""), bool(one["running"]))
        for service, found in sorted((about.get("services") or {}).items())
        for one in sorted(found, key=lambda one: int(one["replica"]))
        if wanted in (None, service)
    ]


def _sides(fleet: Fleet) -> list[tuple[str, t.Mapping[str, t.Any]]]:
    """Every side of every machine that can be read and has one, those of one name together."""
    return sorted(
        (
            (side, about)
            for read in fleet.readable().values()
            for side, about in of_model(read).get("sides", {}).items()
            if about.get("services")
        ),
        key=lambda one: one[0],
    )


class Beside(t.NamedTuple):
    """Where a command is run once, and with what."""

    machine: str
    service: str
    spec: t.Mapping[str, t.Any]  # as it was released
    image: str  # id of what the replicas there were made of, where they are containers
    replica: str  # the name of the first of them
    told: list[str]  # for the terminal


def beside(side: Chosen, config: t.Mapping[str, t.Any], fleet: Fleet) -> Beside:
    """The first machine that has the service, or the one that C(slipway_machine) names.

    :raises SlipwayError: C(invalid), C(nothing_there).
    """
    _expect_command(config)
    service, machine = config["service"], config["machine"]
    names = sorted(config["machines"]) if machine is None else [machine]
    if machine is not None and machine not in config["machines"]:
        raise _missing("slipway_machine", machine, ", ".join(sorted(config["machines"])))
    for name in names:
        there = replicas(name, side.side, config, fleet)
        spec = _released(side, fleet).get("services", {}).get(name, {}).get(service)
        if there and spec:
            return Beside(name, service, spec, there[0].image, there[0].name, _told(name, side, service, fleet))
    raise SlipwayError(
        f"no machine that can be read has {side.version} of this service on {side.side}",
        obj=service,
        actual="; ".join(f"{name}: {why}" for name, why in sorted(fleet.unreadable().items())) or None,
        wanted=machine or "any machine of slipway_app",
        remedy="`status` shows what stands where.",
        cause="nothing_there",
    )


def _expect_command(config: t.Mapping[str, t.Any]) -> None:
    for name in ("service", "command"):
        if not config[name]:
            raise _missing(
                f"slipway_{name}", None, ", ".join(sorted(config["services"])) if name == "service" else "words"
            )


def _missing(name: str, actual: str | None, wanted: str) -> SlipwayError:
    what = "missing" if actual is None else "the platform has no such machine"
    return SlipwayError(
        what, obj=name, actual=actual, wanted=wanted, remedy=f"Say it with -e {name}=…", cause="invalid"
    )


def _released(side: Chosen, fleet: Fleet) -> t.Mapping[str, t.Any]:
    """The specification that the side was released with."""
    found = [one["decision"] for one in fleet.history() if one["id"] == side.release and one["decision"]]
    return found[-1] if found else {}


def _told(machine: str, side: Chosen, service: str, fleet: Fleet) -> list[str]:
    """What is run where; and that a release is under way, which neither waits for it nor ends it."""
    told = [f"in the code of {service} {side.version} ({side.side}) on {machine}"]
    for name, read in sorted(fleet.readable().items()):
        if read["lease"]["live"] and not told[1:]:
            told.append(
                f"  release {read['lease']['release_id']} is under way (lock on {name}): it does not wait for this command, and"
                f" {side.version} may not be live any more when it ends"
            )
    return told
