# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-sent events (WHATWG HTML, 9.2): a stream that must end with an C(event: bye), never in the middle."""

from __future__ import annotations

import asyncio
import json

from .client import CONNECT_TIMEOUT
from .connection import connect
from .failure import Failed
from .profile import StreamSpec
from .session import RUN_OVER, Session, unless
from .target import Target


class EventReader:
    """Takes the body of an event stream in any pieces and counts its events.

    :param session: gets the number of events and the version that they name.
    :param consecutive: whether numeric ids must grow by exactly 1.
    """

    def __init__(self, session: Session, consecutive: bool) -> None:
        self.last_id = ""
        self.bye = False
        self._session = session
        self._consecutive = consecutive
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, data: bytes) -> None:
        """Takes the next bytes.

        :raises Failed: C(sse_gap), when an id is missing or comes twice; C(sse_after_bye).
        """
        self._session.open()
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line.rstrip(b"\r").decode("utf-8", "replace"))

    def _line(self, line: str) -> None:
        if not line:
            fields, self._fields = self._fields, {}
            if "data" in fields or "event" in fields:
                self._event(fields)
            return
        name, _colon, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data" and "data" in self._fields:
            value = f"{self._fields['data']}\n{value}"
        if name:
            self._fields[name] = value

    def _event(self, fields: dict[str, str]) -> None:
        if self.bye:
            raise Failed("sse_after_bye", f"an event after the last one: {fields}")
        self.bye = fields.get("event") == "bye"
        if not self.bye:
            self._session.messages += 1
            self._number(fields.get("id", self.last_id))
        self._version(fields.get("data", ""))

    def _number(self, found: str) -> None:
        last, self.last_id = self.last_id, found
        if self._consecutive and last.isdecimal() and found.isdecimal() and int(found) != int(last) + 1:
            raise Failed("sse_gap", f"event {found} came after {last}")

    def _version(self, data: str) -> None:
        if self._session.version or not data.startswith("{"):
            return
        try:
            self._session.version = str(json.loads(data).get("version", ""))
        except ValueError:
            raise Failed("body", f"the data of an event is not JSON: {data[:80]!r}") from None


class EventStream:
    """Lives one session after the other.

    :param headers: sent with each.
    :param timeout: seconds for the server to begin its reply.
    """

    def __init__(self, spec: StreamSpec, target: Target, headers: dict[str, str], stop: asyncio.Event) -> None:
        self._spec = spec
        self._target = target
        self._headers = target.headers(headers, {"Accept": "text/event-stream", "Cache-Control": "no-store"})
        self._stop = stop
        self._last_id = ""

    async def live(self, session: Session) -> str:
        """Opens a connection, reads events to their end and returns how that came: C(bye) or C(run_over).

        :raises Failed: every other end.
        """
        connection = await connect(self._target, CONNECT_TIMEOUT)
        session.local_port = connection.local_port
        reader = EventReader(session, self._spec.consecutive)
        exchange = asyncio.ensure_future(connection.exchange([self._request()], self._spec.silence, reader.feed))
        try:
            if not await unless(self._stop, exchange):
                return RUN_OVER
        finally:
            self._last_id = reader.last_id or self._last_id
            connection.abort()
        reply = exchange.result()
        session.version = session.version or reply.version()
        if reply.status != 200:
            raise Failed(f"status_{reply.status}", "", reply.status).on(connection.local_port, False, True)
        if not reader.bye:
            raise Failed("sse_no_bye", "the stream ended without a last event").on(connection.local_port, False, True)
        return "bye"

    def _request(self) -> bytes:
        headers = {**self._headers, "Last-Event-Id": self._last_id} if self._last_id else self._headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"GET {self._spec.path} HTTP/1.1\r\n{lines}\r\n".encode()
