# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binary logs after a dump are proven with it: replayed up to a moment, and compared with what the source had then."""

from __future__ import annotations

import contextlib
import pathlib
import random
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, due, retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.binlog_points import LogPoint, LogStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.model import Backup, Proof
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import EVERYTHING, Server
from .replays import by_rows, logs, taken
from .target import ZSTD, Target, rows

RELEASE = Order("restore", 0, retention.Policy(), patience=due.Patience(0.0, 86400.0))
BIG = 3 << 20  # bytes of a value, of which a row has two and its change both of either


@pytest.fixture(autouse=True)
def _by_rows(server: Server) -> t.Iterator[None]:
    with by_rows(server):
        yield


def drilled(target: Target, **how: t.Any) -> Proof:
    """What a drill of the newest dump has found."""
    found = logs(target, **how).verified("latest", "restore", 0).backup
    assert found is not None
    return found.proofs[-1]


def newest(target: Target) -> Backup:
    return catalog.read(target.store).named("latest")


def restored(target: Target) -> Backup:
    """A dump of which it is said that it was restored, and nothing of its logs."""
    made = target.back_up("none").backup
    assert made is not None
    return catalog.write_proof(target.store, made, Proof("restore", True, target.system.wall(), 1.0))


def leans(target: Target) -> str:
    """The dump that a release leans on, whose logs are proven."""
    found = logs(target).present(RELEASE).backup
    assert found is not None
    return found.manifest.id


def test_all_that_happens_after_a_dump_is_replayed_and_compared(server: Server, database: str, target: Target) -> None:
    server.script(database, EVERYTHING)
    rows(server, database, 50)
    assert any("were replayed up to proof_" in said for said in taken(target))
    server.execute(
        database,
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.word = CONCAT('by trigger ', NEW.word)",
        "INSERT INTO t (word) SELECT word FROM t",
        "ALTER TABLE t ADD COLUMN more longblob, ADD COLUMN other longblob, ADD COLUMN latin varchar(30) CHARACTER SET latin1",
        f"UPDATE t SET more = REPEAT(UNHEX('00ff'), {BIG // 2}), other = REPEAT('ü', {BIG // 2}) WHERE id = 1",
        f"UPDATE t SET more = REPEAT(UNHEX('0d0a'), {BIG // 2}) WHERE id = 1",
        "SET NAMES latin1",
        b"INSERT INTO t (word, latin) VALUES ('gr\xfcn', 'gr\xfcn')".decode("latin-1"),
        "SET NAMES utf8mb4",
        "SET time_zone = '+05:45'",
        "INSERT INTO measured VALUES ('2026-12-31', 0.1)",
        "SET FOREIGN_KEY_CHECKS = 0",
        "INSERT INTO child VALUES (3, 9999)",
        "SET FOREIGN_KEY_CHECKS = 1",
        "UPDATE history SET price = 12 WHERE id = 1",
        "INSERT INTO numbered (id) VALUES (DEFAULT), (DEFAULT)",
        "TRUNCATE without_key",
        "INSERT INTO without_key SELECT seq, NULL FROM seq_1_to_2000",
        "DELETE FROM without_key WHERE a % 3 = 0",
        "CREATE TABLE `näw` (id int AUTO_INCREMENT PRIMARY KEY, x int) AS SELECT 1 AS x",
        "RENAME TABLE words TO `other words`",
        "CREATE EVENT later ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DO DELETE FROM log",
        "DROP FUNCTION old_letters",
        "FLUSH BINARY LOGS",
        "INSERT INTO other_engine VALUES (7)",
    )
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        link.autocommit(False)
        cursor.execute("INSERT INTO t (word) VALUES ('never')")
        cursor.execute("SELECT NEXTVAL(counting)")
        link.rollback()
    proof = drilled(target)
    assert (proof.ok, proof.problem, proof.logs[:6]) == (True, "", "proof_")
    assert leans(target) == newest(target).manifest.id


@pytest.mark.sample(1, of="replays")
def test_the_moment_is_one_of_a_database_that_is_written_to(server: Server, database: str, target: Target) -> None:
    rows(server, database, 500)
    ended = threading.Event()

    def write(number: int) -> None:
        draw = random.Random(number)
        with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
            while not ended.is_set():
                cursor.execute("INSERT INTO t (word) VALUES (UUID())")
                cursor.execute("UPDATE t SET word = UUID() WHERE id = %s", (draw.randint(1, 500),))
                cursor.execute("DELETE FROM t WHERE id = %s", (draw.randint(1, 500),))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        taken(target)
    finally:
        ended.set()
        for writer in writers:
            writer.join()


@pytest.mark.sample(1, of="replays")
def test_another_machine_replays_what_was_stored(server: Server, database: str, target: Target) -> None:
    rows(server, database, 5)
    logs(target).present(Order("none", 0, retention.Policy()))
    assert drilled(target, live=False).logs.startswith("proof_")
    leans(target)


