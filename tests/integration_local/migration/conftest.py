# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL and a real MariaDB for all tests of migrations; each test has a database of its own."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests.integration_local.backup.conftest import Replica, free_port
from tests.integration_local.backup.conftest import Server as PostgreSQLServer
from tests.integration_local.mysql.conftest import Server as MariaDBServer

from .projects import MariaDBProject, PostgreSQLProject, SQLiteProject

Running = t.TypeVar("Running", PostgreSQLServer, MariaDBServer)


def _started(kind: type[Running]) -> t.Iterator[Running]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-migrated-"))
    directory.chmod(0o755)  # the server is another user
    server = kind(directory, free_port())
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory)


@pytest.fixture(name="postgresql", scope="session")
def _postgresql() -> t.Iterator[PostgreSQLServer]:
    yield from _started(PostgreSQLServer)


@pytest.fixture(scope="session")
def followed() -> t.Iterator[tuple[PostgreSQLServer, Replica]]:
    """Another PostgreSQL, with a replica."""
    places = [pathlib.Path(tempfile.mkdtemp(prefix="slipway-followed-")) for _number in range(2)]
    primary, replica = PostgreSQLServer(places[0], free_port()), Replica(places[1], free_port())
    try:
        primary.start()
        replica.follow(primary)
        yield primary, replica
        replica.stop()
        primary.stop()
    finally:
        for place in places:
            shutil.rmtree(place)


@pytest.fixture(name="mariadb", scope="session")
def _mariadb() -> t.Iterator[MariaDBServer]:
    yield from _started(MariaDBServer)


@pytest.fixture
def on_postgresql(postgresql: PostgreSQLServer, tmp_path: pathlib.Path) -> PostgreSQLProject:
    return PostgreSQLProject(postgresql, tmp_path / "sql")


@pytest.fixture
def on_mariadb(mariadb: MariaDBServer, tmp_path: pathlib.Path) -> MariaDBProject:
    return MariaDBProject(mariadb, tmp_path / "sql")


@pytest.fixture
def on_sqlite(tmp_path: pathlib.Path) -> SQLiteProject:
    return SQLiteProject(tmp_path, tmp_path / "sql")
