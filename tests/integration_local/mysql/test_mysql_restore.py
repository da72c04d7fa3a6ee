# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real MariaDB server restored for good: beside the live database, and in its place."""

from __future__ import annotations

import contextlib
import pathlib
import threading

import pymysql
import pytest

from .conftest import EVERYTHING, Server
from .replaced import changed, kept, state
from .target import Target


@pytest.fixture
def target(server: Server, database: str, target: Target) -> Target:
    return changed(server, database, target)


def test_beside_the_live_database(server: Server, database: str, target: Target) -> None:
    before = state(target, database)
    target.keeper().restored("latest", f"{database}_look", confirm="", safety=True)
    assert server.ask(f"{database}_look", "SELECT COUNT(*), MIN(word), MAX(id) FROM parent") == [(1000, "x1", 1000)]
    assert server.ask(f"{database}_look", "SELECT MAX(n) FROM doubled") == [(2000,)]  # by a function of its own
    server.execute(f"{database}_look", "INSERT INTO numbered () VALUES ()")  # by a sequence of its own
    events = f"SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{database}_look'"
    assert server.ask(None, events) == [(0,)]  # they would run there, too
    assert state(target, database) == before


def test_in_its_place_everything_is_back_and_no_number_is_given_out_twice(
    server: Server, database: str, target: Target
) -> None:
    live = state(target, database)
    (backup,) = target.keeper().list().backups
    given = live.counters["auto_increment of parent"]
    actions = target.replace(safety=False)
    found = state(target, database)
    assert found.tables == {name: list(one) for name, one in backup.manifest.facts["tables"].items()}
    assert found.schema == backup.manifest.facts["schema"]
    assert {
        f"advanced auto_increment of parent to {given}",
        f"advanced sequence s to {live.counters['sequence s']}",
    } <= set(actions)
    server.execute(database, "INSERT INTO parent (word) VALUES ('z')")
    assert server.ask(database, "SELECT MAX(id) FROM parent") == [(given,)]
    assert server.ask(database, "SELECT COUNT(*), MAX(n) FROM seen") == [(1001, given)]  # by the trigger
    assert [name for name in server.databases(database) if "_new_" in name] == []


def test_the_replaced_one_is_kept_whole_under_its_other_name(server: Server, database: str, target: Target) -> None:
    live = state(target, database)
    target.replace(safety=False)
    found = state(target, kept(server, database))
    assert found.tables == live.tables
    assert set(found.schema) == set(live.schema)
    differing = {name for name in live.schema if live.schema[name] != found.schema[name]}
    assert differing == {
        "event yearly",
        "table numbered",
    }  # one sleeps there, and one takes from the live sequence still
    question = "SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"
    assert server.ask(kept(server, database), question) == [("DISABLED",)]


def test_foreign_keys_follow(server: Server, database: str, target: Target) -> None:
    target.replace(safety=False)
    question = (
        "SELECT CONSTRAINT_SCHEMA, UNIQUE_CONSTRAINT_SCHEMA FROM information_schema.REFERENTIAL_CONSTRAINTS"
        " WHERE CONSTRAINT_NAME = 'of_parent' ORDER BY 1"
    )
    found = [row for row in server.ask(None, question) if row[0].startswith(database)]
    assert found == [(database, database), (kept(server, database),) * 2]
    with pytest.raises(pymysql.err.IntegrityError):
        server.execute(database, "INSERT INTO child (parent) VALUES (999999)")


def test_everything_in_its_place_and_back_again(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    """One of everything, replaced by itself twice; the second backup is of a database that was replaced."""
    server.script(database, EVERYTHING)
    target = Target(server.url(database), tmp_path / "store", scratch)
    for _number in range(2):
        target.back_up("none")
        before = state(target, database)
        target.replace(safety=False)
        assert state(target, database) == before
        server.execute(None, *[f"DROP DATABASE `{kept(server, database).replace('`', '``')}`"])
    server.execute(database, "INSERT INTO parent () VALUES ()", "INSERT INTO numbered () VALUES ()")
    assert server.ask(database, "SELECT @@global.event_scheduler, COUNT(*) FROM log") == [("ON", 1)]


def test_with_a_safety_backup_of_what_is_replaced(server: Server, database: str, target: Target) -> None:
    live = state(target, database)
    target.replace()
    backups = target.keeper().list().backups
    assert backups[-1].verified_by == "read"
    assert backups[-1].manifest.facts["tables"] == live.tables


def test_programs_that_come_back_at_once_see_the_old_or_the_new_or_none(
    server: Server, database: str, target: Target
) -> None:
    """And what they write goes through the triggers, always: on either side of the exchange."""
    ends, seen, errors = threading.Event(), set(), set()
    written: list[int] = []

    def work() -> None:
        while not ends.is_set():
            try:
                with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
                    while not ends.is_set():
                        cursor.execute("SELECT COUNT(*) FROM only_live_or_not")
            except pymysql.err.Error as error:
                errors.add(error.args[0])
            with contextlib.suppress(pymysql.err.Error), contextlib.closing(server.connect(database)) as link:
                cursor = link.cursor()
                cursor.execute("SELECT MIN(word) FROM parent WHERE word <> 'w'")
                seen.add(cursor.fetchone())
                cursor.execute("INSERT INTO parent (word) VALUES ('w')")
                written.append(int(cursor.lastrowid))

    workers = [threading.Thread(target=work) for _number in range(3)]
    for worker in workers:
        worker.start()
    try:
        target.replace(safety=False)
        asked = len(written)
        while len(written) < asked + 50:  # they are in again
            pass
    finally:
        ends.set()
        for worker in workers:
            worker.join()
    assert seen <= {("x1000",), ("x1",)}
    assert ("x1",) in seen
    assert len(set(written)) == len(written)  # no number twice
    assert set(errors) <= {0, 1146, 1412, 2006, 2013}
    for name in (database, kept(server, database)):
        count = "SELECT COUNT(*) FROM parent WHERE word = 'w' AND id NOT IN (SELECT n FROM seen)"
        assert server.ask(name, count) == [(0,)]


def test_rights_on_tables_and_routines_stay(server: Server, database: str, user: str, target: Target) -> None:
    quoted = database.replace("`", "``")
    server.execute(
        None, f"GRANT SELECT ON `{quoted}`.parent TO {user}", f"GRANT EXECUTE ON PROCEDURE `{quoted}`.same TO {user}"
    )
    server.execute(database, "CREATE OR REPLACE PROCEDURE same() SELECT 2")
    target.replace(safety=False)
    with contextlib.closing(server.connect(database, user, "poor")) as link, link.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM parent")
        assert cursor.fetchone() == (1000,)
        cursor.execute("CALL same()")
        assert cursor.fetchone() == (1,)


def test_the_owner_of_databases_by_a_pattern_can_replace_one(
    server: Server, user: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    """No right on the whole server is needed but for the lock at the beginning, and that has another way."""
    name = f"{user}_shop"
    server.execute(None, f"GRANT ALL ON `{user}\\_shop%`.* TO {user}", f"CREATE DATABASE {name}")
    try:
        with contextlib.closing(server.connect(name, user, "poor")) as link, link.cursor() as cursor:
            for statement in ("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY)", "INSERT INTO t VALUES (), ()"):
                cursor.execute(statement)
        target = Target(server.url(name, user, "poor"), tmp_path / "store", scratch)
        target.back_up("none")
        server.execute(name, "DELETE FROM t")
        target.replace()
        assert server.ask(name, "SELECT COUNT(*) FROM t") == [(2,)]
    finally:
        for one in server.databases(name):
            server.execute(None, f"DROP DATABASE `{one}`")
