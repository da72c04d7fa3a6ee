# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A HAProxy made of a dictionary, and what is asked of it in the tests."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy import Haproxy
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy_files import Settings
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy_socket import HaproxySocket
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Plan, Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import Listener, Process, Processes

STATE_HEADER = "# be_name srv_name srv_addr srv_admin_state srv_uweight srv_iweight srv_port"
BACKEND = "slipway_shop_production_backend"
BLUE = {"blue": 100, "green": 0}  # weights while blue is live


class FakeSystem(System):
    """Files are real (in a temporary directory); time passes only by sleeping; commands go to the fake HAProxy."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rc: dict[str, int] = {}
        self.commands: list[str] = []
        self.on_reload: t.Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)

    def run(self, argv: t.Sequence[str], *, timeout: float, stdin: t.Any = None, env: t.Any = None) -> Completed:
        self.commands.append(argv[0])
        rc = self.rc.get(argv[0], 0)
        if argv[0] == "reload" and not rc:
            self.on_reload()
        return Completed(rc, "", "[ALERT]    (1) : config : parsing [x:1] : nonsense.\n" if rc else "")


class FakeSocket(HaproxySocket):
    """A HAProxy that knows servers and weights, and keeps every order."""

    def __init__(self, system: System, path: str) -> None:
        super().__init__(system, path)
        self.servers_by_key: dict[str, dict[str, t.Any]] = {}
        self.variables: dict[str, str] = {}
        self.orders: list[str] = []
        self.broken: SlipwayError | None = None
        self.deaf = False
        self.level = "admin"
        self.pid = 100
        self.uptime = 60

    def load(self, text: str) -> None:
        """What a reload does with a configuration."""
        self.pid += 1
        self.uptime = 0
        self.servers_by_key.clear()
        self.variables.clear()
        backend = ""
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["set-var"]:
                self.variables[words[1]] = words[2][len("str(") : -1]
            if words[:1] == ["backend"]:
                backend = words[1]
            if words[:1] == ["server"]:
                address, _colon, port = words[2].rpartition(":")
                self.servers_by_key[f"{backend}/{words[1]}"] = {
                    "address": address,
                    "port": port,
                    "weight": int(words[4]),
                    "admin": 0,
                    "status": "UP",
                    "check": "L7OK",
                }

    def ask(self, command: str, *, patience: float = 0.0) -> str:
        if self.broken is not None:
            raise self.broken
        if command == "show cli level":
            return self.level + "\n\n"
        if command == "show info":
            return f"Pid: {self.pid}\nUptime_sec: {self.uptime}\nVersion: 2.6.12\n"
        if command == "show servers state":
            lines = [
                f"{key.replace('/', ' ')} {one['address']} {one['admin']} {one['weight']} {one['weight']} {one['port']}"
                for key, one in self.servers_by_key.items()
            ]
            return "\n".join(["1", STATE_HEADER, *lines]) + "\n"
        if command == "show stat":
            lines = [
                f"{key.replace('/', ',')},2,{one['status']},{one['check']},{one['weight']},0,0,0,0,0,0"
                for key, one in self.servers_by_key.items()
            ]
            return "\n".join(
                ["# pxname,svname,type,status,check_status,uweight,scur,qcur,stot,hrsp_5xx,econ,eresp", *lines]
            )
        if command.startswith("get var "):
            name = command.split()[2]
            known = name in self.variables
            return f"{name}: type=str value=<{self.variables[name]}>\n" if known else "Variable not found.\n\n"
        for order in command.split(";"):
            self._obey(order)
        return "\n"

    def _obey(self, order: str) -> None:
        self.orders.append(order)
        words = order.split()
        one = self.servers_by_key[words[2]]
        if words[3] == "weight" and not self.deaf:
            one["weight"] = int(words[4])
        elif words[3] == "addr":
            one.update(address=words[4], port=words[6])
        elif words[3] == "state":
            one["admin"] = 0


class FakeProcesses(Processes):
    """No process but those given."""

    def __init__(self) -> None:
        self.running: list[Process] = []
        self.listening: list[Listener] = []

    def named(self, command: str) -> list[Process]:
        return [one for one in self.running if one.command == command]

    def listeners(self, port: int) -> list[Listener]:
        return [one for one in self.listening if one.port == port]


class World:
    """A proxy, its files and its processes."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.settings = Settings(
            config_dir=str(directory / "slipway.d"),
            main_config=str(directory / "haproxy.cfg"),
            socket=str(directory / "s.sock"),
            root=str(directory / "state"),
            check_command=("check",),
            reload_command=("reload",),
        )
        self.system = FakeSystem()
        self.socket = FakeSocket(self.system, self.settings.socket)
        self.processes = FakeProcesses()
        self.file = directory / "slipway.d" / "shop-production.cfg"
        self.socket_file = directory / "s.sock"
        self.socket_file.touch()
        self.system.on_reload = lambda: self.socket.load(self.file.read_text() if self.file.exists() else "")

    def proxy(self) -> Haproxy:
        return Haproxy(self.system, "shop", "production", self.settings, socket=self.socket, processes=self.processes)

    def live(self, weights: dict[str, int]) -> None:
        """The platform is on the proxy with these weights, and everything is as Slipway left it."""
        proxy = self.proxy()
        plan = proxy.plan(traffic(weights=weights), shift=False)
        proxy.configure(plan)
        proxy.shift(plan)
        self.socket.uptime = 60
        self.socket.orders.clear()
        self.system.commands.clear()

    def run(self, wanted: Traffic, *, shift: bool = True) -> Plan:
        proxy = self.proxy()
        plan = proxy.plan(wanted, shift=shift)
        proxy.configure(plan)
        proxy.gate(plan, 5.0)
        proxy.shift(plan)
        return plan

    def back(self, plan: Plan) -> Plan:
        proxy = self.proxy()
        back = proxy.back(plan)
        proxy.configure(back)
        proxy.gate(back, 5.0 if back.reload else 0.0)
        proxy.shift(back)
        return back


def shop_traffic(backend: dict[str, t.Any], **changes: t.Any) -> Traffic:
    """The traffic of a platform with one service, all of it to go to green."""
    return build_traffic(
        {
            "platform": "shop",
            "environment": "production",
            "bind": "*",
            "listen": 80,
            "routes": [{"path": "/", "service": "backend"}],
            "services": {"backend": backend},
            "weights": {"blue": 0, "green": 100},
            **changes,
        }
    )


def traffic(green_port: int = 20010, blue_port: int = 20000, **changes: t.Any) -> Traffic:
    blue = [{"name": "blue_app1_1", "address": "10.0.0.1", "port": blue_port}]
    green = [{"name": "green_app1_1", "address": "10.0.0.1", "port": green_port}]
    return shop_traffic({"sides": {"blue": blue, "green": green}}, **changes)


def order(side: str, what: str) -> str:
    return f"set server {BACKEND}/{side}_app1_1 {what}"
