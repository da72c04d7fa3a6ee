# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client: a pool of kept connections, fresh ones beside it, and the one repeat that is allowed."""

from __future__ import annotations

import collections
import typing as t

from .connection import Connection, connect
from .failure import Failed
from .reply import Reply
from .target import Target

CONNECT_TIMEOUT = 2.0  # seconds


class Call(t.NamedTuple):
    """One request of the schedule: what goes out, and when it was due (monotonic seconds)."""

    kind: int
    scheduled: float
    url: str
    parts: t.Sequence[bytes]
    fresh: bool
    repeatable: bool
    token: bytes


class Client:
    """Sends calls to one target.

    :param size: kept connections; each is used in turn, so that every one of them is idle for a while.
    :param timeout: seconds for one exchange.
    :param stale: called with a call and its failure when a kept connection died before one byte of reply and the
        call is repeated, once, on a new connection (only idempotent ones, as RFC 9110 9.2.2 allows and browsers
        do). C(None): no repeat, it is a failure.
    """

    def __init__(
        self, target: Target, size: int, timeout: float, stale: t.Callable[[Call, Failed], None] | None
    ) -> None:
        self.opened = 0
        self.idle_closed = 0
        self._target = target
        self._size = size
        self._timeout = timeout
        self._stale = stale
        self._idle: collections.deque[Connection] = collections.deque()
        self._kept: set[Connection] = set()
        self._connecting = 0

    async def exchange(self, call: Call) -> Reply:
        """Sends a call and returns its reply.

        :raises Failed: anything but a whole reply.
        """
        connection = await self._new() if call.fresh else self._take() or await self._new_kept()
        try:
            return await self._on(connection, call)
        except Failed as failed:
            if not failed.stale or not call.repeatable or self._stale is None:
                raise
            self._stale(call, failed)
        return await self._on(await self._new_kept(), call)

    def close(self) -> None:
        """Ends every kept connection."""
        kept, self._kept = self._kept, set()
        self._idle.clear()
        for connection in kept:
            connection.abort()

    async def _on(self, connection: Connection, call: Call) -> Reply:
        reply = await connection.exchange(call.parts, self._timeout)
        if connection not in self._kept:
            connection.abort()
        elif reply.clean:
            self._give_back(connection)
        return reply

    def _take(self) -> Connection | None:
        if len(self._kept) + self._connecting < self._size:
            return None  # fill the pool first
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable:
                return connection
        return None

    def _give_back(self, connection: Connection) -> None:
        if len(self._kept) > self._size:
            self._kept.discard(connection)
            connection.abort()
        else:
            self._idle.append(connection)

    async def _new_kept(self) -> Connection:
        self._connecting += 1
        try:
            connection = await self._new()
        finally:
            self._connecting -= 1
        self._kept.add(connection)
        return connection

    async def _new(self) -> Connection:
        self.opened += 1
        return await connect(self._target, CONNECT_TIMEOUT, self._lost)

    def _lost(self, connection: Connection) -> None:
        self._kept.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
            self.idle_closed += 1
