# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release leans on a snapshot that was proven and makes another, from which it can be undone; or it is refused."""

from __future__ import annotations

import pathlib
import shlex

import pytest

from tests.integration_local.physical.lab import Site, cluster_in

from .lab import Lab, Target

pytestmark = pytest.mark.sample(2)


def test_a_release_can_be_undone_to_just_before_it(lab: Lab, target: Target, place: pathlib.Path) -> None:
    proven = target.good()["backup"]
    lab.execute(target.database, "INSERT INTO item (word) SELECT 'before' FROM generate_series(1, 5)")
    result = target.release(1)
    assert not result.get("failed"), result["msg"]
    assert (result["changed"], result["backup"]["id"]) == (True, proven["id"])
    point = result["restore_point"]
    assert lab.names() == sorted(target.named(name) for name in (proven["id"], point["name"]))
    (note,) = target.notes(1)
    assert (note["name"], note["id"], note["verified_by"]) == ("backup", proven["id"], "restore")
    assert note["restore_point"] == {"name": point["name"], "lsn": point["lsn"]}
    lab.execute(target.database, "DROP TABLE item")  # what the release did
    target.fails("whole_cluster", "has no dump of its own", "restored", id="1.1.0", confirm=target.database)
    back = target.good("restored", id="1.1.0", into_dir=str(place / "c"))
    assert f"clone {point['name']} to {place}/c" in back["actions"][0]
    assert "start it with: " in back["actions"][2]
    assert "when nobody needs it: " in back["actions"][3]
    assert "archive_mode = 'off'" in (place / "c" / "main" / "postgresql.auto.conf").read_text()
    with cluster_in(place / "c" / "main", place / "s") as ask:
        assert ask(target.database, "SELECT count(*) FROM item")[0][0] == 1005
    assert not target.left().exists()


def test_the_snapshot_of_a_kept_release_stays_whatever_the_retention_says(lab: Lab, target: Target) -> None:
    target.good()
    point = target.release(1)["restore_point"]["name"]
    newest = target.good(retention={"last": 1}, keep=3)["backup"]["id"]
    assert target.named(point) in lab.names()
    target.good(retention={"last": 1}, keep=0, verify="none")
    assert target.kept()[0] == newest  # proven, and so the only one that stays beside the one just made
    assert target.named(point) not in lab.names()


def test_a_release_without_a_fresh_one_that_was_proven_is_refused(lab: Lab, target: Target) -> None:
    assert target.release(1)["error"]["cause"] == "no_fresh_backup"
    target.good(verify="none")
    assert target.release(2)["error"]["cause"] == "no_fresh_backup"
    assert target.notes(2) == []
    assert len(lab.names()) == 1
    target.good("verified", id="latest")
    assert "failed" not in target.release(3)
    assert target.release(4, scheduled_max_age=0.0)["error"]["cause"] == "no_fresh_backup"
    assert "failed" not in target.release(5, waive="nothing is in it yet", scheduled_max_age=0.0)


def test_what_a_release_made_is_read_to_its_end_and_never_counts_as_proven(lab: Lab, target: Target) -> None:
    lab.execute(target.database, "VACUUM (FREEZE) item", "CHECKPOINT")  # so that no WAL has whole pages of it
    proven = target.good()["backup"]["id"]
    point = target.release(1)["restore_point"]["name"]
    drilled = target.good("verified", id="latest")
    assert drilled["backup"]["id"] == proven
    read = target.good("verified", id=point)
    assert read["backup"]["verified_by"] == "read"
    assert "counts no rows" in read["actions"][-1]
    path = (
        lab.snapshots / target.named(point) / str(lab.ask(target.database, "SELECT pg_relation_filepath('item')")[0][0])
    )
    path.unlink()
    target.fails("bad_backup", "cannot be read to its end", "verified", id=point)


def test_a_release_takes_a_dump_where_that_is_quick_and_a_snapshot_where_not(lab: Lab, target: Target) -> None:
    result = target.release(1, method="auto")
    assert result["backup"]["format"] == "custom"
    assert lab.names() == []
    proven = target.good(method="auto")["backup"]
    assert proven["format"] == "snapshot"
    leaning = target.release(2, method="auto", in_release_max=0.0)
    assert leaning["backup"]["id"] == proven["id"]
    assert leaning["why"].startswith("snapshot: a dump and its restore will take about")


def test_a_clone_that_is_to_stay_is_refused_where_it_cannot_be(lab: Lab, target: Target, place: pathlib.Path) -> None:
    name = target.good(verify="none")["backup"]["id"]
    for changes, cause, words in (
        ({"into_dir": str(lab.data / "base")}, "exists", "no empty directory"),
        ({"into_dir": str(lab.data / "new")}, "not_apart", "is the live cluster's own"),
        ({"into_dir": str(place / "no" / "c")}, "bad_input", "in a directory that is there"),
        ({"into_dir": str(place / "c"), "target_time": "2026-11-24 03:15:00Z"}, "bad_input", "is of one moment"),
        ({"into_dir": str(place / "c"), "target_name": "20261128T000000Z-abcdef"}, "missing", "no such backup"),
        ({"confirm": target.database}, "whole_cluster", "into_dir"),
        ({"into": "copy"}, "whole_cluster", "into_dir"),
    ):
        target.fails(cause, words, "restored", id=name, **changes)
    assert not (place / "c").exists()
    assert not (lab.data / "new").exists()
    assert not target.left().exists()
    check = target.good("restored", id=name, into_dir=str(place / "c"), check=True)
    assert "would clone" in check["actions"][-1]
    assert not (place / "c").exists()


def test_the_live_cluster_need_not_run_for_it(lab: Lab, target: Target, place: pathlib.Path) -> None:
    target.good(verify="none")
    nowhere = f"host={place}/s port=1 user=admin dbname={target.database}"
    target.good("restored", id="latest", into_dir=str(place / "c"), url=nowhere)
    with cluster_in(place / "c" / "main", place / "s") as ask:
        assert ask(target.database, "SELECT count(*) FROM item")[0][0] == 1000


def test_the_playbooks_make_list_and_bring_back_from_what_a_site_says(
    lab: Lab, target: Target, place: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    params = target.params()
    names = ("create", "clone", "unclone", "remove", "list")
    commands = {name: shlex.join(params["snapshot"][name]) for name in names}
    backup = {
        "snapshot": {**commands, "data": "main"},
        "method": "snapshot",
        "store": {"path": params["store"]["path"]},
    }
    site = Site(target, tmp_path, backup)
    said = [site.play("backup")]
    (name,) = target.kept()
    assert f"{name} is good, by restore" in said[0]
    lab.execute(target.database, "DELETE FROM item WHERE id > 10")
    said.append(site.play("backups"))
    assert f"{name}  0.0 h old" in said[1]
    said.append(site.play("restore", restore_dir=str(place / "c")))
    assert "has come up" in said[2]
    with cluster_in(place / "c" / "main", place / "s") as ask:
        assert ask(target.database, "SELECT count(*) FROM item")[0][0] == 1000
    assert "wörd" not in "".join(said)
