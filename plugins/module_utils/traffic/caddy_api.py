# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caddy's admin endpoint on its unix socket (private to the collection).

Caddy 2.6 sends the ETag of a configuration as a trailer, which C(http.client) throws away; so HTTP is spoken here.
https://caddyserver.com/docs/api
"""

from __future__ import annotations

import json
import socket
import typing as t

from ..errors import SlipwayError

SECONDS = 30.0
LONGEST_ERROR = 1000
CONFIG = "/config/"


class Answer(t.NamedTuple):
    """Of one request; C(etag) names what was read, for a change that wants nobody else's in between."""

    status: int
    etag: str
    body: bytes


class CaddyApi:
    """One admin endpoint."""

    def __init__(self, path: str) -> None:
        self.path = path

    def answers(self) -> bool:
        """Whether there is one."""
        try:
            self.ask("GET", "/reverse_proxy/upstreams")
        except SlipwayError:
            return False
        return True

    def config(self) -> tuple[dict[str, t.Any], str]:
        """What Caddy runs, and the ETag of it."""
        answer = self.ask("GET", CONFIG)
        return _decoded(answer, CONFIG) or {}, answer.etag

    def replace_config(self, config: t.Mapping[str, t.Any], etag: str) -> bool:
        """Run another configuration; false when somebody has changed it since the ETag was read.

        :raises SlipwayError: C(config_invalid); Caddy goes on with the one it has.
        """
        answer = self.ask("POST", CONFIG, json.dumps(config).encode(), if_match=etag)
        if answer.status == 412:
            return False
        if answer.status != 200:
            raise SlipwayError(
                "Caddy refuses the configuration",
                obj=self.path,
                actual=answer.body.decode(errors="replace").strip()[:LONGEST_ERROR] or f"status {answer.status}",
                remedy="Caddy goes on as before, and the old file is back.",
                cause="config_invalid",
            )
        return True

    def upstreams(self) -> dict[str, tuple[int, int]]:
        """By address: requests under way, and failures that still count."""
        where = "/reverse_proxy/upstreams"
        listed = _decoded(self.ask("GET", where), where) or []
        return {str(one["address"]): (int(one["num_requests"]), int(one["fails"])) for one in listed}

    def ask(self, method: str, path: str, body: bytes = b"", *, if_match: str = "") -> Answer:
        """One request.

        :raises SlipwayError: C(proxy_not_running) when nobody answers.
        """
        lines = [f"{method} {path} HTTP/1.1", "Host:", "Connection: close", f"Content-Length: {len(body)}"]
        if body:
            lines.append("Content-Type: application/json")
        if if_match:
            lines.append(f"If-Match: {if_match}")
        request = "\r\n".join([*lines, "", ""]).encode() + body
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.settimeout(SECONDS)
                stream.connect(self.path)
                stream.sendall(request)
                return parse_answer(b"".join(iter(lambda: stream.recv(65536), b"")))
        except (OSError, ValueError) as error:
            raise SlipwayError(
                "Caddy does not answer on its admin socket",
                obj=self.path,
                actual=str(error) or type(error).__name__,
                cause="proxy_not_running",
                remedy="Start it: systemctl start caddy; its Caddyfile must say 'admin unix/' and this path.",
            ) from None


def parse_answer(raw: bytes) -> Answer:
    """Status, ETag (a header or a trailer) and body of a whole HTTP/1.1 answer (RFC 9112).

    :raises ValueError: it is not one, or was cut.
    """
    head, separator, rest = raw.partition(b"\r\n\r\n")
    first, _newline, lines = head.decode("latin-1").partition("\r\n")
    if not separator or not first.startswith("HTTP/1."):
        raise ValueError("not an answer in HTTP")
    headers = _fields(lines)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        rest, trailers = _unchunked(rest)
        headers.update(_fields(trailers))
    elif len(rest) != int(headers.get("content-length", len(rest))):
        raise ValueError("the answer was cut")
    return Answer(int(first.split(maxsplit=2)[1]), headers.get("etag", ""), rest)


def _unchunked(raw: bytes) -> tuple[bytes, str]:
    parts: list[bytes] = []
    while True:
        size, separator, raw = raw.partition(b"\r\n")
        if not separator:
            raise ValueError("the answer was cut")
        length = int(size.split(b";", maxsplit=1)[0], 16)
        if not length:
            return b"".join(parts), raw.decode("latin-1")
        if len(raw) < length + 2:
            raise ValueError("the answer was cut")
        parts.append(raw[:length])
        raw = raw[length + 2 :]


def _fields(lines: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines.split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _colon, value in pairs}


def _decoded(answer: Answer, what: str) -> t.Any:
    try:
        if answer.status == 200:
            return json.loads(answer.body)
    except ValueError:
        pass
    raise SlipwayError(
        "Caddy's admin endpoint does not say what is asked for",
        obj=what,
        actual=f"status {answer.status}: {answer.body.decode(errors='replace')[:LONGEST_ERROR]}",
        wanted="status 200 and JSON",
        cause="read_back",
    )
