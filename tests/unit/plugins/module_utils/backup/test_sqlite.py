# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of SQLite databases, which live while they are copied."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.sqlite import SQLite
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

EVERYTHING = """
CREATE TABLE "it's a ""good"" one" (id INTEGER PRIMARY KEY AUTOINCREMENT, word TEXT, raw BLOB, ratio REAL, doubled AS (id * 2));
INSERT INTO "it's a ""good"" one" (word, raw, ratio)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
SELECT 'wörd ' || i, zeroblob(i % 7), i / 3.0 FROM n;
CREATE TABLE keyed (a TEXT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID;
INSERT INTO keyed VALUES ('x', 1), ('y', 1), ('x', 0);
CREATE TABLE bare (a);
INSERT INTO bare VALUES (NULL), (1e999), (-0.0), ('1'), (1);
CREATE TABLE empty (a);
CREATE INDEX by_word ON "it's a ""good"" one" (word);
CREATE VIEW some AS SELECT * FROM keyed;
CREATE TRIGGER watching AFTER INSERT ON bare BEGIN SELECT 1; END;
"""


@pytest.fixture(params=["delete", "wal"])
def path(tmp_path, request):
    path = tmp_path / "app data?.db"
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.execute(f"PRAGMA journal_mode = {request.param}")
        link.executescript(EVERYTHING)
    (tmp_path / "scratch").mkdir()
    yield path
    assert os.listdir(tmp_path / "scratch") == []


def engine(path):
    return SQLite(f"sqlite:///{path}", System(), scratch_dir=str(path.parent / "scratch"))


def keeper(path):
    return Keeper(engine(path), LocalStore(str(path.parent / "store"), System()), Codec(method="gzip"), System())


def back_up(path):
    return keeper(path).present(Order("restore", 0, retention.Policy())).backup


def execute(path, statement, *values):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as link:
        return link.execute(statement, values).fetchall()


def test_everything_comes_back(path):
    made = back_up(path)
    assert made.verified_by == "restore"
    assert made.manifest.facts["tables"]['it\'s a "good" one'][0] == 3000
    assert made.manifest.source["database"] == str(path)


@pytest.mark.parametrize(
    "statement, said",
    [
        ("INSERT INTO keyed VALUES ('z', 9)", "table keyed: 3 rows, wanted 4"),
        ("UPDATE keyed SET a = 'q' WHERE b = 0", "table keyed: 3 rows, but not the same ones"),
        ("UPDATE bare SET a = 1 WHERE a = '1'", "table bare: 5 rows, but not the same ones"),
        ("DROP INDEX by_word", "object index by_word: was not there"),
        ("CREATE TABLE more (a)", "table more: is missing"),
    ],
)
def test_a_copy_without_a_change_is_not_taken_for_one_with_it(path, statement, said):
    with engine(path).snapshot() as snapshot:
        dump = list(snapshot.dump())
    execute(path, statement)
    with engine(path).snapshot() as snapshot:
        facts = snapshot.facts()
    with engine(path).scratch("3", facts, 0) as scratch:
        scratch.restore(dump)
        assert said in scratch.differences(facts)


def test_a_backup_of_a_database_that_is_written_to_all_the_time_is_of_one_moment(path):
    """The two numbers are always changed together."""
    execute(path, "CREATE TABLE pair (a INT, b INT)")
    execute(path, "INSERT INTO pair VALUES (0, 0)")
    ends = threading.Event()

    def write():
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as link:
            while not ends.is_set():
                link.execute("BEGIN IMMEDIATE")
                link.execute("UPDATE pair SET a = a + 1")
                link.execute("INSERT INTO bare VALUES (zeroblob(20000))")
                link.execute("UPDATE pair SET b = b + 1")
                link.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [back_up(path) for _number in range(3)]
    finally:
        ends.set()
        writer.join()
    for number, one in enumerate(made):
        look = path.parent / f"look{number}"
        keeper(path).restored(one.manifest.id, str(look), confirm="", safety=True)
        ((first, second),) = execute(look, "SELECT a, b FROM pair")
        assert first == second


def test_in_its_place_the_rows_are_back_and_no_number_is_given_out_twice(path):
    os.chmod(path, 0o640)
    back_up(path)
    table = '"it\'s a ""good"" one"'
    execute(path, f"INSERT INTO {table} (word) VALUES ('more')")
    execute(path, f"DELETE FROM {table} WHERE id < 2000")
    outcome = keeper(path).restored("latest", "", confirm=str(path), safety=True)
    assert 'advanced it\'s a "good" one to 3001' in outcome.actions
    assert execute(path, f"SELECT count(*), max(id) FROM {table}") == [(3000, 3000)]
    execute(path, f"INSERT INTO {table} (word) VALUES ('next')")
    assert execute(path, f"SELECT max(id) FROM {table}") == [(3002,)]
    assert os.stat(path).st_mode & 0o777 == 0o640
    (kept,) = [one for one in path.parent.iterdir() if "_replaced_" in one.name]
    assert execute(kept, f"SELECT count(*), max(id) FROM {table}") == [(1002, 3001)]


def test_a_file_that_a_program_has_open_is_not_replaced(path):
    back_up(path)
    holding = os.fork()
    if not holding:
        os.open(path, os.O_RDONLY)
        os.kill(os.getpid(), 19)  # SIGSTOP
        os._exit(0)
    os.waitpid(holding, os.WUNTRACED)
    try:
        with pytest.raises(SlipwayError, match=f"is still open; found 'process {holding} ") as caught:
            keeper(path).restored("latest", "", confirm=str(path), safety=False)
        assert caught.value.cause == "in_use"
    finally:
        os.kill(holding, 9)
        os.waitpid(holding, 0)
    assert sorted(one.name for one in path.parent.iterdir() if one.name.startswith(path.name + "_")) == []


def test_a_database_that_is_not_there(tmp_path):
    with pytest.raises(SlipwayError, match=r"nothing\.db: is not there") as caught:
        engine(tmp_path / "nothing.db").inspect()
    assert caught.value.cause == "unreachable"


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "note.db").write_text("a note, and certainly no database " * 100)
    with pytest.raises(SlipwayError, match="file is not a database") as caught:
        engine(tmp_path / "note.db").inspect()
    assert caught.value.cause == "not_a_database"


def test_a_damaged_live_database_gives_no_verified_backup(path):
    """Every page is copied as it is, also a bad one."""
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    place = content.index("wörd 1500".encode())
    content[place - 40 : place + 40] = bytes(80)
    path.write_bytes(content)
    with pytest.raises(SlipwayError):
        back_up(path)
    assert [backup.verified_by for backup in keeper(path).list().backups] in ([], ["none"])
