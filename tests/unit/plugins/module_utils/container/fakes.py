# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker Engine in memory, a clock that does not wait, and a power cut after the n-th change."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.container.engine import Found, Image, image_missing
from ansible_collections.slipway.deploy.plugins.module_utils.container.fetch import fetch
from ansible_collections.slipway.deploy.plugins.module_utils.container.prepare import prepare
from ansible_collections.slipway.deploy.plugins.module_utils.container.sides import decide, pause, revert, settle
from ansible_collections.slipway.deploy.plugins.module_utils.container.spec import Order, Scope, parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.container.workers import hold, let_go
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.side.checks import Verdict
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


class Killed(BaseException):
    """The process is gone; nothing can catch this."""


class Fuse:
    """Blows at the n-th change: half of the changes are still done then, the other half are not."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.burnt = 0
        self._lock = threading.Lock()

    def arm(self, changes: int) -> None:
        self.left, self.burnt = changes, 0

    def disarm(self) -> None:
        self.left, self.burnt = None, 0

    def change(self, work: t.Callable[[], t.Any]) -> t.Any:
        with self._lock:
            self.burnt += 1
            if self.left is not None and self.burnt >= self.left:
                if self.burnt == self.left and self.burnt % 2:
                    work()
                raise Killed
            return work()


class FakeSystem(System):
    """Real files, no real time."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse, self.now = fuse, 1000.0
        self.full = False

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)

    def fsync_fd(self, fd: int) -> None:
        """Not what is tested here, and slow."""

    def replace_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        if self.full:
            raise SlipwayError("no space left", obj=path, cause="no_space")
        self.fuse.change(lambda: System.replace_file(self, path, data, mode=mode))


