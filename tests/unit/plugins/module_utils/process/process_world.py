# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process manager in memory, real directories, a clock that does not wait, and a kill at the n-th change."""

from __future__ import annotations

import os
import socket
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.manager import (
    FAILED,
    RUNNING,
    STOPPED,
    Ended,
    Found,
    Manager,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.observe import current_release
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.prepare import build, fetch, prepare
from ansible_collections.slipway.deploy.plugins.module_utils.process.sides import decide, pause, revert, settle
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import Labels, Order, Program, Scope
from ansible_collections.slipway.deploy.plugins.module_utils.process.workers import hold, let_go
from ansible_collections.slipway.deploy.plugins.module_utils.side.checks import Verdict
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System

STATES = ("prepared", "decided", "settled")


class Killed(BaseException):
    """The process is gone; nothing can catch this."""


class Fuse:
    """Blows at the n-th change; every other time that change is still made."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.burnt = 0

    def arm(self, changes: int | None) -> None:
        self.left, self.burnt = changes, 0

    def change(self, work: t.Callable[[], t.Any]) -> t.Any:
        self.burnt += 1
        if self.left is not None and self.burnt >= self.left:
            if self.burnt == self.left and self.burnt % 2:
                work()
            raise Killed
        return work()


class FakeSystem(System):
    """Real files, no real time, no commands."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse, self.now = fuse, 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        assert argv[0] == "sync", argv
        return Completed(0, "", "")

    def fsync_fd(self, fd: int) -> None:
        """Not what is tested here, and slow."""

    def replace_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        self.fuse.change(lambda: System.replace_file(self, path, data, mode=mode))

    def rename(self, source: str, target: str) -> None:
        if os.path.islink(source):  # a link that is switched; files go through replace_file
            self.fuse.change(lambda: System.rename(self, source, target))
        else:
            System.rename(self, source, target)


class FakeManager(Manager):
    """Programs in dictionaries; what a definition says counts once it was loaded."""

    def __init__(self, system: FakeSystem) -> None:
        super().__init__(system)
        self.fuse = system.fuse
        self.defined: dict[str, Program] = {}
        self.state: dict[str, tuple[str, str]] = {}  # process → status, spec that it was started with
        self.boot: set[str] = set()
        self.crashing: set[str] = set()  # versions
        self.flapping: set[str] = set()  # versions that end again and again, and are started again at once
        self.stubborn: set[str] = set()
        self.looks = 0
        self.starts = 0
        self.watch: t.Callable[[], None] = lambda: None

    def facts(self) -> dict[str, str]:
        return {"manager": "fake", "version": "1"}

    def found(self, scope: Scope) -> list[Found]:
        names = [name for program in self.defined.values() for name in self.process_names(program.labels)]
        return [item for item in self.inspect(names).values() if item.labels.belongs_to(scope)]

    def inspect(self, names: t.Sequence[str]) -> dict[str, Found]:
        return {name: self._item(name) for name in names if name.partition("@")[0] in self.defined}

    def _item(self, name: str) -> Found:
        labels = self.defined[name.partition("@")[0]].labels
        status = self.state.get(name, (STOPPED, ""))[0]
        code = 3 if status == FAILED else None
        self.looks += 1
        run = str(self.looks) if labels.version in self.flapping else ""
        return Found(name, labels, int(name.partition("@")[2]), status, name in self.boot, 1, 0, code, "", run)

    def is_defined(self, program: Program) -> bool:
        return self.defined.get(program.name) == program

    def refuse_unknown(self, program: Program) -> None:
        """It knows every directive."""

    def define(self, program: Program) -> None:
        running = [name for name in self.process_names(program.labels) if self.state.get(name, ("", ""))[0] == RUNNING]
        assert not running, f"{running} runs by another definition than it has"
        self.change(lambda: self.defined.update({program.name: program}))

    def forget(self, labels: Labels) -> None:
        name = Scope(labels.platform, labels.environment, "", "").program_name(labels.service, labels.side)
        self.change(lambda: self.defined.pop(name, None))

    def load(self) -> None:
        """Nothing."""

    def start(self, names: t.Sequence[str]) -> dict[str, SlipwayError]:
        failed = {}
        for name in names:
            labels = self.defined[name.partition("@")[0]].labels
            bad = labels.version in self.crashing
            self.starts += 1
            self.change(
                lambda name=name, labels=labels, bad=bad: self.state.update(
                    {name: (FAILED if bad else RUNNING, labels.spec)}
                )
            )
            if bad:
                failed[name] = SlipwayError("it ended while it was started", obj=name, cause="exited")
        return failed

    def stop(self, items: t.Sequence[Found]) -> dict[str, Ended]:
        for item in items:
            self.change(lambda item=item: self.state.update({item.name: (STOPPED, "")}))
        return {item.name: Ended(item.labels.version in self.stubborn, []) for item in items}

    def set_boot(self, names: t.Sequence[str], on: bool) -> None:
        for name in names:
            if (name in self.boot) != on:
                self.change(lambda name=name: self.boot.add(name) if on else self.boot.discard(name))

    def change(self, work: t.Callable[[], t.Any]) -> None:
        self.fuse.change(work)
        self.watch()

    def logs(self, name: str) -> list[str]:
        return [f"log of {name} with s3cret-token"]

    def log_command(self, name: str) -> str:
        return f"log {name}"

    def secret_path(self, process: str, secret: str, stored: str) -> str:
        return stored

    def secrets_owner(self, user: str) -> int:
        return os.getuid()

    def process_name(self, program: str, number: int) -> str:
        return f"{program}@{number}"

    def reboot(self) -> None:
        """What comes back, and nothing else."""
        self.state = {}
        for name in self.boot:
            if name.partition("@")[0] in self.defined:
                self.state[name] = (RUNNING, self.defined[name.partition("@")[0]].labels.spec)


class World:
    """One platform on a machine."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.fuse = Fuse()
        self.system = FakeSystem(self.fuse)
        self.manager = FakeManager(self.system)
        self.scope = Scope("shop", "test", f"{root}/state/shop/test", f"{root}/code/shop/test")
        self.secrets = {"TOKEN": "s3cret-token"}
        self.ill: set[str] = set()  # versions
        self.notes: list[str] = []
        self.ports = self.free_ports()

    def source(self, version: int) -> str:
        path = f"{self.root}/sources/{version}"
        os.makedirs(path, exist_ok=True)
        with open(f"{path}/version", "w", encoding="utf-8") as file:
            file.write(str(version))
        return path

    def services(self, version: int, **more: t.Any) -> dict[str, t.Any]:
        web = {
            "source": {"kind": "directory", "path": self.source(version)},
            "command": ["run"],
            "replicas": 2,
            "port": 80,
            "ports": self.ports,
            "secrets": ["TOKEN"],
        }
        return {"web": {**web, **more}, "job": {"code": "web", "command": ["work"], "traffic": False}}

    def order(self, side: str, release: str, services: dict[str, t.Any], **more: t.Any) -> Order:
        values = {
            "version": release,
            "identity": f"id-{release}",
            "publish": "127.0.0.1",
            "secrets": self.secrets,
            **more,
        }
        return Order(scope=self.scope, side=side, release=release, services=parse_services(services, side), **values)

    def run(
        self, state: str, side: str, release: str, services: dict[str, t.Any], *, check: bool = False, **more: t.Any
    ) -> t.Any:
        order = self.order(side, release, services, **more)
        if state == "prepared":
            return prepare(order, self.system, self.manager, self.probe, check=check).result()
        if state == "decided":
            return decide(
                order, self.system, self.manager, lambda name, **_: self.notes.append(name), check=check
            ).result()
        if state in ("workers_paused", "workers_resumed"):
            do = hold if state == "workers_paused" else let_go
            return do(order, self.system, self.manager, lambda name, **_: self.notes.append(name), check=check).result()
        act = {"built": build, "fetched": fetch, "settled": settle, "paused": pause, "reverted": revert}[state]
        return act(order, self.system, self.manager, check=check).result()

    def probe(self, checks: t.Sequence[t.Any]) -> list[Verdict]:
        verdicts = []
        for check in checks:
            version = self.manager.defined[check.item.partition("@")[0]].labels.version
            ill = version in self.ill
            verdicts.append(Verdict(not ill, "status" if ill else "", "it says 500" if ill else "", {}, 0.1))
        return verdicts

    def free_ports(self) -> dict[str, list[int]]:
        """Ports of this machine that nobody listens on; the fake processes do not either."""
        links = [socket.socket() for _number in range(4)]
        for link in links:
            link.bind(("", 0))
        numbers = [link.getsockname()[1] for link in links]
        for link in links:
            link.close()
        return {"blue": numbers[:2], "green": numbers[2:]}

    def release(self, side: str, release: str, services: dict[str, t.Any], **more: t.Any) -> None:
        for state in STATES:
            self.run(state, side, release, services, **more)

    def seen(self) -> dict[str, tuple[str, bool]]:
        found = self.manager.found(self.scope)
        return {f"{i.labels.service} {i.labels.release} {i.number}": (i.status, i.boot) for i in found}

    def current(self) -> str:
        return current_release(self.scope)

    def trees(self) -> list[str]:
        return sorted(os.listdir(f"{self.scope.base}/releases"))
