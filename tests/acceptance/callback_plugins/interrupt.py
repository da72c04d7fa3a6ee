# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills or stops the run that it is loaded into, at an exact point: for tests only, never part of a site.

The point is JSON in C(INTERRUPT_AT): C(event) (C(start) of a task, or its result C(ok) from a machine), C(task) (its
name), C(machine) (for C(ok)), C(nth) (the how manieth time that it gets there), C(how): C(kill) the process group,
C(kill_all) with every fork and SSH client, or C(stop).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import typing as t
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: interrupt
type: aggregate
short_description: Kills or stops this very run at an exact point
description: For tests of what the next run makes of it.
requirements: [enabled by name]
"""


class CallbackModule(CallbackBase):
    """Waits for the point."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "interrupt"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._point = json.loads(os.environ["INTERRUPT_AT"])
        self._left = self._point["nth"]

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._reached("start", task.get_name())

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._reached("ok", result._task.get_name(), result._host.get_name())

    def _reached(self, event: str, task: str, machine: str = "") -> None:
        point = self._point
        if (event, task.rpartition(" : ")[2], machine) != (point["event"], point["task"], point["machine"]):
            return
        self._left -= 1
        if self._left:
            return
        if point["how"] == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if point["how"] == "kill_all":
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):  # a fork that has just ended by itself
                    os.kill(pid, signal.SIGKILL)
        os.killpg(os.getpgrp(), signal.SIGKILL)


def descendants(ancestor: int) -> list[int]:
    """Forks, their SSH clients, and so on, parents first (proc(5): field 4 of stat is the parent)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, left = [], [ancestor]
    while left:
        born = children.get(left.pop(), [])
        found += born
        left += born
    return found
