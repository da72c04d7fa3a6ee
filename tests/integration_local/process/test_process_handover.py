# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that systemd holds for a program, and one port that both sides have one after the other, under load."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab import Lab
from tests.lab.load import LoadRun, Profile, RequestSpec

from .conftest import NUMBERS
from .process_site import MACHINE, QUICK, Site, make_machine, wait_for

STATES = ("prepared", "decided", "settled")
LIVE, STOPPED = ("running", True), ("stopped", False)

# Each ends what it has begun when it gets SIGTERM, and takes nothing new.
PYTHON = r"""
import http.server, os, signal, socket, threading, time

version, mode = open("version").read().strip(), os.environ.get("MODE", "")
print("version", version, "starts", flush=True)
time.sleep(0.5 if mode != "quick" else 0)

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 512

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.02)
        if self.path == "/end":
            os._exit(5)
        code = 500 if mode == "sick" else 200
        self.send_response(code)
        self.send_header("X-Version", version)
        self.end_headers()
        self.wfile.write(version.encode())

    def log_message(self, *args):
        pass

if "LISTEN_FDS" in os.environ:
    assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
    server = Server(("", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=3)
    server.socket.setblocking(False)  # the other side may have been faster
else:
    server = Server(("", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.02)
server.server_close()
"""
NODE = r"""
const http = require('http'), version = require('fs').readFileSync('version', 'utf8').trim();
const server = http.createServer((q, a) => setTimeout(() => {
  a.setHeader('X-Version', version);
  a.setHeader('Connection', 'close');
  a.end(version);
}, 20));
setTimeout(() => server.listen(process.env.PORT, () => process.send && process.send('ready')), 500);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
"""
LOAD = Profile(requests=(RequestSpec("page"),), fresh=1.0, connections=4)


class Way(t.NamedTuple):
    """How a manager hands a port over."""

    manager: str
    loses: bool
    options: dict[str, t.Any]


WAYS = {
    "systemd with a socket": Way("systemd", False, {"socket": True}),
    "systemd": Way("systemd", True, {}),
    "supervisor": Way("supervisor", True, {}),
    "pm2 in cluster mode": Way(
        "pm2", False, {"command": ["node", "server.js"], "notify": True, "unit": {"exec_mode": "cluster"}}
    ),
    "pm2": Way("pm2", True, {}),
}


def web(site: Site, version: str, **more: t.Any) -> dict[str, t.Any]:
    source = {"kind": "directory", "path": site.put(version, **{"app.py": PYTHON, "server.js": NODE})}
    return {**site.web(version, source=source), "user": "app", "health": {**QUICK, "path": "/"}, **more}


def in_place(site: Site, version: str, way: Way, **more: t.Any) -> dict[str, t.Any]:
    """Of which both sides have one port."""
    ports = dict.fromkeys(site.ports, site.ports["blue"])
    return {"web": web(site, version, ports=ports, strategy="reload", **way.options, **more)}


@pytest.mark.sample(2, of="in place")
@pytest.mark.parametrize("name", WAYS)
def test_a_port_is_handed_over_and_what_that_loses_is_known(
    lab: Lab, name: str, record_property: t.Callable[[str, object], None]
) -> None:
    way = WAYS[name]
    site = Site(lab, next(NUMBERS), way.manager)
    first, second = in_place(site, "1", way), in_place(site, "2", way)
    site.release("blue", "r1", first, publish="0.0.0.0")
    wait_for(lambda: site.get("blue") == "1")
    with LoadRun(f"http://{lab.address(MACHINE)}:{site.ports['blue'][0]}", rate=100, profile=LOAD) as load:
        site.run("prepared", "green", "r2", second, publish="0.0.0.0")
        assert (site.seen()["web green 1"], site.get("blue")) == (STOPPED, "1")
        site.run("decided", "green", "r2", second, publish="0.0.0.0")
        assert site.seen() == {"web blue 1": STOPPED, "web green 1": LIVE}
        site.run("settled", "green", "r2", second, publish="0.0.0.0")
        result = load.stop()
    assert site.get("blue") == "2"
    record_property("lost", f"{name}: {result.failed} of {result.requests}")
    print(f"{name}: {result.failed} of {result.requests} requests failed")
    assert (result.failed > 0) is way.loses, result.causes
    assert set(result.by_version) >= {"1", "2"}
    for state in STATES:
        assert not site.run(state, "green", "r2", second, publish="0.0.0.0", live_side="blue")["changed"]


