# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release waits for a backup of its own, leans on a scheduled one, or is refused."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import due
from ansible_collections.slipway.deploy.plugins.module_utils.backup.model import Backup, Manifest, Proof
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import (
    Clock,
    FakeEngine,
    keeper,
    order,
)

GIB = 2**30
NOW = 1_700_000_000.0
DAY = 86400.0


def backup(age=3600.0, *, seconds=100.0, restored=200.0, size=GIB, name="b1"):
    manifest = Manifest(
        id=name,
        number=1,
        engine="postgresql",
        format="custom",
        taken=NOW - age,
        seconds=seconds,
        source={"database": "shop", "size": size},
        server="15",
        client="15",
        position="",
        compression="zstd",
        recipients=[],
        facts={},
        parts={},
    )
    return Backup(manifest, (Proof("restore", True, NOW - age, restored),) if restored is not None else ())


def chosen(backups, size=GIB, longest=300.0, now=NOW):
    return due.instead(backups, due.forecast(backups, size), due.Patience(longest, DAY), now)


def test_what_the_last_restored_one_took_is_what_the_next_will_take_at_todays_size():
    assert due.forecast([backup()], GIB).seconds == 300
    assert due.forecast([backup()], 4 * GIB).seconds == 1200
    # A database that has become smaller promises nothing: most of its time may have been connecting.
    assert due.forecast([backup()], GIB // 4).seconds == 300
    assert due.forecast([backup(), backup(restored=None, name="b2")], GIB).basis.startswith("by what b1 took")


def test_without_one_that_was_restored_a_slow_machine_is_assumed():
    found = due.forecast([backup(restored=None)], GIB)
    assert found.seconds == pytest.approx(102.4)
    assert "none was restored yet" in found.basis


def test_a_quick_one_is_taken_however_fresh_the_last_one_is():
    assert chosen([backup(age=1)]) is None


def test_where_it_would_take_too_long_the_scheduled_one_is_enough_while_it_is_fresh():
    fresh = backup(age=DAY)
    assert chosen([fresh], size=2 * GIB) == fresh


@pytest.mark.parametrize(
    "backups, words",
    [
        ([], "actual none that was restored"),
        ([backup(restored=None)], "actual none that was restored"),
        ([backup(age=DAY + 1)], "b1, 24.0 h old"),
        ([backup(age=-60)], "b1, -0.0 h old"),
    ],
    ids=["none", "not restored", "too old", "from the future, so a clock went back"],
)
def test_otherwise_the_release_is_refused(backups, words):
    with pytest.raises(SlipwayError) as caught:
        chosen(backups, size=64 * GIB)
    assert caught.value.cause == "no_fresh_backup"
    said = caught.value.message
    for part in (words.replace("actual ", ""), "24.0 h old", "slipway_waive_backup", "300 s"):
        assert part in said


def test_a_newer_bad_one_hides_no_good_one_and_counts_for_nothing():
    bad = backup(age=10, name="b2")
    bad = bad._replace(proofs=(*bad.proofs, Proof("restore", False, NOW, 0.0, "lost rows")))
    good = backup(age=3600)
    assert chosen([good, bad], size=2 * GIB) == good


def test_a_release_that_leans_on_a_scheduled_one_takes_none(tmp_path):
    clock, engine = Clock(), FakeEngine()
    first = keeper(tmp_path, engine, clock).present(order())
    clock.now += 3600
    leaning = keeper(tmp_path, engine, clock).present(order()._replace(patience=due.Patience(-1.0, DAY)))
    assert (leaning.changed, leaning.backup.manifest.id) == (False, first.backup.manifest.id)
    assert "is fresh, 1.0 h old" in leaning.actions[0]
    clock.now += DAY
    with pytest.raises(SlipwayError, match="no fresh backup"):
        keeper(tmp_path, engine, clock).present(order()._replace(patience=due.Patience(-1.0, DAY)))
    own = keeper(tmp_path, engine, clock).present(order()._replace(patience=due.Patience(300.0, DAY)))
    assert own.changed and own.backup.verified_by == "restore"
