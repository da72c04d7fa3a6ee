# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One WebSocket (RFC 6455): a numbered message each second that must come back; the server ends it with 1001."""

from __future__ import annotations

import asyncio
import json
import typing as t

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from .client import CONNECT_TIMEOUT
from .failure import Failed, lost, not_connected
from .profile import StreamSpec
from .session import RUN_OVER, Session, unless
from .target import Target

GRACEFUL = 1001  # going away
NORMAL = 1000
CLOSE_TIMEOUT = 2.0  # seconds for the other side to finish the closing handshake


class Socket(asyncio.Protocol):
    """The wire: bytes to frames and back. C(ended) resolves when the connection is gone, with the close code."""

    def __init__(self, url: str, headers: dict[str, str], session: Session) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.echo: asyncio.Future[str] | None = None
        self._session = session
        self._protocol = ClientProtocol(parse_uri(url))
        self._headers = headers
        self._transport: asyncio.Transport | None = None
        self._guard: asyncio.TimerHandle | None = None
        self._heard = False
        self._text = b""
        for future in (self.opened, self.ended):
            future.add_done_callback(_seen)

    @property
    def open(self) -> bool:
        """Whether messages may be sent: no side has begun to close."""
        return self._transport is not None and self._protocol.state is State.OPEN

    def say(self, text: str) -> asyncio.Future[str]:
        """Sends a text; the future resolves with the next text that comes."""
        self.echo = asyncio.get_running_loop().create_future()
        self._protocol.send_text(text.encode())
        self._flush()
        return self.echo

    def close(self) -> None:
        """Begins the closing handshake."""
        if self.open:
            self._protocol.send_close(NORMAL)
            self._flush()

    def abort(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)
        self._session.local_port = transport.get_extra_info("sockname")[1]
        request = self._protocol.connect()
        for name, value in self._headers.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT):
                self._text += bytes(event.data)
                if event.fin:
                    text, self._text = self._text.decode("utf-8", "replace"), b""
                    self._came(text)
        self._flush()
        if self._protocol.close_expected() and self._guard is None:
            self._guard = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._guard is not None:
            self._guard.cancel()
        self._protocol.receive_eof()
        code = self._protocol.close_code
        if not self.opened.done():
            self.opened.set_exception(lost(exc, self._heard))
        if self.ended.done():
            return
        if exc is not None and code in (None, 1006):
            self.ended.set_exception(lost(exc, self._heard))
        else:
            self.ended.set_result(code or 1006)

    # ----------------------------------------------------------------------------------------------------------

    def _answered(self, response: Response) -> None:
        self._session.version = response.headers.get("X-Version", "")
        if response.status_code != 101:
            self._refuse(Failed(f"status_{response.status_code}", "the server did not upgrade", response.status_code))
        elif self._protocol.handshake_exc is not None:
            self._refuse(Failed("protocol", str(self._protocol.handshake_exc), 101))
        else:
            self._session.open()
            self.opened.set_result(None)

    def _refuse(self, failed: Failed) -> None:
        if not self.opened.done():
            self.opened.set_exception(failed)

    def _came(self, text: str) -> None:
        if self.echo is not None and not self.echo.done():
            self.echo.set_result(text)
        elif not self.ended.done():
            self.ended.set_exception(Failed("ws_unasked", f"a message that nobody asked for: {text[:80]!r}"))

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


class WebSocket:
    """Lives one session after the other."""

    def __init__(self, spec: StreamSpec, target: Target, headers: dict[str, str], stop: asyncio.Event) -> None:
        self._spec = spec
        self._target = target
        self._headers = target.headers(headers)
        self._url = f"ws://{target.authority}{spec.path}"
        self._stop = stop

    async def live(self, session: Session) -> str:
        """Opens a socket, sends and reads until its end and returns how that came: C(1001) or C(run_over).

        :raises Failed: every other end: no upgrade, another close code, no close frame, no or a wrong echo.
        """
        socket = await self._connect(session)
        try:
            await self._within(socket.opened, "no answer to the upgrade")
            while socket.open and not socket.ended.done() and not self._stop.is_set():
                await self._message(socket, session)
            if socket.open and not socket.ended.done():
                return await self._leave(socket)
            return self._verdict(await socket.ended)
        except Failed as failed:
            raise failed.on(session.local_port, False, bool(session.opened)) from None
        finally:
            socket.abort()

    async def _connect(self, session: Session) -> Socket:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _transport, socket = await loop.create_connection(
                    lambda: Socket(self._url, self._headers, session),
                    self._target.address,
                    self._target.port,
                    ssl=self._target.client,
                    server_hostname=self._target.name,
                )
        except (OSError, TimeoutError) as error:
            raise not_connected(error) from error
        return socket

    async def _message(self, socket: Socket, session: Session) -> None:
        """One message out, its echo back, then the rest of the interval; returns early when the socket ends."""
        next_one = asyncio.get_running_loop().time() + self._spec.interval
        number = session.messages + 1
        text = json.dumps({"seq": number})
        echo = socket.say(text)
        both: list[asyncio.Future[t.Any]] = [echo, socket.ended]
        await asyncio.wait(both, timeout=self._spec.silence, return_when=asyncio.FIRST_COMPLETED)
        if echo.done():
            session.messages = number
            session.version = check_echo(text, number, echo.result()) or session.version
        elif not socket.ended.done():
            raise Failed("ws_silent", f"no echo of message {number} within {self._spec.silence:g} s")
        pause = next_one - asyncio.get_running_loop().time()
        if pause > 0 and not socket.ended.done():
            await unless(self._stop, asyncio.wait([socket.ended], timeout=pause))

    async def _leave(self, socket: Socket) -> str:
        socket.close()
        await asyncio.wait([socket.ended], timeout=CLOSE_TIMEOUT)
        return RUN_OVER

    async def _within(self, future: asyncio.Future[None], problem: str) -> None:
        done, _waiting = await asyncio.wait([future], timeout=self._spec.silence)
        if not done:
            raise Failed("timeout", problem)
        future.result()

    @staticmethod
    def _verdict(code: int) -> str:
        if code != GRACEFUL:
            what = "the connection ended without a close frame" if code == 1006 else "the server closed it"
            raise Failed(f"ws_{code}", f"{what}; wanted close code {GRACEFUL}")
        return str(code)


def _seen(future: asyncio.Future[t.Any]) -> None:
    """A failure that nobody awaits any more is no news: the session has ended with another one."""
    if not future.cancelled():
        future.exception()


def check_echo(text: str, number: int, answer: str) -> str:
    """Checks an echo and returns the version it names, C("") if none.

    :param answer: the text itself, or a JSON object with it under C(echo) (and, if at all, C(number) under C(seq)).
    :raises Failed: C(ws_echo).
    """
    if answer == text:
        return ""
    try:
        value = json.loads(answer)
    except ValueError:
        value = None
    if not isinstance(value, dict) or value.get("echo") != text or value.get("seq", number) != number:
        raise Failed("ws_echo", f"{answer[:80]!r} came for {text!r}")
    return str(value.get("version", ""))