@pytest.mark.sample(1, of="replays")
def test_a_proof_that_came_before_the_logs_is_made_again(server: Server, database: str, target: Target) -> None:
    rows(server, database, 5)
    made = restored(target)
    assert not logs(target, live=False).verified("latest", "restore", 3600.0).changed  # there is nothing to replay yet
    logs(target).ahead(made)
    assert logs(target, live=False).verified("latest", "restore", 3600.0).changed
    assert not logs(target, live=False).verified("latest", "restore", 3600.0).changed


@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", ["flipped", "lost", "truncated", "another"])
def test_archived_logs_that_are_not_what_they_were(server: Server, database: str, target: Target, kind: str) -> None:
    rows(server, database, 5)
    made = restored(target)
    for _log in range(3):
        server.execute(database, "INSERT INTO t (word) VALUES ('more')", "FLUSH BINARY LOGS")
    assert logs(target).ahead(made) is not None
    (point,) = LogStore(target.store, ZSTD).points()
    name, part = list(point.logs.items())[1]
    stored = pathlib.Path(target.store.url(part.key).removeprefix("file://"))
    whole = stored.read_bytes()
    if kind == "lost":
        stored.unlink()
    elif kind == "flipped":
        stored.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    elif kind == "truncated":
        stored.write_bytes(whole[:-30])
    else:
        others = [path for path in stored.parent.glob("*.log-*") if path != stored]
        stored.write_bytes(others[0].read_bytes())
    with pytest.raises(SlipwayError) as caught:
        drilled(target, live=False)
    assert caught.value.cause == ("missing" if kind == "lost" else "damaged")
    assert name in caught.value.message
    proof = newest(target).proofs[-1]
    assert (proof.ok, proof.logs) == (True, "") and name in proof.problem  # the dump alone is good
    with pytest.raises(SlipwayError, match="never replayed") as refused:
        leans(target)
    assert refused.value.cause == "logs_unproven" and name in refused.value.message


@pytest.mark.sample(1, of="lost changes")
def test_logs_that_another_server_wrote(server: Server, database: str, target: Target) -> None:
    rows(server, database, 5)
    made = restored(target)
    server.execute(None, "FLUSH BINARY LOGS")
    server.execute(database, "INSERT INTO t (word) VALUES ('more')")
    assert logs(target).ahead(made) is not None
    kept = LogStore(target.store, ZSTD)
    (point,) = kept.points()
    first, second = list(point.logs)
    target.store.delete(point.logs[second].key)
    foreign = kept.keep(made, second, (chunk for chunk in [b"".join(_plain(kept, made, point, first))]))
    for entry in target.store.entries():
        if ".point-" in entry.key:
            target.store.delete(entry.key)
    kept.add(point._replace(logs={**point.logs, second: foreign}))
    with pytest.raises(SlipwayError, match=f"binary log {second} after .* cannot be replayed"):
        drilled(target, live=False)


def _plain(kept: LogStore, made: Backup, point: LogPoint, name: str) -> t.Iterator[bytes]:
    """The bytes of a log as its server had it."""
    found: list[bytes] = []

    def through(chunks: t.Iterable[bytes]) -> t.Iterator[bytes]:
        for chunk in chunks:
            found.append(chunk)
            yield chunk

    assert kept.measured(made, name, through) == point.logs[name]
    return iter(found)


@pytest.mark.sample(1, of="lost changes")
@pytest.mark.parametrize(
    "change, words",
    [
        ("UPDATE t SET word = 'hidden' WHERE id = 3", "5 rows, but not the same ones"),
        ("DELETE FROM t WHERE id = 3", "5 rows, wanted 4"),
        ("DROP TABLE other", "table other: was not there"),
    ],
)
def test_changes_that_no_log_has_are_found(
    server: Server, database: str, target: Target, change: str, words: str
) -> None:
    rows(server, database, 5)
    server.execute(database, "CREATE TABLE other (a int)")
    restored(target)
    server.execute(database, "SET SESSION sql_log_bin = 0", change)
    with pytest.raises(SlipwayError, match=words) as caught:
        drilled(target)
    assert caught.value.cause == "bad_backup"
    assert newest(target).verified_by == "restore"


@pytest.mark.sample(1, of="lost changes")
def test_who_said_nothing_of_logs_has_a_good_dump_without_them(
    server: Server, database: str, target: Target, user: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    rows(server, database, 1)
    server.execute(None, f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, RELOAD, BINLOG MONITOR ON *.* TO {user}")
    poor = Target(server.url(database, user, "poor"), tmp_path / "store", scratch)
    said = taken(poor, strict=False)
    assert any("is not proven: " in one and "may not read the binary logs" in one for one in said)
    assert newest(poor).verified_by == "restore"
    assert "never replayed" in logs(poor).hindrance()
    with pytest.raises(SlipwayError, match="may not read the binary logs"):
        taken(poor)
    assert newest(poor).verified_by == "restore"
    server.execute(None, "SET GLOBAL binlog_format = MIXED")
    assert not any("proof_" in one for one in taken(poor, strict=False))
