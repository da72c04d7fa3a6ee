# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HAProxy, nginx and Caddy on loopback, in private directories."""

from __future__ import annotations

import abc
import os
import pathlib
import signal
import socket
import subprocess
import threading
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.maintenance import close, reopen
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import Process, Processes
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import Drain, Watch, configure, switch

from tests.integration_local.places import free_port

from .apps import App, get, until

# It takes minutes to build, so only `make traefik` asks for it: by the path of the program.
TRAEFIK = os.environ.get("SLIPWAY_TRAEFIK", "")
ASKED_FOR = ["traefik"] if TRAEFIK else []


class Proxy(abc.ABC):
    """What both have in common: how the tests ask for traffic to be moved."""

    kind = ""
    program = ""  # what is started
    fails_by = ("reload_command", "reload_failed")  # the command by which a proxy does not take a change, and its cause
    process: subprocess.Popen[bytes] | None = None
    secrets: dict[str, str] | None = None  # of which certificates are made

    def __init__(self, directory: pathlib.Path) -> None:
        self.dir = directory
        self.root = directory / "state"
        self.certificates = self.root / self.kind / "tls"

    @abc.abstractmethod
    def settings(self) -> dict[str, t.Any]:
        """Where this proxy's files are."""

    def provider(self, platform: str = "shop", environment: str = "production") -> Provider:
        names = {"platform": platform, "environment": environment}
        return provider(self.kind, System(), **names, settings=self.settings(), secrets=self.secrets)

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
        spares: bool = False,
    ) -> dict[str, t.Any]:
        return switch(
            self.provider(params["platform"], params["environment"]),
            System(),
            build_traffic(params),
            gate=gate,
            watch=watch,
            drain=None if drain is None else Drain(drain),
            check=check,
            spares=spares,
        )

    def configure(self, params: dict[str, t.Any]) -> dict[str, t.Any]:
        return configure(self.provider(params["platform"], params["environment"]), build_traffic(params), check=False)

    def close(self, *, drain: float = 5.0, check: bool = False, **closed: t.Any) -> dict[str, t.Any]:
        return close(self.provider(), System(), closed, drain=Drain(drain), check=check)

    def reopen(self, *, check: bool = False) -> dict[str, t.Any]:
        return reopen(self.provider(), System(), check=check)

    @abc.abstractmethod
    def reload(self) -> None:
        """As a person would, without a change."""

    @abc.abstractmethod
    def start(self) -> None:
        """Start it; it answers when this returns."""

    def restart(self) -> None:
        self.stop()
        self.start()

    @abc.abstractmethod
    def file(self, platform: str = "shop") -> pathlib.Path:
        """The platform's own file."""

    def ports(self) -> tuple[int, int]:
        """Two that it can listen on."""
        return free_port(), free_port()

    def by_hand(self, *, bind: str = "", acme: int = 0) -> bool:
        """Write into its own configuration what must be there before the first release; whether there is any such thing.

        :param bind: where a platform is to listen.
        :param acme: the port to which what an ACME server asks is to go.
        """
        return False

    def spoil(self) -> str:
        """Write what it cannot read into a file of its own; the cause by which a change is refused then."""
        self.main.write_text(self.main.read_text() + "nonsense;")
        return "config_invalid"

    def another_port(self) -> int:
        """One more on which a platform may listen."""
        return free_port()

    def serves(self, port: int) -> bool:
        """Whether there is a platform on a port."""
        try:
            get(port)
        except ConnectionError:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)  # some give requests under way ten seconds
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
    kind = program = "haproxy"

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
            [self.program, "-W", "-p", str(self.pid), "-f", str(self.main), "-f", str(self.config_dir)],
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
    kind = program = "nginx"

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

    def file(self, platform: str = "shop") -> pathlib.Path:
        return self.dir / "slipway.d" / f"{platform}-production.conf"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.program, "-c", str(self.main)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(
            lambda: (self.dir / "nginx.pid").exists() and bool((self.dir / "nginx.pid").read_text()), "nginx to start"
        )

    def reload(self) -> None:
        before = {one.pid for one in self._workers()}
        os.kill(int((self.dir / "nginx.pid").read_text()), signal.SIGHUP)
        until(lambda: not before & {one.pid for one in self._workers()}, "new workers")

    def _workers(self) -> list[Process]:
        return Processes().children(int((self.dir / "nginx.pid").read_text()))


CADDYFILE = """\
# by hand
{{
    admin unix/{dir}/admin.sock
    auto_https off
}}
http://127.0.0.1:{port} {{
    respond "by hand"
}}
import {dir}/slipway.d/*.caddyfile
"""


class RealCaddy(Proxy):
    kind = program = "caddy"
    fails_by = ("check_command", "config_invalid")

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        (directory / "log").mkdir()
        self.main = directory / "Caddyfile"
        self.by_hand_port = free_port()
        self.main.write_text(CADDYFILE.format(dir=directory, port=self.by_hand_port))
        self.certificates = directory / "slipway.d" / "tls"
        self.autosave = directory / "home" / "caddy" / "autosave.json"

    def settings(self) -> dict[str, t.Any]:
        return {
            "config_dir": str(self.dir / "slipway.d"),
            "main_config": str(self.main),
            "socket": str(self.dir / "admin.sock"),
            "log_dir": str(self.dir / "log"),
            "root": str(self.root),
        }

    def file(self, platform: str = "shop") -> pathlib.Path:
        return self.dir / "slipway.d" / f"{platform}-production.caddyfile"

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["caddy", "run", "--config", str(self.main)],
            env={**os.environ, "XDG_CONFIG_HOME": str(self.dir / "home"), "XDG_DATA_HOME": str(self.dir / "home")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self.answers_by_hand, "Caddy to start")

    def answers_by_hand(self) -> bool:
        try:
            return get(self.by_hand_port) == (200, "by hand")
        except OSError:
            return False

    def reload(self) -> None:
        subprocess.run(["caddy", "reload", "--force", "--config", str(self.main)], check=True, capture_output=True)

    def kill(self) -> None:
        """As a machine that loses its power, without what Caddy keeps for itself."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None
        self.autosave.unlink()
