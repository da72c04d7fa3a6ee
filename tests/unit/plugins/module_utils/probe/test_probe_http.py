# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How answers are judged, and what becomes of servers that do not answer in HTTP."""

from __future__ import annotations

import json
import socket
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.probe import over_http as http
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import Clean, Target
from ansible_collections.slipway.deploy.plugins.module_utils.probe.over_http import Answer, HttpProbe, exchange, judge
from ansible_collections.slipway.deploy.plugins.module_utils.probe.tcp import failure
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.probe.fakes import FakeSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGET = Target("http", url="http://127.0.0.1:20000/health")


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, "Reason", {name.replace("_", "-"): value for name, value in headers.items()}, body)


def judged(target: Target, given_answer: Answer) -> SlipwayError | None:
    try:
        judge(target, given_answer, Clean())
    except SlipwayError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("target", "given_answer"),
    [
        (TARGET, answer(200)),
        (TARGET, answer(204)),
        (TARGET._replace(status=[302]), answer(302, location="/login")),
        (TARGET._replace(status=[200, 503]), answer(503)),
        (TARGET._replace(contains='"ok"'), answer(200, b'{"state": "ok"}')),
        (TARGET._replace(contains="grün"), answer(200, "alles grün".encode())),
        (TARGET, answer(200, b"Invalid Host header")),
    ],
)
def test_an_answer_as_expected_passes(target: Target, given_answer: Answer) -> None:
    assert judged(target, given_answer) is None


@pytest.mark.parametrize(
    ("given_answer", "said"),
    [
        (answer(301, location="https://127.0.0.1:20000/health"), "X-Forwarded-Proto: https"),
        (answer(302, location="/health/"), "Write the path as /health/."),
        (answer(302, location="/login?next=/health"), "without a login"),
        (answer(308, location="http://shop.example.com/health"), "Host: shop.example.com"),
        (answer(307, location="http://[bad"), "answer its health path itself"),
    ],
)
def test_a_redirect_says_where_to_and_what_to_do(given_answer: Answer, said: str) -> None:
    error = judged(TARGET, given_answer)
    assert error is not None
    assert error.cause == "redirect"
    assert "redirects to http" in error.what
    assert said in error.remedy
    assert error.evidence["headers"]["location"] == given_answer.headers["location"]


def test_a_redirect_is_compared_with_the_host_that_was_sent() -> None:
    error = judged(TARGET._replace(headers={"host": "shop.test"}), answer(301, location="http://shop.test/health/"))
    assert error is not None
    assert error.remedy == "Write the path as /health/."


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"DisallowedHost at /\nInvalid HTTP_HOST header: '10.0.0.1:8000'. You may need to add"),
        (400, b"<html><body><h1>Bad Request (400)</h1></body></html>"),
        (403, b"<h1>Blocked host: 10.0.0.1:3000</h1>"),
        (403, b"Blocked hosts: 10.0.0.1:3000"),
        (403, b"Invalid Host header"),
        (400, b"Invalid host header"),
        (403, b'Blocked request. This host ("10.0.0.1") is not allowed.'),
        (400, b"Host '10.0.0.1' is not trusted."),
        (400, b'Untrusted Host "10.0.0.1".'),
        (400, b"<h2>Bad Request - Invalid Hostname</h2>"),
        (421, b"Misdirected Request"),
    ],
)
def test_a_rejected_host_name_is_recognised(status: int, body: bytes) -> None:
    error = judged(TARGET, answer(status, body))
    assert error is not None
    assert error.cause == "host_rejected"
    assert "127.0.0.1:20000" in error.what


@pytest.mark.parametrize(
    ("target", "given_answer", "cause", "said"),
    [
        (TARGET, answer(500, b"boom"), "status", "found 500, wanted '200 to 299'"),
        (TARGET, answer(400, b"bad"), "status", "found 400"),
        (TARGET, answer(403, b"forbidden"), "status", "without a login"),
        (TARGET, answer(304), "status", "found 304"),
        (TARGET, answer(301), "status", "found 301"),
        (TARGET._replace(status=[200]), answer(201), "status", "wanted '200'"),
        (TARGET._replace(contains="ok"), answer(200, b"nope"), "body", "found 'nope', wanted 'ok'"),
        (TARGET._replace(contains="ok"), answer(200, b"Invalid Host header"), "host_rejected", "does not accept"),
        (
            TARGET,
            answer(400, b"The plain HTTP request was sent to HTTPS port"),
            "tls",
            "Probe https://127.0.0.1:20000 instead",
        ),
    ],
)
def test_other_answers_are_named(target: Target, given_answer: Answer, cause: str, said: str) -> None:
    error = judged(target, given_answer)
    assert error is not None
    assert error.cause == cause
    assert said in error.message
    assert error.evidence["status"] == given_answer.status
    assert error.evidence["body"] == given_answer.body.decode()


