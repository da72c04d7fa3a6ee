# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a release, on the terminal and as a file; controller-only."""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.release.report import build, lines
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

display = Display()


class ActionModule(ActionBase):
    """Says how a release went; with C(refusal) it fails, for that is how a refused release ends."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        target, refusal = args["target"], args.get("refusal")
        report = build(target, args["history"], refusal, started=float(target["started"]), ended=time.time())
        text = "\n".join(lines(report))
        if not self._task.check_mode:
            self._write(report)
        if not refusal:
            display.display(text)
        result.update(changed=False, failed=bool(refusal), msg=text, report=report)
        return result

    def _write(self, report: dict[str, t.Any]) -> None:
        """Keep the report in the site, where CI and people find it."""
        directory = os.path.join(os.getcwd(), ".slipway", f"{report['platform']}-{report['environment']}")
        os.makedirs(directory, mode=0o700, exist_ok=True)
        path = os.path.join(directory, f"{report['release']}.json")
        with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            json.dump(report, stream, indent=2, sort_keys=True)
