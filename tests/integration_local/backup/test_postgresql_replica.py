# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup taken from a replica, which the primary need not notice."""

from __future__ import annotations

import contextlib
import pathlib

from .conftest import Replica, Server
from .target import Target


def test_a_backup_of_a_replica_has_what_the_replica_has_replayed_and_its_position(
    server: Server, database: str, replica: Replica, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.execute(database, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 1000)")
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        position = cursor.fetchone()[0]
    while not replica.caught_up(position):
        pass
    made = Target(replica.url(database), tmp_path / "store", scratch).back_up().backup
    assert made is not None
    assert made.verified_by == "restore"
    assert made.manifest.facts["tables"]["public.t"][0] == 1000
    assert number(made.manifest.position) >= number(position)


def number(position: str) -> int:
    """A position in the log as a number (PostgreSQL manual, 8.20)."""
    high, _slash, low = position.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
