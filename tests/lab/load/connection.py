# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 connection to the target: one exchange at a time, and every way it can end told apart."""

from __future__ import annotations

import asyncio
import time
import typing as t

from .failure import Failed, lost, not_connected
from .reply import Reply, ReplyParser, Sink
from .target import Target


class Connection(asyncio.Protocol):
    """A connection that was made by RV(connect).

    :param on_lost: called once when the connection is gone, also when that happens while it is idle.
    """

    def __init__(self, on_lost: t.Callable[[Connection], None]) -> None:
        self.local_port = 0
        self.exchanges = 0
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._answer: asyncio.Future[Reply] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._timeout = 0.0
        self._deadline = 0.0

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on it now."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: t.Sequence[bytes], timeout: float, sink: Sink | None = None) -> Reply:
        """Sends a request and returns the whole reply.

        :param request: its bytes, in parts.
        :param timeout: seconds for all of it; with a C(sink), seconds of silence.
        :param sink: takes the body piece by piece (a stream).
        :raises Failed: whatever ended it otherwise. The connection is then gone.
        """
        loop = asyncio.get_running_loop()
        self._parser = ReplyParser(sink)
        self._answer = loop.create_future()
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._alarm = loop.call_later(timeout, self._expire)
        if self._transport is None:
            self._fail(lost(None, heard=False))
        else:
            self._transport.writelines(request)
        try:
            return await self._answer
        finally:
            self._alarm.cancel()
            self._answer = None
            self.exchanges += 1

    def abort(self) -> None:
        """Ends it at once."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)
        self.local_port = transport.get_extra_info("sockname")[1]

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.abort()  # nothing was asked: never take it for the answer to the next request
            return
        if self._parser.streams:
            self._deadline = time.monotonic() + self._timeout
        try:
            self._parser.feed(data)
        except Failed as failed:
            self._fail(failed)
        else:
            self._deliver()

    def eof_received(self) -> bool:
        if self._answer is not None and not self._answer.done():
            self._parser.end()
            self._deliver()
            self._fail(lost(None, self._parser.heard))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(lost(exc, self._parser.heard))
        self._on_lost(self)

    # ----------------------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        reply = self._parser.reply
        if reply is None or self._answer is None or self._answer.done():
            return
        reply.at = time.monotonic()
        reply.local_port = self.local_port
        reply.reused = self.exchanges > 0
        if self._transport is None or self._transport.get_write_buffer_size():
            reply.clean = False  # answered before the request was read: what follows is undefined
        self._answer.set_result(reply)
        if not reply.clean:
            self.abort()

    def _fail(self, failed: Failed) -> None:
        if self._answer is not None and not self._answer.done():
            failed.status = failed.status or self._parser.status
            self._answer.set_exception(failed.on(self.local_port, self.exchanges > 0, self._parser.heard))
            self.abort()

    def _expire(self) -> None:
        left = self._deadline - time.monotonic()
        if left > 0.001:
            self._alarm = asyncio.get_running_loop().call_later(left, self._expire)
        else:
            when = "in the middle of the reply" if self._parser.heard else "without one byte of reply"
            self._fail(Failed("timeout", f"{self._timeout:g} s {when}"))


def _ignore(connection: Connection) -> None:
    pass


async def connect(target: Target, timeout: float, on_lost: t.Callable[[Connection], None] = _ignore) -> Connection:
    """Makes a connection, by TLS where the target has it.

    :raises Failed: C(connect_refused), C(connect_timeout), C(connect_…).
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            _transport, connection = await loop.create_connection(
                lambda: Connection(on_lost), target.address, target.port, ssl=target.client, server_hostname=target.name
            )
    except (OSError, TimeoutError) as error:
        raise not_connected(error) from error
    return connection
