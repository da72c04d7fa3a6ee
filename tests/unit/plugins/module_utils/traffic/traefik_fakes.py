# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform for Traefik, and a Traefik made of a dictionary, which does as the real one was seen to do."""

from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import traefik_config
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic, Weights
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import Processes
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import wanted_weights
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import shop_traffic

BLUE, GREEN = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}
NAME = "slipway.shop.production"


def traffic(health: t.Mapping[str, t.Any] | None = None, **changes: t.Any) -> Traffic:
    blue = [{"name": "blue_app1_1", "address": "10.1.2.3", "port": 20000}]
    green = [{"name": f"green_app{number}_1", "address": "fd00::1", "port": 20010 + number} for number in (1, 2)]
    return shop_traffic({"health": health or {"path": "/health"}, "sides": {"blue": blue, "green": green}}, **changes)


def text(wanted: Traffic, weights: Weights | None = None) -> str:
    return traefik_config.platform_text(wanted, wanted_weights(wanted) if weights is None else weights, "web")


def http(found: str) -> dict[str, t.Any]:
    body = "\n".join(line for line in found.splitlines() if not line.startswith("#"))
    return t.cast("dict[str, t.Any]", json.loads(body)["http"])


class FakeTraefik(System):
    """Takes a change of the directory at once, or two seconds after the one before; time passes only by sleeping.

    Of a file that it can read it takes all, and answers 404 in the place of a route that it refuses.

    :ivar broken: whether a file of somebody else's keeps it from reading any.
    :ivar down: the addresses of servers that its checks have found ill.
    :ivar written: the files that took a place.
    :ivar asked: whether a client asks whenever time passes; what it gets is in C(answers).
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.now, self.due, self.next = directory, 0.0, float("inf"), 0.0
        self.runs: dict[str, t.Any] = {}
        self.broken, self.up, self.asked = False, True, False
        self.down: set[str] = set()
        self.written: list[str] = []
        self.answers: list[int] = []
        self.entry_points = [{"name": "web", "address": ":80"}, {"name": "slipway", "address": "127.0.0.1:8099"}]

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.read()
        if self.asked:
            self.answers.append(self.ask())

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self.written.append(pathlib.Path(target).name)
        self.due = min(self.due, max(self.now, self.next))

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self.due = min(self.due, max(self.now, self.next))

    def read(self) -> None:
        if self.now < self.due or self.broken:
            return
        before, self.runs, self.due = self.runs, {}, float("inf")
        for file in self.directory.glob("*.yml"):
            for kind, parts in http(file.read_text(encoding="utf-8")).items():
                self.runs.setdefault(kind, {}).update(parts)
        self.next = self.now + 2.0 if self.runs != before else self.next

    def ask(self, host: str = "") -> int:
        """What a client gets, by the first of the routes in force; with a line in the log."""
        line: dict[str, t.Any] = {"DownstreamStatus": 404}
        routers = [one for one in self.runs.get("routers", {}).items() if not self.refused(one[1])]
        for name, router in sorted(routers, key=lambda one: -one[1]["priority"]):
            if router["rule"] in ("PathPrefix(`/`)", f"Host(`{host}`)"):
                members = self.runs["services"][router["service"]].get("weighted", {}).get("services", ())
                alive = [one["name"] for one in members if not set(self.urls(one["name"])) & self.down]
                line = {"RouterName": f"{name}@file", "DownstreamStatus": 200 if alive else 503}
                line.update({"ServiceName": f"{alive[0]}@file"} if alive else {})
                break
        with open(self.directory.parent / "log" / "access.log", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        return int(line["DownstreamStatus"])

    def urls(self, service: str) -> list[str]:
        balancer = self.runs["services"][service].get("loadBalancer", {})
        return [server["url"] for server in balancer.get("servers", ())]

    def refused(self, router: dict[str, t.Any]) -> list[str]:
        """What it has against it."""
        said = [] if router["rule"].isascii() else [f"non-ASCII characters are not allowed: {router['rule']}"]
        return said + [f"error parsing server URL {url}" for url in self.urls(router["service"]) if "%" in url]

    def get(self, address: str, port: int, path: str, _headers: t.Any, *, timeout: float) -> tuple[int, bytes]:
        if port != 8099:
            return 200, b"healthy"
        if not self.up:
            raise ConnectionRefusedError("Connection refused")
        self.read()
        if path == "/api/entrypoints":
            return 200, json.dumps(self.entry_points).encode()
        if path == "/api/version":
            return 200, b'{"Version": "3.6.12"}'
        kind, name = path.removeprefix("/api/http/").removesuffix("@file").split("/", 1)
        found = self.runs.get(kind, {}).get(name)
        if found is None:
            return 404, b"{}"
        said = self.refused(found) if kind == "routers" else []
        status = {"status": "disabled", "error": said} if said else {"status": "enabled"}
        return 200, json.dumps({**found, **status}).encode()


class Idle(Processes):
    """Nobody listens, and nobody is connected."""

    def __init__(self) -> None:
        super().__init__("/nonexistent")
