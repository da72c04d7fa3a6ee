# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was the same before and after a restore point must be so in the copy; what changed between is named."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import physical_facts
from ansible_collections.slipway.deploy.plugins.module_utils.backup.physical_facts import Around, judge, settled
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import Clock


def facts(schema=None, sequences=None, **tables):
    return {
        "schema": schema or {"t": "1"},
        "tables": {name: [rows, "sum"] for name, rows in tables.items()},
        "large_objects": {"all": [0, "0"]},
        "sequences": {name: [value, value] for name, value in (sequences or {}).items()},
    }


def around(before, after, *, unlogged=(), steps=None, written=None):
    return Around(before, after, written or {}, set(unlogged), steps or {})


@pytest.mark.parametrize(
    "before, after, copy, differences, changed",
    [
        (5, 5, 5, [], []),
        (5, 5, 4, ["table a: 4 rows, wanted 5"], []),
        (5, 9, 7, [], ["table a"]),
        (5, 9, 3, [], ["table a"]),  # rows may have gone and come: it is named, and counts for no proof
        (5, 9, None, ["table a: is missing"], ["table a"]),
        (5, None, None, [], ["table a"]),
        (None, 5, 5, [], ["table a"]),
        (None, None, 5, ["table a: was not there"], []),
    ],
)
def test_a_table(before, after, copy, differences, changed):
    made = [facts(**({} if rows is None else {"a": rows})) for rows in (before, after, copy)]
    found = judge(around(made[0], made[1]), made[2])
    assert (found.differences, found.changed) == (differences, changed)


def test_an_object_that_changed_meanwhile_may_be_either():
    before, after = facts({"t": "1", "v": "1"}), facts({"t": "2", "v": "1"})
    for copy in ({"t": "1", "v": "1"}, {"t": "2", "v": "1"}):
        assert judge(around(before, after), facts(copy)).differences == []
    assert judge(around(before, after), facts({"t": "1"})).differences == ["object v: is missing"]


def test_what_no_physical_backup_has_is_left_out():
    assert judge(around(facts(a=5), facts(a=5), unlogged=["a"]), facts(a=0)).differences == []


@pytest.mark.parametrize(
    "before, after, copy, step, good",
    [
        (10, 10, 10, 33, True),
        (10, 10, 43, 33, True),  # the WAL runs ahead
        (10, 10, 44, 33, False),
        (10, 10, 9, 33, False),
        (10, 20, 15, 33, True),
        (-10, -20, -53, -33, True),
        (-10, -20, -54, -33, False),
        (-10, -10, -9, -33, False),
        (10, 10, None, 33, False),
    ],
)
def test_a_sequence(before, after, copy, step, good):
    made = facts(sequences={} if copy is None else {"s": copy})
    found = judge(around(facts(sequences={"s": before}), facts(sequences={"s": after}), steps={"s": step}), made)
    assert (found.differences == []) is good


def test_a_table_that_changed_and_was_as_before_again_is_told_by_what_was_written():
    live = around(facts(a=5, b=5), facts(a=5, b=5), written={"a": 100, "b": 100})
    copy, clock = facts(a=6, b=4), Waiting()
    found = settled(live, judge(live, copy), copy, lambda: {"a": 100 + (clock.waited > 3), "b": 100}, clock)
    assert (found.differences, found.changed) == (["table b: 4 rows, wanted 5"], ["table a"])
    assert clock.waited <= physical_facts.SETTLED + physical_facts.PAUSE


def test_without_a_difference_nothing_is_waited_for():
    live = around(facts(a=5), facts(a=5))
    clock = Waiting()
    assert settled(live, judge(live, facts(a=5)), facts(a=5), dict, clock).differences == []
    assert clock.waited == 0


class Waiting(Clock):
    """Time passes only while somebody sleeps."""

    waited = 0.0

    def monotonic(self):
        return self.waited

    def sleep(self, seconds):
        self.waited += seconds
