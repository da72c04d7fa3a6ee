# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of traffic_switch: hands over the secrets that its certificates are made of."""

from __future__ import annotations

import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import TRAFFIC_SWITCH
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets, tls_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction


class ActionModule(StageAction):
    """Runs traffic_switch alone or as a stage of a release."""

    module = "slipway.deploy.traffic_switch"
    takes = TRAFFIC_SWITCH

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        secrets = args.get("secrets") or tls_secrets(args.get("tls"), variables, self._templar)
        return {**args, "secrets": encode_secrets(secrets)} if secrets else args
