# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of container_deploy: hands over the secrets as one opaque parameter."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import CONTAINER_DEPLOY
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_secrets


class ActionModule(StageAction):
    """Runs container_deploy alone or as a stage of a release."""

    module = "slipway.deploy.container_deploy"
    takes = CONTAINER_DEPLOY

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        return {**args, "secrets": encode_secrets(args.get("secrets") or self._site_secrets(args, variables))}

    def _site_secrets(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, str]:
        """Those of the site's secrets that the services of this machine name, and no others."""
        services = (args.get("services") or {}).values()
        wanted = {name for service in services for key in ("secrets", "env_secrets") for name in service.get(key) or []}
        if not wanted:
            return {}
        return {name: value for name, value in read_secrets(variables, self._templar).items() if name in wanted}


def encode_secrets(secrets: t.Mapping[str, t.Any]) -> str:
    """Secrets as one opaque parameter.

    AnsibleModule masks every occurrence of a no-log value in a result, so a secret that equals a common word would
    mask ordinary results too; the engines mask the values themselves, in evidence only.
    """
    if not secrets:
        return ""
    text = json.dumps({str(name): str(value) for name, value in secrets.items()})
    return base64.b64encode(text.encode()).decode()
