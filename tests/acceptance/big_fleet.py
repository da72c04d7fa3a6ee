# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twelve machines behind three balancers, without engines, and one tiny program: what is done to so many, and how it is seen."""

from __future__ import annotations

import copy
import json
import random
import shutil
import typing as t
from pathlib import Path

from tests.lab import Lab
from tests.lab.load import Profile, RequestSpec

from . import check, machines, process_shop
from .arena import GOOD, Arena
from .interruption import Point
from .process_shop import ProcessShop

APPS = tuple(f"app{number:02}" for number in range(1, 13))
PROXIES = ("lb1", "lb2", "lb3")
BATCH = 4  # machines
BATCHES = [APPS[start : start + BATCH] for start in range(0, len(APPS), BATCH)]
PROGRAM = Path(__file__).resolve().parents[1] / "bench" / "program" / "program.py"
BACKEND = "slipway_shop_production_web"

# On kept and on new connections; half of them take a while, so that some are under way whenever something dies.
CUSTOMERS = Profile(requests=(RequestSpec("get", path="/"), RequestSpec("slow", path="/slow")), connections=4)

VARIABLES: dict[str, t.Any] = {
    "slipway_services": {
        "web": {
            "source": {"kind": "directory", "path": "code"},
            "command": ["/usr/bin/python3", "program.py"],
            "user": "deploy",
            "port": 8080,
            "env": {"VERSION": "{{ slipway_version }}", "READY_AFTER": "0"},
            "health": {"path": "/health", "successes": 1, "minimum": 0, "interval": 0.2, "deadline": 20, "timeout": 1},
            "stop_grace": 5,
        }
    },
    "slipway_secrets": {},
    "slipway_traffic": {"provider": "haproxy", "listen": 80, "routes": [{"path": "/", "service": "web"}]},
    "slipway_watch": {"bake": 1},
    "slipway_drain": {"deadline": 1},
    "slipway_gate": "10s",
}

# Each server of the program with what went wrong there, by the balancer's own word since it was started.
_WRONG = """
import csv, json, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect("/run/haproxy/slipway.sock")
link.sendall(b"show stat -1 4 -1\\n")
rows = csv.DictReader(link.makefile())
print(json.dumps({row["svname"]: [int(row[name] or 0) for name in ("econ", "eresp", "cli_abrt", "srv_abrt")]
                  for row in rows if row["# pxname"] == sys.argv[1]}))
"""


class BigFleet(ProcessShop):
    """The tiny program on twelve machines."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, directory, apps=APPS, proxies=PROXIES, facts={}, variables=VARIABLES)
        (directory / "code").mkdir()
        shutil.copy(PROGRAM, directory / "code")

    def _asks(self) -> list[str]:
        return ["/"] * (2 * len(self.apps))  # on new connections: each balancer goes round all of its servers

    def _version(self, path: str, proxy: str) -> str:
        status, body = self.get(path, proxy)
        return body.decode() if status == 200 else str(status)

    def serving(self) -> dict[str, set[str]]:
        """At all balancers at the same time."""
        return machines.each(self.proxies, lambda proxy: {self._version(path, proxy) for path in self._asks()})


class BigArena(Arena):
    """The big fleet with a live version."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, [*APPS, *PROXIES], {}, directory)

    def case(self, *_proxies: str, **variables: t.Any) -> BigFleet:
        """The fleet, on which C(before) is live and C(after) is not.

        :param variables: of this case alone.
        """
        if self._fleet is None or not self.live:
            self._fleet = self._begin()
        self._fleet.variables = {**copy.deepcopy(self._base), **variables}
        self._fleet.write_variables()
        self.before, self.live = self.live, ""
        self.after = next(one for one in GOOD if one != self.before)
        return self._fleet

    def _begin(self, _proxies: t.Sequence[str] = ()) -> BigFleet:
        self.lab.create(self.names, image="light")  # starts those that a case has left dead
        machines.reset(self.lab, self.names)
        process_shop.clear(self.lab, APPS)
        self._made += 1
        fleet = BigFleet(self.lab, self.directory / f"site{self._made}")
        self._base = copy.deepcopy(fleet.variables)
        check.succeeded(fleet.deploy(GOOD[0]))
        self.live = GOOD[0]
        return fleet


