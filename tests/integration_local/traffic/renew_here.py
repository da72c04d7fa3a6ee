# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certbot starts on a balancer, told where the proxy of a test has its files (C(SLIPWAY_TEST_SETTINGS))."""

from __future__ import annotations

import json
import os
import sys

from ansible_collections.slipway.deploy.plugins.module_utils.stages import renewed, traffic_switch

if __name__ == "__main__":
    settings = json.loads(os.environ["SLIPWAY_TEST_SETTINGS"])
    renewed.perform = lambda order, check: traffic_switch.perform({**order, **settings}, check)
    raise SystemExit(renewed.main(*sys.argv[3:7]))
