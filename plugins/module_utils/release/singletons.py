# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a singleton there is one instance in the whole fleet; controller-only (private to the collection).

On one machine the old one ends before the new one starts. Machines do that side by side, so that of two machines one would start
it while the other may not have ended it yet: it does not move while it runs.
"""

from __future__ import annotations

import typing as t

from .fleet import Fleet, comes_back, of_model
from .target import Live, Target


def problems_of(target: Target, config: t.Mapping[str, t.Any], fleet: Fleet, live: Live) -> list[str]:
    """Every singleton that runs, or would come back, on another machine than the one that is to have it."""
    problems = []
    for wanted, services in sorted(target["services"].items()):
        for name in sorted(name for name, service in services.items() if service.get("singleton")):
            problems += [
                f"service {name}: a singleton on {wanted} now, and {machine} {has}. Put {machine} first in the group of its"
                f" hosts; or let its workers rest first (playbook maintenance), and release it then."
                for machine, has in _having(name, fleet).items()
                if machine != wanted
            ]
            problems += [
                f"service {name}: a singleton on {wanted} now, and {machine}, which this inventory lacks, has one. Run it with"
                f" the inventory that has {machine}; or, when that is gone for good, with -e slipway_break_glass=true."
                for machine in _away(name, target, live)
                if not config["break_glass"]
            ]
    return problems


def _having(name: str, fleet: Fleet) -> dict[str, str]:
    """The machines on which one runs or would, and which of the two."""
    found = {}
    for machine, read in sorted(fleet.readable().items()):
        sides = of_model(read).get("sides", {}).values()
        replicas = [replica for side in sides for replica in side["services"].get(name) or ()]
        if any(replica["running"] for replica in replicas):
            found[machine] = "runs one"
        elif any(comes_back(replica) for replica in replicas):
            found[machine] = "has one that comes back after a reboot"
    return found


def _away(name: str, target: Target, live: Live) -> list[str]:
    before = (live.target or {}).get("services", {})
    return sorted(
        machine for machine, services in before.items() if name in services and machine not in target["machines"]
    )
