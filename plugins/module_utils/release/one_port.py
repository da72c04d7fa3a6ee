# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of which both sides have one port; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from .target import Live, Target


def problems_of(target: Target, live: Live) -> list[str]:
    """Where a service begins or ceases to have one port, the new side must not want the one that the live side has."""
    before = (live.target or {}).get("services", {})
    problems = {
        f"slipway_services.{name}.strategy: the live version has the port that this one wants, and they are handed over in another"
        f" way. Release it with another slipway_services.{name}.publish_from."
        for machine, services in target["services"].items()
        for name, service in services.items()
        for was in [before.get(machine, {}).get(name)]
        if was
        and was.get("strategy") != service.get("strategy")
        and _ports(was, live.side) & _ports(service, target["side"])
    }
    return sorted(problems)


def _ports(service: t.Mapping[str, t.Any], side: str) -> set[int]:
    return set(service.get("ports", {}).get(side, ()))
