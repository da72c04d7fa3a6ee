# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Balancers that are gone for good, left out of one run by hand; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .fleet import Fleet
from .target import Target

Config = t.Mapping[str, t.Any]


def without_forgotten(config: Config, fleet: Fleet) -> tuple[Config, Fleet]:
    """The platform as it is without the balancers that this run shall forget.

    :raises SlipwayError: C(not_forgotten) for one that is no balancer, carries services as well, or can be read.
    """
    names = config["balancer_forget"] or []
    for name in names:
        _expect_lost(name, config, fleet)
    if not names:
        return config, fleet
    left = {machine: about for machine, about in config["machines"].items() if machine not in names}
    reads = {machine: read for machine, read in fleet.reads.items() if machine not in names}
    proxies = [machine for machine in config["proxies"] if machine not in names]
    return {**config, "machines": left, "proxies": proxies}, Fleet(reads, hosts=fleet.hosts, proxies=proxies)


def forget(target: Target, config: Config) -> None:
    """Leave them out of a release that was begun with them."""
    target["forgotten"] = list(config["balancer_forget"] or [])
    for part in ("machines", "proxies", "closing"):
        target[part] = [machine for machine in target[part] if machine not in target["forgotten"]]


def said(config: Config) -> list[str]:
    """For the terminal."""
    return [
        f"  {name} is forgotten: it gets no release, and what it sends traffic to is not known. Take it out of the inventory."
        for name in config["balancer_forget"] or []
    ]


def _expect_lost(name: str, config: Config, fleet: Fleet) -> None:
    if name not in config["proxies"]:
        balancers = ", ".join(config["proxies"]) or "none"
        raise _refused(name, "no balancer of this platform", f"one of its balancers: {balancers}", "Correct its name.")
    parts = [part for part in config["machines"][name]["parts"] if part != "proxy"]
    if parts:
        raise _refused(
            name,
            f"it is not only a balancer ({', '.join(parts)})",
            "a machine that is nothing else",
            "Bring it back, or take it out of the inventory.",
        )
    if name in fleet.readable():
        raise _refused(
            name,
            "it can be read, so the release confirms it",
            "a balancer that is lost",
            "Leave slipway_balancer_forget out.",
        )


def _refused(name: str, actual: str, wanted: str, remedy: str) -> SlipwayError:
    return SlipwayError(
        "cannot be forgotten",
        obj=f"slipway_balancer_forget: {name}",
        actual=actual,
        wanted=wanted,
        remedy=remedy,
        cause="not_forgotten",
    )
