# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy is told and in which order, against a HAProxy made of a dictionary."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import haproxy_config
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy import Haproxy
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy_files import Settings
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy_socket import HaproxySocket
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic, build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import Listener, Process, Processes

STATE_HEADER = "# be_name srv_name srv_addr srv_admin_state srv_uweight srv_iweight srv_port"
BACKEND = "slipway_shop_production_backend"


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
        backend = ""
        for line in text.splitlines():
            words = line.split()
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
        self.system.on_reload = lambda: self.socket.load(self.file.read_text())

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

    def run(self, wanted: Traffic) -> t.Any:
        proxy = self.proxy()
        plan = proxy.plan(wanted, shift=True)
        proxy.configure(plan)
        proxy.gate(plan, 5.0)
        proxy.shift(plan)
        return plan


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


def traffic(green_port: int = 20010, blue_port: int = 20000, **changes: t.Any) -> Traffic:
    blue = [{"name": "blue_app1_1", "address": "10.0.0.1", "port": blue_port}]
    green = [{"name": "green_app1_1", "address": "10.0.0.1", "port": green_port}]
    return build_traffic(
        {
            "platform": "shop",
            "environment": "production",
            "bind": "*",
            "listen": 80,
            "routes": [{"path": "/", "service": "backend"}],
            "services": {"backend": {"sides": {"blue": blue, "green": green}}},
            "weights": {"blue": 0, "green": 100},
            **changes,
        }
    )


def order(side: str, what: str) -> str:
    return f"set server {BACKEND}/{side}_app1_1 {what}"


BLUE = {"blue": 100, "green": 0}


@pytest.mark.parametrize(
    ("before", "after", "orders"),
    [
        (BLUE, {"blue": 0, "green": 100}, [order("green", "weight 100"), order("blue", "weight 0")]),
        (BLUE, {"blue": 95, "green": 5}, [order("blue", "weight 95"), order("green", "weight 5")]),
        (
            {"blue": 95, "green": 5},
            {"blue": 50, "green": 50},
            [order("blue", "weight 50"), order("green", "weight 50")],
        ),
        (BLUE, BLUE, []),
    ],
)
def test_only_weights_that_differ_are_sent_and_none_falls_to_zero_first(
    world: World, before: dict[str, int], after: dict[str, int], orders: list[str]
) -> None:
    world.live(before)
    plan = world.run(traffic(weights=after))
    assert world.socket.orders == orders and world.system.commands == []
    assert plan.changed is bool(orders) and not plan.reload
    again = world.proxy().plan(traffic(weights=after), shift=True)
    assert not again.changed and again.actions == []


def test_a_new_platform_is_loaded_without_weights_then_gated_and_shifted(world: World) -> None:
    plan = world.run(traffic())
    assert plan.reload and world.system.commands == ["check", "reload"]
    assert world.socket.orders == [order("green", "health down"), order("green", "weight 100")]
    assert "green_app1_1 10.0.0.1:20010 weight 100" in world.file.read_text()


def test_an_idle_server_moves_at_run_time_and_is_checked_anew(world: World) -> None:
    world.live(BLUE)
    plan = world.run(traffic(green_port=20019))
    assert world.socket.orders[:2] == [order("green", "addr 10.0.0.1 port 20019"), order("green", "health down")]
    assert not plan.reload and "green_app1_1 10.0.0.1:20019 weight 100" in world.file.read_text()


def test_a_server_with_traffic_does_not_move(world: World) -> None:
    world.live(BLUE)
    plan = world.proxy().plan(traffic(blue_port=20009, weights=BLUE), shift=True)
    assert not plan.changed and "keeps 10.0.0.1:20000" in plan.actions[0]


def test_an_idle_server_in_maintenance_is_made_ready(world: World) -> None:
    world.live(BLUE)
    world.socket.servers_by_key[f"{BACKEND}/green_app1_1"]["admin"] = 1
    world.run(traffic())
    assert world.socket.orders[:2] == [order("green", "state ready"), order("green", "health down")]


def test_a_proxy_that_was_just_reloaded_is_not_believed_before_a_check_of_its_own(world: World) -> None:
    world.live(BLUE)
    world.socket.uptime = 0
    world.run(traffic())
    assert world.socket.orders[0] == order("green", "health down")


@pytest.mark.parametrize(
    ("status", "check"), [("DOWN", "L4CON"), ("UP 1/2", "L7OK"), ("DOWN 1/2", "L7OK"), ("UP", "INI"), ("MAINT", "")]
)
def test_the_gate_names_who_is_not_healthy_and_nothing_moves(world: World, status: str, check: str) -> None:
    world.live(BLUE)
    world.socket.servers_by_key[f"{BACKEND}/green_app1_1"].update(status=status, check=check)
    with pytest.raises(SlipwayError) as refused:
        world.run(traffic())
    assert (
        refused.value.cause == "gate" and world.socket.orders == [] and world.system.now == pytest.approx(5.0, abs=0.06)
    )
    assert f"{BACKEND}/green_app1_1" in refused.value.message and status in refused.value.message


def test_weights_that_are_not_taken_are_an_error_and_nothing_is_written(world: World) -> None:
    world.live(BLUE)
    before = world.file.read_bytes()
    world.socket.deaf = True
    with pytest.raises(SlipwayError) as failed:
        world.run(traffic())
    assert failed.value.cause == "read_back" and world.file.read_bytes() == before


