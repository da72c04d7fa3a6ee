# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that one machine has built with real tools, laid out on another one at the same path."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
import zipfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.packages import Packages
from ansible_collections.slipway.deploy.plugins.module_utils.process.report import Report
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import Order, Scope
from ansible_collections.slipway.deploy.plugins.module_utils.process.tree import Tree, Trees, tree_digest
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .test_process_build import WHEEL

PIP = [sys.executable, "-m", "pip", "--python", ".venv", "install", "--no-index", "shop-1-py3-none-any.whl"]
STEPS = (
    {"name": "environment", "command": [sys.executable, "-m", "venv", "--without-pip", ".venv"]},
    {"name": "wheel", "command": PIP},
    {"name": "assets", "command": ["sh", "-c", "mv app.*.js assets/"]},
)


class Machines:
    """Two machines, one after the other at the same path."""

    def __init__(self, tmp_path: pathlib.Path) -> None:
        self.tmp = tmp_path
        self.scope = Scope("shop", "test", str(tmp_path / "state"), str(tmp_path / "base"))
        self.system, self.report = System(), Report(System(), ())
        self.own = pathlib.Path(self.scope.release_path("r1", "web"))
        self.shared = pathlib.Path(self.scope.base) / "shared" / "web" / "assets"

    def make(self, source: dict[str, t.Any], built: str = "", steps: t.Sequence[t.Any] = STEPS) -> dict[str, t.Any]:
        """Build and pack it, or lay out a package."""
        option = {"source": source, "command": ["x"], "build": list(steps), "build_on": "one", "user": str(os.getuid())}
        service = parse_services({"web": {**option, "shared": {"directories": ["assets"]}}}, "blue")[0]
        order = Order(self.scope, "blue", "r1", "1", "i", "", [service], {})
        trees = Trees(self.system, self.scope)
        if built:
            tree = Tree(str(self.own), tree_digest(service, source), {**source, "built": built}, False)
            return trees.make(order, service, None, tree, self.report)
        found = make_source(source, "x", Place(self.system, self.scope.base, {}, 600.0))
        resolved = found.resolve()
        tree = Tree(str(self.own), tree_digest(service, resolved), resolved, False)
        return trees.make(order, service, found, tree, self.report, packs=True)

    def packages(self) -> Packages:
        return Packages(self.system, self.scope.base)

    def next(self, package: str) -> None:
        """Another machine, with nothing but the package."""
        kept = self.tmp / "package"
        shutil.copy(self.packages().path(package), kept)
        shutil.rmtree(self.scope.base)
        self.packages().receive({package: str(kept)})


@pytest.fixture
def source(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    code = tmp_path / "code"
    (code / "assets").mkdir(parents=True)
    (code / "assets" / "of-the-source").write_text("x")
    (code / "app.1.js").write_text("1")
    with zipfile.ZipFile(code / "shop-1-py3-none-any.whl", "w") as wheel:
        for name, text in WHEEL.items():
            wheel.writestr(name, text)
    return {"kind": "directory", "path": str(code)}


def test_an_environment_that_another_machine_has_built_runs_and_its_assets_are_there(
    tmp_path: pathlib.Path, source: dict[str, t.Any]
) -> None:
    machines = Machines(tmp_path)
    about = machines.make(source)
    for other in (False, True):
        if other:
            machines.next(about["built"])
            shutil.rmtree(tmp_path / "code")
            assert machines.make({key: about[key] for key in ("kind", "content")}, about["built"]) == about
        program = machines.own / ".venv" / "bin" / "shop"
        assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "the shop\n"
        compiled = list(machines.own.glob(".venv/lib/*/site-packages/__pycache__/shop.*.pyc"))
        assert compiled, "what pip has compiled travels"
        assert sorted(path.name for path in machines.shared.iterdir()) == ["app.1.js"]
        assert (machines.own / "assets").is_symlink() and (machines.own / "assets/app.1.js").read_text() == "1"
        assert Trees(machines.system, machines.scope).complete("r1", "web")


def test_compiled_files_are_still_those_of_their_sources(tmp_path: pathlib.Path, source: dict[str, t.Any]) -> None:
    """Python believes one by the time of its source; else each start in a read-only release would compile it again."""
    machines = Machines(tmp_path)
    about = machines.make(source)
    machines.next(about["built"])
    machines.make({key: about[key] for key in ("kind", "content")}, about["built"])
    code = "import shop, sys; print(shop.__cached__)"
    argv = [machines.own / ".venv/bin/python", "-v", "-c", code]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert f"# {done.stdout.strip()} matches" in done.stderr


def test_assets_of_releases_before_stay_and_new_ones_are_added(
    tmp_path: pathlib.Path, source: dict[str, t.Any]
) -> None:
    machines = Machines(tmp_path)
    about = machines.make(source)
    machines.next(about["built"])
    machines.shared.mkdir(parents=True)
    (machines.shared / "app.0.js").write_text("0")
    (machines.shared / "app.1.js").symlink_to("/nonexistent")  # nothing is written through a link
    machines.make({key: about[key] for key in ("kind", "content")}, about["built"])
    assert sorted(path.name for path in machines.shared.iterdir()) == ["app.0.js", "app.1.js"]
    assert (machines.shared / "app.1.js").read_text() == "1"


def test_a_build_that_fails_is_packed_by_nobody(tmp_path: pathlib.Path, source: dict[str, t.Any]) -> None:
    machines = Machines(tmp_path)
    with pytest.raises(SlipwayError) as caught:
        machines.make(source, steps=[{"command": ["false"]}])
    assert (caught.value.cause, machines.packages().names()) == ("build_failed", [])


@pytest.mark.parametrize("change", ["cut", "other", "gone"])
def test_what_does_not_arrive_whole_is_no_release(
    tmp_path: pathlib.Path, source: dict[str, t.Any], change: str
) -> None:
    machines = Machines(tmp_path)
    about = machines.make(source)
    machines.next(about["built"])
    path = pathlib.Path(machines.packages().path(about["built"]))
    if change == "cut":
        os.truncate(path, path.stat().st_size - 1)
    elif change == "other":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    else:
        path.unlink()
    with pytest.raises(SlipwayError) as caught:
        machines.make({key: about[key] for key in ("kind", "content")}, about["built"])
    assert caught.value.cause == "package_missing"
    assert machines.packages().names() == []
    assert not Trees(machines.system, machines.scope).complete("r1", "web")
