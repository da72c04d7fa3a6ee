# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals on copies of MariaDB and SQLite databases, which tell times and errors alone."""

from __future__ import annotations

import base64
import contextlib
import pathlib
import sqlite3
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

from tests.integration_local.mysql.conftest import Server as MariaDBServer
from tests.integration_local.mysql.conftest import server as mariadb

from .rehearsed import baseline, expect_good, rehearsed

__all__ = ["mariadb"]

ADD, FAIL = "ALTER TABLE item ADD COLUMN price integer;", "\nCREATE UNIQUE INDEX by_name ON item (name);"


class Place(t.NamedTuple):
    """Backups of a database, and migrations."""

    backup: dict[str, t.Any]
    files: pathlib.Path

    def back_up(self, url: str) -> None:
        baseline(self.backup["engine"], url, self.files)
        given = {**self.backup, "url": base64.b64encode(url.encode()).decode(), "verify": "none"}
        expect_good(database_backup.perform(checked(given, DATABASE_BACKUP), check=False))

    def write(self, name: str, sql: str) -> None:
        (self.files / f"{name}.sql").write_text(sql)


@pytest.fixture
def kept(tmp_path: pathlib.Path, scratch: pathlib.Path) -> Place:
    (tmp_path / "sql").mkdir()
    about = {"name": "shop", "store": {"path": str(tmp_path / "store")}, "root": str(tmp_path / "root")}
    return Place({**about, "scratch_dir": str(scratch)}, tmp_path / "sql")


def tried(kept: Place) -> None:
    """One that passes, then one that fails on what is in the table."""
    kept.write("V1__price", ADD)
    found = expect_good(rehearsed(kept.backup, kept.files))
    assert found["pending"] == ["V1__price.sql"] and found["applied"][0]["ms"] >= 0
    assert (found["locks"], found["locks_measured"], found["resolution"]) == ([], False, None)
    kept.write("V2__unique", FAIL)
    error = rehearsed(kept.backup, kept.files)["error"]
    assert (error["cause"], error["object"]) == ("rehearsal_failed", "V2__unique.sql line 2")
    assert len(error["evidence"]["applied"]) == 1


def test_mariadb(mariadb: MariaDBServer, kept: Place) -> None:
    name = "rehearsed"
    statements = [
        "CREATE TABLE item (id integer PRIMARY KEY, name varchar(50))",
        "INSERT INTO item VALUES (1, 'a'), (2, 'a')",
    ]
    jobs = "CREATE EVENT job ON SCHEDULE EVERY 1 SECOND DO INSERT INTO item VALUES (unix_timestamp(), uuid())"
    mariadb.execute(None, f"CREATE DATABASE {name}")
    mariadb.execute(name, *statements, jobs)
    kept = kept._replace(backup={**kept.backup, "engine": "mariadb"})
    before = mariadb.ask(name, "SHOW CREATE TABLE item")
    kept.back_up(mariadb.url(name))
    tried(kept)
    kept.write("V1__price", ADD)
    (kept.files / "V2__unique.sql").unlink()
    running = "IF @@event_scheduler <> 'OFF' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events run'; END IF"
    kept.write("V3__events", f"DELIMITER //\nBEGIN NOT ATOMIC {running}; END//\n")
    expect_good(rehearsed(kept.backup, kept.files))
    assert mariadb.ask(name, "SHOW CREATE TABLE item") == before
    mariadb.execute(None, f"DROP DATABASE {name}")


def test_sqlite(kept: Place, tmp_path: pathlib.Path) -> None:
    live = tmp_path / "live.db"
    with contextlib.closing(sqlite3.connect(live)) as link:
        link.executescript("CREATE TABLE item (id integer, name text); INSERT INTO item VALUES (1, 'a'), (2, 'a');")
    kept = kept._replace(backup={**kept.backup, "engine": "sqlite"})
    kept.back_up(str(live))
    before = live.read_bytes()
    tried(kept)
    assert live.read_bytes() == before
