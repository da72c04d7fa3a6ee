# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes against real servers on loopback that misbehave in every way that a deployment meets."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.probe.loop import check_once, probe_all
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import Policy, Result, Target
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

QUICK = Policy(successes=2, minimum=0.0, interval=0.05, timeout=0.5, deadline=0.6)
RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, 0 s (socket(7))

Handler = t.Callable[[socket.socket], None]


@contextlib.contextmanager
def server(handler: Handler, family: int = socket.AF_INET) -> t.Iterator[int]:
    """Hand each connection to the handler, in a thread of its own; gives the port."""
    listener = socket.create_server(("localhost" if family == socket.AF_INET else "::1", 0), family=family)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            handler(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def replies(*parts: str, status: str = "200 OK", body: str = "") -> Handler:
    """Read one request, answer with these header lines and this body."""

    def handler(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        lines = [f"HTTP/1.1 {status}", *parts, f"Content-Length: {len(body.encode())}", "", body]
        connection.sendall("\r\n".join(lines).encode())

    return handler


def echoes_host(connection: socket.socket) -> None:
    request = connection.recv(65536).decode()
    host = next(line[6:] for line in request.split("\r\n") if line.lower().startswith("host: "))
    good = host == "shop.example.com"
    said = "fine" if good else f"Blocked hosts: {host}"
    status = "200 OK" if good else "403 Forbidden"
    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(said)}\r\n\r\n{said}".encode())


def hangs(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def drips(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    ticks = threading.Event()
    while not ticks.wait(0.02):
        connection.sendall(b".")


def resets(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def closes(connection: socket.socket) -> None:
    connection.recv(4096)


def says(raw: bytes) -> Handler:
    def handler(connection: socket.socket) -> None:
        connection.sendall(raw)
        connection.recv(4096)

    return handler


def probed(target: Target, secrets: t.Sequence[str] = ()) -> Result:
    return probe_all([target], system=System(), policy=QUICK, secrets=secrets)[0]


CASES: dict[str, tuple[Handler, dict[str, t.Any], str, str]] = {
    "hang": (hangs, {}, "timeout", "while waiting for the answer"),
    "drip": (drips, {}, "timeout", "while reading the body"),
    "redirect": (replies("Location: https://shop.test/", status="301 Moved"), {}, "redirect", "to https://shop.test/"),
    "wrong host": (echoes_host, {}, "host_rejected", "does not accept the host name localhost"),
    "500": (replies(status="500 Oops", body="traceback"), {}, "status", "found 500"),
    "bad body": (replies(body='{"db": "down"}'), {"contains": '"up"'}, "body", "down"),
    "garbage": (says(b"\x00\xff\x01garbage\r\n\r\n"), {}, "protocol", "does not speak HTTP"),
    "ssh": (says(b"SSH-2.0-OpenSSH\r\n"), {}, "protocol", "SSH-2.0-OpenSSH"),
    "close": (closes, {}, "empty", "closed the connection without an answer"),
    "reset": (resets, {}, "reset", "reset the connection"),
    "tls wanted": (says(b"\x15\x03\x01\x00\x02\x02\x46"), {}, "tls", "expects TLS"),
    "cut": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"), {}, "reset", "cut the body after 4 bytes"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_misbehaving_server_is_named(case: str) -> None:
    handler, options, cause, said = CASES[case]
    with server(handler) as port:
        result = probed(Target("http", url=f"http://localhost:{port}/health", **options))
    assert (result.healthy, result.cause) == (False, cause)
    assert said in result.message
    assert result.remedy
    assert result.seconds < 1.0


def test_targets_are_probed_at_the_same_time_and_good_ones_are_healthy() -> None:
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(server(replies(body="ok")))
        six = stack.enter_context(server(replies(body="ok"), socket.AF_INET6))
        host = stack.enter_context(server(echoes_host))
        silent = stack.enter_context(server(hangs))
        hanging = [Target("http", name=f"hang/{index}", url=f"http://localhost:{silent}/") for index in range(20)]
        targets = [
            Target("http", url=f"http://localhost:{good}/", contains="ok"),
            Target("http", url=f"http://[::1]:{six}/"),
            Target("http", url=f"http://localhost:{host}/", headers={"Host": "shop.example.com"}),
            Target("tcp", host="localhost", port=silent),
            *hanging,
        ]
        system = System()
        start = system.monotonic()
        results = probe_all(targets, system=system, policy=QUICK)
        seconds = system.monotonic() - start
    assert [result.healthy for result in results] == [True] * 4 + [False] * 20
    assert seconds < 20 * QUICK.deadline / 2
    json.dumps(results)


def test_nobody_listens() -> None:
    with server(closes) as port:
        pass
    for target in (Target("http", url=f"http://localhost:{port}/"), Target("tcp", host="localhost", port=port)):
        result = probed(target)
        assert (result.cause, result.attempts > 3) == ("refused", True)
        assert f"nothing listens on localhost:{port}" in result.message


def test_a_full_backlog_is_a_timeout_of_connecting() -> None:
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _attempt in range(4):  # nobody accepts: the queue is full, and further SYNs are dropped
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        result = probed(Target("http", url=f"http://127.0.0.1:{listener.getsockname()[1]}/"))
    assert result.cause == "timeout"
    assert "while connecting" in result.message


def test_a_name_that_nobody_knows() -> None:
    result = probed(Target("tcp", host="no-such-host.invalid", port=80))
    assert result.cause == "dns"


def test_a_tcp_server_that_hangs_up_at_once_is_not_healthy() -> None:
    with server(lambda connection: None) as port:
        assert probed(Target("tcp", host="localhost", port=port)).cause == "empty"
    with server(says(b"220 ready\r\n")) as port:
        result = probed(Target("tcp", host="localhost", port=port))
    assert result.healthy
    assert result.evidence["greeting"] == "220 ready\ufffd\n"


def test_commands_are_run_without_a_shell() -> None:
    python = sys.executable
    results = probe_all(
        [
            Target("command", name="good", argv=[python, "-c", "print('$HOME')"]),
            Target("command", name="bad", argv=[python, "-c", "import sys; sys.exit('pw hunter2 wrong')"]),
            Target("command", name="slow", argv=["sleep", "60"]),
            Target("command", name="none", argv=["/no/such/program"]),
        ],
        system=System(),
        policy=QUICK._replace(successes=1, timeout=1.5, deadline=2.0),
        secrets=["hunter2"],
    )
    assert [result.cause for result in results] == ["", "command", "timeout", "command"]
    assert results[0].evidence["stdout"] == "$HOME"
    assert results[1].evidence["stderr"] == "pw ******** wrong"


def test_a_smoke_test_sends_what_it_is_told_and_only_once() -> None:
    seen: list[bytes] = []

    def handler(connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"}"):
            request += connection.recv(65536)
        seen.append(request)
        connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    with server(handler) as port:
        target = Target(
            "http", url=f"http://localhost:{port}/orders", method="PUT", headers={"X-Smoke": "1"}, body='{"a": 1}'
        )
        result = check_once(target, system=System(), policy=QUICK)
    assert (result.cause, len(seen)) == ("status", 1)
    assert seen[0].startswith(b"PUT /orders HTTP/1.1\r\n")
    assert b"X-Smoke: 1\r\n" in seen[0]
    assert seen[0].endswith(b'\r\n\r\n{"a": 1}')


# TLS --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A self-signed certificate for shop.example.com, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop.example.com"]
    extra = ["-addext", "subjectAltName=DNS:shop.example.com", "-keyout", f"{path}.key", "-out", f"{path}.crt"]
    subprocess.run([*make, *extra], check=True, capture_output=True)
    path.write_bytes(path.with_suffix(".pem.key").read_bytes() + path.with_suffix(".pem.crt").read_bytes())
    return path


def over_tls(certificate: pathlib.Path, handler: Handler) -> Handler:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def tls_handler(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            handler(secure)

    return tls_handler


NAMED: dict[str, t.Any] = {"headers": {"Host": "shop.example.com"}}


@pytest.mark.parametrize(
    ("options", "cause", "said"),
    [
        ({}, "tls", "self-signed certificate"),
        ({"validate_certs": False}, "", ""),
        ({"ca_path": "{crt}", **NAMED}, "", ""),
        ({"ca_path": "{crt}"}, "tls", "ostname mismatch"),
    ],
)
def test_certificates_are_checked(certificate: pathlib.Path, options: dict[str, t.Any], cause: str, said: str) -> None:
    options = {key: f"{certificate}.crt" if value == "{crt}" else value for key, value in options.items()}
    with server(over_tls(certificate, replies(body="ok"))) as port:
        result = probed(Target("http", url=f"https://localhost:{port}/", contains="ok", **options))
    assert result.cause == cause
    assert said.replace("-", " ") in result.message.replace("-", " ")


def test_tls_where_there_is_none() -> None:
    with server(says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as port:
        result = probed(Target("http", url=f"https://localhost:{port}/x"))
    assert result.cause == "tls"
    assert f"Probe http://localhost:{port} instead" in result.remedy


def test_a_tls_server_that_hangs_in_the_handshake() -> None:
    with server(hangs) as port:
        result = probed(Target("http", url=f"https://localhost:{port}/"))
    assert result.cause == "timeout"
    assert "while agreeing on TLS" in result.message
