# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of each kind for the tests of all tools, each of which has a database of its own."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests.integration_local.backup.conftest import Server, free_port
from tests.integration_local.mysql.conftest import Server as MariaDBServer

Running = t.TypeVar("Running", Server, MariaDBServer)


def _started(kind: type[Running]) -> t.Iterator[Running]:
    place = pathlib.Path(tempfile.mkdtemp(prefix="slipway-tools-"))
    place.chmod(0o755)  # the server is another user
    server = kind(place, free_port())
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(place)


@pytest.fixture(name="tool_server", scope="session")
def _tool_server() -> t.Iterator[Server]:
    yield from _started(Server)


@pytest.fixture(name="tool_mariadb", scope="session")
def _tool_mariadb() -> t.Iterator[MariaDBServer]:
    yield from _started(MariaDBServer)
