# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of service_logs: hands over what must not show, and follows line by line."""

from __future__ import annotations

import time
import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.release.log_text import line
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_arguments import SERVICE_LOGS
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import hidden_values

WAIT = 10.0  # seconds that one look at a machine may wait for a line

display = Display()


class ActionModule(StageAction):
    """Reads the logs of one machine; with C(follow) goes on until they end, or the time is over."""

    module = "slipway.deploy.service_logs"
    takes = SERVICE_LOGS
    kept = True
    looks = True

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        hidden = args.get("secrets") or hidden_values(variables, self._templar)
        return {**args, "secrets": encode_secrets(hidden)}

    def _alone(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        follow, seconds = bool(args.pop("follow", False)), float(args.pop("follow_for", 0) or 0)
        if not follow:
            return super()._alone(args, variables)
        machine, end, count = str(variables["inventory_hostname"]), time.monotonic() + seconds, 0
        args["cursor"] = dict(args.get("cursor") or {})
        while not seconds or time.monotonic() < end:
            args["wait"] = min(WAIT, max(0.0, end - time.monotonic())) if seconds else WAIT
            found = super()._alone(args, variables)
            if found.get("failed"):
                return found
            for entry in found["entries"]:
                display.display(line(machine, entry))
            args["cursor"], count = found["cursor"], count + len(found["entries"])
            if not found["running"] and not found["entries"]:
                display.display(f"{machine}: what was followed does not run any more")
                break
        return {"changed": False, "followed": count}