class FakeEngine:
    """The calls of C(Engine), on dictionaries."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.all: dict[str, Found] = {}
        self.tags: dict[str, str] = {}
        self.registry: dict[str, str] = {}
        self.broken: dict[str, str] = {}  # image id → the cause that its containers' start fails with
        self.crashing: set[str] = set()  # image ids whose programs end at once
        self.stubborn: set[str] = set()
        self.assets: dict[str, dict[str, bytes]] = {}
        self.calls: list[str] = []
        self.watch: t.Callable[[], None] = lambda: None
        self.user = str(os.getuid())
        self.pulls: list[str] = []
        self.mounted: list[str] = []  # volumes, by every container

    # Facts

    def facts(self) -> dict[str, str]:
        return {"version": "20.10", "api": "1.41", "sdk": "5.0.3"}

    def keywords(self) -> frozenset[str]:
        return frozenset({"mem_limit", "user", "volumes", "mounts"})

    def containers(self, labels: t.Mapping[str, str]) -> list[Found]:
        mine = [item for item in [*self.all.values()] if labels.items() <= item.labels.items()]
        return sorted(mine, key=lambda item: item.name)

    def used_images(self) -> set[str]:
        return {item.image for item in [*self.all.values()]}

    def users_of(self, image_id: str) -> set[str]:
        return {item.id for item in [*self.all.values()] if item.image == image_id}

    def volumes(self, container: Found) -> list[str]:
        return self.mounted

    def inspect(self, container: str) -> Found | None:
        return next((item for item in [*self.all.values()] if container in (item.id, item.name)), None)

    def logs(self, container: Found) -> list[str]:
        return [f"log of {container.name} with s3cret-token"]

    def archive(self, container: Found, path: str) -> t.Iterator[bytes] | None:
        content = self.assets.get(container.image) if path != "/etc/passwd" else {"passwd": b"app:x:77:77::/:/x\n"}
        if content is None:
            return None
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            for name, value in content.items():
                info = tarfile.TarInfo(name if path == "/etc/passwd" else f"{os.path.basename(path)}/{name}")
                info.size = len(value)
                archive.addfile(info, io.BytesIO(value))
        return iter([data.getvalue()])

    def image(self, reference: str) -> Image | None:
        found = self.tags.get(reference) or (reference if reference in self.tags.values() else None)
        return Image(found, [tag for tag, item in self.tags.items() if item == found]) if found else None

    # Changes

    def _do(self, text: str, work: t.Callable[[], None]) -> None:
        def change() -> None:
            work()
            self.calls.append(text)
            self.watch()

        self.fuse.change(change)

    def _set(self, container: Found, **values: t.Any) -> None:
        if container.id in self.all:
            self.all[container.id] = self.all[container.id]._replace(**values)

    def pull(self, reference: str, expired: t.Callable[[], bool]) -> None:
        if reference not in self.registry:
            raise image_missing(reference, "manifest unknown")
        self.pulls.append(reference)
        self._do(f"pull {reference}", lambda: self.tags.update({reference: self.registry[reference]}))

    def tag(self, image_id: str, reference: str) -> None:
        self._do(f"tag {reference}", lambda: self.tags.update({reference: image_id}))

    def untag(self, reference: str) -> None:
        self._do(f"untag {reference}", lambda: self.tags.pop(reference, None) and None)

    def create(self, name: str, image: str, **options: t.Any) -> Found:
        if self.inspect(name):
            raise SlipwayError("cannot create the container", obj=name, cause="name_taken")
        image_id = self.tags.get(image, image)
        environment = dict(options.get("environment") or {})
        labels = dict(options["labels"])
        made = Found(
            f"id-{len(self.calls)}-{name}", name, labels, "created", 0, False, "", "no", image_id, environment,
            self.user, "", 0,
        )  # fmt: skip
        self._do(f"create {name}", lambda: self.all.update({made.id: made}))
        return made

    def start(self, container: Found) -> None:
        if container.image in self.broken:
            raise SlipwayError("cannot start", obj=container.name, cause=self.broken[container.image])
        status = "exited" if container.image in self.crashing else "running"
        self._do(
            f"start {container.name}",
            lambda: self._set(container, status=status, started=f"{len(self.calls):06d}"),
        )

    def stop(self, container: Found, grace: float) -> Found | None:
        code = 137 if container.image in self.stubborn else 0
        self._do(f"stop {container.name}", lambda: self._set(container, status="exited", exit_code=code))
        return self.all.get(container.id)

    def set_restart(self, container: Found, policy: str) -> None:
        self._do(f"policy {container.name} {policy}", lambda: self._set(container, restart=policy))

    def remove(self, container: Found) -> None:
        self._do(f"remove {container.name}", lambda: self.all.pop(container.id, None) and None)


class World:
    """One machine with the images of versions 1 to 9."""

    def __init__(self, root: str) -> None:
        self.fuse = Fuse()
        self.system = FakeSystem(self.fuse)
        self.engine = FakeEngine(self.fuse)
        self.scope = Scope("shop", "test", f"{root}/shop/test")
        self.engine.tags = {f"web:{number}": f"sha-web-{number}" for number in range(1, 10)}
        self.sick: set[str] = set()  # image ids that fail their health check
        self.asked: list[t.Any] = []
        self.secrets = {"TOKEN": "s3cret-token", "KEY": "s3cret-key"}
        self.notes: list[str] = []

    def services(self, version: int, **more: t.Any) -> dict[str, t.Any]:
        ports = {"blue": [20000, 20001], "green": [20010, 20011]}
        web = {"image": f"web:{version}", "port": 8080, "ports": ports, "replicas": 2, "secrets": ["TOKEN"], **more}
        return {"web": web, "job": {"image": f"web:{version}", "traffic": False, "command": "work"}}

    def order(self, side: str, release: str, services: dict[str, t.Any], **more: t.Any) -> Order:
        values = {
            "version": release,
            "identity": f"id-{release}",
            "publish": "0.0.0.0",
            "secrets": self.secrets,
            **more,
        }
        return Order(scope=self.scope, side=side, release=release, services=parse_services(services, side), **values)

    def probe(self, checks: t.Sequence[t.Any]) -> list[Verdict]:
        self.asked.extend(checks)
        images = [self.engine.inspect(check.item).image for check in checks]
        return [
            Verdict(False, "status", "it says 500 s3cret-token.", {"body": "s3cret-token"}, 1.0)
            if image in self.sick
            else Verdict(True, "", "", {}, 0.4)
            for image in images
        ]

    def run(self, state: str, side: str, release: str, services: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
        check = more.pop("check", False)
        order = self.order(side, release, services, **more)
        system, engine = self.system, t.cast(t.Any, self.engine)
        if state == "prepared":
            return prepare(order, system, engine, self.probe, check=check).result()
        noting = {"decided": decide, "workers_paused": hold, "workers_resumed": let_go}
        if state in noting:
            act: t.Any = noting[state]
            return act(order, system, engine, lambda event, **_data: self.notes.append(event), check=check).result()
        acts = {"settled": settle, "paused": pause, "reverted": revert, "fetched": fetch}
        return acts[state](order, system, engine, check=check).result()

    def release(self, side: str, release: str, services: dict[str, t.Any], **more: t.Any) -> None:
        for state in ("prepared", "decided", "settled"):
            self.run(state, side, release, services, **more)

    def seen(self) -> dict[str, tuple[str, str]]:
        mine = [item for item in self.engine.all.values() if item.label("role") != "assets"]
        return {item.name[len("slipway-shop-test-") :]: (item.status, item.restart) for item in mine}

    def running(self, role: str) -> set[str]:
        """The releases of which a container of this role runs."""
        return {i.label("release") for i in self.engine.all.values() if i.running and i.label("role") == role}

    def back_after_reboot(self, role: str) -> set[str]:
        return {
            i.label("release") for i in self.engine.all.values() if i.restart == "always" and i.label("role") == role
        }
