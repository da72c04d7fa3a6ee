# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real MariaDB server: everything comes back, and what is not the same is seen."""

from __future__ import annotations

import contextlib
import pathlib
import re
import subprocess
import tempfile
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import EVERYTHING, Server
from .target import Target, rows


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


def test_a_scratch_directory_with_a_longer_path_than_a_socket_may_have(
    server: Server, database: str, scratch: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    long = scratch / ("long" * 30)
    long.mkdir()
    outcome = Target(server.url(database), tmp_path / "store", long).back_up()
    assert outcome.backup is not None
    assert outcome.backup.verified_by == "restore"
    long.rmdir()


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


@pytest.mark.parametrize("method", ["gzip", "none"])
def test_other_compressions(target: Target, method: str) -> None:
    made = target.back_up(codec=Codec(method=method)).backup
    assert made is not None
    assert made.verified_by == "restore"


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
