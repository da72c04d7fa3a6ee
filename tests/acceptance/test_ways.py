# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way of running it that is promised: one whole release each, over the one before."""

from __future__ import annotations

import functools
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.lab import Lab
from tests.shop import Run

from . import check
from .conftest import fleet_maker
from .fleet import Fleet
from .interruption import Point, cut

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.sample(5)

OTHER = {"1.0.0": "1.1.0", "1.1.0": "1.0.0"}


@pytest.fixture(scope="module")
def one(
    lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory
) -> Fleet:
    """app1 and lb1 with 1.0.0; each test leaves the other version."""
    fleet = fleet_maker(lab, machines, facts, tmp_path_factory.mktemp("one"))(apps=["app1"])
    check.succeeded(fleet.deploy("1.0.0"))
    return fleet


@pytest.fixture
def version(one: Fleet) -> str:
    """The version to release: not the one that is live."""
    return OTHER[next(iter(check.runs(one, "app1")))]


def test_as_a_deploy_user_who_becomes_root(one: Fleet, version: str) -> None:
    """Not as root: ansible_user with become, as most sites have it."""
    one.write_inventory(user="deploy")
    run = one.deploy(version)
    one.write_inventory()
    check.succeeded(run)
    check.all_on(one, version)


def test_from_the_built_tarball_by_its_full_name(one: Fleet, version: str, tmp_path: Path) -> None:
    """No checkout, and no other collection: what Galaxy would serve, installed into an empty directory."""
    galaxy = environment("packaging") / "ansible-galaxy"
    built = command(ROOT / "tools/build.sh", galaxy, tmp_path / "dist").strip()
    command(galaxy, "collection", "install", built, "--offline", "-p", tmp_path / "collections")
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")}
    check.succeeded(one.play("slipway.deploy.deploy", "-e", f"slipway_version={version}", **collections))
    check.all_on(one, version)
    check.succeeded(one.play("slipway.deploy.status", **collections))


def test_under_ansible_runner(one: Fleet, version: str, tmp_path: Path) -> None:
    """As AWX and its like run it."""
    runner = environment("packaging") / "ansible-runner"
    argv = [runner, "run", tmp_path, "--project-dir", one.site.directory, "-p", "deploy.yml"]
    argv += ["--inventory", one.site.directory / "production", "--cmdline", f"-e slipway_version={version}"]
    env = one.site.environment(PATH=search_path(runner.parent))
    done = subprocess.run(argv, env=env, cwd=one.site.directory, capture_output=True, text=True, check=False)
    check.succeeded(Run(done.returncode, done.stdout + done.stderr))
    check.all_on(one, version)


def test_on_the_newest_ansible_core(one: Fleet, version: str) -> None:
    """The newest that the Pythons here allow."""
    path = search_path(newest())
    check.succeeded(one.deploy(version, PATH=path))
    check.all_on(one, version)
    again = one.deploy(version, PATH=path)
    assert (again.rc, again.changed) == (0, 0), again.output


def test_the_oldest_ansible_core_finishes_an_interrupted_release_and_puts_a_broken_one_back(
    one: Fleet, version: str
) -> None:
    """The lower end of what meta/runtime.yml promises; it includes parts of a run by name in its own way."""
    oldest = search_path(environment("core216", "3.11"))
    live = OTHER[version]
    with cut(one, Point("shift", "begin"), version):
        pass
    finished = one.deploy(live, PATH=oldest)
    check.succeeded(finished)
    assert "was interrupted" in finished.said
    check.all_on(one, live)
    check.refused(one.deploy("1.2.0", "-e", "slipway_allow_bad=true", PATH=oldest), "1.2.0 was refused")
    check.all_on(one, live)
    check.succeeded(one.deploy(version, PATH=oldest))
    again = one.deploy(version, PATH=oldest)
    assert (again.rc, again.changed) == (0, 0), again.output


def newest() -> Path:
    """The newest ansible-core: 2.21 wants Python 3.12 or newer."""
    try:
        return environment("core221", "3.13", "3.12")
    except subprocess.CalledProcessError:
        return environment("core219", "3.11")


@functools.cache
def environment(name: str, *pythons: str) -> Path:
    """The programs of a virtual environment of the gates', made when it is missing."""
    env = dict(os.environ)
    if pythons:
        env["SLIPWAY_PYTHON"] = command(ROOT / "tools/bootstrap.sh", "python", *pythons).strip()
    command(ROOT / "tools/bootstrap.sh", "venv", name, f"requirements/{name}.txt", env=env)
    return ROOT / f".venv-{name}" / "bin"


def search_path(directory: Path) -> str:
    """PATH with a directory before all others."""
    return os.pathsep.join([str(directory), os.environ["PATH"]])


def command(*argv: str | Path, env: t.Mapping[str, str] | None = None) -> str:
    """Run a command of this machine; what it printed.

    :raises CalledProcessError: it failed.
    """
    return subprocess.run([str(word) for word in argv], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
