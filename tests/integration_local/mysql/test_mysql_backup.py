# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real MariaDB server: everything comes back, and whatever is in the way is named."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import typing as t

import pymysql
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_snapshot, scratch_place
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql import MariaDB
from ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .conftest import EVERYTHING, PASSWORD, Server, free_port
from .target import Target, programs, real

RIGHTS = "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE"


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    return Target(server.url(database), tmp_path / "store", scratch)


@pytest.fixture
def public() -> t.Iterator[pathlib.Path]:
    """A directory that everybody may pass, also the user of a throw-away server."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-p-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def named(database: str) -> str:
    return f"`{database.replace('`', '``')}`"


def patterned(database: str) -> str:
    """As C(GRANT) wants it, to whom some signs stand for others."""
    return named(re.sub(r"([_%\\])", r"\\\1", database))


def rows(server: Server, database: str, count: int = 1000) -> None:
    server.execute(database, "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, word varchar(80))")
    server.execute(database, f"INSERT INTO t (word) SELECT CONCAT('x', SHA2(seq, 256)) FROM seq_1_to_{count}")


def test_everything_comes_back(server: Server, database: str, target: Target) -> None:
    server.script(database, EVERYTHING)
    made = target.back_up().backup
    assert made is not None
    assert made.verified_by == "restore"
    assert made.restore_seconds and made.restore_seconds > 0
    manifest = made.manifest
    assert manifest.engine == "mariadb" and manifest.format == "sql"
    assert manifest.facts["tables"]["without_key"][0] == 60000
    assert manifest.facts["tables"]["it's a `table\""][0] == 5001
    assert manifest.facts["tables"]["history"][0] == 3  # with the rows that were
    assert manifest.facts["counters"]["sequence counting"] == [51, 51]
    objects = {name.split(" ", maxsplit=1)[0] for name in manifest.facts["schema"]}
    assert objects == {"table", "sequence", "view", "trigger", "function", "procedure", "event"}
    assert re.fullmatch(r"\d+-1-\d+", manifest.position)


def test_a_table_has_each_type_that_there_is(server: Server, database: str, target: Target) -> None:
    """What comes back is looked at value by value, once, beside what the facts say."""
    server.script(database, EVERYTHING)
    dump, facts = target.taken()
    columns = [row[0] for row in server.ask(database, "SHOW COLUMNS FROM `it's a ``table\"`")]
    listed = ", ".join(f"`{column}`" for column in columns)
    question = f"SELECT {listed} FROM `it's a ``table\"` ORDER BY id"
    with target.engine.scratch("10.11", facts, 0) as scratch:
        scratch.restore(dump)
        with contextlib.closing(scratch._login(database).connect()) as link, link.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(question)
            restored = list(cursor.fetchall())
            cursor.execute("SELECT old_letters(), joined('a', 'ü')")
            assert cursor.fetchall() == (("grün", "a-ü"),)
    with contextlib.closing(target.engine.login.connect()) as link, link.cursor() as cursor:
        cursor.execute(question)
        assert restored == list(cursor.fetchall())


CHANGES = {
    "a row more": ("INSERT INTO t VALUES (1001, 'x')", "table t: 1000 rows, wanted 1001"),
    "a row less": ("DELETE FROM t WHERE id = 500", "table t: 1000 rows, wanted 999"),
    "another value": ("UPDATE t SET word = 'y' WHERE id = 3", "table t: 1000 rows, but not the same ones"),
    "a value in another case": ("UPDATE t SET word = 'X3' WHERE id = 3", "table t: 1000 rows, but not the same ones"),
    "NULL for nothing": ("UPDATE t SET word = NULL WHERE id = 999", "table t: 1000 rows, but not the same ones"),
    "a table more": ("CREATE TABLE more (a int)", "object table more: is missing"),
    "a table less": ("DROP TABLE t", "object table t: was not there"),
    "an index": ("CREATE INDEX extra ON t (word)", "object table t: is not the same"),
    "a default": ("ALTER TABLE t ALTER word SET DEFAULT 'z'", "object table t: is not the same"),
    "a view": ("CREATE OR REPLACE VIEW v AS SELECT 2", "object view v: is not the same"),
    "a trigger": ("CREATE TRIGGER g AFTER DELETE ON t FOR EACH ROW SET @x = 1", "object trigger g: is missing"),
    "a procedure": ("DROP PROCEDURE p", "object procedure p: was not there"),
    "an event": ("ALTER EVENT e COMMENT 'other'", "object event e: is not the same"),
    "a sequence": ("SELECT SETVAL(s, 99)", "sequence s: stands at 1, wanted 100 to 100"),
    "a number given out": (
        "ALTER TABLE t AUTO_INCREMENT = 5000",
        "auto_increment of t: stands at 1001, wanted 5000 to 5000",
    ),
    "a row without a key": ("UPDATE bare SET a = 2 WHERE a = 1 LIMIT 1", "table bare: 2 rows, but not the same ones"),
}


@pytest.fixture(scope="module")
def before(server: Server) -> t.Iterator[tuple[Target, t.Any]]:
    """A throw-away server with a copy from before each change, for all of them."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-s-"))
    path.chmod(0o755)
    server.execute(None, "CREATE DATABASE changes")
    server.execute("changes", "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, word text)", "CREATE SEQUENCE s")
    server.execute("changes", "INSERT INTO t SELECT seq, CONCAT('x', seq) FROM seq_1_to_1000")
    server.execute(
        "changes", "CREATE TABLE bare (a int)", "INSERT INTO bare VALUES (1), (1)", "CREATE VIEW v AS SELECT 1"
    )
    server.execute("changes", "CREATE PROCEDURE p() SELECT 1", "CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO SELECT 1")
    target = Target(server.url("changes"), path / "store", path)
    dump, facts = target.taken()
    with target.engine.scratch("10.11", facts, 0) as scratch:
        scratch.restore(dump)
        assert scratch.differences(facts) == []
        yield target, (scratch, dump)
    server.execute(None, "DROP DATABASE changes")
    path.rmdir()


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_without_a_change_is_not_taken_for_one_with_it(
    server: Server, before: tuple[Target, t.Any], change: str
) -> None:
    """What a changed database has is asked of a copy from before."""
    target, (scratch, dump) = before
    statement, said = CHANGES[change]
    server.execute("changes", statement)
    _dump, facts = target.taken()
    assert said in scratch.differences(facts)
    server.execute(None, "DROP DATABASE changes", "CREATE DATABASE changes")
    server.script("changes", b"".join(dump).decode())


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


