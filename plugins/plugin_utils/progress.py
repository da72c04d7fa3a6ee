# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows on the controller's terminal how far a long module on a machine has come (private to the collection).

A task is silent until its module ends. Meanwhile this looks every few seconds at the file in which the module says how
far it is, over a second command of the same connection. To look is a convenience: whatever goes wrong with it, the task
goes on.
"""

from __future__ import annotations

import contextlib
import copy
import shlex
import threading
import typing as t

EVERY = 5.0  # seconds


class Watcher:
    """Looks while its context is open.

    :param look: what the file says now; empty where there is none.
    :param show: puts a line before the eyes of whoever waits.
    :param every: seconds between two looks.
    """

    def __init__(self, look: t.Callable[[], str], show: t.Callable[[str], None], every: float = EVERY) -> None:
        self._look, self._show, self._every = look, show, every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        last = ""
        while not self._ended.wait(self._every):
            with contextlib.suppress(Exception):
                said = self._look()
                if said and said != last:
                    self._show(said)
                    last = said


def reader(connection: t.Any, path: str) -> t.Callable[[], str]:
    """Reads a file that everybody may read, without the rights of who acts, beside a command that is running.

    :param connection: the task's own; its copy shares what leads to the machine, and no state of the running command.
    """

    def read() -> str:
        beside = copy.copy(connection)
        beside.become = None
        status, output, _error = beside.exec_command(f"cat {shlex.quote(path)} 2>/dev/null", sudoable=False)
        text = bytes(output).decode(errors="replace").strip()[:200] if status == 0 else ""
        return "".join(letter for letter in text if letter.isprintable())  # a machine sends a terminal no commands

    return read
