# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of migration_runner: hands over the connection string so that its words mask no result."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_database_url


class ActionModule(StageAction):
    """Runs migration_runner alone or as a stage of a release; without a C(url) it takes the site's own."""

    module = "slipway.deploy.migration_runner"
    takes = MIGRATION_RUNNER

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        url = str(args.get("url") or "") or read_database_url(variables, self._templar)
        return {**args, "url": base64.b64encode(url.encode()).decode()} if url else args