# --- what is in the way


def test_a_server_that_is_not_there(server: Server, database: str, target: Target, tmp_path: pathlib.Path) -> None:
    target.back_up("none")
    url = server.url(database, port=free_port())
    Target(url, tmp_path / "store", tmp_path).fails("unreachable", "on 127.0.0.1: cannot be reached")


@pytest.mark.parametrize("user, password", [("admin", "wrong"), ("nobody", "wrong")])
def test_a_login_that_is_refused(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, user: str, password: str
) -> None:
    target.back_up("none")
    url = server.url(database, user=user, password=password)
    Target(url, tmp_path / "store", tmp_path).fails("login", "cannot log in")


def test_a_database_that_is_not_there(server: Server, tmp_path: pathlib.Path) -> None:
    Target(server.url("nothing"), tmp_path / "store", tmp_path).fails(
        "no_such_database", "nothing on 127.0.0.1: is not there"
    )


def test_a_program_that_is_not_there(server: Server, database: str, tmp_path: pathlib.Path) -> None:
    without = programs(tmp_path / "bin", mariadb_dump="")
    Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=without).fails(
        "command_missing", "mariadb-dump: no such program"
    )


def test_a_server_program_that_is_not_there_is_not_the_fault_of_the_backup(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(server.url(database), tmp_path / "store", scratch)
    monkeypatch.setattr(
        "ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql_scratch.SERVER", {"MariaDB": ("nothing",)}
    )
    with pytest.raises(SlipwayError, match="nothing: no such program") as caught:
        target.back_up()
    assert caught.value.cause == "command_missing"
    assert [backup.failed for backup in target.keeper().list().backups] == [False]


def test_a_table_that_may_not_be_read_fails_the_backup(
    server: Server, database: str, user: str, tmp_path: pathlib.Path
) -> None:
    """The server does not even tell a user of it, so a dump would leave it out without a word."""
    server.execute(database, "CREATE TABLE t (id int)", "CREATE TABLE secret (id int)")
    server.execute(None, f"GRANT {RIGHTS} ON {named(database)}.t TO {user}".replace(", EVENT, EXECUTE", ""))
    server.execute(None, f"GRANT RELOAD ON *.* TO {user}")
    url = server.url(database, user=user, password="poor")
    said = Target(url, tmp_path / "store", tmp_path).fails("denied", "cannot be seen whole by this user")
    assert said.actual == "without SELECT, SHOW VIEW, TRIGGER, EVENT, SELECT ON mysql.proc"


@pytest.mark.parametrize("missing", ["SELECT", "TRIGGER", "EVENT", "SHOW VIEW", "EXECUTE", "LOCK TABLES"])
def test_each_right_without_which_something_is_left_out(
    server: Server, database: str, user: str, tmp_path: pathlib.Path, missing: str
) -> None:
    has = [right for right in [*RIGHTS.split(", "), "LOCK TABLES"] if right != missing]
    server.execute(None, f"GRANT {', '.join(has)} ON {patterned(database)}.* TO {user}")
    target = Target(server.url(database, user=user, password="poor"), tmp_path / "store", tmp_path)
    words = {"EXECUTE": "SELECT ON mysql.proc", "LOCK TABLES": "RELOAD or LOCK TABLES"}.get(missing, missing)
    assert target.fails("denied", "cannot be seen whole").actual == f"without {words}"


def test_a_right_by_a_role_counts(server: Server, database: str, user: str, tmp_path: pathlib.Path) -> None:
    server.execute(None, f"CREATE ROLE {user}_r", f"GRANT {RIGHTS}, LOCK TABLES ON {patterned(database)}.* TO {user}_r")
    server.execute(None, f"GRANT {user}_r TO {user}", f"SET DEFAULT ROLE {user}_r FOR {user}")
    try:
        Target(server.url(database, user=user, password="poor"), tmp_path / "store", tmp_path).back_up("none")
    finally:
        server.execute(None, f"DROP ROLE {user}_r")


def test_a_routine_that_may_not_be_read_fails_the_backup(
    server: Server, database: str, user: str, tmp_path: pathlib.Path
) -> None:
    server.execute(database, "CREATE PROCEDURE p() SELECT 1")
    server.execute(None, f"GRANT {RIGHTS}, LOCK TABLES ON {patterned(database)}.* TO {user}")
    target = Target(server.url(database, user=user, password="poor"), tmp_path / "store", tmp_path)
    target.fails("command_failed", "privileges to SHOW CREATE PROCEDURE `p`")


def test_the_owner_of_a_database_can_back_it_up(
    server: Server, database: str, user: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.execute(None, f"GRANT ALL ON {patterned(database)}.* TO {user}")
    with contextlib.closing(server.connect(database, user, "poor")) as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE item (id int AUTO_INCREMENT PRIMARY KEY)")
        cursor.execute("INSERT INTO item VALUES ()")
        cursor.execute("CREATE PROCEDURE mine() SELECT 1")
    backup = Target(server.url(database, user, "poor"), tmp_path / "store", scratch).back_up().backup
    assert backup is not None and backup.verified_by == "restore"
    assert backup.manifest.facts["tables"]["item"][0] == 1


@pytest.mark.parametrize(
    "said, cause, words",
    [
        ("mysqldump  Ver 10.16 Distrib 10.1.48-MariaDB, for debian-linux-gnu (x86_64)", "client_too_old", "10.1.48"),
        ("mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", "other_vendor", "of MySQL, and"),
    ],
)
def test_a_client_that_does_not_fit_is_refused_before_anything_is_written(
    server: Server, database: str, tmp_path: pathlib.Path, said: str, cause: str, words: str
) -> None:
    other = programs(tmp_path / "bin", mariadb_dump=f"echo '{said}'")
    Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=other).fails(cause, words)


@pytest.mark.parametrize("after", [0, 1, 900, 4096, 100_000])
def test_a_dump_that_is_killed_leaves_nothing(
    server: Server, database: str, tmp_path: pathlib.Path, after: int
) -> None:
    rows(server, database, 20000)
    whole = f'{real("mariadb-dump")} "$@"'
    dies = f'case "$*" in *--version*) exec {whole};; esac\n{whole} | head -c {after}; kill -9 $$'
    cut = programs(tmp_path / "bin", mariadb_dump=dies)
    target = Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=cut)
    target.fails("command_failed", "mariadb-dump was ended by signal 9")


