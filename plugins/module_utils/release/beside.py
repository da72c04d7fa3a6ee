# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that release nothing and need no release to have ended; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from . import adopt, rebuild, removal
from .fleet import Fleet
from .planned import Plan, refuse_other_model, refused, with_id


def removed(
    config: t.Mapping[str, t.Any],
    fleet: Fleet,
    previews: removal.Previews,
    *,
    now: float,
    suffix: str,
    check: bool,
) -> Plan:
    """Take the platform off every machine that can be read. An interrupted release goes with all the rest."""
    live = fleet.live()
    refuse_other_model(config, None, live)
    problems = removal.problems_of(config, fleet, previews, check=check)
    if problems:
        raise refused("remove", problems)
    say = removal.said(config, fleet, previews)
    if not removal.concerned(fleet, previews):
        return Plan("nothing", "", None, [], say)
    target = with_id(removal.target_of(config, fleet, live, previews), fleet, now, suffix)
    target["about"]["removing"] = True
    return Plan("remove", "", target, fleet.takeover(), say)


def rebuilt(config: t.Mapping[str, t.Any], fleet: Fleet, *, now: float, suffix: str) -> Plan:
    """Write anew what machines have forgotten that run the platform. An interrupted release is left to what comes next."""
    missing = rebuild.lost(fleet)
    if not missing:
        name = f"{config['platform']}/{config['environment']}"
        return Plan("nothing", "", None, [], [f"{name}: no machine that can be read has lost its state"])
    told = rebuild.found(config, fleet, now)
    problems = rebuild.problems_of(config, fleet, missing, told)
    if problems:
        raise refused("rebuild_state", problems)
    refuse_other_model(config, None, told.live)
    target = with_id(rebuild.target_of(config, fleet, missing, told), fleet, now, suffix)
    target["token"] = rebuild.token_of(config, fleet, told, now)
    return Plan("rebuild", "", target, fleet.takeover(), rebuild.said(config, fleet, missing, told))


def adopted(config: t.Mapping[str, t.Any], fleet: Fleet, probes: adopt.Probes, *, now: float, suffix: str) -> Plan:
    """Write down that servers made by hand are what is live."""
    problems = adopt.problems_of(config, fleet, probes)
    if problems:
        raise refused("adopt", problems)
    target = with_id(adopt.target_of(config), fleet, now, suffix)
    if adopt.stands(target, fleet):
        name = f"{config['platform']}/{config['environment']}"
        return Plan("nothing", "", None, [], [f"{name}: {target['version']} is adopted on every machine already"])
    target["rebuild"] = {
        "machines": sorted(fleet.readable()),
        "live": "",
        "kept": [],
        "memory": adopt.memory_of(target, now),
    }
    return Plan("rebuild", "", target, fleet.takeover(), adopt.told(config, fleet, target))
