# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy of HTTP between a test and a store, which answers itself where a test says so."""

from __future__ import annotations

import http.client
import http.server
import re
import threading
import typing as t

HOP = ("connection", "transfer-encoding", "keep-alive")


class Fault(t.NamedTuple):
    """What happens to requests.

    :param when: expression that matches C(METHOD path) of those that are meant.
    :param status: of the answer instead of the store's; 0 ends the connection without any, -1 in the middle of it, and
        -2 lets it wait for one until another fault, or none, is planned.
    :param after: so many that are meant pass before.
    :param times: to so many; without it to all.
    """

    when: str
    status: int
    after: int = 0
    times: int = 1 << 30


class Proxy:
    """Answers while its context lasts."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.fault: Fault | None = None
        self.seen: list[str] = []
        self.faults = 0
        self._met = 0
        self._lifted = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def plan(self, fault: Fault | None) -> None:
        self._lifted.set()
        self._lifted = threading.Event()
        self.fault, self._met, self.faults = fault, 0, 0
        self.seen.clear()

    def wait(self) -> None:
        """Until the fault that is planned now is none any more."""
        self._lifted.wait()

    def verdict(self, request: str) -> int | None:
        """The status to answer with; None to pass it on."""
        self.seen.append(request)
        if self.fault is None or not re.search(self.fault.when, request):
            return None
        self._met += 1
        if self._met <= self.fault.after or self.faults == self.fault.times:
            return None
        self.faults += 1
        return self.fault.status


def _handler(proxy: Proxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer waits 40 ms for an acknowledgement of its headers

        def log_message(self, *_args: object) -> None:
            pass

        def pass_on(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = (
                self._chunked() if "chunked" in self.headers.get("Transfer-Encoding", "") else self.rfile.read(length)
            )
            status = proxy.verdict(f"{self.command} {self.path}")
            if status == -2:
                proxy.wait()
            if status in (0, -2):
                self.close_connection = True
                return
            if status is not None and status > 0:
                self._answer(status, [], b"")
                return
            link = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            headers["Content-Length"] = str(len(body))
            link.request(self.command, self.path, body, headers)
            answer = link.getresponse()
            content = answer.read()
            link.close()
            kept = [
                (name, value) for name, value in answer.getheaders() if name.lower() not in (*HOP, "content-length")
            ]
            length = int(answer.getheader("Content-Length") or 0) if self.command == "HEAD" else len(content)
            self._answer(answer.status, kept, content, length, cut=status == -1)

        def _chunked(self) -> bytes:
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    return body

        def _answer(
            self, status: int, headers: list[tuple[str, str]], body: bytes, length: int = 0, *, cut: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = pass_on  # named by the library

    return Handler