def test_configured_leaves_the_weights_of_a_known_platform(world: World) -> None:
    world.live(BLUE)
    proxy = world.proxy()
    plan = proxy.plan(traffic(routes=[{"path": "/x", "service": "backend"}]), shift=False)
    proxy.configure(plan)
    assert plan.reload and "green_app1_1 10.0.0.1:20010 weight 0" in world.file.read_text()
    assert "blue_app1_1 10.0.0.1:20000 weight 100" in world.file.read_text()


@pytest.mark.parametrize("command", ["check", "reload"])
def test_a_structure_that_is_not_taken_leaves_the_old_file(world: World, command: str) -> None:
    world.live(BLUE)
    before = world.file.read_bytes()
    world.system.rc[command] = 1
    with pytest.raises(SlipwayError) as failed:
        world.run(traffic(listen=81))
    assert failed.value.cause == {"check": "config_invalid", "reload": "reload_failed"}[command]
    assert world.file.read_bytes() == before


def test_a_reload_that_changes_nothing_is_found_out(world: World) -> None:
    world.live(BLUE)
    before = world.file.read_bytes()
    world.system.on_reload = lambda: None
    with pytest.raises(SlipwayError) as failed:
        world.run(traffic(listen=81))
    assert failed.value.cause == "reload_failed" and world.file.read_bytes() == before


def test_the_old_side_must_be_healthy_to_go_back_to(world: World) -> None:
    world.live(BLUE)
    plan = world.run(traffic())
    blue = world.socket.servers_by_key[f"{BACKEND}/blue_app1_1"]
    blue["status"] = "DOWN"
    with pytest.raises(SlipwayError) as refused:
        world.proxy().revert(plan)
    assert refused.value.cause == "gate" and blue["weight"] == 0
    blue["status"] = "UP"
    world.proxy().revert(plan)
    assert blue["weight"] == 100 and "blue_app1_1 10.0.0.1:20000 weight 100" in world.file.read_text()


def test_who_has_the_port_is_named(world: World) -> None:
    world.live(BLUE)
    other = traffic()._replace(platform="blog")
    text = haproxy_config.platform_text(other, {}, "/x")
    (world.file.parent / "blog-production.cfg").write_text(text)
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(), shift=True)
    assert refused.value.cause == "listen_taken" and "platform blog in production" in refused.value.message
    (world.file.parent / "blog-production.cfg").unlink()
    world.processes.listening = [Listener("0.0.0.0", 8080, Process(7, 1, "java", ("java",)))]
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(listen=8080), shift=True)
    assert "java (process 7)" in refused.value.message


def test_two_platforms_that_would_share_one_file_are_refused(world: World) -> None:
    world.file.parent.mkdir()
    world.file.write_text(haproxy_config.platform_text(traffic()._replace(platform="x", listen=1), {}, "/x"))
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(), shift=True)
    assert refused.value.cause == "file_taken"


def refused_by(cause: str) -> SlipwayError:
    return SlipwayError("HAProxy's stats socket does not answer", cause=cause)


OURS = Process(2, 1, "haproxy", ("haproxy", "-f", "/x/haproxy.cfg"))


@pytest.mark.parametrize(
    ("broken", "level", "running", "cause"),
    [
        ("", "admin", "", ""),
        ("", "operator", "", "socket_not_writable"),
        ("socket_not_writable", "", "with", "socket_not_writable"),
        ("socket_missing", "", "", "proxy_not_running"),
        ("socket_refused", "", "", "proxy_not_running"),
        ("socket_missing", "", "without", "drop_in_missing"),
        ("socket_missing", "", "with", "socket_missing"),
    ],
)
def test_each_problem_has_its_cause_and_remedy(world: World, broken: str, level: str, running: str, cause: str) -> None:
    world.live(BLUE)
    world.socket.broken = refused_by(broken) if broken else None
    world.socket.level = level
    if running:
        more = ("-f", world.settings.config_dir) if running == "with" else ()
        world.processes.running = [OURS._replace(argv=(*OURS.argv, *more))]
    problems = world.proxy().observe()["problems"]
    assert [one["cause"] for one in problems] == ([cause] if cause else [])
    assert all(one["remedy"] and one["message"] for one in problems)
    with contextlib.nullcontext() if not cause else pytest.raises(SlipwayError):
        world.proxy().plan(traffic(), shift=True)


def test_a_proxy_that_runs_with_our_empty_directory_is_ready_for_its_first_platform(world: World) -> None:
    world.socket.broken = refused_by("socket_missing")
    world.socket_file.unlink()
    world.processes.running = [OURS._replace(argv=(*OURS.argv, "-f", world.settings.config_dir))]
    seen = world.proxy().observe()
    assert (seen["running"], seen["problems"], seen["live_side"]) == (True, [], None)
    assert world.proxy().plan(traffic(), shift=True).reload


def test_a_file_that_is_not_loaded_is_a_problem(world: World) -> None:
    world.live(BLUE)
    world.socket.servers_by_key.clear()
    assert [one["cause"] for one in world.proxy().observe()["problems"]] == ["not_loaded"]


def test_observe_says_weights_per_side_from_the_names_alone(world: World) -> None:
    world.live({"blue": 95, "green": 5})
    world.socket.servers_by_key["slipway_shop_staging_backend/blue_x_1"] = dict(
        world.socket.servers_by_key[f"{BACKEND}/blue_app1_1"]
    )
    seen = world.proxy().observe()
    assert seen["weights"] == {"backend": {"blue": 95, "green": 5}} and seen["live_side"] == "mixed"
    assert [(one["name"], one["side"], one["weight"], one["port"]) for one in seen["servers"]] == [
        ("blue_app1_1", "blue", 95, 20000),
        ("green_app1_1", "green", 5, 20010),
    ]
    assert seen["version"] == "2.6.12"
