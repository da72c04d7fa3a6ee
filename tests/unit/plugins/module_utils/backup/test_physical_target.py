# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment is read as it was meant, and the backup before it is what a restore begins with."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.model import (
    Backup,
    Point,
    Proof,
    point_of,
    to_bytes,
)
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pgbackrest_info import backup_of
from ansible_collections.slipway.deploy.plugins.module_utils.backup.physical_records import Records
from ansible_collections.slipway.deploy.plugins.module_utils.backup.physical_restore import Target, moment_of, number_of
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

LABELS = [f"2026112{day}-031500F" for day in range(1, 5)]


def backups() -> list[Backup]:
    """One each thousand seconds, at 1/0, 2/0, …"""
    return [
        backup_of(
            {
                "label": label,
                "type": "full",
                "timestamp": {"start": n * 1000 - 10, "stop": n * 1000},
                "lsn": {"stop": f"{n}/0"},
                "info": {"size": 1, "delta": 1, "repository": {"delta": 1}},
                "backrest": {"version": "2.45"},
                "database": {"id": 1},
            },
            n,
            {},
            {1: "15"},
        )
        for n, label in enumerate(LABELS, start=1)
    ]


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1970-01-01 00:00:01Z", 1.0),
        ("1970-01-01T00:00:01+00:00", 1.0),
        ("1970-01-01 02:00:01+02", 1.0),
        ("1970-01-01 02:00:01+0200", 1.0),
        ("1969-12-31 18:30:01.5-05:30", 1.5),
        ("1970-01-01 00:00:01.000001Z", 1.000001),
        ("1970-01-01 00:01Z", 60.0),
    ],
)
def test_a_moment(text, seconds):
    assert moment_of(text).timestamp() == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-24", "2026-11-24 03:15:00", "2026-13-24 03:15:00Z", "2026-11-24 03:15:00 CET"]
)
def test_what_is_no_moment(text):
    with pytest.raises(SlipwayError) as caught:
        moment_of(text)
    assert caught.value.cause == "bad_input"


POINTS = [Point("before_r1", "2/80", "seg", 2500.0, LABELS[1])]


@pytest.mark.parametrize(
    "target, label",
    [
        (Target("/d"), LABELS[3]),
        (Target("/d", time="1970-01-01 00:33:20Z"), LABELS[1]),  # second 2000
        (Target("/d", time="1970-01-01 00:33:19.999999Z"), LABELS[0]),
        (Target("/d", name="before_r1"), LABELS[1]),
        (Target("/d", name="of somebody else"), LABELS[3]),
        (Target("/d", lsn="3/0"), LABELS[2]),
        (Target("/d", lsn="2/FFFFFFFF"), LABELS[1]),
    ],
)
def test_the_newest_backup_that_ended_before_it(target, label):
    assert target.choose(backups(), POINTS, "latest")[0].manifest.id == label


def test_one_that_was_found_bad_is_passed_over_unless_it_is_named():
    known = backups()
    known[3] = known[3]._replace(proofs=(Proof("restore", False, 1.0, 0.0, "lost rows"),))
    assert Target("/d").choose(known, [], "latest")[0].manifest.id == LABELS[2]
    assert Target("/d").choose(known, [], LABELS[3])[0].manifest.id == LABELS[3]


def test_places_in_the_wal_are_compared_as_numbers():
    assert number_of("A/0") > number_of("9/FFFFFFFF")
    assert number_of("0/10000000") > number_of("0/FFFFFFF")


def test_records_come_back_in_order_and_go_with_their_backup(tmp_path):
    records = Records(str(tmp_path / "r"), System())
    (backup,) = backups()[:1]
    for n in range(12):
        records.add(LABELS[0], Proof("restore", bool(n % 2), float(n), 1.0))
    records.add(LABELS[1], POINTS[0])
    assert [proof.at for proof in records.with_proofs(backup).proofs] == [float(n) for n in range(12)]
    assert records.points() == POINTS
    records.forget([LABELS[0]])
    assert records.points() == []
    assert len(records.with_proofs(backup).proofs) == 12


def test_a_point_that_was_damaged_on_disk_is_none(tmp_path):
    records = Records(str(tmp_path), System())
    records.add(LABELS[1], POINTS[0])
    (path,) = tmp_path.iterdir()
    assert point_of(path.read_bytes(), path.name) == POINTS[0]
    path.write_bytes(to_bytes(POINTS[0]).replace(b"2/80", b"2/81"))
    assert records.points() == []
