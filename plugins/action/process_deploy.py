# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of process_deploy: hands over the secrets as one opaque parameter."""

from __future__ import annotations

import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import PROCESS_DEPLOY
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets, site_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction


class ActionModule(StageAction):
    """Runs process_deploy alone or as a stage of a release."""

    module = "slipway.deploy.process_deploy"
    takes = PROCESS_DEPLOY

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        services = [item for item in (args.get("services") or {}).values() if isinstance(item, t.Mapping)]
        secrets = args.get("secrets") or site_secrets([*services, *keys(services)], variables, self._templar)
        return {**args, "secrets": encode_secrets(secrets)}


def keys(services: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The private keys that sources name, as a service names its secrets."""
    sources = [service.get("source") for service in services]
    return [{"secrets": [source["key"]]} for source in sources if isinstance(source, t.Mapping) and source.get("key")]
