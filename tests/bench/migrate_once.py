# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations by the engine, in a process that tells how long it took and how much memory it had: LOCATION; the URL on stdin."""

from __future__ import annotations

import json
import sys
import time

from ansible_collections.slipway.deploy.plugins.module_utils.migration import factory
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

from .backup_once import peak


def main(location: str) -> None:
    """Apply all that is pending, and print what it took."""
    started = time.monotonic()
    report = factory.tool(checked({"locations": [location]}, MIGRATION_RUNNER), sys.stdin.read(), System()).apply(
        Order()
    )
    print(json.dumps({"seconds": time.monotonic() - started, "memory": peak(), "count": len(report.done)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
