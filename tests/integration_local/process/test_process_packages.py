# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as wheels and npm packages, installed by the real pip and npm, out of files and of a tiny index here."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import threading
import typing as t
import zipfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .test_process_build import Built

PYTHON = {"kind": "wheel", "from": "machine", "python": sys.executable}


def wheel(directory: pathlib.Path, name: str, needs: str = "") -> pathlib.Path:
    """A program that prints its name."""
    about = f"{name}-1.dist-info"
    needed = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": f"def main():\n    print('the {name}')\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{needed}",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        f"{about}/RECORD": "",
    }
    path = directory / f"{name}-1-py3-none-any.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file, (2026, 1, 1, 0, 0, 0)), text)
    return path


def npm_package(path: pathlib.Path, about: dict[str, t.Any]) -> bytes:
    """What C(npm pack) makes of a program that prints its name."""
    said = {"name": "shop", "version": "1.2.0", "bin": {"shop": "run.js"}, **about}
    files = {"package.json": json.dumps(said), "run.js": "#!/usr/bin/env node\nconsole.log('the shop')\n"}
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size, info.mode = len(text), 0o755
            archive.addfile(info, io.BytesIO(text.encode()))
    return path.read_bytes()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files, and what an npm registry says of a package, which is no file of its name."""

    asked: t.ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_args: t.Any) -> None:
        """Nothing."""


@pytest.fixture
def index(tmp_path: pathlib.Path) -> t.Iterator[str]:
    """The URL of a server of C(tmp_path/index)."""
    (tmp_path / "index").mkdir()
    Quiet.asked.clear()
    handler = functools.partial(Quiet, directory=str(tmp_path / "index"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def built(tmp_path: pathlib.Path) -> Built:
    return Built(tmp_path)


def said(program: pathlib.Path) -> str:
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout.strip()


def test_a_wheel_is_installed_with_what_it_needs_at_the_release_s_own_path(
    built: Built, tmp_path: pathlib.Path, index: str
) -> None:
    path = wheel(tmp_path, "shop", needs="basket==1")
    wheel(tmp_path / "index" / "basket", "basket")
    own = built.make_of("r1", {**PYTHON, "path": str(path), "index": index})
    assert (said(own / ".venv" / "bin" / "shop"), said(own / ".venv" / "bin" / "basket")) == ("the shop", "the basket")
    assert built.trees.complete("r1", "web")
    assert {"services.web.source[0] environment", "services.web.source[1] install"} <= set(built.report.timings)


def test_a_package_of_an_index_is_what_its_hashes_say_or_nothing(
    built: Built, tmp_path: pathlib.Path, index: str
) -> None:
    for name in ("shop", "basket"):
        wheel(tmp_path / "index" / name, name, needs="basket==1" if name == "shop" else "")
    hashes = {
        name: hashlib.sha256((tmp_path / "index" / name / f"{name}-1-py3-none-any.whl").read_bytes()).hexdigest()
        for name in ("shop", "basket")
    }
    option = {**PYTHON, "package": "shop==1", "index": index, "hashes": [f"sha256:{hashes['shop']}"]}
    needs = f"basket==1 --hash=sha256:{hashes['basket']}"
    own = built.make_of("r1", {**option, "requirements": needs})
    assert said(own / ".venv" / "bin" / "basket") == "the basket"
    with pytest.raises(SlipwayError) as caught:
        built.make_of("r2", {**option, "requirements": needs.replace(hashes["basket"], "0" * 64)})
    assert (caught.value.cause, caught.value.obj) == ("build_failed", "services.web.source[1] install")
    assert "hash" in "\n".join(caught.value.evidence["logs"]).lower()
    assert not built.trees.complete("r2", "web")


def test_an_npm_package_is_installed_with_its_program(built: Built, tmp_path: pathlib.Path) -> None:
    npm_package(tmp_path / "shop-1.2.0.tgz", {})
    own = built.make_of("r1", {"kind": "npm", "from": "machine", "path": str(tmp_path / "shop-1.2.0.tgz")})
    assert said(own / "node_modules" / ".bin" / "shop") == "the shop"
    assert built.trees.complete("r1", "web")


def test_an_npm_package_of_a_registry_is_looked_at_before_any_of_its_scripts_runs(
    built: Built, tmp_path: pathlib.Path, index: str
) -> None:
    evil = {"scripts": {"install": f"touch {tmp_path}/ran"}}
    data = npm_package(tmp_path / "index" / "shop.tgz", evil)
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"
    about = {"name": "shop", "version": "1.2.0", "bin": {"shop": "run.js"}, "hasInstallScript": True, **evil}
    version = {**about, "dist": {"tarball": f"{index}/shop.tgz", "integrity": integrity}}
    told = {"name": "shop", "dist-tags": {"latest": "1.2.0"}, "versions": {"1.2.0": version}}
    (tmp_path / "index" / "shop").write_text(json.dumps(told))
    option = {"kind": "npm", "package": "shop@1.2.0", "registry": index}
    with pytest.raises(SlipwayError) as caught:
        built.make_of("r1", {**option, "integrity": f"sha512-{'A' * 86}=="})
    assert (caught.value.cause, caught.value.actual) == ("checksum", integrity)
    assert not (tmp_path / "ran").exists() and "/shop.tgz" not in Quiet.asked
    own = built.make_of("r2", {**option, "integrity": integrity})
    assert said(own / "node_modules" / ".bin" / "shop") == "the shop" and (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("kind", "options", "key"),
    [
        ("wheel", {}, "path"),
        ("wheel", {"path": "a-1-py3-none-any.whl", "package": "a==1"}, "path"),
        ("wheel", {"path": "a.whl"}, "path"),
        ("wheel", {"package": "a"}, "package"),
        ("wheel", {"package": "a>=1"}, "package"),
        ("wheel", {"package": "a==1.*"}, "package"),
        ("wheel", {"package": "a==1 ; x"}, "package"),
        ("wheel", {"package": "a==1", "hashes": ["md5:1"]}, "hashes"),
        ("wheel", {"package": "a==1", "index": "file:///x"}, "index"),
        ("wheel", {"package": "a==1", "index": "https://me:s3cret@example.com"}, "index"),
        ("wheel", {"package": "a==1", "installer": "conda"}, "installer"),
        ("wheel", {"package": "a==1", "extras": "x"}, "extras"),
        ("npm", {}, "path"),
        ("npm", {"path": "a.zip"}, "path"),
        ("npm", {"package": "a"}, "package"),
        ("npm", {"package": "a@^1.2.0"}, "package"),
        ("npm", {"package": "a@latest"}, "package"),
        ("npm", {"package": "--x@1.2.0"}, "package"),
        ("npm", {"package": "a@1.2.0", "integrity": "sha1-x"}, "integrity"),
        ("npm", {"package": "a@1.2.0", "registry": "https://s3cret@example.com"}, "registry"),
        ("npm", {"package": "a@1.2.0", "scope": "x"}, "scope"),
    ],
)
def test_options_that_cannot_be_are_named(
    tmp_path: pathlib.Path, kind: str, options: dict[str, t.Any], key: str
) -> None:
    place = Place(System(), str(tmp_path), {}, 60.0)
    with pytest.raises(SlipwayError) as caught:
        make_source({"kind": kind, **options}, "services.web.source", place).resolve()
    assert (caught.value.cause, caught.value.obj) == ("invalid", f"services.web.source.{key}")
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("kind", ["wheel", "npm"])
def test_a_file_that_is_not_there_or_changed_is_named(tmp_path: pathlib.Path, kind: str) -> None:
    path = tmp_path / ("a-1-py3-none-any.whl" if kind == "wheel" else "a-1.tgz")
    place = Place(System(), str(tmp_path), {}, 60.0)
    source = make_source({"kind": kind, "path": str(path)}, "services.web.source", place)
    with pytest.raises(SlipwayError) as caught:
        source.resolve()
    assert (caught.value.cause, caught.value.actual) == ("source_missing", str(path))
    path.write_bytes(b"1")
    resolved = source.resolve()
    path.write_bytes(b"2")
    (tmp_path / "target").mkdir()
    with pytest.raises(SlipwayError) as caught:
        source.fetch(resolved, str(tmp_path / "target"))
    assert caught.value.cause == "source_changed"
