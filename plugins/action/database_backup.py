# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of database_backup: hands over the connection string so that its words mask no result."""

from __future__ import annotations

import base64
import typing as t

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs database_backup."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        if args.get("url"):
            args["url"] = base64.b64encode(str(args["url"]).encode()).decode()
        result.update(
            self._execute_module(module_name="slipway.deploy.database_backup", module_args=args, task_vars=task_vars)
        )
        return result
