# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release leans on a dump and the binary logs after it, up to a moment that a restore leads back to."""

from __future__ import annotations

import base64
import contextlib
import datetime
import pathlib
import time
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, due, retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.binlog_points import LogStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.binlog_restore import Moment
from ansible_collections.slipway.deploy.plugins.module_utils.backup.incremental import Incremental
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Order, Outcome
from ansible_collections.slipway.deploy.plugins.module_utils.backup.model import Backup, Proof
from ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql import MariaDB
from ansible_collections.slipway.deploy.plugins.module_utils.backup.progress import Progress
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .conftest import EVERYTHING, Server
from .target import ZSTD, Target, named, programs, real, rows

RELEASE = Order("restore", 0, retention.Policy(), patience=due.Patience(0.0, 86400.0))


@pytest.fixture
def by_rows(server: Server) -> t.Iterator[None]:
    """What is logged is rows, as the server's own default is not."""
    server.execute(None, "SET GLOBAL binlog_format = ROW")
    yield
    server.execute(None, "SET GLOBAL binlog_format = MIXED")


class Later(System):
    """A wall clock that is so many seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._ahead = seconds

    def wall(self) -> float:
        return super().wall() + self._ahead


pytestmark = pytest.mark.usefixtures("by_rows")


def logs(target: Target, engine: MariaDB | None = None, release: str = "r1") -> Incremental:
    keeper, progress = target.keeper(), Progress("", target.system)
    kept = LogStore(target.store, ZSTD)
    more = {"store": target.store, "system": target.system, "progress": progress}
    return Incremental(engine or target.engine, keeper, kept, release=release, **more)


def lean(target: Target, release: str = "r1", engine: MariaDB | None = None) -> Outcome:
    return logs(target, engine, release).present(RELEASE)


def look(target: Target, moment: Moment, into: str) -> list[str]:
    return logs(target).restored("latest", into, confirm="", safety=False, moment=moment).actions


def proven(target: Target) -> Backup:
    """A dump of which it is said that it was restored with its logs: that it can be, other tests show."""
    backup = target.back_up("none").backup
    assert backup is not None
    return catalog.write_proof(target.store, backup, Proof("restore", True, target.system.wall(), 1.0, logs="drill"))


def refused(target: Target, cause: str, words: str, engine: MariaDB | None = None) -> SlipwayError:
    """And no point is noted, so nobody leans on it."""
    with pytest.raises(SlipwayError, match=words) as caught:
        lean(target, engine=engine)
    assert caught.value.cause == cause
    assert logs(target).list().actions == []
    return caught.value


# --- back to a moment


def test_a_database_of_everything_comes_back_as_it_was_before_each_release(
    server: Server, database: str, target: Target
) -> None:
    server.script(database, EVERYTHING)
    rows(server, database, 50)
    proven(target)
    server.execute(
        database,
        "DELETE FROM t WHERE id <= 10",
        "ALTER TABLE t ADD COLUMN more int DEFAULT 7",
        "CREATE TABLE emptied (id int PRIMARY KEY)",
        "INSERT INTO emptied VALUES (1)",
        "TRUNCATE emptied",
        "CREATE TABLE unsafe (word varchar(40)) ENGINE=MyISAM",
        "INSERT INTO unsafe VALUES (UUID())",
        "CREATE OR REPLACE VIEW seen AS SELECT id FROM t",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.word = CONCAT('by trigger ', NEW.word)",
    )
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        link.autocommit(False)
        cursor.execute("INSERT INTO t (word) VALUES ('first')")
        server.execute(
            None,
            f"CREATE DATABASE {named(database + ' other')}",
            f"CREATE TABLE {named(database + ' other')}.x (a int)",
        )
        link.commit()
        cursor.execute("INSERT INTO t (word) VALUES ('never')")
        link.rollback()
    question = "SELECT COUNT(*), SUM(more), MAX(word), (SELECT word FROM unsafe), (SELECT COUNT(*) FROM seen) FROM t"
    wanted = {"slipway_r1": server.ask(database, question)}
    made = lean(target, "r1")
    assert made.point is not None and made.point.name == "slipway_r1" and made.backup is not None
    before = {entry.key for entry in target.store.entries()}
    server.execute(database, "INSERT INTO t (word) VALUES ('second')")
    wanted["slipway_r2"] = server.ask(database, question)
    lean(target, "r2")
    new = [entry.key for entry in target.store.entries() if entry.key not in before]
    assert [key.partition(".")[2].partition(".")[0] for key in new] == ["log-binlog", "point-2"]  # only what is new
    server.execute(database, "DELETE FROM t")
    look(target, Moment(name="slipway_r1"), f"{database} r1")
    logs(target).restored("latest", "", confirm=database, safety=True, moment=Moment(name="slipway_r2"))
    assert {
        "slipway_r1": server.ask(f"{database} r1", question),
        "slipway_r2": server.ask(database, question),
    } == wanted
    assert target.store.leftovers(remove=False) == []


@pytest.mark.sample(3)
def test_to_a_time_that_no_point_is_of(server: Server, database: str, target: Target) -> None:
    rows(server, database, 5)
    proven(target)
    long_ago = "SET TIMESTAMP = UNIX_TIMESTAMP() + "  # what the log says of when it was
    server.execute(database, f"{long_ago}100", "INSERT INTO t (word) VALUES ('kept')")
    server.execute(database, f"{long_ago}200", "DELETE FROM t")
    then = datetime.datetime.fromtimestamp(target.system.wall() + 150, datetime.timezone.utc)
    target.system = Later(151)
    into = f"{database} then"
    look(target, Moment(time=then.isoformat(" ", "seconds")), into)
    assert [row[0] for row in server.ask(into, "SELECT word FROM t ORDER BY id DESC LIMIT 1")] == ["kept"]


# --- what is in its way


@pytest.mark.sample(3)
def test_logs_of_statements(server: Server, database: str, target: Target) -> None:
    rows(server, database, 1)
    proven(target)
    server.execute(None, "SET GLOBAL binlog_format = MIXED")
    refused(target, "binlog_format", "the server: logs statements")
    assert logs(target).hindrance() == ""
    proven(target)
    server.execute(None, "SET GLOBAL binlog_format = ROW")
    refused(target, "binlog_format", "was taken,: logs statements")
    assert "MIXED" in logs(target).hindrance()


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "setting, words",
    [("binlog_format = STATEMENT", "a session: logs statements"), ("sql_log_bin = 1", "from within another database")],
)
def test_statements_that_a_replay_would_lose(
    server: Server, database: str, target: Target, setting: str, words: str
) -> None:
    rows(server, database, 1)
    proven(target)
    inside = database if "STATEMENT" in setting else None
    server.execute(
        inside, f"SET SESSION {setting}", f"DELETE FROM {named(database)}.t", f"TRUNCATE {named(database)}.t"
    )
    refused(target, "binlog_format" if inside else "binlog_other", words)
    proven(target)
    lean(target)


@pytest.mark.sample(3)
@pytest.mark.parametrize("reset", ["PURGE BINARY LOGS TO '{}'", "RESET MASTER"])
def test_logs_that_are_gone(server: Server, database: str, target: Target, reset: str) -> None:
    rows(server, database, 1)
    proven(target)
    server.execute(database, "FLUSH BINARY LOGS", "INSERT INTO t (word) VALUES ('more')")
    newest = server.ask(None, "SHOW MASTER STATUS")[0][0]
    deadline = time.monotonic() + 60
    while server.ask(None, "SHOW BINARY LOGS")[0][0] != newest:  # a log that InnoDB may need yet stays without a word
        server.execute(None, reset.format(newest))
        assert time.monotonic() < deadline
        newest = server.ask(None, "SHOW MASTER STATUS")[0][0]
    refused(target, "binlog_missing", "is not there any more")


@pytest.mark.sample(3)
def test_logs_of_the_same_names_that_are_others(server: Server, database: str, target: Target) -> None:
    server.execute(None, "RESET MASTER")
    rows(server, database, 1)
    proven(target)
    server.execute(None, "RESET MASTER")
    server.execute(database, *["INSERT INTO t (word) VALUES ('more')"] * 20)
    refused(target, "binlog_missing", "the logs were reset")


@pytest.mark.sample(3)
def test_rights(
    server: Server, database: str, target: Target, user: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    rows(server, database, 1)
    poor = Target(server.url(database, user, "poor"), tmp_path / "store", scratch)
    server.execute(None, f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, RELOAD ON *.* TO {user}")
    proven(poor)
    refused(poor, "binlog_off", "has no place in a binary log")
    assert "no place" in logs(poor).hindrance()
    proven(target)
    refused(poor, "denied", "BINLOG MONITOR")
    server.execute(None, f"GRANT BINLOG MONITOR ON *.* TO {user}")
    assert "REPLICATION SLAVE" in str(refused(poor, "denied", "may not read the binary logs").remedy)
    server.execute(None, f"GRANT REPLICATION SLAVE ON *.* TO {user}")
    lean(poor)


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "script, cause, words",
    [
        ("{} \"$@\" && truncate --size=-1 {}/slipway-scratch-*/binlog*", "binlog_missing", "bytes came"),
        ("{} \"$@\" && printf x | dd of=$(echo {}/slipway-scratch-*/binlog*) bs=1 seek=300 conv=notrunc", "damaged", "checksum"),
        ("kill -9 $$", "command_failed", "signal 9"),
        ("exit 0", "binlog_missing", "0 of"),
        ("", "command_missing", "mariadb-binlog"),
    ],
)  # fmt: skip
def test_copies_that_are_not_what_the_server_has(
    server: Server,
    database: str,
    target: Target,
    tmp_path: pathlib.Path,
    scratch: pathlib.Path,
    script: str,
    cause: str,
    words: str,
) -> None:
    rows(server, database, 10)
    proven(target)
    bin_dir = programs(tmp_path / "bin", mariadb_binlog=script.format(real("mariadb-binlog"), scratch))
    other = Target(server.url(database), tmp_path / "store", scratch, bin_dir=bin_dir)
    refused(target, cause, words, engine=other.engine)
    assert not [entry.key for entry in target.store.entries() if "log-" in entry.key]
    lean(target)


@pytest.mark.sample(3)
def test_a_copy_that_was_cut_off_is_used_if_it_is_whole(server: Server, database: str, target: Target) -> None:
    rows(server, database, 1)
    proven(target)
    lean(target)
    point = next(entry.key for entry in target.store.entries() if "point-" in entry.key)
    log = next(entry.key for entry in target.store.entries() if ".log-" in entry.key)
    stored = pathlib.Path(target.store.url(log).removeprefix("file://"))
    for spoil in (lambda data: data, lambda data: data[:-1] + bytes([data[-1] ^ 1])):
        target.store.delete(point)
        stored.write_bytes(spoil(stored.read_bytes()))
        lean(target)
        assert logs(target).list().actions
    whole = stored.read_bytes()
    for spoiled, cause, words in (
        (whole[:-1] + bytes([whole[-1] ^ 1]), "damaged", "is not what was written"),
        (whole[:-1], "missing", "nothing leads to the restore point"),
    ):
        stored.write_bytes(spoiled)
        with pytest.raises(SlipwayError, match=words) as caught:
            look(target, Moment(name="slipway_r1"), f"{database} no")
        assert caught.value.cause == cause
    assert server.databases(f"{database} no") == []


@pytest.mark.sample(3)
def test_changes_that_were_kept_out_of_the_log(server: Server, database: str, target: Target) -> None:
    rows(server, database, 1)
    proven(target)
    server.execute(database, "SET SESSION sql_log_bin = 0", "CREATE TABLE hidden (a int)")
    lean(target)
    with pytest.raises(SlipwayError, match="table hidden: is missing") as caught:
        look(target, Moment(name="slipway_r1"), f"{database} no")
    assert caught.value.cause == "bad_backup"
    assert server.databases(f"{database} no") == []


@pytest.mark.sample(3)
def test_moments_that_cannot_be_had(server: Server, database: str, target: Target) -> None:
    rows(server, database, 1)
    proven(target)
    for moment, cause, words in (
        (Moment(name="nothing"), "missing", "no such restore point"),
        (Moment(time="2020-01-01 00:00:00+00:00"), "too_early", "lies before every backup"),
        (Moment(time="2099-01-01 00:00:00+00:00"), "binlog_missing", "lies after the last binary log"),
        (Moment(time="yesterday"), "bad_input", "with its offset"),
    ):
        with pytest.raises(SlipwayError, match=words) as caught:
            look(target, moment, f"{database} no")
        assert caught.value.cause == cause


@pytest.mark.sample(3)
def test_the_logs_go_with_their_dump(server: Server, database: str, target: Target) -> None:
    rows(server, database, 1)
    first = proven(target)
    lean(target)
    proven(target)
    logs(target).absent(first.manifest.id, [])
    assert not [entry.key for entry in target.store.entries() if entry.key.startswith(first.manifest.id)]
    assert logs(target).list().actions == []


@pytest.mark.sample(3)
def test_the_module_notes_the_point_of_a_release_and_finds_it_by_its_version(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    rows(server, database, 3)
    release = ReleaseToken("r7", 1, {})
    machine = Machine(target.system, root=str(tmp_path / "root"), platform="shop", environment="test")
    machine.grant(release, 60.0, about={"version": "1.4.2"})

    def ask(**changes: t.Any) -> dict[str, t.Any]:
        params: dict[str, t.Any] = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
        params.update(name="shop-test", engine="mariadb", method="incremental", platform="shop", environment="test")
        params.update(root=str(tmp_path / "root"), scratch_dir=str(scratch), store={"path": str(tmp_path / "store")})
        params["store"]["kind"] = "local"
        params["url"] = base64.b64encode(server.url(database).encode()).decode()
        return database_backup.perform({**params, **changes}, False)

    taken = ask(state="present")
    assert "why" not in taken and "restore_point" not in taken  # no release waits for it
    server.execute(database, "INSERT INTO t (word) VALUES ('kept')")
    stage = {"id": "r7", "token": 1, "holder": {}, "stage": "backup", "deadline": 60.0}
    leant = ask(state="present", release=stage, in_release_max=300.0)
    assert leant["why"] == "incremental: method is incremental"
    assert (leant["backup"]["id"], leant["restore_point"]["name"]) == (taken["backup"]["id"], "slipway_r7")
    server.execute(database, "DELETE FROM t")
    restored = ask(state="restored", id="1.4.2", into=f"{database} back")
    assert not restored.get("failed"), restored
    assert server.ask(f"{database} back", "SELECT COUNT(*), MAX(word = 'kept') FROM t") == [(4, 1)]
