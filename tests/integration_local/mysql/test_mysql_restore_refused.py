# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of a real MariaDB server that cannot be replaced is left as it is, and why is told."""

from __future__ import annotations

import contextlib
import pathlib

import pymysql
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_exchange, mysql_facts
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import Server
from .replaced import changed, kept, state
from .target import Target


@pytest.fixture
def target(server: Server, database: str, target: Target) -> Target:
    return changed(server, database, target)


def test_a_name_that_is_taken_is_told(server: Server, database: str, target: Target) -> None:
    with pytest.raises(SlipwayError, match="there is a database of this name") as caught:
        target.keeper().restored("latest", database, confirm="", safety=True)
    assert caught.value.cause == "exists"
    assert server.ask(database, "SELECT COUNT(*) FROM parent") == [(600,)]


def test_a_connection_that_holds_a_transaction_open_is_ended(server: Server, database: str, target: Target) -> None:
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO parent (word) VALUES ('open')")
        target.replace(safety=False)
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("COMMIT")
    assert server.ask(kept(server, database), "SELECT COUNT(*) FROM parent WHERE word = 'open'") == [(0,)]


def test_a_transaction_that_cannot_be_ended_is_told_and_nothing_has_changed(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one of a connection that is in no database, so that nobody sees that it is in this one."""
    monkeypatch.setattr(mysql_exchange, "TRIES", 2)
    monkeypatch.setattr(mysql_exchange, "WAIT", 1)
    live = state(target, database)
    quoted = database.replace("`", "``")
    with contextlib.closing(server.connect()) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT COUNT(*) FROM `{quoted}`.parent")
        with pytest.raises(SlipwayError, match="is still used by a transaction that does not end") as caught:
            target.replace(safety=False)
    assert caught.value.cause == "in_use"
    assert server.databases(database) == [database]
    assert state(target, database) == live
    assert target.engine.recover() == []


def test_tables_that_others_refer_to_are_told(server: Server, database: str, target: Target) -> None:
    quoted, other = database.replace("`", "``"), f"{database}_x"
    server.execute(None, f"CREATE DATABASE `{other.replace('`', '``')}`")
    server.execute(other, f"CREATE TABLE r (p int, FOREIGN KEY (p) REFERENCES `{quoted}`.parent (id))")
    live = state(target, database)
    try:
        with pytest.raises(SlipwayError, match="foreign keys of other databases point to") as caught:
            target.replace(safety=False)
        assert caught.value.cause == "referenced"
        assert state(target, database) == live
    finally:
        server.execute(other, "DROP TABLE r")


def test_a_copy_that_is_something_else_is_dropped_and_the_live_one_goes_on(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_facts, "differences", lambda *_given, **_more: ["table parent: 999 rows, wanted 1000"])
    with pytest.raises(SlipwayError, match="table parent: 999 rows"):
        target.replace(safety=False)
    assert server.databases(database) == [database]
    assert server.ask(database, "SELECT COUNT(*) FROM parent") == [(600,)]


def test_a_user_who_may_make_no_database_is_told_and_nothing_has_changed(
    server: Server, database: str, user: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    quoted = database.replace("`", "``").replace("_", "\\_")
    server.execute(None, f"GRANT ALL ON `{quoted}`.* TO {user}", f"GRANT SELECT ON mysql.proc TO {user}")
    poor = Target(server.url(database, user, "poor"), pathlib.Path(target.store.url("").rstrip("/")), scratch)
    with pytest.raises(SlipwayError) as caught:
        poor.replace(safety=False)
    assert caught.value.cause == "denied"
    assert server.databases(database) == [database]
