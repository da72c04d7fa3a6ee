# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks at the locks of migrations add up to, and what is too long of it."""

from __future__ import annotations

import random

from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.budget import (
    Budget,
    rows_held,
    too_long,
    too_slow,
)
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.locks import READS, WRITES, Held, Ledger, Lock
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.watch import Measures, Table

ALL, WRITERS, ROWS = "AccessExclusiveLock", "ShareLock", "RowExclusiveLock"
BUDGET = Budget(1.0, 60.0)


def test_a_lock_counts_from_its_first_look_to_its_last() -> None:
    ledger = Ledger()
    for now, held in (
        (0.0, []),
        (1.0, [Held("1", "item", ALL, "ALTER")]),
        (1.5, [Held("1", "item", ALL, "other")]),
        (2.0, []),
    ):
        ledger.look(now, held, "V1.sql")
    assert ledger.locks() == [Lock("item", ALL, 0.5, "V1.sql", "ALTER")]
    assert ledger.gap == 1.0


def test_two_transactions_are_two_locks() -> None:
    """Also where the second one begins between two looks; the longer one is told."""
    ledger = Ledger()
    ledger.look(0.0, [Held("1", "item", ALL)])
    ledger.look(0.4, [Held("1", "item", ALL)])
    ledger.look(0.5, [Held("2", "item", ALL)])
    ledger.look(0.8, [Held("2", "item", ALL)])
    assert [round(one.seconds, 3) for one in ledger.locks()] == [0.4]


def test_the_same_lock_of_two_migrations_is_told_of_each() -> None:
    ledger = Ledger()
    ledger.look(0.0, [Held("1", "item", ALL)], "V1.sql")
    ledger.look(0.5, [Held("2", "item", ALL)], "V2.sql")
    ledger.look(0.9, [Held("2", "item", ALL)], "V2.sql")
    assert [(one.script, round(one.seconds, 3)) for one in ledger.locks()] == [("V2.sql", 0.4), ("V1.sql", 0.0)]


def test_what_every_program_takes_is_no_lock_to_speak_of() -> None:
    ledger = Ledger()
    ledger.look(0.0, [Held("1", "item", "AccessShareLock"), Held("1", "item", "RowShareLock")])
    assert ledger.locks() == []


def test_no_lock_is_ever_told_longer_than_it_was_held() -> None:
    """Whatever the moments of the looks: at least what was seen, and at most two gaps less than the truth."""
    for seed in range(200):
        chance = random.Random(seed)
        taken, given = sorted((chance.uniform(1, 9), chance.uniform(1, 9)))
        moments = sorted({0.0, 10.0, *(chance.uniform(0, 10) for _number in range(chance.randint(2, 60)))})
        ledger = Ledger()
        for now in moments:
            ledger.look(now, [Held("1", "item", ALL)] if taken <= now < given else [])
        told = sum(one.seconds for one in ledger.locks())
        assert given - taken - 2 * ledger.gap <= told <= given - taken, seed


def measures(*locks: Lock, size: int = 8192) -> Measures:
    return Measures(locks, {"item": Table("item", 1, size)}, [], 0.01)


def test_what_keeps_reads_or_writes_out_is_judged_by_the_budget() -> None:
    for mode, keeps in ((ALL, READS), ("ExclusiveLock", WRITES), ("ShareRowExclusiveLock", WRITES), (WRITERS, WRITES)):
        found = too_long(measures(Lock("item", mode, 1.5, "V1.sql", "ALTER")), BUDGET, {})
        assert [one.cause for one in found] == ["rehearsal_lock"]
        assert (
            f"keeps {keeps} from item" in found[0].message
            and "V1.sql" in found[0].message
            and "1.50 s" in found[0].message
        )
        assert too_long(measures(Lock("item", mode, 1.0)), BUDGET, {}) == []


def test_what_keeps_neither_out_is_not() -> None:
    for mode in ("ShareUpdateExclusiveLock", ROWS):
        assert too_long(measures(Lock("item", mode, 99.0)), BUDGET, {}) == []


def test_a_table_without_rows_and_one_that_was_not_there_are_not() -> None:
    assert too_long(measures(Lock("item", ALL, 99.0), size=0), BUDGET, {}) == []
    assert too_long(measures(Lock("new", ALL, 99.0)), BUDGET, {}) == []


def test_the_safe_way_is_said_where_it_is_known() -> None:
    lock = Lock("item", ALL, 1.5, "V1.sql", "CREATE INDEX")
    assert "CONCURRENTLY" in too_long(measures(lock), BUDGET, {"V1.sql": "CREATE INDEX CONCURRENTLY"})[0].remedy
    assert "max_lock" in too_long(measures(lock), BUDGET, {})[0].remedy


def test_rows_that_are_held_long_are_told_and_not_refused() -> None:
    said = rows_held(measures(Lock("item", ROWS, 1.5, "V1.sql", "UPDATE item SET a = 1")), BUDGET)
    assert len(said) == 1 and "UPDATE item SET a = 1" in said[0]


def test_too_slow_says_whether_they_came_to_their_end() -> None:
    assert "61.0 s" in str(too_slow(61.0, BUDGET, ended=True).actual)
    assert "not done" in str(too_slow(61.0, BUDGET, ended=False).actual)
