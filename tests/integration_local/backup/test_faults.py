# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is in the way of a backup is named, leaves nothing partial, and leaves the last good one good.

The rows are in faults_*.py; what is checked after each of them is prove() in faults.py.
"""

from __future__ import annotations

import pathlib
import tempfile
import typing as t

import pytest

from tests.integration_local.places import free_port

from . import faults_postgresql, faults_programs, faults_sqlite, faults_stored
from .conftest import Server
from .faults import Site, prove
from .faults_postgresql import PostgreSQLSite


@pytest.fixture
def doomed(place: pathlib.Path) -> t.Iterator[Server]:
    """A server that a fault may bring down."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=place))
    server = Server(directory, free_port())
    server.start()
    server.execute("postgres", faults_postgresql.SCHEMA)
    yield server
    server.stop()


@pytest.mark.parametrize("name", faults_postgresql.ROWS)
def test_postgresql(postgresql: PostgreSQLSite, name: str, request: pytest.FixtureRequest) -> None:
    if "goes down" in name:
        postgresql.doomed = request.getfixturevalue("doomed")  # type: ignore[attr-defined]
    prove(postgresql, faults_postgresql.ROWS[name])


@pytest.mark.parametrize("name", faults_programs.ROWS)
def test_programs(postgresql: PostgreSQLSite, name: str) -> None:
    prove(postgresql, faults_programs.ROWS[name])


@pytest.mark.parametrize("name", faults_sqlite.ROWS)
def test_sqlite(sqlite: Site, name: str) -> None:
    prove(sqlite, faults_sqlite.ROWS[name])


@pytest.mark.parametrize("name", faults_stored.ROWS)
def test_stored_of_sqlite(sqlite: Site, name: str) -> None:
    prove(sqlite, faults_stored.ROWS[name])


# A dump of PostgreSQL has something beside it, and is read by a program: these are always run, of the others a sample.
ITS_OWN = ("beside the dump", "pg_restore", "to be restored beside")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[] if any(words in name for words in ITS_OWN) else [pytest.mark.sample(6, of="stored")]
        )
        for name in faults_stored.ROWS
    ],
)
def test_stored_of_postgresql(postgresql: PostgreSQLSite, name: str) -> None:
    prove(postgresql, faults_stored.ROWS[name])
