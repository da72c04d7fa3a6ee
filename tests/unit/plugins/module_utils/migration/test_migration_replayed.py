# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether replicas have what was written, by what servers answer and by a clock of its own."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.positions import (
    Goal,
    MySQLPositions,
    PostgreSQLPositions,
    lacks,
    lsn,
    size,
    transactions,
)
from ansible_collections.slipway.deploy.plugins.module_utils.migration.refused import RefusedError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.replayed import Replica, Replicas
from ansible_collections.slipway.deploy.plugins.module_utils.stages import migration_replicas
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import hidden, perform
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


class Clock(System):
    """Time passes when somebody sleeps."""

    now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Server:
    """Answers by the beginning of a question; what is an exception is raised. A function is told the time."""

    def __init__(self, clock, answers):
        self.clock, self.answers, self.asked, self.open = clock, answers, [], 0

    def run(self, question, *_values):
        self.asked.append(question)
        for beginning, answer in self.answers.items():
            if question.startswith(beginning):
                found = answer(self.clock.now) if callable(answer) else answer
                if isinstance(found, Exception):
                    raise found
                return found
        raise RefusedError(f"nobody answers {question}")

    @contextlib.contextmanager
    def told(self):
        yield

    @property
    def link(self):
        return self

    def cursor(self):
        server = self

        class Cursor:
            def execute(self, question):
                rows = server.run(question)
                names = dict.fromkeys(name for row in rows for name in row)
                self.description = [(name,) for name in names]
                self.rows = [tuple(row.values()) for row in rows]

            def fetchall(self):
                return self.rows

            def close(self):
                """Nothing to close."""

        return Cursor()

    def __call__(self):
        self.open += 1
        return self

    def close(self):
        self.open -= 1


def primary(clock, written=1000, identifier="7"):
    return Server(
        clock,
        {
            "SET synchronous_commit": [],
            "SELECT pg_logical_emit_message": [("0/1",)],
            "SELECT (pg_current_wal_lsn": [(str(written),)],
            "SELECT system_identifier": [(identifier,)],
        },
    )


def replica(clock, *, replayed=1000, received=1000, paused=False, sent=True, follows=True, identifier="7"):
    def answer(now):
        here = replayed(now) if callable(replayed) else replayed
        if isinstance(here, Exception):
            return here
        return [(follows, str(here), str(received), paused, sent)]

    return Server(clock, {"SELECT pg_is_in_recovery": answer, "SELECT system_identifier": [(identifier,)]})


def of(clock, *servers, **options):
    first = primary(clock, **options)
    named = [Replica(f"r{number}:5432", server) for number, server in enumerate(servers, start=1)]
    return Replicas(PostgreSQLPositions(), first, named, clock), first


def refusal(clock, *servers, patience=30.0):
    replicas, _first = of(clock, *servers)
    with pytest.raises(SlipwayError) as caught:
        replicas.wait(patience, lambda _text: None)
    assert [server.open for server in servers] == [0] * len(servers)  # no connection is left
    return caught.value


def test_it_waits_for_the_slowest_and_asks_the_others_no_more():
    clock = Clock()
    fast, slow = replica(clock), replica(clock, replayed=lambda now: 1000 if now >= 1040 else 5)
    replicas, first = of(clock, fast, slow)
    said = []
    found = replicas.wait(300.0, said.append).reached
    assert [(one.name, one.position) for one in found] == [("r1:5432", "0/3E8"), ("r2:5432", "0/3E8")]
    assert found[0].seconds == 0 and 40 <= found[1].seconds < 42
    assert sum("pg_is_in_recovery" in question for question in fast.asked) == 1
    assert len(said) == 3 and "replica r2:5432: 0/5, 995 B of WAL behind" in said[0]
    assert first.open == -1  # closed once, before the waiting


def test_what_is_written_meanwhile_is_not_waited_for():
    clock = Clock()
    replicas, first = of(clock, replica(clock, replayed=lambda now: 1000 if now > 1001 else 0))
    first.answers["SELECT (pg_current_wal_lsn"] = lambda now: [(str(1000 if now == 1000 else 9999),)]
    assert replicas.wait(30.0, lambda _text: None)