@pytest.mark.sample(2, of="taken back")
@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if "command" not in way.options])
def test_a_version_that_answers_wrongly_at_the_port_gives_it_back(lab: Lab, name: str) -> None:
    way = WAYS[name]
    site = Site(lab, next(NUMBERS), way.manager)
    site.release("blue", "r1", in_place(site, "1", way))
    sick = in_place(site, "2", way, env={"MODE": "sick"}, health={**QUICK, "path": "/", "deadline": 3})
    site.run("prepared", "green", "r2", sick)
    error = site.failure("decided", "green", "r2", sick)
    assert (error["cause"], error["object"]) == ("status", site.name("green"))
    site.run("reverted", "green", "r2", sick, live_side="blue")
    wait_for(lambda: site.get("blue") == "1")
    assert site.current() == "releases/r1"
    assert site.seen() == {"web blue 1": LIVE, "web green 1": STOPPED}


def test_nobody_is_refused_while_a_program_whose_socket_systemd_holds_is_started_again(lab: Lab) -> None:
    site = Site(lab, next(NUMBERS))
    first, second = ({"web": web(site, version, socket=True, replicas=2)} for version in ("1", "2"))
    site.release("blue", "r1", first)
    site.get("blue", "/end")
    waiting = f"curl --silent --show-error --max-time 60 http://127.0.0.1:{site.ports['blue'][0]}/"
    assert site.sh(waiting) == "1"  # by the one that was started again
    assert [about["restarts"] for about in site.observed()["sides"]["blue"]["services"]["web"]] == [1, 0]
    site.release("green", "r2", second)
    assert (site.get("green"), site.get("green", replica=1), site.get("blue")) == ("2", "2", "")
    listening = "systemctl list-units --no-legend --state=active --plain 'slipway-{}.test.*.socket' | cut -d' ' -f1"
    names = [f"slipway-{site.platform}.test.web.green@{number}.socket" for number in (1, 2)]
    assert site.sh(listening.format(site.platform)).splitlines() == names
    for state in STATES:
        assert not site.run(state, "green", "r2", second, live_side="blue")["changed"]
    site.release("blue", "r3", {"web": web(site, "3")}, keep=1)
    assert (site.get("blue"), site.get("green")) == ("3", "")
    assert site.sh(f"ls /etc/systemd/system/slipway-{site.platform}.test.*.socket", check=False) == ""


@pytest.mark.sample(1, of="sockets rebooted")
@pytest.mark.parametrize("strategy", ["", "reload"])
def test_sockets_come_back_with_the_side_that_was_decided_on(lab: Lab, strategy: str) -> None:
    site = Site(lab, next(NUMBERS))
    way = WAYS["systemd with a socket"]
    first, second = (
        in_place(site, version, way) if strategy else {"web": web(site, version, socket=True)} for version in ("1", "2")
    )
    site.release("blue", "r1", first)
    site.run("prepared", "green", "r2", second)
    if strategy:
        site.run("decided", "green", "r2", second)
    site.lab.reboot(MACHINE)
    make_machine(site.lab)
    wait_for(lambda: site.get("blue") == ("2" if strategy else "1"))
    assert site.get("green") == ""
    site.run("reverted", "green", "r2", second, live_side="blue")
    wait_for(lambda: site.get("blue") == "1")
    assert site.seen() == {"web blue 1": LIVE, "web green 1": STOPPED}
