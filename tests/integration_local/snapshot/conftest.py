# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cluster, and a database of it for each test."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests.integration_local.physical.lab import own

from .lab import Lab, Target


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-sb-"))
    lab = Lab(directory)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()
        shutil.rmtree(directory)


@pytest.fixture
def database(lab: Lab, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """The name of a database with a thousand rows."""
    name = f"t{abs(hash(request.node.nodeid))}"
    lab.execute("postgres", f"CREATE DATABASE {name}")
    lab.execute(
        name,
        "CREATE TABLE item (id bigserial PRIMARY KEY, word text NOT NULL)",
        "INSERT INTO item (word) SELECT md5(n::text) FROM generate_series(1, 1000) AS n",
    )
    yield name
    lab.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def target(lab: Lab, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> t.Iterator[Target]:
    """Whatever is left of its snapshots goes with it."""
    yield Target(lab, database, tmp_path, scratch)
    for path in lab.snapshots.iterdir():
        shutil.rmtree(path)


@pytest.fixture
def place() -> t.Iterator[pathlib.Path]:
    """Where clones stay, and sockets that have a short path."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-r-"))
    path.chmod(0o755)
    (path / "s").mkdir()
    own(path / "s")
    yield path
    shutil.rmtree(path)
