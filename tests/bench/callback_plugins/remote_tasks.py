# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tasks that went to machines, in their order, one line each with the module: for the benchmarks only."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: remote_tasks
type: aggregate
short_description: Writes the tasks that went to machines
description: To the file in the environment variable C(REMOTE_TASKS).
requirements: [enabled by name]
"""

# What decides, or only changes variables, on the controller.
LOCAL = {
    *("config", "release_plan", "release_verdict", "release_report", "release_status"),
    *("set_fact", "include_tasks", "include_role", "import_tasks", "debug", "fail", "meta"),
}


class CallbackModule(CallbackBase):
    """Notes each task once that any machine has done."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "remote_tasks"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._last = ""

    def v2_runner_on_ok(self, result: t.Any) -> None:
        task = result._task
        module = task.action.rpartition(".")[2]
        if module in LOCAL or task._uuid == self._last:
            return
        self._last = task._uuid  # each machine has a copy of the task
        with open(os.environ["REMOTE_TASKS"], "a", encoding="utf-8") as stream:
            stream.write(f"{module} {task.get_name()}\n")
