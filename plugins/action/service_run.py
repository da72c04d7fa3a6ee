# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of service_run: hands over the secrets, and shows what the command says while it runs."""

from __future__ import annotations

import os
import secrets
import shlex
import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_arguments import SERVICE_RUN
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.tail import Tail, fetcher
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import hidden_values

display = Display()


class ActionModule(StageAction):
    """Runs one command beside a service; fails when it ends with anything but 0."""

    module = "slipway.deploy.service_run"
    takes = SERVICE_RUN
    kept = True

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        values = args.get("secrets") or hidden_values(variables, self._templar)
        return {**args, "secrets": encode_secrets(values)}

    def _alone(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        if self._task.check_mode:
            return super()._alone(args, variables)
        root = str(args.get("root") or SERVICE_RUN.options["root"]["default"])
        path = os.path.join(root, str(args["platform"]), str(args["environment"]), "runs", secrets.token_hex(8))
        try:
            with Tail(fetcher(self._connection, path), display.display):
                found = super()._alone({**args, "output": path}, variables)
        finally:
            t.cast(t.Any, self)._low_level_execute_command(f"rm -f {shlex.quote(path)}")
        if not found.get("failed") and found["exit_code"] != 0:
            found.update(failed=True, msg=f"the command ended with exit code {found['exit_code']}")
        return found
