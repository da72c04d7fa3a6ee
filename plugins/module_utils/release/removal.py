# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing a platform from all machines that have something of it; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .fleet import Fleet, Read
from .recover import Interrupted
from .target import MARGIN, Live, Target, from_config

UNROUTE = 120.0  # seconds for a balancer that others are at work on, and its reload
DELETE = 600.0  # seconds that deleting files and images may take

Previews = t.Mapping[str, t.Optional[Read]]  # machine to what platform_removal said in check mode


def name_of(config: t.Mapping[str, t.Any]) -> str:
    """What a person says to confirm it."""
    return f"{config['platform']}/{config['environment']}"


def deadline(config: t.Mapping[str, t.Any]) -> float:
    """Seconds that removing what runs on a machine, and its files, may take."""
    grace = max([float(service["stop_grace"]) for service in config["services"].values()] or [10.0])
    return 2 * grace + DELETE + MARGIN


def concerned(fleet: Fleet, previews: Previews) -> list[str]:
    """The machines that have something of the platform."""
    return [machine for machine in sorted(fleet.readable()) if (previews.get(machine) or {}).get("removes")]


def problems_of(config: t.Mapping[str, t.Any], fleet: Fleet, previews: Previews, *, check: bool) -> list[str]:
    """All that is in the way. A machine that is away is not: what it has is removed when it is back."""
    if not fleet.readable():
        return ["no machine can be read: " + "; ".join(f"{name} ({why})" for name, why in fleet.unreadable().items())]
    problems = []
    if not concerned(fleet, previews):
        problems += [
            f"{machine}: cannot be read ({why}), and nothing is left on the others. Run this again when it is back."
            for machine, why in sorted(fleet.unreadable().items())
        ]
    for machine in sorted(fleet.readable()):
        stage = (previews.get(machine) or {}).get("stage") or {}
        if not stage.get("ok"):
            problems.append(f"{machine}: {stage.get('message') or 'it was not looked at what there is'}")
    asked, name = config["remove"], name_of(config)
    if problems or check or not concerned(fleet, previews):
        return problems
    listed = "\n".join(said(config, fleet, previews)[1:])
    if not asked:
        return [f"it is not confirmed. This would go:\n{listed}\n  Confirm it with -e slipway_remove={name}."]
    return [] if asked == name else [f"slipway_remove names {asked}, and this is {name}. Use the inventory of {asked}."]


def target_of(config: t.Mapping[str, t.Any], fleet: Fleet, live: Live, previews: Previews) -> Target:
    """As that of a release which prepares nothing; it is not named yet."""
    target = from_config({**config, "version": "removal", "identity": ""}, live)
    target["machines"] = concerned(fleet, previews)
    target["backup"] = None
    target["removal"] = {"away": fleet.unreadable()}
    target["deadlines"].update(unroute=UNROUTE, remove=deadline(config))
    return target


def said(config: t.Mapping[str, t.Any], fleet: Fleet, previews: Previews) -> list[str]:
    """For the terminal: every single thing that goes, and what stays."""
    lines = [f"{name_of(config)}: remove the platform; no database and no backup is touched"]
    for machine in sorted(fleet.readable()):
        preview = previews.get(machine) or {}
        lines += [f"  {machine}: {line}" for line in preview.get("removes") or ["nothing is there"]]
        lines += [f"  {machine}: stays: {line}" for line in preview.get("stays") or ()]
    for machine, why in sorted(fleet.unreadable().items()):
        lines.append(f"  {machine}: cannot be read ({why}); what it has stays until this is run again")
    return lines


def refuse_begun(left: Interrupted | None) -> None:
    """Nothing else is done on a platform that is half removed.

    :raises SlipwayError: C(removal_begun).
    """
    if left is not None and left.about.get("removing"):
        raise SlipwayError(
            "a removal of this platform was begun and has not ended",
            obj=", ".join(left.machines),
            remedy="End it with the playbook remove; then deploy it anew, if you want it after all.",
            cause="removal_begun",
        )