def test_a_position_that_is_written_without_waiting_for_the_log_counts_too():
    clock = Clock()
    replicas, first = of(clock, replica(clock))
    replicas.wait(30.0, lambda _text: None)
    assert first.asked[:2] == [
        "SET synchronous_commit = local",
        "SELECT pg_logical_emit_message(true, 'slipway', '')",
    ]
    replicas, first = of(clock, replica(clock))
    replicas.look()
    assert not any("emit" in question for question in first.asked)  # who only looks writes nothing


@pytest.mark.parametrize(
    "options, actual, remedy",
    [
        ({"paused": True}, "0/64, 900 B of WAL behind, its replay is paused", "pg_wal_replay_resume()"),
        ({}, "it has received that, and does not replay it", "pg_stat_activity"),
        ({"received": 200, "sent": False}, "nothing is sent to it", "primary_conninfo"),
        ({"received": 200}, "0/64, 900 B of WAL behind", "See in its log"),
    ],
)
def test_one_that_does_not_get_there_is_named_with_why(options, actual, remedy):
    clock = Clock()
    error = refusal(clock, replica(clock, replayed=100, **options))
    assert (error.cause, error.obj, error.wanted) == ("replica_lag", "replica r1:5432", "0/3E8 within 30 s")
    assert actual in error.actual and remedy in error.remedy
    assert "slipway_migrations.replica_wait" in error.remedy and "slipway_database.replicas" in error.remedy
    assert clock.now == 1030.0


@pytest.mark.parametrize(
    "options, actual", [({"follows": False}, "takes writes itself"), ({"identifier": "8"}, "system identifier 8")]
)
def test_what_is_no_replica_of_it_is_not_waited_for(options, actual):
    clock = Clock()
    error = refusal(clock, replica(clock, **options))
    assert error.cause == "not_a_replica" and actual in error.actual and clock.now == 1000.0


def test_where_nobody_tells_whose_it_is_its_position_decides():
    clock = Clock()
    hides = replica(clock)
    hides.answers["SELECT system_identifier"] = RefusedError("permission denied", cause="denied")
    assert of(clock, hides)[0].wait(1.0, lambda _text: None)


def test_one_that_is_away_may_come_back_before_the_time_is_over():
    clock = Clock()
    gone = SlipwayError("cannot be reached", obj="db", actual="refused", remedy="Check it.", cause="unreachable")
    back = replica(clock, replayed=lambda now: gone if now < 1010 else 1000)
    assert of(clock, back)[0].wait(30.0, lambda _text: None)
    error = refusal(Clock(), replica(Clock(), replayed=gone))
    assert error.cause == "replica_away" and error.actual == "cannot be reached: refused"
    assert "slipway_database.replicas" in error.remedy


def test_all_that_do_not_follow_are_named_at_once():
    clock = Clock()
    error = refusal(clock, replica(clock, replayed=0, paused=True), replica(clock, replayed=RefusedError("gone")))
    assert "2 replicas do not follow" in error.message
    assert "1. replica r1:5432" in error.message and "2. replica r2:5432" in error.message


def test_what_is_waived_is_passed_over_and_the_others_are_waited_for():
    clock = Clock()
    away, other = (
        replica(clock, replayed=SlipwayError("cannot be reached", obj="db", cause="unreachable")),
        replica(clock, identifier="8"),
    )
    slow, stuck = (
        replica(clock, replayed=lambda now: 1000 if now > 1010 else 5),
        replica(clock, replayed=7, paused=True),
    )
    replicas, _first = of(clock, away, other, slow, stuck)
    found = replicas.wait(30.0, lambda _text: None, waived=True)
    assert [one.name for one in found.reached] == ["r3:5432"]
    assert [(error.obj, error.cause) for error in found.left] == [
        ("replica r1:5432", "replica_away"),
        ("replica r2:5432", "not_a_replica"),
        ("replica r4:5432", "replica_lag"),
    ]
    assert len(away.asked) == len(other.asked) - 1 == 1  # nobody waits for what is away, or none
    clock = Clock()
    gone = replica(clock, replayed=SlipwayError("cannot be reached", obj="db", cause="unreachable"))
    assert of(clock, gone)[0].wait(30.0, lambda _text: None, waived=True).left and clock.now == 1000.0


# --- MariaDB and MySQL

