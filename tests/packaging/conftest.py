# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a user gets it: built, and installed into an empty directory. Needs requirements/packaging.txt."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

Run = t.Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built out of what git knows of the checkout, and what is new in it."""
    argv = [ROOT / "tools" / "build.sh", BIN / "ansible-galaxy", tmp_path_factory.mktemp("dist")]
    built = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that it is installed into, with no other collection and no network."""
    directory = tmp_path_factory.mktemp("collections")
    argv = [BIN / "ansible-galaxy", "collection", "install", tarball, "--offline", "-p", directory]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=_environment(directory))
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run a command of this environment where nothing but the installed collection is to be found."""

    def call(command: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
        environment = _environment(installed)
        return subprocess.run(
            [BIN / command, *args], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return call


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory of one machine, which is never contacted."""
    path = tmp_path / "inventory" / "hosts.ini"
    path.parent.mkdir()
    path.write_text("[slipway_app]\napp1 ansible_host=192.0.2.1\n[slipway_proxy]\napp1\n", encoding="utf-8")
    return path


def _environment(collections: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHONPATH"))}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"}
