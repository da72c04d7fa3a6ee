# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a backfill rests, by a clock of its own; and what its annotations may say."""

from __future__ import annotations

import pathlib
import sqlite3
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.conf import Backfill, read_notes
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Settings
from ansible_collections.slipway.deploy.plugins.module_utils.migration.patience import Patience
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.replicas import PATIENCE, Replication
from ansible_collections.slipway.deploy.plugins.module_utils.migration.runner import SqlRunner
from ansible_collections.slipway.deploy.plugins.module_utils.migration.scripts import Reader, Scripts
from ansible_collections.slipway.deploy.plugins.module_utils.migration.sqlite import SQLite, opener
from ansible_collections.slipway.deploy.plugins.module_utils.migration.states import Rules
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

FILL = "UPDATE item SET done = 1 WHERE id IN (SELECT id FROM item WHERE done = 0 LIMIT ${slipway:batch});"


class Clock(System):
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, []
        super().__init__()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Followed(SQLite):
    """A database whose batches take a while, and whose replica has what was written so many seconds ago."""

    takes = 0.0
    delay: t.Callable[[float], float] = staticmethod(lambda _now: 0.0)
    hidden = False

    def change(self, statement: str) -> int:
        t.cast(Clock, self.system).now += self.takes
        return super().change(statement)

    def replication(self) -> Replication | None:
        """Positions are moments."""
        now = self.system.monotonic()
        return Replication(round(now * 1000), round((now - self.delay(now)) * 1000), self.hidden)


class Site:
    """40 rows in 4 batches."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.path, self.clock, self.said = directory / "shop.db", Clock(), t.cast("list[str]", [])
        (directory / "sql").mkdir()
        self.files = directory / "sql"
        with sqlite3.connect(self.path) as link:
            link.execute("CREATE TABLE item (id integer PRIMARY KEY, done integer NOT NULL)")
            link.executemany("INSERT INTO item VALUES (?, 0)", [(number,) for number in range(40)])
        self.database = Followed(opener(str(self.path)), Settings(), self.clock)

    def run(self, notes: str = "", timeout: float = 0.0) -> int:
        (self.files / "V2__fill.sql").write_text(f"-- slipway: phase=backfill batch=10 {notes}\n{FILL}\n")
        scripts = Scripts([str(self.files)], Reader("sqlite", Placeholders({})))
        runner = SqlRunner(self.database, scripts, self.clock, Rules(), Patience())
        runner.say = self.said.append
        if not runner.status().recorded:
            runner.apply(Order("baselined"))
        (done,) = runner.apply(Order(timeout=timeout)).done
        return done.rows


@pytest.fixture(name="site")
def _site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


def test_fast_batches_follow_each_other_at_once(site: Site) -> None:
    site.database.takes = 0.4
    assert site.run() == 40 and site.clock.slept == []


def test_a_slow_batch_is_followed_by_as_long_a_pause(site: Site) -> None:
    site.database.takes = 0.75
    site.run("slow=0.5")
    assert site.clock.slept == [pytest.approx(0.75, abs=0.002)] * 4


def test_a_pause_that_is_said_is_made(site: Site) -> None:
    site.database.takes = 0.25
    site.run("pause=2 slow=0.1")
    assert site.clock.slept == [2.0] * 4


def test_a_replica_that_is_far_behind_is_waited_for(site: Site) -> None:
    """It has stopped for a minute, and has all of it afterwards."""
    stopped = site.clock.now
    site.database.takes = 3.0
    site.database.delay = lambda now: now - stopped if now < stopped + 60 else 0.0
    assert site.run("max_lag=5 slow=9") == 40
    assert any("waits for a replica that is 6 s behind" in said for said in site.said)
    assert site.clock.slept == [0.5] * 102  # from the third batch on, until it goes on
    assert site.clock.now == stopped + 60 + 2 * 3


def test_a_replica_that_is_near_enough_is_not(site: Site) -> None:
    site.database.takes = 1.0
    site.database.delay = lambda _now: 4.0
    site.run("max_lag=5 slow=9")
    assert site.clock.slept == []


def test_a_replica_that_has_stopped_for_good_ends_it_and_the_next_run_goes_on(site: Site) -> None:
    site.database.takes = 3.0
    stopped = site.clock.now
    site.database.delay = lambda now: now - stopped
    with pytest.raises(SlipwayError, match="does not follow") as caught:
        site.run("max_lag=5 slow=9")
    assert caught.value.cause == "replica_lag" and 0 < caught.value.evidence["rows"] < 40
    assert PATIENCE <= site.clock.now - stopped <= PATIENCE + 60
    site.database.delay = lambda _now: 0.0
    assert site.run("max_lag=5 slow=9") == 40


def test_the_time_for_all_of_it_ends_the_waiting_too(site: Site) -> None:
    site.database.takes, stopped = 1.0, site.clock.now
    site.database.delay = lambda now: now - stopped
    with pytest.raises(SlipwayError, match="not done when the time") as caught:
        site.run("max_lag=1 slow=9", timeout=30)
    assert caught.value.cause == "timeout" and site.clock.now <= stopped + 32


def test_without_a_right_to_look_replicas_are_not_waited_for(site: Site) -> None:
    site.database.hidden, site.database.delay = True, lambda _now: 99.0
    assert site.run() == 40 and site.clock.slept == []


def test_what_cannot_be_seen_cannot_be_promised(site: Site) -> None:
    site.database.hidden = True
    with pytest.raises(SlipwayError, match="cannot be seen here") as caught:
        site.run("max_lag=5")
    assert caught.value.cause == "denied"
    with sqlite3.connect(site.path) as link:
        assert link.execute("SELECT sum(done) FROM item").fetchone() == (0,)


def test_annotations_of_a_backfill() -> None:
    assert read_notes(["-- slipway: phase=backfill\nUPDATE x"], "x").backfill == Backfill()
    found = read_notes(["-- slipway: phase=backfill batch=50 pause=0.5 slow=2 max_lag=3\nUPDATE x"], "x").backfill
    assert found == Backfill(50, 0.5, 2.0, 3.0)


@pytest.mark.parametrize(
    "line",
    ["batch=10", "phase=expand batch=10", "phase=backfill batch=0", "phase=backfill pause=-1", "phase=backfill slow=x"],
)
def test_annotations_that_mean_nothing(line: str) -> None:
    with pytest.raises(SlipwayError, match="is no annotation"):
        read_notes([f"-- slipway: {line}\nUPDATE x"], "x")
