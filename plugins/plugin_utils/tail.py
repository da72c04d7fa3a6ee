# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what a module on a machine writes into a file while it runs (private to the collection).

It is read over further commands of the same connection, with the rights of who acts: nobody else may see it.
"""

from __future__ import annotations

import contextlib
import copy
import shlex
import threading
import typing as t

EVERY = 0.5  # seconds between two looks
PIECE = 262144  # bytes that one of them brings


class Tail:
    """Shows a file's lines while its context is open, and what is left of them at its end.

    :param fetch: the bytes from an offset on; some of them at least, where there are any.
    :param show: puts lines before the eyes of whoever waits.
    """

    def __init__(self, fetch: t.Callable[[int], bytes], show: t.Callable[[str], None], every: float = EVERY) -> None:
        self._fetch, self._show, self._every = fetch, show, every
        self._offset, self._left = 0, b""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Tail:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        while self._look():
            pass
        if self._left:
            self._show(self._left.decode(errors="replace"))

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            with contextlib.suppress(Exception):  # the last look says what it was
                self._look()

    def _look(self) -> bool:
        """Show what is new up to the last whole line; whether there was anything."""
        new = self._fetch(self._offset)
        self._offset += len(new)
        whole, newline, left = (self._left + new).rpartition(b"\n")
        self._left = left
        if newline:
            self._show(whole.decode(errors="replace"))
        return bool(new)


def fetcher(connection: t.Any, path: str) -> t.Callable[[int], bytes]:
    """Reads a file of the machine beside a command that is running.

    :param connection: the task's own; its copy shares what leads to the machine, and no state of the running command.
    """
    beside = copy.copy(connection)
    become = copy.copy(connection.become)
    beside.become = become

    def fetch(offset: int) -> bytes:
        command = f"tail -c +{offset + 1} {shlex.quote(path)} 2>/dev/null | head -c {PIECE}"
        if become is not None:
            command = become.build_become_command(command, connection._shell)
        # With an input there is no terminal, which would change the ends of lines.
        status, output, _error = beside.exec_command(command, in_data=b"\n", sudoable=True)
        return bytes(output) if status == 0 else b""

    return fetch
