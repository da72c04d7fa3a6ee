# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of traffic_switch."""

from __future__ import annotations

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import TRAFFIC_SWITCH
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction


class ActionModule(StageAction):
    """Runs traffic_switch alone or as a stage of a release."""

    module = "slipway.deploy.traffic_switch"
    takes = TRAFFIC_SWITCH