def wrong(fleet: BigFleet) -> dict[str, int]:
    """Machine to the requests that went wrong on it, by the word of all balancers together.

    That are connections which could not be made (tried again elsewhere), answers that did not come, and requests that either
    end gave up.
    """
    found = dict.fromkeys(fleet.apps, 0)
    for proxy in fleet.proxies:
        said = fleet.lab.exec(proxy, ["python3", "-c", _WRONG, BACKEND]).stdout
        for server, counts in json.loads(said).items():
            machine = server.partition("_")[2].rpartition("_")[0]
            if machine:
                found[machine] += sum(counts)
    return found


# --- the matrix


class Fault(t.NamedTuple):
    """One that is injected into a release.

    :param victim: C(controller), or the machine or balancer that loses power.
    """

    strategy: str
    point: Point
    victim: str

    def __str__(self) -> str:
        """Of who loses power it is no matter how the run was stopped for that."""
        return f"{self.strategy}-{self.victim}-{self.point}".removesuffix("-stop")


STAGES = {
    "blue_green": [(name, 0) for name in ("lock", "prepare", "decision", "shift", "settle")],
    "rolling": [
        ("lock", 0),
        ("fetch", 0),
        *((name, batch) for batch in range(1, len(BATCHES) + 1) for name in ("prepare", "decision", "shift")),
        ("settle", 0),
    ],
    # While the second batch is out; the first decision of all is made before any batch.
    "in_place": [("withdraw", 2), ("pause", 2), ("prepare", 2), ("decision", 3), ("shift", 2)],
}
VARIABLES_OF: dict[str, dict[str, t.Any]] = {
    "blue_green": {"slipway_strategy": "blue_green"},
    "rolling": {"slipway_strategy": "rolling", "slipway_rolling": {"batch": BATCH}},
    "in_place": {"slipway_strategy": "rolling", "slipway_rolling": {"max_surge": 0, "max_unavailable": BATCH}},
}
EACH = {
    "blue_green": 2,
    "rolling": 2,
    "in_place": 1,
}  # faults for a stage and a kind of victim, each of another instant
ON_BALANCERS = ("shift",)
UNBLOCKED = ("fetch", "withdraw", "pause")  # nothing that a test holds up


def faults(rng: random.Random) -> list[Fault]:
    """Every stage of every strategy with every kind of victim, where exactly and who by the draw."""
    return [
        fault
        for strategy, stages in STAGES.items()
        for stage, batch in stages
        for kind in ("controller", "machine", "balancer")
        for fault in _at(rng, strategy, stage, batch, kind)
    ]


def _at(rng: random.Random, strategy: str, stage: str, batch: int, kind: str) -> t.Iterator[Fault]:
    """Who is inside is at work there; any of them may die at other instants."""
    number = batch - 1 if (strategy, stage) == ("in_place", "decision") else batch
    at_work = PROXIES if stage in ON_BALANCERS else BATCHES[number - 1] if batch else APPS
    inside = stage not in UNBLOCKED and (kind == "controller" or (kind == "balancer") == (stage in ON_BALANCERS))
    wheres = ["begin", "end", *(["first"] if kind == "controller" else []), *(["inside"] if inside else [])]
    for where in rng.sample(wheres, EACH[strategy]):
        machine = rng.choice(at_work) if where in ("first", "inside") else ""
        how = rng.choice(("kill", "kill_all")) if kind == "controller" else "stop"
        victim = {"controller": "controller", "machine": rng.choice(APPS), "balancer": rng.choice(PROXIES)}[kind]
        if where == "inside" and kind != "controller":
            victim = machine
        yield Fault(strategy, Point(stage, where, how, machine, batch), victim)
