# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of backup_schedule: the timers run engines that are kept on the machine, so they are sent first."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.stages.schedule_arguments import BACKUP_SCHEDULE
from ansible_collections.slipway.deploy.plugins.plugin_utils.backup_options import spread
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import HostEngine, checked
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction, plain
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_database_url

PLACE = "scheduled"  # beside those of the releases, which are pruned by them


class ActionModule(StageAction):
    """Runs backup_schedule with the whole order that the timers' programs will find."""

    module = "slipway.deploy.backup_schedule"
    takes = BACKUP_SCHEDULE

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        python = self._interpreter(variables) or "/usr/bin/python3"
        root = str(self._task.args.get("root") or BACKUP_SCHEDULE.options["root"]["default"])
        engine = HostEngine(self._execute, python, root, PLACE)
        self._program = engine.directory
        present = self._task.args.get("state", "present") == "present"
        if present and not self._task.check_mode and not engine.install():
            return {
                "failed": True,
                "msg": f"the engines could not be installed in {engine.directory}: see the disk there",
            }
        result: dict[str, t.Any] = super().run(tmp, variables)
        return result

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        if args.get("state", "present") != "present":
            return args
        proves = args.get("part") == "prove"  # dumps, which needs no database
        given = "" if proves else str(args.get("url") or read_database_url(variables, self._templar))
        url = base64.b64encode(given.encode()).decode()
        shared = {key: args[key] for key in ("platform", "environment", "root") if args.get(key)}
        order = checked({**spread(plain(args["backup"]), dumps=proves), **shared, "url": url}, DATABASE_BACKUP)
        return {**args, "backup": {**order, "url": ""}, "url": url, "program": self._program}
