# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of a real MariaDB server is of one moment, whatever is written, locked or changed meanwhile."""

from __future__ import annotations

import contextlib
import pathlib
import threading

import pymysql
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_snapshot
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import Server
from .target import RIGHTS, Target, patterned, programs, real, rows


def write_until(server: Server, database: str, ends: threading.Event, *statements: str) -> threading.Thread:
    def write() -> None:
        with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
            while not ends.is_set():
                for statement in statements:
                    cursor.execute(statement)

    writer = threading.Thread(target=write)
    writer.start()
    return writer


MOVE = (
    "BEGIN",
    "UPDATE a SET n = n - 1 WHERE id = 5",
    "UPDATE b SET n = n + 1 WHERE id = 5",
    "INSERT INTO log () VALUES ()",
    "COMMIT",
)


def accounts(server: Server, database: str) -> None:
    for name in "ab":
        server.execute(database, f"CREATE TABLE {name} (id int PRIMARY KEY, n bigint)")
        server.execute(database, f"INSERT INTO {name} SELECT seq, 100 FROM seq_1_to_20000")
    server.execute(database, "CREATE TABLE log (id int AUTO_INCREMENT PRIMARY KEY, at timestamp DEFAULT now())")


@pytest.mark.parametrize("rights", ["RELOAD", "LOCK TABLES"])
def test_a_backup_of_a_database_that_is_written_to_all_the_time_is_of_one_moment(
    server: Server, database: str, user: str, tmp_path: pathlib.Path, scratch: pathlib.Path, rights: str
) -> None:
    """Each transaction moves an amount from one account to another; a sum over two moments would be another one."""
    accounts(server, database)
    server.execute(None, f"GRANT {RIGHTS} ON {patterned(database)}.* TO {user}")
    server.execute(None, f"GRANT {rights} ON {'*' if rights == 'RELOAD' else patterned(database)}.* TO {user}")
    target = Target(server.url(database, user, "poor"), tmp_path / "store", scratch)
    ends = threading.Event()
    writer = write_until(server, database, ends, *MOVE)
    try:
        made = [target.back_up().backup for _number in range(2)]
    finally:
        ends.set()
        writer.join()
    newest = made[-1]
    assert newest is not None
    assert [one.verified_by for one in made if one is not None] == ["restore"] * 2
    with target.engine.scratch("10.11", newest.manifest.facts, 0) as scratch_server:
        scratch_server.restore(target.keeper()._prover.content(newest, newest.manifest.parts["dump"]))
        with contextlib.closing(scratch_server._login(database).connect()) as link, link.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("SELECT (SELECT SUM(n) FROM a) + (SELECT SUM(n) FROM b), (SELECT n FROM b WHERE id = 5)")
            total, moved = cursor.fetchone()
    assert total == 4_000_000
    assert moved > 100


def test_a_table_without_transactions_stays_locked_until_its_dump_is_written(
    server: Server, database: str, target: Target
) -> None:
    """Two tables that are always changed together, of which one knows no transactions."""
    rows(server, database, 20000)
    server.execute(database, "CREATE TABLE loose (id int AUTO_INCREMENT PRIMARY KEY) ENGINE=MyISAM")
    server.execute(database, "INSERT INTO loose VALUES (), ()")
    with target.engine.snapshot() as snapshot:
        with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
            cursor.execute("INSERT INTO t (word) VALUES ('goes on')")
            cursor.execute("SET SESSION lock_wait_timeout = 1")
            with pytest.raises(pymysql.err.OperationalError, match="Lock wait timeout"):
                cursor.execute("INSERT INTO loose VALUES ()")
        facts = snapshot.facts()
        assert b"INSERT INTO `loose` VALUES" in b"".join(snapshot.dump())
    assert facts["tables"]["loose"][0] == 2
    server.execute(database, "INSERT INTO loose VALUES ()")


