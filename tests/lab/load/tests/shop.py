# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small model of the shop that misbehaves on purpose, and counts how often it did."""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import hashlib
import json
import socket
import struct
import threading
import typing as t

PAGE = b'<html><link href="/assets/app-1a2b.css"><script src="/assets/app-3c4d.js"></script></html>'
BIG = json.dumps({"items": ["x" * 50] * 40}).encode()
BUSY = 60  # requests
LITTLE_WHILE = 0.03  # seconds: what was sent before must have arrived as a piece of its own


class Shop:
    """The server.

    :param faults: path to (fault, n): every n-th request of this path meets the fault.
    :param sockets: what the WebSockets do, one after the other; then C(echo).
    :param streams: what the event streams do, one after the other; then C(tick).
    """

    def __init__(
        self,
        faults: t.Mapping[str, tuple[str, int]] | None = None,
        sockets: t.Sequence[str] = (),
        streams: t.Sequence[str] = (),
    ) -> None:
        self.version = "1.0.0"
        self.committed: collections.Counter[str] = collections.Counter()
        self.seen: collections.Counter[str] = collections.Counter()
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        self.release = asyncio.Event()
        self.done = asyncio.Event()
        self.busy = threading.Event()
        self.url = ""
        self._faults = faults or {}
        self._sockets = list(sockets)
        self._streams = list(streams)
        self._script = len(self._sockets) + len(self._streams)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Shop:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            reused = False
            while await self._exchange(reader, writer, reused):
                reused = True
        with contextlib.suppress(Exception):
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reused: bool) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        _method, target, _protocol = head.split(b"\r\n")[0].decode().split(" ")
        path = target.partition("?")[0]
        self.heads.append(head)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        body = await reader.readexactly(int(fields.get(b"content-length", 0)))
        if path == "/api/ws":
            await self._websocket(reader, writer, fields)
            return False
        if path == "/api/events":
            await self._events(writer)
            return False
        self.bodies.append(body)
        reply = self._reply(path, body)
        fault = self._fault(path, reused)
        if fault:
            return await self._misbehave(fault, writer, reply)
        writer.write(reply)
        return b"close" not in fields.get(b"connection", b"")

    def _reply(self, path: str, body: bytes) -> bytes:
        if path == "/":
            return self.http(PAGE, "text/html")
        if path.startswith("/assets/"):
            return self.http(path.encode(), "text/plain")
        if path == "/api/upload":
            return self.http(json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode())
        return self.http(BIG)

    def http(self, body: bytes, kind: str = "application/json", status: str = "200 OK") -> bytes:
        """A reply."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nX-Version: {self.version}\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n".encode() + body

    def _fault(self, path: str, reused: bool) -> str:
        name, every = self._faults.get(path, ("", 1))
        if name.startswith("stale") and not reused:
            return ""
        self.seen[path] += 1
        if self.seen.total() == BUSY:
            self.busy.set()
        if not name or self.seen[path] % every:
            return ""
        self.committed[name] += 1
        return name

    async def _misbehave(self, fault: str, writer: asyncio.StreamWriter, reply: bytes) -> bool:
        half = len(reply) - 20
        if fault in ("stale_reset", "reset"):
            return reset(writer)
        if fault in ("stale_close", "close"):
            return False
        if fault == "reset_middle":
            writer.write(reply[:half])
            await asyncio.sleep(LITTLE_WHILE)
            return reset(writer)
        if fault == "hold":
            await self.release.wait()
        if fault in ("close_idle", "unasked"):
            writer.write(reply)
            await asyncio.sleep(LITTLE_WHILE)
            if fault == "unasked":
                writer.write(reply)
            return fault == "unasked"
        answers = {
            "truncate": reply[:half],
            "broken_chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf",
            "status_500": self.http(b"{}", status="500 Internal Server Error"),
            "not_json": self.http(b"<html>"),
            "wrong_hash": self.http(b'{"sha256": "00"}'),
            "no_assets": self.http(b"<html></html>"),
            "other_asset": self.http(str(self.committed).encode()),
            "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "early": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + reply,
            "until_eof": b"HTTP/1.1 200 OK\r\n\r\n{}",
            "twice": reply + reply,
            "silent": b"",
        }
        writer.write(answers.get(fault, reply))
        await writer.drain()
        return fault in ("status_500", "not_json", "wrong_hash", "no_assets", "other_asset", "early", "hold", "silent")

    # Streams --------------------------------------------------------------------------------------------------

    async def _websocket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fields: t.Mapping[bytes, bytes]
    ) -> None:
        role = self._next(self._sockets, "echo")
        if role == "refuse":
            writer.write(self.http(b"", status="503 Service Unavailable"))
            return
        key = next(line for line in self.heads[-1].split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = hashlib.sha1(key.split(b": ")[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        lines = (
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {base64.b64encode(accept).decode()}"
        )
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\nX-Version: {self.version}\r\n\r\n".encode())
        number = 0
        while True:
            opcode, data = await read_frame(reader)
            if opcode == 8:
                writer.write(frame(8, data))
                return
            number += 1
            answer = {"seq": number, "echo": "other" if role == "wrong" else data.decode(), "version": self.version}
            if role != "mute":
                writer.write(frame(1, json.dumps(answer).encode()))
            if role in ("echo", "wrong", "mute") or number < 2:
                continue
            if role == "cut":
                return
            if role == "reset":
                await asyncio.sleep(LITTLE_WHILE)
                reset(writer)
                return
            writer.write(frame(8, struct.pack("!H", int(role)) + b"bye"))
            while (await read_frame(reader))[0] != 8:
                pass
            return

    async def _events(self, writer: asyncio.StreamWriter) -> None:
        role = self._next(self._streams, "tick")
        if role == "refuse":
            writer.write(self.http(b"", status="502 Bad Gateway"))
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        number = 0
        while (number < 3 or role == "tick") and not writer.is_closing():
            number += 2 if role == "gap" and number == 1 else 1
            writer.write(chunk(event(number, "stats", self.version)))
            await asyncio.sleep(0.01)
        if role == "hush":
            await self.release.wait()
        elif role == "bye":
            writer.write(chunk(event(number, "bye", self.version)) + chunk(b""))
        elif role == "end":
            writer.write(chunk(b""))
        elif role == "truncate":
            writer.write(b"ff\r\nid: 9")
        elif role == "reset":
            reset(writer)

    def _next(self, script: list[str], then: str) -> str:
        if not self._script:
            self.done.set()
        if not script:
            return then
        self._script -= 1
        return script.pop(0)


def reset(writer: asyncio.StreamWriter) -> bool:
    """Ends a connection with RST."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    return False


def event(number: int, name: str, version: str) -> bytes:
    """One server-sent event."""
    return f'id: {number}\nevent: {name}\ndata: {{"version": "{version}"}}\n\n'.encode()


def chunk(data: bytes) -> bytes:
    """One chunk; the last when it is empty."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def frame(opcode: int, data: bytes) -> bytes:
    """A server's WebSocket frame (short ones)."""
    return bytes((0x80 | opcode, len(data))) + data


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """A client's WebSocket frame (short, masked)."""
    first, length = await reader.readexactly(2)
    mask = await reader.readexactly(4)
    data = await reader.readexactly(length & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
