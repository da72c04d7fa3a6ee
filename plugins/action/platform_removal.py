# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of platform_removal: nothing of its own."""

from __future__ import annotations

from ansible_collections.slipway.deploy.plugins.module_utils.stages.removal_arguments import PLATFORM_REMOVAL
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction


class ActionModule(StageAction):
    """Runs platform_removal as a stage of a removal; in check mode it is what a removal would do."""

    module = "slipway.deploy.platform_removal"
    takes = PLATFORM_REMOVAL