def test_a_dump_without_its_end_leaves_nothing_although_the_program_says_that_all_is_well(
    server: Server, database: str, tmp_path: pathlib.Path
) -> None:
    rows(server, database, 20000)
    whole = f'{real("mariadb-dump")} "$@"'
    cut = programs(
        tmp_path / "bin", mariadb_dump=f'case "$*" in *--version*) exec {whole};; esac\n{whole} | head -c 90000'
    )
    target = Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=cut)
    target.fails("bad_backup", "is not a dump from its beginning to its end")


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


def test_a_server_that_goes_away_while_it_is_asked_is_told(server: Server, database: str, target: Target) -> None:
    rows(server, database)
    with target.engine.snapshot() as snapshot:
        snapshot.cancel()
        with pytest.raises(SlipwayError, match="connection was lost") as caught:
            snapshot.facts()
    assert caught.value.cause == "connection_lost"


# --- secrets, leftovers


def test_the_password_is_in_no_command_line_no_environment_and_no_file_with_a_name(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, public: pathlib.Path
) -> None:
    seen = tmp_path / "seen"
    look = (
        f'tr "\\0" "\\n" </proc/$$/cmdline >>{seen}; env >>{seen}\n'
        f'for word in "$@"; do case $word in --defaults-file=*) stat -Lc "mode %a, names %h" "${{word#*=}}" >>{seen};; esac; done\n'
    )
    spying = programs(
        public / "bin",
        mariadb_dump=f'{look}exec {real("mariadb-dump")} "$@"',
        mariadb=f'{look}exec {real("mariadb")} "$@"',
    )
    target = Target(server.url(database), tmp_path / "store", scratch, bin_dir=spying)
    made = target.back_up()
    target.keeper().restored("latest", f"{database}_look", confirm="", safety=True)
    text = seen.read_text(errors="replace")
    assert "wörd" not in text and "wörd" not in str(made)
    assert {line for line in text.splitlines() if line.startswith("mode ")} == {"mode 600, names 0"}
    assert text.count("mode 600") == 3


