# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of guarded_file: connects anew, and only then confirms."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

MODULE = "slipway.deploy.guarded_file"
POLL = 1.0  # seconds between two tries to connect


class ActionModule(ActionBase):
    """Runs the module twice where the file has changed: over the connection that is there, and over a new one."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        started = time.monotonic()
        outcome = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        if outcome.get("pending") and not args.get("confirm"):
            until = started + float(args.get("undo_after") or 60)
            confirmed = self._confirm({**args, "confirm": True}, task_vars or {}, until)
            outcome = {**confirmed} if confirmed.get("failed") else {**outcome, "changed": True, "pending": False}
        result.update(outcome)
        return result

    def _confirm(self, args: dict[str, t.Any], variables: dict[str, t.Any], until: float) -> dict[str, t.Any]:
        """Confirm over a connection that is opened now, as often as it takes, and as long as it still helps."""
        self._connection.reset()
        while True:
            try:
                outcome = self._execute_module(module_name=MODULE, module_args=args, task_vars=variables)
                return t.cast("dict[str, t.Any]", outcome)
            except AnsibleConnectionFailure as error:
                if time.monotonic() + POLL >= until:
                    self._connection._shell.tmpdir = (
                        None  # what is in it cannot be removed over a connection that fails
                    )
                    return _cut_off(str(args["path"]), str(error))
                time.sleep(POLL)


def _cut_off(path: str, why: str) -> dict[str, t.Any]:
    message = (
        f"{path}: with it this machine could not be reached any more ({why.strip()}). The machine has put back the file "
        "from before by now; correct the options and run it again."
    )
    return {"failed": True, "changed": False, "msg": message, "error": {"cause": "cut_off", "object": path}}
