# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release leans on a physical backup that was restored and on a restore point made now, or is refused."""

from __future__ import annotations

import pathlib

import pytest

from .lab import Lab, Target, cluster_in

pytestmark = pytest.mark.sample(4)


def test_a_release_can_be_undone_to_just_before_it(lab: Lab, target: Target, place: pathlib.Path) -> None:
    proven = target.good()["backup"]
    lab.execute(target.database, "INSERT INTO item (word) SELECT 'before' FROM generate_series(1, 5)")
    result = target.release(1)
    assert not result.get("failed"), result["msg"]
    assert (result["changed"], result["backup"]["id"]) == (True, proven["id"])
    point = result["restore_point"]
    assert point["name"] == "slipway_r1"
    assert lab.wal(point["segment"]).exists()
    (note,) = target.notes(1)
    assert (note["name"], note["id"], note["verified_by"]) == ("backup", proven["id"], "restore")
    assert note["restore_point"] == {"name": "slipway_r1", "lsn": point["lsn"]}
    lab.execute(target.database, "DROP TABLE item")  # what the release did
    back = target.good("restored", id="1.1.0", into_dir=str(place / "c"))
    assert "as it was at the restore point slipway_r1" in back["actions"][0]
    with cluster_in(place / "c", place / "s") as ask:
        assert ask(target.database, "SELECT count(*) FROM item")[0][0] == 1005


def test_a_release_without_one_that_was_restored_is_refused(lab: Lab, target: Target) -> None:
    result = target.release(1)
    assert (result["failed"], result["error"]["cause"]) == (True, "no_fresh_backup")
    target.good(verify="read")
    assert target.release(2)["error"]["cause"] == "no_fresh_backup"
    assert target.notes(2) == []
    target.good("verified", id="latest")
    assert "failed" not in target.release(3)
    assert target.release(4, scheduled_max_age=0.0)["error"]["cause"] == "no_fresh_backup"


def test_a_release_waits_for_a_broken_archive_no_longer_than_it_was_told(lab: Lab, target: Target) -> None:
    target.good()
    lab.archive("false # pgbackrest")
    try:
        result = target.release(1, physical={"archive_timeout": 1.0})
    finally:
        lab.archive()
    assert (result["failed"], result["error"]["cause"]) == (True, "archive_broken")
    assert "archive_command is 'false # pgbackrest'" in result["msg"]
    assert "within 1 s" in result["msg"]
    assert target.notes(1) == []
    assert "failed" not in target.release(2)


def test_an_archive_command_that_only_says_so_is_not_believed(lab: Lab, target: Target) -> None:
    target.good()
    lab.archive("true # pgbackrest")
    try:
        result = target.release(1, physical={"archive_timeout": 1.0})
    finally:
        lab.archive()
    assert (result["failed"], result["error"]["cause"]) == (True, "archive_broken")
    assert "the repository does not have it" in result["msg"]
    target.good(physical={"type": "full"}, verify="none")  # the WAL has a gap now


def test_a_preview_makes_no_restore_point(lab: Lab, target: Target) -> None:
    target.good()
    before = lab.ask("postgres", "SELECT pg_current_wal_lsn()")
    result = target.release(1, check=True)
    assert "and make the restore point slipway_r1" in result["actions"][-1]
    assert "restore_point" not in result
    assert lab.ask("postgres", "SELECT pg_current_wal_lsn()") == before


@pytest.mark.parametrize(
    "method, longest, kind, why",
    [
        ("auto", 300.0, "custom", "logical: a dump and its restore will take about"),
        ("auto", 0.0, "pgbackrest", "physical: a dump and its restore will take about"),
        ("logical", 300.0, "custom", "a backup will take about"),
        ("physical", 300.0, "pgbackrest", "physical: method is physical"),
    ],
)
def test_the_method_goes_by_the_time_a_dump_takes_and_can_be_set(
    target: Target, tmp_path: pathlib.Path, method: str, longest: float, kind: str, why: str
) -> None:
    target.good()
    store = {"kind": "local", "path": str(tmp_path / "store")}
    result = target.release(1, store=store, method=method, in_release_max=longest)
    assert not result.get("failed"), result["msg"]
    assert result["backup"]["format"].startswith(kind)
    assert why in result["actions"][0]
    kinds = {backup["format"].split(maxsplit=1)[0] for backup in result["backups"]}
    assert kind in kinds


def test_both_kinds_are_listed_and_each_is_asked_by_its_id(target: Target, tmp_path: pathlib.Path) -> None:
    store = {"kind": "local", "path": str(tmp_path / "store")}
    dump = target.good(store=store, method="logical", verify="none")["backup"]["id"]
    label = target.good(store=store, verify="none")["backup"]["id"]
    listed = [backup["id"] for backup in target.good("listed", store=store)["backups"]]
    assert listed[-2:] == [dump, label]
    assert target.good("verified", store=store, id=dump, verify="read")["backup"]["id"] == dump
    assert target.good("verified", store=store, id="latest", verify="read")["backup"]["id"] == label
    target.fails("whole_cluster", "into_dir", "restored", store=store, id=label, into="copy")
