# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real MariaDB server restored for good: beside the live database, and in its place."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import threading
import typing as t

import pymysql
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_exchange, mysql_facts
from ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql_login import rows
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from . import target as target_module
from .conftest import EVERYTHING, Server
from .target import Target

SCHEMA = """
CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY, word text);
CREATE TABLE child (id int AUTO_INCREMENT PRIMARY KEY, parent int,
  CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id));
CREATE TABLE seen (n bigint);
CREATE SEQUENCE s;
CREATE TABLE numbered (id int DEFAULT (NEXT VALUE FOR s) PRIMARY KEY);
CREATE TRIGGER counts AFTER INSERT ON parent FOR EACH ROW INSERT INTO seen VALUES (NEW.id);
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;
CREATE PROCEDURE same() SELECT 1;
CREATE VIEW doubled AS SELECT twice(id) AS n FROM parent;
CREATE VIEW words AS SELECT word FROM parent;
CREATE EVENT yearly ON SCHEDULE EVERY 1 YEAR STARTS '2030-01-01 00:00:00' DO DELETE FROM seen;
INSERT INTO parent (word) SELECT CONCAT('x', seq) FROM seq_1_to_1000;
INSERT INTO child (parent) SELECT seq FROM seq_1_to_500;
INSERT INTO numbered () VALUES (), ();
"""

# What a bad migration may have done since.
LATER = """
INSERT INTO parent (word) SELECT 'y' FROM seq_1_to_500;
INSERT INTO numbered () VALUES (), (), ();
DELETE FROM child; DELETE FROM parent WHERE id <= 900;
DROP VIEW doubled; DROP FUNCTION twice; CREATE FUNCTION other() RETURNS int DETERMINISTIC RETURN 1;
CREATE OR REPLACE VIEW words AS SELECT 'none' AS word;
CREATE TABLE only_live (id int); CREATE VIEW of_only_live AS SELECT * FROM only_live;
CREATE TRIGGER more BEFORE INSERT ON child FOR EACH ROW SET @more = 1;
ALTER EVENT yearly COMMENT 'changed';
"""


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    """A database with 1,000 rows, backed up; since then 500 more were made, the first ones lost, and objects changed."""
    server.script(database, SCHEMA)
    target = Target(server.url(database), tmp_path / "store", scratch)
    target.back_up("none")
    server.script(database, LATER)
    return target


class State(t.NamedTuple):
    """All of a database: definitions, rows, counters."""

    schema: dict[str, str]
    tables: dict[str, list[t.Any]]
    counters: dict[str, int]


def state(target: Target, database: str) -> State:
    with contextlib.closing(target.engine.login.to(database).connect()) as link:
        counters = mysql_facts.counters(link, database)
        rows(link, "START TRANSACTION READ ONLY")
        facts = mysql_facts.of_source(link, {})
        return State(facts["schema"], facts["tables"], counters)


def kept(server: Server, database: str) -> str:
    (name,) = [one for one in server.databases(database) if "_replaced_" in one]
    return name


def test_beside_the_live_database(server: Server, database: str, target: Target) -> None:
    before = state(target, database)
    target.keeper().restored("latest", f"{database}_look", confirm="", safety=True)
    assert server.ask(f"{database}_look", "SELECT COUNT(*), MIN(word), MAX(id) FROM parent") == [(1000, "x1", 1000)]
    assert server.ask(f"{database}_look", "SELECT MAX(n) FROM doubled") == [(2000,)]  # by a function of its own
    server.execute(f"{database}_look", "INSERT INTO numbered () VALUES ()")  # by a sequence of its own
    events = f"SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{database}_look'"
    assert server.ask(None, events) == [(0,)]  # they would run there, too
    assert state(target, database) == before


def test_a_name_that_is_taken_is_told(server: Server, database: str, target: Target) -> None:
    with pytest.raises(SlipwayError, match="there is a database of this name") as caught:
        target.keeper().restored("latest", database, confirm="", safety=True)
    assert caught.value.cause == "exists"
    assert server.ask(database, "SELECT COUNT(*) FROM parent") == [(600,)]


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


