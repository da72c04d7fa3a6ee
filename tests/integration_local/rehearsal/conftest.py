# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL for all rehearsals; each has a database of its own, and migrations."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import postgresql_scratch

from tests.integration_local.backup.conftest import Server, database, initdb, place, server

from .rehearsed import Site

__all__ = ["database", "initdb", "place", "server"]


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[pathlib.Path]:
    """Where the sockets of throw-away servers are; nothing may be left there. Other tests have theirs in the usual place."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-k-", dir="/tmp"))  # a socket's path is short
    path.chmod(0o755)
    monkeypatch.setattr(postgresql_scratch, "SOCKETS", str(path))
    yield path
    left = sorted(path.iterdir())
    shutil.rmtree(path)
    assert left == []


@pytest.fixture
def site(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, sockets: pathlib.Path
) -> t.Iterator[Site]:
    """A database with a table of some size, a backup of it to be taken, and an empty directory for migrations."""
    made = Site(server, database, tmp_path, scratch)
    yield made
    made.expect_nothing_left()
