# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small programs behind a proxy, and the clients that ask for them."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import ssl
import threading
import time
import typing as t


def until(condition: t.Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Look again and again: what a real proxy or program does by itself tells nobody when it is done."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class App:
    """A program behind the proxy: says its name; /slow waits for C(release); /ws upgrades and stays."""

    def __init__(self, name: str, port: int = 0) -> None:
        self.name = name
        self.status = 200
        self.health = 200
        self.on_request: t.Callable[[], None] = lambda: None
        self.unknown = ""  # a path of a check that this version does not know
        self.served = 0
        self.counting = threading.Lock()
        self.waiting = 0
        self.release = threading.Event()
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if self.path.startswith("/health"):
                    self.answer(404 if self.path == app.unknown else app.health)
                elif self.path.startswith("/ws"):
                    self.send_response(101)
                    self.send_header("Upgrade", "websocket")
                    self.send_header("Connection", "Upgrade")
                    self.send_header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                    self.end_headers()
                    self.wfile.flush()
                    app.hold()
                    self.close_connection = True
                else:
                    if self.path.startswith("/slow"):
                        app.hold()
                    app.on_request()
                    with app.counting:
                        app.served += 1
                    self.answer(app.status)

            def answer(self, status: int) -> None:
                body = app.name.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle()

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Listener(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def hold(self) -> None:
        self.waiting += 1
        self.release.wait(30)
        self.waiting -= 1

    def stop(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


# How a client sees that a connection was closed while it was idle; the last by TLS.
CLOSED = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)


class Load:
    """Requests over keep-alive connections, one after another on each; every answer is kept, nothing is tried again.

    C(closed) counts connections found closed when they were used again: a proxy that reloads may close idle ones.

    :param connect: makes a connection; in plain HTTP by default.
    """

    def __init__(
        self,
        port: int,
        connections: int = 4,
        path: str = "/",
        connect: t.Callable[[], http.client.HTTPConnection] | None = None,
    ) -> None:
        self.port = port
        self._connect = connect or (lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=10))
        self.path = path
        self.answers: list[tuple[int, str]] = []
        self.failures: list[str] = []
        self.closed = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _each in range(connections)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def seen(self, count: int) -> None:
        """Wait until so many answers more have come."""
        wanted = len(self.answers) + count
        until(lambda: len(self.answers) >= wanted, f"{wanted} answers")

    def _run(self) -> None:
        connection = self._connect()
        while not self._stop.is_set():
            reused = connection.sock is not None
            try:
                connection.request("GET", self.path)
                response = connection.getresponse()
                self.answers.append((response.status, response.read().decode()))
                if response.status != 200:
                    self.failures.append(f"status {response.status}")
            except (OSError, http.client.HTTPException) as error:
                if reused and isinstance(error, CLOSED):
                    self.closed += 1
                else:
                    self.failures.append(repr(error))
                connection.close()
            self._stop.wait(0.005)
        connection.close()


def get(port: int, path: str = "/", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def websocket(port: int) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), timeout=10)
    stream.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b"101" in stream.recv(4096)
    return stream
