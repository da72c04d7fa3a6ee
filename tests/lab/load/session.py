# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One life of a long-lived stream, from its opening to its end, and the loop that opens it again."""

from __future__ import annotations

import asyncio
import time
import typing as t

from .failure import Failed

# A stream that failed is opened again after this many seconds (each attempt is counted); else at once.
PAUSE = 0.5
# How a stream ends when the generator ends it.
RUN_OVER = "run_over"


class Session:
    """One life of a stream. Times are monotonic seconds; C(opened) is 0 until the server accepted it."""

    def __init__(self, kind: int, url: str, on_open: t.Callable[[], None]) -> None:
        self.kind = kind
        self.url = url
        self.started = time.monotonic()
        self.opened = 0.0
        self.ended = 0.0
        self.end = ""
        self.messages = 0
        self.version = ""
        self.local_port = 0
        self._on_open = on_open

    def open(self) -> None:
        """The server has accepted it."""
        if not self.opened:
            self.opened = time.monotonic()
            self._on_open()


async def keep_open(
    live: t.Callable[[Session], t.Awaitable[str]],
    new: t.Callable[[], Session],
    ended: t.Callable[[Session, Failed | None], None],
    stop: asyncio.Event,
) -> None:
    """Opens a stream, again and again, until C(stop).

    :param live: lives one session and returns how it ended gracefully; raises RV(Failed).
    :param ended: told how each session ended: C(None) is gracefully.
    """
    while not stop.is_set():
        session, failed = new(), None
        try:
            session.end = await live(session)
        except Failed as error:
            session.end, failed = error.cause, error
        session.ended = time.monotonic()
        ended(session, failed)
        if failed:
            await unless(stop, asyncio.sleep(PAUSE))


async def unless(stop: asyncio.Event, work: t.Awaitable[t.Any]) -> bool:
    """Awaits C(work), or gives it up as soon as C(stop) is set. Returns whether the work was done."""
    doing = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([doing, waiting], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
            return True
        return False
    finally:
        waiting.cancel()
        if not doing.done():
            doing.cancel()
            await asyncio.wait([doing])