def test_secrets_in_an_answer_are_masked() -> None:
    secret = "sécret-value"
    body = (b"x" * 495 + secret.encode()) * 2
    replied = answer(500, body, location=f"/?{secret}", server=f"v {secret}")
    with pytest.raises(SlipwayError) as caught:
        judge(TARGET, replied, Clean([secret]))
    assert secret not in json.dumps(caught.value.result(), ensure_ascii=False)
    assert "sé" not in caught.value.evidence["body"]


# Raw answers ------------------------------------------------------------------------------------------------


class Wire:
    """A socket that has these bytes to say and keeps what it was told."""

    def __init__(self, says: bytes, chunk: int = 65536) -> None:
        self.says = says
        self.chunk = chunk
        self.told = b""
        self.closed = False

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def sendall(self, data: bytes) -> None:
        self.told += data

    def recv_into(self, buffer: t.Any) -> int:
        part = self.says[: min(self.chunk, len(buffer))]
        self.says = self.says[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self.closed = True


def exchanged(monkeypatch: pytest.MonkeyPatch, wire: Wire, target: Target = TARGET) -> Answer:
    monkeypatch.setattr(http, "connect", lambda *_args: wire)
    try:
        return exchange(target, None, lambda: 1.0, Clean())
    finally:
        assert wire.closed


def test_the_request_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(
        "http",
        url="http://127.0.0.1:20000?x=1",
        method="POST",
        headers={"Host": "shop.test", "User-Agent": "mine", "X-Ü".replace("Ü", "U"): "ü"},
        body="{ü}",
    )
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: \xc3\xbc\r\n\r\nhi")
    got = exchanged(monkeypatch, wire, target)
    head, _blank, body = wire.told.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /?x=1 HTTP/1.1"
    assert sorted(lines[1:]) == [
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Length: 4",
        "Host: shop.test",
        "User-Agent: mine",
        "X-U: ü",
    ]
    assert body.decode() == "{ü}"
    assert got == Answer(200, "OK", {"content-length": "2", "x-a": "ü"}, b"hi")


@pytest.mark.parametrize(
    ("says", "body"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: endless", b""),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (http.BODY_LIMIT + 10), b"x" * http.BODY_LIMIT),
    ],
    ids=["http10", "chunked", "no-content", "event-stream", "huge"],
)
@pytest.mark.parametrize("chunk", [7, 65536])
def test_bodies_are_read_whole_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch, says: bytes, body: bytes, chunk: int
) -> None:
    assert exchanged(monkeypatch, Wire(says, chunk)).body == body


@pytest.mark.parametrize(
    ("says", "cause"),
    [
        (b"", "empty"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "tls"),
        (b"HTTP/1.1 abc\r\n\r\n", "protocol"),
        (b"HTTP/3 200 OK\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "protocol"),
        (b"HTTP/1.1 200 " + b"x" * 70000 + b"\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", "reset"),
    ],
)
def test_what_is_no_answer_is_named(monkeypatch: pytest.MonkeyPatch, says: bytes, cause: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        exchanged(monkeypatch, Wire(says))
    assert caught.value.cause == cause
    assert caught.value.remedy


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda head, body: b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body,
            st.sampled_from(
                [b"A: b", b"Transfer-Encoding: chunked", b"Content-Length: 5", b"Content-Length: -1", b":"]
            ),
            st.binary(max_size=50),
        ),
    )
)
def test_no_bytes_make_the_probe_fail_without_a_name(monkeypatch: pytest.MonkeyPatch, says: bytes) -> None:
    try:
        exchanged(monkeypatch, Wire(says))
    except SlipwayError as error:
        assert error.cause in ("empty", "protocol", "reset", "tls")


def test_a_server_that_trickles_bytes_cannot_stretch_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    system = FakeSystem()

    class Trickle(Wire):
        def recv_into(self, buffer: t.Any) -> int:
            system.advance(0.4)
            return super().recv_into(buffer)

    monkeypatch.setattr(http, "connect", lambda *_args: Trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", 1))
    with pytest.raises(SlipwayError, match="while waiting for the answer") as caught:
        HttpProbe(TARGET, system, Clean()).attempt(2.0)
    assert caught.value.cause == "timeout"
    assert system.monotonic() < 2.5


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.timeout("timed out"), "timeout"),
        (TimeoutError(110, "Connection timed out"), "timeout"),
        (ConnectionRefusedError(111, "Connection refused"), "refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "reset"),
        (BrokenPipeError(32, "Broken pipe"), "reset"),
        (OSError(113, "No route to host"), "unreachable"),
        (OSError("odd"), "unreachable"),
    ],
)
def test_socket_errors_are_named(error: OSError, cause: str) -> None:
    assert failure(error, "app1:80", "connecting").cause == cause


def test_a_ca_path_of_no_use_is_bad_input() -> None:
    target = TARGET._replace(url="https://127.0.0.1/", ca_path="/does/not/exist.pem")
    with pytest.raises(SlipwayError, match="ca_path cannot be used") as caught:
        HttpProbe(target, FakeSystem(), Clean())
    assert caught.value.cause == "bad_input"