MARIADB = {"SELECT VERSION": [("10.11.6-MariaDB",)], "SELECT @@GLOBAL.gtid_binlog_pos": [("0-1-100,1-1-7",)]}
MYSQL = {"SELECT VERSION": [("8.0.36",)], "SELECT @@GLOBAL.gtid_executed": [("3e11fa47:1-5,\n3e11fa48:1",)]}
RUNNING = {"Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Last_SQL_Error": ""}


def seen(answers, goal):
    return MySQLPositions().seen(Server(Clock(), answers), goal)


def test_the_position_of_mariadb_is_one_in_each_domain():
    goal = MySQLPositions().goal(Server(Clock(), MARIADB), settled=True)
    assert goal == Goal("0-1-100,1-1-7", "0-1-100,1-1-7", tokens={})
    there = {**MARIADB, "SHOW ALL SLAVES STATUS": [RUNNING]}
    assert not seen({**there, "SELECT @@GLOBAL.gtid_slave_pos": [("1-2-9,0-1-100",)]}, goal).behind
    lagging = seen({**there, "SELECT @@GLOBAL.gtid_slave_pos": [("0-1-90",)]}, goal)
    assert (lagging.behind, lagging.why) == ("17 transactions", "")
    with pytest.raises(SlipwayError, match="follows nobody"):
        seen({**MARIADB, "SHOW ALL SLAVES STATUS": [], "SELECT @@GLOBAL.gtid_slave_pos": [("0-1-100,1-1-7",)]}, goal)
    with pytest.raises(SlipwayError, match="follows nobody"):  # who may not see its status sees its position
        seen({**MARIADB, "SELECT @@GLOBAL.gtid_slave_pos": [("",)]}, goal)


TOKENS = "SELECT name, token FROM slipway_fence"
REACHED = {**MARIADB, "SHOW ALL SLAVES STATUS": [RUNNING], "SELECT @@GLOBAL.gtid_slave_pos": [("0-1-900,1-1-7",)]}
NO_TABLE = RefusedError("Table 'shop.slipway_fence' doesn't exist", "1146")
DENIED = RefusedError("SELECT command denied", "1142", "denied")


@pytest.mark.parametrize(
    "here, there, actual",
    [
        ([("shop/test", 7)], [("shop/test", 7), ("other", 1)], ""),
        ([("shop/test", 7)], [("shop/test", 8)], ""),  # a release has begun meanwhile
        ([("shop/test", 7)], [("shop/test", 6)], "6 of shop/test in slipway_fence, although it is as far"),
        ([("shop/test", 7)], [("blog/test", 9)], "nothing of shop/test"),
        ([("shop/test", 7)], NO_TABLE, "nothing of shop/test"),
        ([("shop/test", 7)], DENIED, ""),  # nobody tells
        (DENIED, NO_TABLE, ""),
        (NO_TABLE, [], ""),  # nothing was ever released
    ],
)
def test_a_replica_of_mariadb_has_what_releases_have_left_in_its_primary(here, there, actual):
    goal = MySQLPositions().goal(Server(Clock(), {**MARIADB, TOKENS: here}), settled=True)
    answers = {**REACHED, TOKENS: there}
    if actual:
        with pytest.raises(SlipwayError) as caught:
            seen(answers, goal)
        assert caught.value.cause == "not_a_replica" and actual in caught.value.actual
    else:
        assert not seen(answers, goal).behind
    behind = {**answers, "SELECT @@GLOBAL.gtid_slave_pos": [("0-1-90",)]}
    assert seen(behind, goal).behind  # it may come still


@pytest.mark.parametrize(
    "status, why",
    [
        (
            {"Slave_SQL_Running": "No", "Last_SQL_Error": "Duplicate entry"},
            "replays nothing (Slave_SQL_Running: No, Dup",
        ),
        (
            {"Slave_IO_Running": "Connecting", "Last_IO_Error": "denied"},
            "gets nothing (Slave_IO_Running: Connecting, de",
        ),
    ],
)
def test_what_has_stopped_is_said_in_the_servers_words(status, why):
    answers = {**MARIADB, "SHOW ALL SLAVES": [{**RUNNING, **status}], "SELECT @@GLOBAL.gtid_slave_pos": [("0-1-1",)]}
    assert why in seen(answers, Goal("0-1-3", "")).why


