# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bound to what a database may take for a statement, from outside of it (private to the collection).

What the servers themselves know of such a bound, a script can set; MySQL ends only what reads, SQLite nothing.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ..system import System

AGAIN = 0.1  # seconds; between two statements there was nothing to end


@contextlib.contextmanager
def watched(cancel: t.Callable[[], None], system: System, deadline: float | None) -> t.Iterator[None]:
    """End what is still at work at a moment, and all that begins after it.

    :param cancel: ends the statement at work; called by a thread of its own.
    :param deadline: of RV(System.monotonic); None for no bound.
    """
    if deadline is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        left = max(0.0, deadline - system.monotonic())
        while not over.wait(left):
            with contextlib.suppress(Exception):  # a connection that is lost has nothing at work
                cancel()
            left = AGAIN

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
