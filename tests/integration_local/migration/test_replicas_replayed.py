# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has migrated waits for replicas: of real servers, whose replay stands still, that are away, or are none."""

from __future__ import annotations

import base64
import contextlib
import itertools
import pathlib
import shutil
import tempfile
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

from tests.integration_local.backup.conftest import PASSWORD, Replica, Server, free_port
from tests.integration_local.mysql.conftest import Server as MariaDBServer

from .projects import MariaDBProject, PostgreSQLProject

Happens = t.Callable[[], None]


@pytest.fixture(name="project")
def _project(followed: tuple[Server, Replica], tmp_path: pathlib.Path) -> PostgreSQLProject:
    return PostgreSQLProject(followed[0], tmp_path / "sql")


@pytest.fixture(name="time")
def _time(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[list[Happens]]:
    """Nobody sleeps: the clock is set forward instead, and something may happen then."""
    usual, ahead, happens = System.monotonic, [0.0], [lambda: None]

    def passes(_system: System, seconds: float) -> None:
        ahead[0] += seconds
        happens[0]()

    monkeypatch.setattr(System, "monotonic", lambda self: usual(self) + ahead[0])
    monkeypatch.setattr(System, "sleep", passes)
    yield happens


def encoded(url: str) -> str:
    return base64.b64encode(url.encode()).decode()


def waited(url: str, *replicas: str, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    """What the module answers."""
    options = {"replica_wait": 10.0**9, **options}  # by a clock that is set forward: as long as it takes
    given = {"state": "replayed", "url": encoded(url), "replicas": [encoded(one) for one in replicas], **options}
    found = perform(checked(given, MIGRATION_RUNNER), check)
    assert PASSWORD not in str(found) and "wörd" not in str(found)
    return found


def paused(replica: Replica) -> t.ContextManager[None]:
    """Replays nothing meanwhile."""
    replica.execute("postgres", "SELECT pg_wal_replay_pause()")
    stack = contextlib.ExitStack()
    stack.callback(replica.execute, "postgres", "SELECT pg_wal_replay_resume()")
    return stack


def has(replica: Replica, database: str, table: str) -> bool:
    with contextlib.closing(replica.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
        return bool(cursor.fetchone()[0])


def test_a_replica_that_goes_on_is_waited_for(
    followed: tuple[Server, Replica], project: PostgreSQLProject, time: list[Happens]
) -> None:
    primary, replica = followed
    assert waited(project.url, replica.url("postgres"))["replicas"]  # it has the database
    with paused(replica):
        looks = itertools.count(1)  # of this wait: before it, nobody knows how often

        def goes_on() -> None:
            if next(looks) == 3:
                assert not has(replica, project.database, "item")
                replica.execute("postgres", "SELECT pg_wal_replay_resume()")

        time[0] = goes_on
        project.execute("SET synchronous_commit = off; CREATE TABLE item (id int)")
        found = waited(project.url, replica.url(project.database))
    assert has(replica, project.database, "item")
    (one,) = found["replicas"]
    assert one["name"] == f"127.0.0.1:{replica.port}" and one["seconds"] > 0
    assert found["actions"] == [f"replica 127.0.0.1:{replica.port} has replayed all after {one['seconds']:.1f} s"]
    with contextlib.closing(primary.connect("postgres")) as link, link.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() >= %s::pg_lsn", (one["position"],))
        assert cursor.fetchone() == (True,)


def test_one_that_stands_still_is_named_with_how_far_it_is_behind_and_why(
    followed: tuple[Server, Replica], project: PostgreSQLProject, time: list[Happens]
) -> None:
    replica = followed[1]
    waited(project.url, replica.url("postgres"))
    with paused(replica):
        project.execute("CREATE TABLE item AS SELECT generate_series(1, 10000)")
        found = waited(project.url, replica.url(project.database), replica_wait=7)
    error = found["error"]
    assert error["cause"] == "replica_lag" and error["object"] == f"replica 127.0.0.1:{replica.port}"
    assert "KiB of WAL behind, its replay is paused" in error["actual"]
    assert error["wanted"].endswith(" within 7 s") and "pg_wal_replay_resume()" in error["remedy"]
    assert waited(project.url, replica.url(project.database))["replicas"]


def test_one_that_a_query_holds_up_is_told_so(
    followed: tuple[Server, Replica], project: PostgreSQLProject, time: list[Happens]
) -> None:
    replica = followed[1]
    project.execute("CREATE TABLE item (id int)")
    waited(project.url, replica.url(project.database))
    with contextlib.closing(replica.connect(project.database)) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM item")
        project.execute("ALTER TABLE item ADD COLUMN more int")
        ((position,),) = project.ask("SELECT pg_current_wal_lsn()::text")
        while not replica.received(position):
            pass
        found = waited(project.url, replica.url(project.database), replica_wait=5)
        cursor.execute("ROLLBACK")
    assert "it has received that, and does not replay it" in found["error"]["actual"]
    assert "pg_stat_activity" in found["error"]["remedy"]


def test_what_is_none_or_cannot_be_asked_is_found_before_anything_is_done(
    followed: tuple[Server, Replica], project: PostgreSQLProject, postgresql: Server
) -> None:
    replica = followed[1]
    nobody = replica.url("postgres", port=free_port())
    waited(project.url, replica.url("postgres"))
    with paused(replica):
        fine = waited(project.url, replica.url("postgres"), check=True)
    assert fine["actions"] == [f"would wait for replica 127.0.0.1:{replica.port}"]
    found = waited(project.url, nobody, project.url, replica.url("postgres"), check=True)
    assert found["error"]["cause"] == "replica_away" and "2 replicas do not follow" in found["msg"]
    assert f"replica 127.0.0.1:{project.server.port}: is no replica of this database" in found["msg"]
    assert "it takes writes itself" in found["msg"] and "cannot be reached" in found["msg"]
    project.execute("CREATE ROLE reads LOGIN PASSWORD 'reads'")
    by_nobody = [server.url("postgres", "reads", "reads") for server in (project.server, replica)]
    assert waited(*by_nobody)["replicas"]  # who may do nothing may log in
    poor = replica.url("postgres", "nobody", "wrong")
    assert "cannot log in" in waited(project.url, poor, check=True)["msg"]
    # To another cluster's it says whose it is.
    project.server = postgresql
    other = waited(postgresql.url("postgres"), replica.url("postgres"), replica_wait=600)
    assert other["error"]["cause"] == "not_a_replica" and "system identifier" in other["error"]["actual"]


@pytest.fixture(name="pair", scope="module")
def _pair(mariadb: MariaDBServer) -> t.Iterator[tuple[MariaDBServer, MariaDBServer]]:
    """A MariaDB server and another one that follows it."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="slipway-follows-"))
    place.chmod(0o755)
    replica = MariaDBServer(place, free_port())
    try:
        replica.start()
        mariadb.execute(
            None, "CREATE USER IF NOT EXISTS sent IDENTIFIED BY 'sent'", "GRANT REPLICATION SLAVE ON *.* TO sent"
        )
        ((position,),) = mariadb.ask(None, "SELECT @@GLOBAL.gtid_binlog_pos")
        replica.execute(
            None,
            "SET GLOBAL server_id = 2",
            f"SET GLOBAL gtid_slave_pos = '{position}'",
            f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {mariadb.port}, master_user = 'sent',"
            " master_password = 'sent', master_use_gtid = slave_pos",
            "START SLAVE",
        )
        yield mariadb, replica
        replica.stop()
    finally:
        shutil.rmtree(place)


def test_a_replica_of_mariadb_is_waited_for_and_named_too(
    pair: tuple[MariaDBServer, MariaDBServer], tmp_path: pathlib.Path, time: list[Happens]
) -> None:
    primary, replica = pair
    project = MariaDBProject(primary, tmp_path / "sql")
    url, theirs = project.url, replica.url(project.database)
    while not replica.databases(project.database):
        pass
    assert waited(url, theirs, engine="mariadb")["replicas"]
    replica.execute(None, "STOP SLAVE SQL_THREAD")
    project.execute("CREATE TABLE item (id int)", "INSERT INTO item VALUES (1)")
    found = waited(url, theirs, engine="mariadb", replica_wait=4)
    assert found["error"]["cause"] == "replica_lag"
    assert "2 transactions behind, it replays nothing (Slave_SQL_Running: No)" in found["error"]["actual"]
    time[0] = lambda: replica.execute(None, "START SLAVE SQL_THREAD")
    assert waited(url, theirs, engine="mariadb")["replicas"]
    assert replica.ask(project.database, "SELECT id FROM item") == [(1,)]
    primary.execute(None, "CREATE USER IF NOT EXISTS looker IDENTIFIED BY 'looker'")
    assert waited(url, theirs, engine="mariadb")["replicas"]
    by_nobody = [server.url("information_schema", "looker", "looker") for server in pair]
    assert waited(*by_nobody, engine="mariadb")["replicas"]
    none = waited(theirs, url, engine="mariadb", check=True)
    assert none["error"]["cause"] == "not_a_replica" and "it follows nobody" in none["error"]["actual"]


def test_a_replica_of_another_server_of_mariadb_lacks_what_releases_have_left(
    pair: tuple[MariaDBServer, MariaDBServer], tmp_path: pathlib.Path, time: list[Happens]
) -> None:
    """By its numbers it has all and more."""
    primary, replica = pair
    project = MariaDBProject(primary, tmp_path / "sql")
    url, theirs = project.url, replica.url(project.database)
    while not replica.databases(project.database):
        pass
    assert waited(url, theirs, engine="mariadb")["replicas"]
    replica.execute(None, "STOP SLAVE")
    ((before,),) = replica.ask(None, "SELECT @@GLOBAL.gtid_slave_pos")
    try:
        replica.execute(None, "SET GLOBAL gtid_slave_pos = '0-9-999999'")
        project.execute(
            "CREATE TABLE slipway_fence (name VARCHAR(200) PRIMARY KEY, token BIGINT)",
            "INSERT INTO slipway_fence VALUES ('shop/test', 3)",
        )
        other = waited(url, theirs, engine="mariadb", check=True)
    finally:
        replica.execute(None, f"SET GLOBAL gtid_slave_pos = '{before}'", "START SLAVE")
    assert other["error"]["cause"] == "not_a_replica" and "nothing of shop/test" in other["error"]["actual"]
    assert waited(url, theirs, engine="mariadb")["replicas"]