def test_a_user_who_may_make_no_database_is_told_and_nothing_has_changed(
    server: Server, database: str, user: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    quoted = database.replace("`", "``").replace("_", "\\_")
    server.execute(None, f"GRANT ALL ON `{quoted}`.* TO {user}", f"GRANT SELECT ON mysql.proc TO {user}")
    poor = Target(
        server.url(database, user, "poor"), target_module.pathlib.Path(target.store.url("").rstrip("/")), scratch
    )
    with pytest.raises(SlipwayError) as caught:
        poor.replace(safety=False)
    assert caught.value.cause == "denied"
    assert server.databases(database) == [database]


BEFORE = [step.__name__ for step in mysql_exchange.BEFORE]
AFTER = ["opened", "finish", "kept"]  # the last statement was done; the first of them before that was written down


@pytest.mark.parametrize("step", [*BEFORE, "closed", *AFTER])
def test_a_run_that_is_killed_in_the_middle_is_put_right_by_the_next(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path, step: str
) -> None:
    """Before each step; until the restored tables have their names everything is as it was, afterwards it is replaced."""
    before = state(target, database)
    (backup,) = target.keeper().list().backups
    kill(target, tmp_path, scratch, server.url(database), step)
    assert target.engine.system.read_file(target.engine.closed_file)
    (done,) = target.engine.recover()[:1]
    assert target.engine.recover() == []
    after = state(target, database)
    assert [name for name in server.databases(database) if "_new_" in name] == []
    if step in AFTER:
        assert done == f"finished the replacing of {database}, which was cut off"
        assert after.schema == backup.manifest.facts["schema"]
        assert state(target, kept(server, database)).tables == before.tables
        assert after.counters["auto_increment of parent"] == before.counters["auto_increment of parent"]
        return
    assert done == f"put {database} back, which a run that was cut off was about to replace"
    assert server.databases(database) == [database]
    assert after == before
    target.replace(safety=False)  # and nothing is in the way of another one
    assert server.ask(database, "SELECT COUNT(*) FROM parent") == [(1000,)]


@pytest.mark.parametrize("step", [*BEFORE[1:], "closed"])
def test_a_step_that_fails_puts_everything_back(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = state(target, database)

    def fails(name: str) -> None:
        if name == step:
            raise SlipwayError("planted", cause="planted")

    monkeypatch.setattr(mysql_exchange, "reached", fails)
    with pytest.raises(SlipwayError, match="planted"):
        target.replace(safety=False)
    after = state(target, database)
    assert server.databases(database) == [database]
    assert after == before
    assert target.engine.recover() == []


def test_a_connection_that_is_lost_after_the_last_statement_is_no_failure(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(name: str) -> None:
        if name == "opened":
            monkeypatch.undo()
            raise SlipwayError("the connection was lost", cause="connection_lost")

    monkeypatch.setattr(mysql_exchange, "reached", lost)
    actions = target.replace(safety=False)
    assert f"finished the replacing of {database}, which was cut off" in actions
    assert server.ask(database, "SELECT COUNT(*) FROM parent") == [(1000,)]
    assert target.engine.recover() == []


def test_a_run_that_is_killed_while_it_puts_things_back_is_put_right_by_the_next(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    before = state(target, database)
    kill(target, tmp_path, scratch, server.url(database), "open_again")
    for step in ("back", "putting", "triggers"):
        kill(target, tmp_path, scratch, server.url(database), step, "recover")
    target.engine.recover()
    after = state(target, database)
    assert after == before


def kill(
    target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path, url: str, step: str, act: str = "replace"
) -> None:
    """Another process does it, and is killed before a step."""
    script = f"""
import os, pathlib, signal, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parents[3])!r})
from tests.integration_local.mysql.target import Target
from {mysql_exchange.__name__} import __name__ as _name
exchange = sys.modules[_name]
exchange.reached = lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == {step!r} else None
target = Target(sys.argv[1], pathlib.Path({str(tmp_path / "store")!r}), pathlib.Path({str(scratch)!r}))
target.replace(safety=False) if {act!r} == "replace" else target.engine.recover()
"""
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
