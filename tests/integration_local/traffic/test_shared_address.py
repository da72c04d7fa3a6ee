# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a balancer may hold the address that it shares: what the check says of real proxies, and a real keepalived by it."""

from __future__ import annotations

import contextlib
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest

from tests.integration_local.places import free_port

from .apps import App, until
from .proxies import Proxy

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHECK = ROOT / "roles/vm_provision/files/slipway-balancer-check"
ADDRESS = "10.213.7.100"  # of a network that only the two namespaces have
# Answers with the status that stands in the file "status" beside it.
PROGRAM = """
import http.server, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(pathlib.Path("status").read_text()))
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", 80), Handler).serve_forever()
"""


def checked(*words: str) -> tuple[int, str]:
    done = subprocess.run([str(CHECK), *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


@pytest.fixture(params=["haproxy", "nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    found: Proxy = request.getfixturevalue(request.param)
    return found


def test_a_balancer_without_a_healthy_server_on_the_live_side_says_so(
    proxy: Proxy, blue: App, green: App, port: int
) -> None:
    url = f"http://127.0.0.1:{port}/health"
    proxy.switch(proxy.params(port, [blue], [green]))
    assert checked(url) == (0, "")
    proxy.close(page="", retry_after=30)
    assert checked(url) == (0, "")  # closed for maintenance, it keeps the address that it answers at
    proxy.reopen()
    blue.stop()
    until(lambda: checked(url)[0] == 1, "the balancer has no server any more")
    status, why = checked(url, f"http://127.0.0.1:{port}/")
    assert status == 1
    for path, line in zip(("/health", "/"), why.splitlines(), strict=True):
        assert re.fullmatch(rf"http://127.0.0.1:{port}{path}: (status 50[234], wanted 2xx|timed out)", line)


def test_a_balancer_that_does_not_run_says_so() -> None:
    status, why = checked(f"http://127.0.0.1:{free_port()}/health")
    assert (status, "refused" in why) == (1, True)


class Balancer:
    """A network namespace with a program at port 80, and keepalived by the configuration of the documentation."""

    def __init__(self, name: str, place: pathlib.Path, number: int) -> None:
        self.name, self.place, self.number, self.interface = name, place, number, f"slw{number}"
        self.processes: list[subprocess.Popen[bytes]] = []
        place.mkdir()
        self.answer(200)

    def answer(self, status: int) -> None:
        (self.place / "status").write_text(str(status))

    def start(self) -> None:
        network("-n", self.name, "addr", "add", f"10.213.7.{self.number}/24", "dev", self.interface)
        for interface in (self.interface, "lo"):
            network("-n", self.name, "link", "set", interface, "up")
        (self.place / "conf").write_text(self.configuration())
        (self.place / "program.py").write_text(PROGRAM)
        self.run(sys.executable, "program.py")
        pids = [f"--{kind}={self.place / kind}" for kind in ("pid", "vrrp_pid", "checkers_pid")]
        self.run("keepalived", "--dont-fork", "--log-console", f"--use-file={self.place / 'conf'}", *pids)

    def configuration(self) -> str:
        """What the documentation shows, with the interface and the address of here."""
        page = (ROOT / "docs/balancers.md").read_text()
        found = re.search(r"```\n(global_defs .*?)```", page, re.S)
        assert found is not None
        text = found[1]
        for shown, here in (
            ("/usr/local/sbin/slipway-balancer-check", str(CHECK)),
            ("interface eth0", f"interface {self.interface}"),
            ("priority 101", f"priority {102 - self.number}"),
            ("10.0.0.100", ADDRESS),
        ):
            assert shown in text
            text = text.replace(shown, here)
        return text

    def run(self, *words: str) -> None:
        with (self.place / "log").open("ab") as log:
            command = ["ip", "netns", "exec", self.name, *words]
            self.processes.append(subprocess.Popen(command, cwd=self.place, stdout=log, stderr=log))

    @property
    def holds(self) -> bool:
        return ADDRESS in network("-n", self.name, "addr")

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()


def network(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def pair(directory: pathlib.Path) -> t.Iterator[tuple[Balancer, Balancer]]:
    balancers = tuple(Balancer(f"{directory.name}-{number}", directory / str(number), number) for number in (1, 2))
    first, second = balancers
    with contextlib.ExitStack() as stack:
        for one in balancers:
            network("netns", "add", one.name)
            stack.callback(network, "netns", "del", one.name)
            stack.callback(one.stop)
        network(
            *("link", "add", first.interface, "netns", first.name, "type", "veth"),
            *("peer", "name", second.interface, "netns", second.name),
        )
        for one in balancers:
            one.start()
        yield first, second


def test_the_shared_address_leaves_a_balancer_whose_live_side_has_no_server_and_comes_back(
    pair: tuple[Balancer, Balancer],
) -> None:
    first, second = pair
    until(lambda: first.holds and not second.holds, "the first has the address", 30)
    first.answer(503)
    until(lambda: second.holds and not first.holds, "the second has it", 30)
    first.answer(200)
    until(lambda: first.holds and not second.holds, "the first has it again", 30)