def test_the_password_is_in_no_message(server: Server, database: str, tmp_path: pathlib.Path) -> None:
    url = server.url(database, port=free_port())
    said = Target(url, tmp_path / "store", tmp_path).fails("unreachable", "cannot be reached")
    assert "wörd" not in str(said.result()) and "w%C3%B6rd" not in str(said.result())


def test_rows_are_in_no_message(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> None:
    """The client repeats a statement that failed, with what is in it."""
    server.execute(database, "CREATE TABLE t (id int PRIMARY KEY, word text)", "INSERT INTO t VALUES (1, 'planted')")
    target = Target(server.url(database), tmp_path / "store", scratch)
    dump, facts = target.taken()
    broken = [chunk.replace(b"(1,'planted')", b"(1,'planted',3)") for chunk in dump]
    with target.engine.scratch("10.11", facts, 0) as place, pytest.raises(SlipwayError, match="Column count") as caught:
        place.restore(broken)
    assert "planted" not in str(caught.value.result())
    assert caught.value.cause == "command_failed"


def test_a_socket_instead_of_a_port(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    url = server.url(database).replace(f"127.0.0.1:{server.port}", "localhost") + f"?socket={server.socket}"
    made = Target(url, tmp_path / "store", scratch).back_up().backup
    assert made is not None and made.manifest.source["host"] == "local socket"


def test_a_server_that_wants_tls(
    server: Server, database: str, user: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.execute(None, f"GRANT ALL ON *.* TO {user} REQUIRE SSL")
    url = server.url(database, user, "poor")
    verified = f"{url}?ssl-ca={server.certificate}&ssl-verify-server-cert=1"
    for given in (f"{url}?ssl=1", verified):
        Target(given, tmp_path / "store", scratch).back_up("none")
    other = tmp_path / "other"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=127.0.0.1",
        "-keyout",
        "/dev/null",
    ]
    subprocess.run([*made, "-out", str(other)], check=True, capture_output=True)
    stranger = verified.replace(str(server.certificate), str(other))
    Target(stranger, tmp_path / "store", scratch).fails("unreachable", "certificate verify failed")
    nothing = verified.replace(str(server.certificate), str(tmp_path / "nothing"))
    Target(nothing, tmp_path / "store", scratch).fails("bad_input", "nothing: cannot be read")


def test_what_a_killed_verification_left_is_cleared_up(target: Target, scratch: pathlib.Path) -> None:
    (scratch / "slipway-scratch-old").mkdir()
    (scratch / "slipway-scratch-old" / "data").write_text("large")
    target.back_up()
    assert not (scratch / "slipway-scratch-old").exists()


def test_a_scratch_directory_with_a_longer_path_than_a_socket_may_have(
    server: Server, database: str, scratch: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    long = scratch / ("long" * 30)
    long.mkdir()
    outcome = Target(server.url(database), tmp_path / "store", long).back_up()
    assert outcome.backup is not None
    assert outcome.backup.verified_by == "restore"
    long.rmdir()


def test_a_killed_verification_leaves_no_server(server: Server, database: str, scratch: pathlib.Path) -> None:
    """The throw-away server ends with whoever started it."""
    script = f"""
import os, signal, sys
from {MariaDB.__module__} import MariaDB
from {System.__module__} import System
engine = MariaDB(sys.argv[1], System(), scratch_dir={str(scratch)!r}, closed_file="")
facts = {{"vendor": "MariaDB", "settings": {{"innodb_page_size": 16384, "lower_case_table_names": 0}}}}
with engine.scratch("10.11", facts, 0) as scratch:
    print(scratch._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    url = server.url(database, password="another")
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    pid = int(done.stdout)
    with contextlib.suppress(ProcessLookupError):  # then it is gone already
        assert select.select([os.pidfd_open(pid)], [], [], 30)[0]  # readable when it has ended (pidfd_open(2))
    scratch_place.clear(str(scratch))  # as the next run does first


def test_events_of_a_named_time_zone_come_back(server: Server, database: str, target: Target) -> None:
    """A throw-away server knows no time zone by name until it is told."""
    zone = subprocess.run(
        ["mariadb-tzinfo-to-sql", "/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"],
        capture_output=True,
        text=True,
        check=True,
    )
    server.script("mysql", zone.stdout)
    server.execute(
        database,
        "SET time_zone = 'Europe/Berlin'",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2026-03-29 03:00:00' DO SELECT 1",
        "CREATE EVENT soon_over ON SCHEDULE AT now() + INTERVAL 1 HOUR DO SELECT 1",
    )
    made = target.back_up().backup
    assert made is not None and made.verified_by == "restore"
    assert made.manifest.facts["zones"] == ["Europe/Berlin"]


# --- stored in other ways


@pytest.mark.parametrize("method", ["gzip", "none"])
def test_other_compressions(target: Target, method: str) -> None:
    made = target.back_up(codec=Codec(method=method)).backup
    assert made is not None
    assert made.verified_by == "restore"


@pytest.mark.parametrize("harm", ["flipped", "cut off", "cut off at a statement"])
def test_a_damaged_file_is_found(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, harm: str
) -> None:
    rows(server, database, 5000)
    made = target.back_up("none", Codec(method="none")).backup
    assert made is not None
    path = tmp_path / "store" / made.manifest.parts["dump"].key
    whole = path.read_bytes()
    assert whole.startswith(b"-- MariaDB dump ") and whole.endswith(b"-- Dump completed\n")
    for place in range(100, len(whole), len(whole) // 12):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        statement = whole.index(b"\n", place) + 1
        path.write_bytes({"flipped": bytes(flipped), "cut off": whole[:place]}.get(harm, whole[:statement]))
        with pytest.raises(SlipwayError, match="is not what was written"):
            target.keeper().verified(made.manifest.id, "restore" if place == 100 else "read", 0)
        for proof in (tmp_path / "store").glob("*.proof-*"):
            proof.unlink()


def test_a_dump_that_is_cut_off_is_not_taken_for_a_whole_one_by_a_restore(
    server: Server, database: str, target: Target
) -> None:
    """The client ends with 0 when a script ends between two statements."""
    rows(server, database)
    dump, facts = target.taken()
    whole = b"".join(dump)
    cut = whole[: whole.index(b"/*!40000 ALTER TABLE `t` ENABLE KEYS")]
    with (
        target.engine.scratch("10.11", facts, 0) as scratch,
        pytest.raises(SlipwayError, match="is not a dump") as caught,
    ):
        scratch.restore([cut])
    assert caught.value.cause == "bad_backup"


def test_the_login_works_for_the_programs_as_for_the_driver(server: Server, database: str) -> None:
    """One password with everything in it that has a meaning somewhere."""
    with Login(server.url(database)).for_programs() as options:
        words = ["mariadb", f"--defaults-file={options}", "--batch", "--skip-column-names", "--execute=SELECT USER()"]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.startswith("admin@")
    assert PASSWORD.strip() != PASSWORD
