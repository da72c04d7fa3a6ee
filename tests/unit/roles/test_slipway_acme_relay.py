# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that passes an ACME server's question on, to two balancers of which one knows the answer."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.slipway.deploy.tests.unit.roles.programs import program

RELAY: t.Any = program("slipway-acme-relay")

PATH = "/.well-known/acme-challenge/a-Token_1"


class Certbot(http.server.BaseHTTPRequestHandler):
    """Knows one token, for one host; notes what it is asked."""

    asked: t.ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        known = self.path == PATH and self.headers["Host"] == "shop.example.com"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b"a-Token_1.thumb" if known else b"no such token")

    def log_message(self, *_words: t.Any) -> None:
        """Nothing."""


@pytest.fixture
def relay(tmp_path: Path) -> t.Iterator[t.Any]:
    Certbot.asked.clear()
    certbot = http.server.HTTPServer(("127.0.0.1", 0), Certbot)
    server = RELAY.Relay("127.0.0.1", 0)
    server.directory, server.peer_port = tmp_path, certbot.server_port
    (tmp_path / "shop-production.balancers").write_text("127.0.0.9\n127.0.0.1\n")  # nobody is at the first
    for one in (certbot, server):
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield server
    for one in (server, certbot):
        one.shutdown()
        one.server_close()


def ask(server: t.Any, path: str, host: str = "shop.example.com") -> tuple[int, bytes]:
    link = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    link.request("GET", path, headers={"Host": host})
    answer = link.getresponse()
    found = (answer.status, answer.read())
    link.close()
    return found


def test_whoever_knows_the_answer_gives_it(relay: t.Any) -> None:
    assert ask(relay, PATH) == (200, b"a-Token_1.thumb")


def test_what_nobody_knows_is_not_there(relay: t.Any) -> None:
    assert ask(relay, f"{PATH}x") == (404, b"") and ask(relay, PATH, "else.example.com") == (404, b"")
    (relay.directory / "shop-production.balancers").unlink()
    assert ask(relay, PATH) == (404, b"")


@pytest.mark.parametrize(
    "path", ["/", "/etc/passwd", f"{PATH}/../../x", f"{PATH}?x=1", f"{PATH}%2e", "/.well-known/acme-challenge/"]
)
def test_nothing_else_is_passed_on(relay: t.Any, path: str) -> None:
    assert ask(relay, path) == (404, b"") and Certbot.asked == []


def test_a_port_that_somebody_has_is_left_to_them_and_systemd_is_told(
    relay: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[None] = []
    monkeypatch.setattr(RELAY, "ready", lambda: told.append(None))
    RELAY.main(f"127.0.0.1:{relay.server_address[1]}", str(tmp_path), "1")
    assert len(told) == 1 and "whoever listens there" in capsys.readouterr().err


def test_one_in_the_place_of_a_proxy_leaves_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has started it may have been killed, and a proxy could not have the port then."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(RELAY, "STAY", 0.01)
    RELAY.main(f":{port}", str(tmp_path), "1")
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", port))
        assert proxy.getsockname()[1] == port