def test_the_position_of_mysql_is_a_set():
    goal = MySQLPositions().goal(Server(Clock(), MYSQL), settled=True)
    assert goal.position == "3e11fa47:1-5,3e11fa48:1"
    status = [{"Replica_IO_Running": "Yes", "Replica_SQL_Running": "No", "Last_SQL_Error": "x"}]
    there = {**MYSQL, "SHOW REPLICA STATUS": status}
    assert not seen({**there, "SELECT GTID_SUBTRACT": [("",)]}, goal).behind
    lagging = seen({**there, "SELECT GTID_SUBTRACT": [("3e11fa47:5,\n3e11fa48:1",)]}, goal)
    assert lagging.behind == "2 transactions" and "Slave_SQL_Running: No, x" in lagging.why


@pytest.mark.parametrize(
    "answers", [{"SELECT @@GLOBAL.gtid_binlog_pos": [("",)]}, {"SELECT @@GLOBAL.gtid_executed": [("",)]}]
)
def test_a_primary_without_a_log_tells_no_position(answers):
    version = "MariaDB" if "SELECT @@GLOBAL.gtid_binlog_pos" in answers else "8.4.0"
    with pytest.raises(SlipwayError) as caught:
        MySQLPositions().goal(Server(Clock(), {"SELECT VERSION": [(version,)], **answers}), settled=False)
    assert caught.value.cause == "binlog_off"


def test_numbers_for_people():
    assert (lsn(0), lsn(2**32 * 3 + 255)) == ("0/0", "3/FF")
    assert [size(number) for number in (3, 2048, 5 * 2**20, 3 * 2**30)] == ["3 B", "2.0 KiB", "5.0 MiB", "3.0 GiB"]
    assert (lacks("0-1-5,2-1-1", "0-7-5"), lacks("0-1-5", "")) == (1, 5)
    assert (transactions("a:1-5:7,b:mytag:2-3"), transactions("")) == (8, 0)


# --- as a module

URL = "postgresql://shop:s3cret@db1/shop"


def params(**changes):
    found = {name: option.get("default") for name, option in MIGRATION_RUNNER.options.items()}
    encoded = migration_replicas.base64.b64encode
    urls = changes.pop("replicas", ["postgresql://reader:other@db2/shop"])
    changes["replicas"] = [encoded(url.encode()).decode() for url in urls]
    return {**found, "state": "replayed", "url": encoded(URL.encode()).decode(), **changes}


def test_no_machine_but_the_one_that_migrates_asks_anybody():
    assert perform(params(here=False, replicas=[]), False)["actions"] == []


@pytest.mark.parametrize(
    "changes, option",
    [
        ({"replicas": []}, "replicas"),
        ({"url": ""}, "url"),
        ({"engine": "sqlite"}, "engine"),
        ({"replica_wait": -1}, "replica_wait"),
    ],
)
def test_what_is_missing_is_named(changes, option):
    found = perform(params(**changes), False)
    assert found["failed"] and found["error"]["cause"] == "bad_input" and found["error"]["object"] == option


@pytest.mark.parametrize("back", [True, False])
def test_what_a_release_has_passed_over_stands_in_the_journal_with_its_reason(back, tmp_path, monkeypatch):
    clock = Clock()
    gone = SlipwayError("cannot be reached", obj="db", actual="refused", cause="unreachable")
    here = replica(clock, replayed=1000 if back else gone)
    monkeypatch.setattr(migration_replicas, "declared", lambda *_given: of(clock, here)[0])
    machine = Machine(System(), root=str(tmp_path), platform="shop", environment="test")
    release = ReleaseToken("r1", 1, {})
    machine.grant(release, 60.0, about={"version": "1.1.0"})
    order = {"id": "r1", "token": 1, "holder": {}, "stage": "replicas", "deadline": 60.0}
    names = {"platform": "shop", "environment": "test", "root": str(tmp_path)}
    found = perform(params(release=order, waive="r1 is being rebuilt", **names), False)
    (note,) = machine.read().journal.find("r1").notes
    said = "replica r1:5432 cannot be asked how far it is: cannot be reached: refused"
    if back:
        assert note["name"] == "replayed" and found["passed_over"] == []
    else:
        assert note == {"name": "replicas_waived", "why": "r1 is being rebuilt", "replicas": [said]}
        assert found["passed_over"] == [said] and found["actions"] == [
            f"not waited for, because r1 is being rebuilt: {said}"
        ]


def test_the_passwords_of_replicas_are_hidden_as_well():
    assert {"s3cret", "other"} <= hidden(params(), URL)
