# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop's variables as the tests want them: as shipped, but quick."""

from __future__ import annotations

import copy
import os
import typing as t

import yaml

from tests.shop.images import SHOP

VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.2.1")  # 1.2.0 fails its health check, 1.2.1 all but its health check
MIGRATED = ("1.3.0", "1.4.0")  # need the migrations of the shop; built where a test asks for them
FAST: dict[str, t.Any] = {"slipway_watch": {"bake": 1}, "slipway_drain": {"deadline": 2}}
# Requests a second of mixed traffic. 500 is more than two processors can answer at once: nothing fails, but much waits.
RATE = int(os.environ.get("SLIPWAY_RATE") or (500 if os.environ.get("SLIPWAY_SOAK") else 250))
QUICK_HEALTH = {"successes": 1, "minimum": 0, "interval": 0.2}


def services(**changes: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """The shop's services, healthy at the first answer.

    :param changes: of each service that is to differ: options that replace its own, or None to leave it out.
    """
    text = (SHOP / "production/group_vars/all/slipway.yml").read_text(encoding="utf-8")
    found: dict[str, t.Any] = copy.deepcopy(yaml.safe_load(text)["slipway_services"])
    for name, service in list(found.items()):
        if "health" in service:
            service["health"].update(QUICK_HEALTH)
        change = changes.get(name, {})
        if change is None:
            del found[name]
        else:
            service.update(change)
    return found


def quick() -> dict[str, t.Any]:
    """All variables that differ from the shop's own."""
    return {**FAST, "slipway_services": services()}
