# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of container_deploy: hands over the secrets as one opaque parameter."""

from __future__ import annotations

import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import CONTAINER_DEPLOY
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets, site_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction


class ActionModule(StageAction):
    """Runs container_deploy alone or as a stage of a release."""

    module = "slipway.deploy.container_deploy"
    takes = CONTAINER_DEPLOY

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        services = (args.get("services") or {}).values()
        secrets = args.get("secrets") or site_secrets(services, variables, self._templar)
        return {**args, "secrets": encode_secrets(secrets)}