def test_nobody_waits_once_the_moment_is_there(server: Server, database: str, target: Target) -> None:
    """Not even for a change of a table, which then fails the dump instead of waiting for it."""
    rows(server, database, 20000)
    server.execute(database, "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")
    with target.engine.snapshot() as snapshot:
        snapshot.facts()
        server.execute(database, "INSERT INTO t (word) VALUES ('after')", "ALTER TABLE u ADD COLUMN more int")
        server.execute(None, "CREATE DATABASE IF NOT EXISTS other", "DROP DATABASE other")


def test_a_dump_that_does_not_begin_lets_go_of_the_lock(
    server: Server, database: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_snapshot, "BEGIN", 0.2)
    hangs = programs(
        tmp_path / "bin",
        mariadb_dump=f'case "$*" in *--version*) exec {real("mariadb-dump")} "$@";; esac\nexec sleep 1000',
    )
    target = Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=hangs)
    target.fails("busy", "mariadb-dump: did not begin")
    server.execute(database, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")


def test_a_table_that_is_dropped_while_it_is_dumped_fails_the_backup(
    server: Server, database: str, target: Target
) -> None:
    rows(server, database, 60000)
    server.execute(database, "CREATE TABLE z (id int PRIMARY KEY)", "INSERT INTO z VALUES (1)")
    said = r"Couldn't execute|doesn't exist|definition has changed"
    with pytest.raises(SlipwayError, match=said) as caught, target.engine.snapshot() as snapshot:
        dump = snapshot.dump()
        next(dump)
        server.execute(database, "DROP TABLE z")
        for _chunk in dump:
            pass
    assert caught.value.cause == "command_failed"


def test_a_table_that_is_emptied_while_it_is_dumped_fails_the_backup(
    server: Server, database: str, target: Target
) -> None:
    """TRUNCATE does not wait for the dump's transaction, which would find the table empty."""
    rows(server, database, 60000)
    server.execute(database, "CREATE TABLE z (id int PRIMARY KEY)", "INSERT INTO z VALUES (1)")
    with pytest.raises(SlipwayError, match="definition has changed") as caught, target.engine.snapshot() as snapshot:
        dump = snapshot.dump()
        next(dump)
        server.execute(database, "TRUNCATE TABLE z")
        for _chunk in dump:
            pass
    assert caught.value.cause == "command_failed"


def test_a_view_that_is_changed_while_the_dump_is_written_is_told(
    server: Server, database: str, target: Target
) -> None:
    server.execute(database, "CREATE VIEW v AS SELECT 1")
    with pytest.raises(SlipwayError, match="view v") as caught, target.engine.snapshot() as snapshot:
        facts = snapshot.facts()
        server.execute(database, "CREATE OR REPLACE VIEW v AS SELECT 2")
        snapshot.completed(facts)
    assert caught.value.cause == "changed_meanwhile"


def test_a_lock_that_is_not_granted_is_told_and_nobody_waits_behind_it(
    server: Server, database: str, user: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a lock on tables alone, a transaction that does not end is in its way."""
    monkeypatch.setattr(mysql_snapshot, "TRY", 1)
    monkeypatch.setattr(mysql_snapshot, "PATIENCE", 0.0)
    rows(server, database)
    server.execute(None, f"GRANT {RIGHTS}, LOCK TABLES ON {patterned(database)}.* TO {user}")
    target = Target(server.url(database, user=user, password="poor"), tmp_path / "store", tmp_path)
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t (word) VALUES ('open')")
        target.fails("busy", "could not be locked for the moment in which a dump begins")
    server.execute(database, "INSERT INTO t (word) VALUES ('goes on')")


def test_an_open_transaction_is_not_in_the_way_of_the_lock_of_all_tables(
    server: Server, database: str, target: Target
) -> None:
    rows(server, database)
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t (word) VALUES ('open')")
        _dump, facts = target.taken()
    assert facts["tables"]["t"][0] == 1000
