# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are built where they stay."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import typing as t
import zipfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.report import Report
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import Order, Scope
from ansible_collections.slipway.deploy.plugins.module_utils.process.tree import Tree, Trees, tree_digest
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .process_site import wait_for

WHEEL = {
    "shop.py": "def main():\n    print('the shop')\n",
    "shop-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: shop\nVersion: 1\n",
    "shop-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "shop-1.dist-info/entry_points.txt": "[console_scripts]\nshop = shop:main\n",
    "shop-1.dist-info/RECORD": "",
}


class Built:
    """One service, made as C(prepared) does."""

    def __init__(self, tmp_path: pathlib.Path) -> None:
        self.scope = Scope("shop", "test", str(tmp_path / "state"), str(tmp_path / "base"))
        self.system = System()
        self.trees = Trees(self.system, self.scope)
        self.report = Report(self.system, ["s3cret"])

    def make(self, release: str, path: pathlib.Path, build: list[dict[str, t.Any]]) -> pathlib.Path:
        """The directory of a release."""
        return self.make_of(release, {"kind": "directory", "path": str(path)}, build)

    def make_of(self, release: str, of: dict[str, t.Any], build: t.Sequence[dict[str, t.Any]] = ()) -> pathlib.Path:
        """The same, out of any source."""
        option = {"source": of, "command": ["x"], "build": list(build)}
        service = parse_services({"web": {**option, "user": str(os.getuid())}}, "blue")[0]
        order = Order(self.scope, "blue", release, "1", "i", "", [service], {})
        source = make_source(service.source or {}, "x", Place(self.system, self.scope.base, {}, 600.0))
        resolved = source.resolve()
        own = self.scope.release_path(release, "web")
        self.trees.make(order, service, source, Tree(own, tree_digest(service, resolved), resolved, False), self.report)
        return pathlib.Path(own)


@pytest.fixture
def built(tmp_path: pathlib.Path) -> Built:
    return Built(tmp_path)


def test_a_wheel_is_installed_into_the_release_s_own_environment(built: Built, tmp_path: pathlib.Path) -> None:
    (tmp_path / "code").mkdir()
    with zipfile.ZipFile(tmp_path / "code" / "shop-1-py3-none-any.whl", "w") as wheel:
        for name, text in WHEEL.items():
            wheel.writestr(name, text)
    pip = [sys.executable, "-m", "pip", "--python", ".venv", "install", "--no-index", "shop-1-py3-none-any.whl"]
    steps = [
        {"name": "environment", "command": [sys.executable, "-m", "venv", "--without-pip", ".venv"]},
        {"name": "wheel", "command": pip},
    ]
    own = built.make("r1", tmp_path / "code", steps)
    program = own / ".venv" / "bin" / "shop"
    assert str(own) in program.read_text()  # it knows its own path, so that may never change
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "the shop\n"
    assert built.trees.complete("r1", "web")  # also after Python has compiled what it ran
    assert {"services.web.build[0] environment", "services.web.build[1] wheel"} <= set(built.report.timings)


def test_a_step_knows_its_directory_and_cache_and_nothing_of_the_caller(
    built: Built, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s3cret")
    (tmp_path / "code").mkdir()
    own = built.make(
        "r1", tmp_path / "code", [{"command": ["sh", "-c", "env > seen; pwd >> seen"], "env": {"A": "b c"}}]
    )
    seen = (own / "seen").read_text().splitlines()
    cache = f"{built.scope.base}/cache/web"
    assert {
        "A=b c",
        f"HOME={cache}",
        f"PIP_CACHE_DIR={cache}",
        f"npm_config_cache={cache}",
        "CI=true",
        str(own),
    } <= set(seen)
    assert "s3cret" not in "".join(seen)


def test_a_step_that_fails_says_so_with_its_last_lines_and_leaves_nothing_complete(
    built: Built, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "code").mkdir()
    script = "for i in $(seq 50); do echo line $i; done; echo s3cret >&2; exit 3"
    with pytest.raises(SlipwayError) as caught:
        built.make("r1", tmp_path / "code", [{"name": "compile", "command": ["sh", "-c", script]}])
    error = caught.value
    assert (error.cause, error.obj, error.evidence["exit_code"]) == ("build_failed", "services.web.build[0] compile", 3)
    assert error.evidence["logs"] == [*(f"line {number}" for number in range(22, 51)), "********"]
    assert not built.trees.complete("r1", "web")
    built.make("r1", tmp_path / "code", [])
    assert built.trees.complete("r1", "web")


def test_a_program_that_is_missing_is_a_step_that_fails(built: Built, tmp_path: pathlib.Path) -> None:
    (tmp_path / "code").mkdir()
    with pytest.raises(SlipwayError) as caught:
        built.make("r1", tmp_path / "code", [{"command": [".venv/bin/no-such-program"]}])
    assert (caught.value.cause, caught.value.evidence["exit_code"]) == ("build_failed", 127)
    assert "no-such-program" in str(caught.value.actual)


LOOP = """
import sys
from ansible_collections.slipway.deploy.plugins.module_utils.process.build import Builder
from ansible_collections.slipway.deploy.plugins.module_utils.process.report import Report
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import Step
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
loop = "trap '' HUP; (while :; do echo x >> log; sleep 0.05; done) & wait"
Builder(System(), "", sys.argv[1], "/", Report(System(), ())).run([Step("x", ["sh", "-c", loop], {}, 60.0)], "x")
"""


# timeout(1), which in the instant after its fork ends by the signal that it gets then, and does not pass it on.
ALONE = """#!/usr/bin/env python3
import os, subprocess, sys
os.setpgid(0, 0)
sys.exit(subprocess.run(sys.argv[3:]).returncode)
"""


@pytest.mark.parametrize("instant", ["any", "after the fork of timeout(1)"])
def test_a_step_ends_with_whoever_was_killed_so_that_the_next_run_is_alone(
    tmp_path: pathlib.Path, instant: str
) -> None:
    (work := tmp_path / "work").mkdir()
    (programs := tmp_path / "programs").mkdir()
    if instant != "any":
        (programs / "timeout").write_text(ALONE)
        (programs / "timeout").chmod(0o755)
    log = work / "log"
    path = f"{programs}:{os.environ['PATH']}"
    running = subprocess.Popen([sys.executable, "-c", LOOP, str(work)], env={**os.environ, "PATH": path})
    wait_for(lambda: log.exists() and running.poll() is None)
    running.kill()
    running.wait()

    def writers() -> list[str]:
        """Processes that are at work in the directory."""
        at_work = []
        for number in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{number}/cwd") == str(work):
                    at_work.append(number)
        return at_work

    wait_for(lambda: not writers())


def test_a_step_that_finds_the_disk_full_is_no_fault_of_the_version(built: Built, tmp_path: pathlib.Path) -> None:
    (tmp_path / "code").mkdir()
    with pytest.raises(SlipwayError) as caught:
        built.make("r1", tmp_path / "code", [{"command": ["dd", "if=/dev/zero", "of=/dev/full", "bs=1", "count=1"]}])
    assert caught.value.cause == "no_space" and not built.trees.complete("r1", "web")
