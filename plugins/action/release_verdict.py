# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict over all machines; controller-only, never contacts a machine."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge, moved
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import registered


class ActionModule(ControllerAction):
    """Reads one registered result of every machine and passes or fails for all of them at once."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = self._task.args
        for name in ("stage", "register", "machines"):
            if name not in args:
                raise AnsibleActionFail(f"release_verdict: {name} is required")
        read = args.get("read")
        known = registered(task_vars or {}, args["machines"], [args["register"], *([read] if read else [])])
        results = known[args["register"]]
        passed = [str(machine) for machine in args.get("passed") or ()]
        verdict = judge(str(args["stage"]), results, majority=bool(args.get("majority", False)), passed=passed)
        result.update(
            changed=False,
            failed=not verdict.ok,
            refused=not verdict.ok,
            msg=verdict.message,
            stage_name=verdict.stage,
            seconds=round(verdict.seconds, 3),
            blames_version=verdict.blames_version,
        )
        if read:
            result["moved"] = moved(known[read], results)
        return result
