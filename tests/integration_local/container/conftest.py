# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny application in real containers: this machine's own Python, imported as an image."""

from __future__ import annotations

import io
import os
import random
import re
import socket
import subprocess
import tarfile

import docker
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.engine import Engine
from ansible_collections.slipway.deploy.plugins.module_utils.container.spec import Order, Scope, parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.stages import container_deploy as module
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.places import free_port

PYTHON = os.path.realpath("/usr/bin/python3")
# Removed at the end of a session, which another one beside it must not notice.
REPOSITORY = f"slipway-ct-{os.environ.get('PYTEST_XDIST_WORKER', 'test')}-app"
APP = rb"""
import os, signal, sys, time, http.server
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
mode = os.environ.get("MODE", "")
secret = open(os.environ["TOKEN_FILE"]).read() if "TOKEN_FILE" in os.environ else ""
print("version", os.environ["VERSION"], "token", secret, "env", os.environ.get("ENV_TOKEN"), flush=True)
if mode == "exit":
    sys.exit(3)
if mode == "worker":
    while True:
        time.sleep(0.05)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code, body = 200, os.environ["VERSION"]
        if self.path == "/health" and mode == "sick":
            code, body = 500, "sick with " + secret
        elif self.path == "/secret":
            body = f"{secret} {os.environ.get('ENV_TOKEN', '')} {os.getuid()}"
        elif self.path.startswith("/assets/"):
            try:
                body = open(self.path).read()
            except OSError:
                code, body = 404, "no"
        elif self.path == "/broken":
            code = 500
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("", 9090 if mode == "deaf" else 8080), Handler).serve_forever()
"""


def _runtime() -> bytes:
    """Python, its libraries and the standard library of this machine, as a tar."""
    wanted = {PYTHON: PYTHON}
    library = subprocess.run(
        [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    names = [PYTHON]
    for name in os.listdir(f"{library}/lib-dynload"):
        if re.match(
            r"(_socket|_struct|_random|_bisect|math|select|array|_posixsubprocess|binascii|zlib|_datetime|_hashlib|_contextvars|_csv)",
            name,
        ):
            names.append(f"{library}/lib-dynload/{name}")
    for name in names:
        listed = subprocess.run(["ldd", name], capture_output=True, text=True, check=False).stdout
        for path in re.findall(r"(/\S+) \(", listed):
            wanted[path] = os.path.realpath(path)
    skipped = re.compile(r"/(__pycache__|test|dist-packages|site-packages|idlelib|tkinter|lib2to3|config-[^/]*)(/|$)")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(library, library.lstrip("/"), filter=lambda info: None if skipped.search(f"/{info.name}") else info)
        for name, real in wanted.items():
            archive.add(real, name.lstrip("/"))
        _add(archive, "app.py", APP)
        _add(archive, "etc/passwd", b"root:x:0:0::/:/x\napp:x:1234:1234::/:/x\n")
        _add(archive, "assets/app-base.js", b"base")
    return data.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    archive.addfile(info, io.BytesIO(content))


@pytest.fixture(scope="session")
def client():
    return docker.from_env(version="auto")


@pytest.fixture(scope="session")
def versions(client, tmp_path_factory):
    """Images of versions 1 to 4, each with a hashed asset of its own."""
    path = tmp_path_factory.mktemp("image") / "root.tar"
    path.write_bytes(_runtime())
    base = f"{REPOSITORY}:base"
    client.api.import_image_from_file(str(path), repository=REPOSITORY, tag="base")
    made = {}
    for number in range(1, 5):
        container = client.containers.create(base, ["-"])
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            _add(archive, f"assets/app-{number}.js", f"asset of {number}".encode())
            _add(archive, "assets/index.html", f"page {number}".encode())
        container.put_archive("/", data.getvalue())
        command = f'["{PYTHON}", "/app.py"]'
        container.commit(REPOSITORY, str(number), changes=[f"CMD {command}", f"ENV VERSION={number}"])
        container.remove()
        made[number] = f"{REPOSITORY}:{number}"
    yield made
    for name in [*made.values(), base]:
        client.images.remove(name, force=True)


class Site:
    """One platform on this machine, thrown away after the test."""

    def __init__(self, client, versions, root) -> None:
        self.client, self.versions, self.root = client, versions, str(root)
        self.platform = f"ct-test-{random.randrange(16**6):06x}"
        self.scope = Scope(self.platform, "test", f"{root}/{self.platform}/test")
        self.ports = {side: [free_port(), free_port()] for side in ("blue", "green")}
        self.secrets = {"TOKEN": "s3cret-value-of-token", "ENV_TOKEN": "s3cret-value-of-env"}

    def web(self, version: int, **more):
        option = {"image": self.versions[version], "port": 8080, "ports": self.ports, "traffic": True}
        quick = {"path": "/health", "successes": 1, "minimum": 0, "interval": 0.1, "deadline": 10}
        return {"health": quick, "stop_grace": 3, "pull": "never", **option, **more}

    def worker(self, version: int, **more):
        option = {"image": self.versions[version], "traffic": False, "env": {"MODE": "worker"}, "stop_grace": 3}
        return {"pull": "never", **option, **more}

    def run(self, state: str, side: str, release: str, services: dict, *, check: bool = False, **more):
        """As the module does, with a release id of its own but no lease."""
        order = self.order(side, release, services, **more)
        step = None if check else module.NO_STEP
        return module.act(order, {"state": state, "retained": []}, System(), step).result()

    def order(self, side: str, release: str, services: dict, **more) -> Order:
        values = {
            "version": release,
            "identity": f"id-{release}",
            "publish": "127.0.0.1",
            "secrets": self.secrets,
            **more,
        }
        return Order(scope=self.scope, side=side, release=release, services=parse_services(services, side), **values)

    def release(self, side: str, release: str, services: dict, **more) -> None:
        for state in ("prepared", "decided", "settled"):
            self.run(state, side, release, services, **more)

    def get(self, side: str, path: str = "/", replica: int = 0) -> str:
        with socket.create_connection(("127.0.0.1", self.ports[side][replica]), timeout=5) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return connection.makefile("rb").read().decode().partition("\r\n\r\n")[2]

    def containers(self):
        return {item.name.split("-test-", 2)[-1]: item for item in Engine().containers(self.scope.labels)}

    def clean_up(self) -> None:
        labels = [f"slipway.platform={self.platform}"]
        for container in self.client.containers.list(all=True, filters={"label": labels}):
            container.remove(force=True, v=True)
        for image in self.client.images.list():
            for tag in image.tags:
                if tag.startswith(f"slipway/{self.platform}-"):
                    self.client.images.remove(tag)


@pytest.fixture
def site(client, versions, tmp_path):
    made = Site(client, versions, tmp_path)
    yield made
    made.clean_up()
