# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two long connections, a WebSocket and a stream of server-sent events: both end politely at a stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import typing as t

from aiohttp import WSCloseCode, WSMsgType, web

from .api import Api
from .store import UnavailableError

TICK = 1.0
CLOSE_TIMEOUT = 2.0

T = t.TypeVar("T")


class Streams:
    """The handlers, on top of an :class:`Api`."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/api/ws", self.websocket)
        app.router.add_get("/api/events", self.events)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Echo every text with a sequence number; at a stop close with 1001, "going away" (RFC 6455, 7.4.1)."""
        socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT, heartbeat=30)  # type: ignore[arg-type, unused-ignore]
        await socket.prepare(request)
        with contextlib.suppress(ConnectionError):  # the client is gone
            await self.echo(socket)
        return socket

    async def echo(self, socket: web.WebSocketResponse) -> None:
        """Answer until one of us closes."""
        sequence = 0
        while not socket.closed:
            message = await self.unless_stopping(socket.receive())
            if message is None:
                await socket.close(code=WSCloseCode.GOING_AWAY, message=b"stopping")
            elif message.type is WSMsgType.TEXT:
                sequence += 1
                version = self.api.settings.version
                await socket.send_json({"seq": sequence, "echo": message.data, "version": version})
            elif message.type in (WSMsgType.BINARY, WSMsgType.ERROR):
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"text only")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send the shop's counts every second; at a stop send ``bye`` and end the body, so that nothing is cut."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        last = request.headers.get("Last-Event-ID", "")
        with contextlib.suppress(ConnectionError):  # the client is gone
            await self.tell(response, int(last) if last.isdecimal() else 0)
        return response

    async def tell(self, response: web.StreamResponse, number: int) -> None:
        """Send events, the first with the number after *number*."""
        await response.write(b"retry: 500\n\n")
        while not self.api.stopping.is_set():
            number += 1
            await response.write(event("stats", await self.facts(), number))
            await self.unless_stopping(asyncio.sleep(TICK))
        await response.write(event("bye", {"version": self.api.settings.version}, number + 1))
        await response.write_eof()

    async def facts(self) -> dict[str, t.Any]:
        """Return what one event tells; a database that is away does not end the stream."""
        try:
            counts = await self.api.counts()
        except UnavailableError:
            counts = {}
        return {**counts, "version": self.api.settings.version}

    async def unless_stopping(self, wanted: t.Coroutine[t.Any, t.Any, T]) -> T | None:
        """Await *wanted*, or give it up and return ``None`` as soon as the program is told to stop."""
        work = asyncio.ensure_future(wanted)
        stop = asyncio.ensure_future(self.api.stopping.wait())
        try:
            await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            stop.cancel()
        (outcome,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(outcome, asyncio.CancelledError):
            return None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def event(name: str, data: dict[str, t.Any], number: int) -> bytes:
    """Return one server-sent event."""
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()
