# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HAProxy and a real nginx on loopback, in private directories, with small programs behind them."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Provider, build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import Drain, Watch, configure, switch


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return t.cast(int, probe.getsockname()[1])


def until(condition: t.Callable[[], bool], what: str, seconds: float = 10.0) -> None:
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
        self.served = 0
        self.waiting = 0
        self.release = threading.Event()
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if self.path.startswith("/health"):
                    self.answer(app.health)
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


class Load:
    """Requests over keep-alive connections, one after another on each; every answer is kept, nothing is tried again."""

    def __init__(self, port: int, connections: int = 4) -> None:
        self.port = port
        self.answers: list[tuple[int, str]] = []
        self.failures: list[str] = []
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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                self.answers.append((response.status, response.read().decode()))
                if response.status != 200:
                    self.failures.append(f"status {response.status}")
            except (OSError, http.client.HTTPException) as error:
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


class Proxy:
    """What both have in common: how the tests ask for traffic to be moved."""

    kind = ""
    process: subprocess.Popen[bytes] | None = None

    def __init__(self, directory: pathlib.Path) -> None:
        self.dir = directory
        self.root = directory / "state"

    def settings(self) -> dict[str, t.Any]:
        raise NotImplementedError

    def provider(self, platform: str = "shop", environment: str = "production") -> Provider:
        return provider(self.kind, System(), platform=platform, environment=environment, settings=self.settings())

    def params(self, port: int, blue: t.Sequence[App], green: t.Sequence[App], **more: t.Any) -> dict[str, t.Any]:
        sides = {
            side: [
                {"name": f"{side}_app{number}_1", "address": "127.0.0.1", "port": app.port}
                for number, app in enumerate(apps, 1)
            ]
            for side, apps in (("blue", blue), ("green", green))
        }
        return {
            "platform": "shop",
            "environment": "production",
            "bind": "127.0.0.1",
            "listen": port,
            "routes": [{"path": "/", "service": "backend", "host": None}],
            "services": {"backend": {"health": {"path": "/health"}, "sides": sides}},
            "weights": {"blue": 100, "green": 0},
            **more,
        }

    def switch(
        self,
        params: dict[str, t.Any],
        *,
        gate: float = 5.0,
        watch: Watch | None = None,
        drain: float | None = None,
        check: bool = False,
    ) -> dict[str, t.Any]:
        return switch(
            self.provider(params["platform"], params["environment"]),
            System(),
            build_traffic(params),
            gate=gate,
            watch=watch,
            drain=None if drain is None else Drain(drain),
            check=check,
        )

    def configure(self, params: dict[str, t.Any]) -> dict[str, t.Any]:
        return configure(self.provider(params["platform"], params["environment"]), build_traffic(params), check=False)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


HAND_WRITTEN = """\
# by hand
global
    maxconn 1000
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend by_hand
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string "by hand"
"""


class RealHaproxy(Proxy):
    kind = "haproxy"

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        self.config_dir = directory / "slipway.d"
        self.config_dir.mkdir()
        self.main = directory / "haproxy.cfg"
        self.by_hand_port = free_port()
        self.main.write_text(HAND_WRITTEN.format(port=self.by_hand_port))
        self.pid = directory / "haproxy.pid"

    def settings(self) -> dict[str, t.Any]:
        return {
            "config_dir": str(self.config_dir),
            "main_config": str(self.main),
            "socket": str(self.dir / "s.sock"),
            "root": str(self.root),
            "reload_command": ["sh", "-c", f"kill -USR2 $(cat {self.pid})"],
        }

    def file(self, platform: str = "shop") -> pathlib.Path:
        return self.config_dir / f"{platform}-production.cfg"

    def state_files(self) -> list[pathlib.Path]:
        return sorted((self.root / "haproxy").glob("*.state"))

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["haproxy", "-W", "-p", str(self.pid), "-f", str(self.main), "-f", str(self.config_dir)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self.answers_by_hand, "HAProxy to start")

    def answers_by_hand(self) -> bool:
        try:
            return get(self.by_hand_port) == (200, "by hand")
        except OSError:
            return False

    def worker(self) -> str:
        said = self.ask("show info")
        return next(line.split()[1] for line in said.splitlines() if line.startswith("Pid:"))

    def after_shift(self, action: t.Callable[[], object]) -> None:
        """Do something as soon as green has all the traffic, from another thread."""

        def wait() -> None:
            until(lambda: self.provider().observe()["live_side"] == "green", "the shift")
            action()

        threading.Thread(target=wait, daemon=True).start()

    def grown_up(self) -> None:
        """Wait until checks are believed without being forced."""

        def uptime() -> int:
            lines = self.ask("show info").splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("Uptime_sec:"))

        until(lambda: uptime() >= 2, "two seconds of uptime")

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(5)
            stream.connect(str(self.dir / "s.sock"))
            stream.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: stream.recv(65536), b"")).decode()

    def reload(self) -> None:
        old = self.worker()
        os.kill(int(self.pid.read_text()), signal.SIGUSR2)

        def renewed() -> bool:
            try:
                return self.worker() != old
            except OSError:
                return False

        until(renewed, "a new worker")

    def restart(self) -> None:
        self.stop()
        self.start()


NGINX = """\
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
worker_processes 2;
worker_shutdown_timeout 20s;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    include {dir}/conf.d/*.conf;
}}
"""


class RealNginx(Proxy):
    kind = "nginx"

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        (directory / "conf.d").mkdir()
        (directory / "log").mkdir()
        self.main = directory / "nginx.conf"
        self.main.write_text(NGINX.format(dir=directory))

    def settings(self) -> dict[str, t.Any]:
        return {
            "config_dir": str(self.dir / "slipway.d"),
            "include_file": str(self.dir / "conf.d" / "slipway.conf"),
            "pid_file": str(self.dir / "nginx.pid"),
            "log_dir": str(self.dir / "log"),
            "root": str(self.root),
            "check_command": ["nginx", "-t", "-q", "-c", str(self.main)],
            "reload_command": ["nginx", "-s", "reload", "-c", str(self.main)],
        }

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["nginx", "-c", str(self.main)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(
            lambda: (self.dir / "nginx.pid").exists() and bool((self.dir / "nginx.pid").read_text()), "nginx to start"
        )


@pytest.fixture
def directory() -> t.Iterator[pathlib.Path]:
    """Short, because a socket's path may have 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-t-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def haproxy(directory: pathlib.Path) -> t.Iterator[RealHaproxy]:
    proxy = RealHaproxy(directory)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def nginx(directory: pathlib.Path) -> t.Iterator[RealNginx]:
    directory.chmod(0o755)
    proxy = RealNginx(directory)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def blue() -> t.Iterator[App]:
    app = App("blue")
    yield app
    app.stop()


@pytest.fixture
def green() -> t.Iterator[App]:
    app = App("green")
    yield app
    app.stop()


@pytest.fixture
def port() -> int:
    return free_port()
