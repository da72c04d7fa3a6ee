# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for the tests of all tools, each of which has a database of its own."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests.integration_local.backup.conftest import Server, free_port


@pytest.fixture(name="tool_server", scope="session")
def _tool_server() -> t.Iterator[Server]:
    place = pathlib.Path(tempfile.mkdtemp(prefix="slipway-tools-"))
    place.chmod(0o755)  # the server is another user
    server = Server(place, free_port())
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(place)
