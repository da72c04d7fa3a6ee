# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backfill beside a replica that has stopped to replay, on two real servers and by a clock of its own."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.backup.conftest import Replica, Server

from .projects import PostgreSQLProject

ROWS, BATCH = 1000, 100
FILL = """-- slipway: phase=backfill batch={batch} slow=60 {more}
UPDATE item SET state = 'new' WHERE id IN (SELECT id FROM item WHERE state IS NULL LIMIT ${{slipway:batch}});
"""

pytestmark = pytest.mark.sample(1)


@pytest.fixture(name="project")
def _project(followed: tuple[Server, Replica], tmp_path: pathlib.Path) -> PostgreSQLProject:
    project = PostgreSQLProject(followed[0], tmp_path / "sql")
    project.write(
        V1__item="CREATE TABLE item (id integer PRIMARY KEY, state text);\n"
        f"INSERT INTO item SELECT i, NULL FROM generate_series(1, {ROWS}) i;"
    )
    project.run()
    return project


def test_a_replica_that_replays_nothing_is_waited_for_until_it_does(
    followed: tuple[Server, Replica], project: PostgreSQLProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(V2__fill=FILL.format(batch=BATCH, more="max_lag=5"))
    replica, usual, ahead = followed[1], System.monotonic, [0.0]
    done: list[int] = []
    waited: list[int] = []

    def passes(_system: System, seconds: float) -> None:
        ahead[0] += seconds
        waited.append(project.ask("SELECT count(*) FROM item WHERE state = 'new'")[0][0])
        if len(waited) == 3:
            replica.execute("postgres", "SELECT pg_wal_replay_resume()")
            expect_followed(project)

    def counts(said: str) -> None:
        if "rows" in said:
            done.append(1)
            ahead[0] += 2.0  # as long as a batch takes here

    monkeypatch.setattr(System, "monotonic", lambda self: usual(self) + ahead[0])
    monkeypatch.setattr(System, "sleep", passes)
    expect_followed(project)  # a replica that has not come yet is waited for by nobody
    replica.execute("postgres", "SELECT pg_wal_replay_pause()")
    runner = project.runner()
    runner.say = counts
    (one,) = runner.apply(Order(phase="backfill")).done
    assert one.rows == ROWS and len(done) == ROWS // BATCH
    # What it had written when it began to wait was more than 5 s old, and nothing more was written meanwhile.
    assert waited[:3] == [waited[0]] * 3 and BATCH < waited[0] < ROWS


def expect_followed(project: PostgreSQLProject) -> None:
    """An idle replica tells how far it is every ten seconds; one that is sent something tells it at once."""
    project.execute("CREATE TABLE IF NOT EXISTS noise (i integer)")
    ((position,),) = project.ask("SELECT pg_current_wal_lsn()::text")
    while project.ask(f"SELECT bool_and(replay_lsn >= '{position}') FROM pg_stat_replication") != [(True,)]:
        project.execute("INSERT INTO noise VALUES (1)")


def test_who_may_not_see_replicas_promises_nothing(project: PostgreSQLProject) -> None:
    project.execute(
        f"CREATE ROLE filler_{project.database} LOGIN PASSWORD 'x'",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO filler_{project.database}",
        f"GRANT CREATE ON SCHEMA public TO filler_{project.database}",
    )
    project.as_user(f"filler_{project.database}", "x")
    project.write(V2__fill=FILL.format(batch=BATCH, more="max_lag=5"))
    with pytest.raises(SlipwayError) as caught:
        project.runner().apply(Order(phase="backfill"))
    assert caught.value.cause == "denied" and "pg_read_all_stats" in caught.value.remedy
    assert project.states()["V2__fill.sql"] == "pending"
    project.write(V2__fill=FILL.format(batch=BATCH, more=""))
    assert project.runner().apply(Order(phase="backfill")).done[0].rows == ROWS
