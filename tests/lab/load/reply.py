# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 reply out of bytes (RFC 9112), in whatever pieces they arrive."""

from __future__ import annotations

import json
import typing as t

import httptools

from .failure import Failed

Sink = t.Callable[[bytes], None]


class Reply:
    """A whole reply. C(at) is the monotonic time of its last byte; C(clean) says the connection may be used again."""

    __slots__ = ("at", "body", "clean", "headers", "local_port", "reused", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes, clean: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.clean = clean
        self.at = 0.0
        self.local_port = 0
        self.reused = False

    def json(self) -> t.Any:
        """The body as JSON.

        :raises Failed: C(body), when it is not.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Failed("body", f"not JSON: {self.body[:80]!r}", self.status) from error

    def version(self) -> str:
        """The program's version that answered: C(X-Version), else C(version) of a JSON object, else C("")."""
        named = self.headers.get("x-version")
        if named is not None:
            return named
        if self.headers.get("content-type", "").startswith("application/json"):
            try:
                value = json.loads(self.body)
            except ValueError:
                return ""
            if isinstance(value, dict) and isinstance(value.get("version"), str):
                return str(value["version"])
        return ""


class ReplyParser:
    """Reads one reply; interim ones (1xx) are skipped. With a C(sink), body bytes go there instead of into the reply.

    C(heard) says whether any byte came, C(reply) is set when the reply is whole.
    """

    def __init__(self, sink: Sink | None = None) -> None:
        self.heard = False
        self.reply: Reply | None = None
        self._sink = sink
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._in_body = False
        self._framed = False

    def feed(self, data: bytes) -> None:
        """Takes the next bytes. Bytes after the end of the reply do not change it, but it is no longer C(clean).

        :raises Failed: C(protocol), when this is not HTTP; or what the C(sink) raised.
        """
        self.heard = True
        if self.reply is not None:
            self.reply.clean = False
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._stumble(error)

    def end(self) -> None:
        """The connection has ended in order: that completes a reply without a length (RFC 9112, 6.3, rule 8)."""
        if self.reply is None and self._in_body and not self._framed:
            self._complete(clean=False)

    @property
    def streams(self) -> bool:
        """Whether the body goes to a sink."""
        return self._sink is not None

    @property
    def status(self) -> int:
        """The status, 0 before it was read."""
        return int(self._parser.get_status_code()) if self._in_body else 0

    # httptools calls these ------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.reply is not None:
            raise Failed("protocol", "bytes after the end of the reply")

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        self._headers[key] = value.decode("latin-1")
        if key in ("content-length", "transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        if self._sink is None:
            self._body.append(body)
        elif self._parser.get_status_code() == 200:
            self._sink(body)

    def on_message_complete(self) -> None:
        if 100 <= self._parser.get_status_code() < 200:
            self._headers, self._in_body, self._framed = {}, False, False
            return
        self._complete(clean=bool(self._parser.should_keep_alive()))

    # ----------------------------------------------------------------------------------------------------------

    def _stumble(self, error: Exception) -> None:
        if self.reply is not None:
            self.reply.clean = False
        elif isinstance(error.__context__, Failed):
            raise error.__context__ from None
        else:
            raise Failed("protocol", f"not an HTTP reply: {error}") from error

    def _complete(self, clean: bool) -> None:
        self.reply = Reply(self._parser.get_status_code(), self._headers, b"".join(self._body), clean)
