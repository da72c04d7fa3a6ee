# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots are made, proven by a throw-away server on a clone, and kept."""

from __future__ import annotations

import json
import pathlib
import shlex

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages import scheduled

from tests.integration_local.physical.lab import writing

from .lab import Lab, Target

pytestmark = pytest.mark.sample(2)


def test_a_snapshot_is_made_proven_and_listed(lab: Lab, database: str, target: Target) -> None:
    result = target.good()
    backup = result["backup"]
    assert result["changed"]
    assert lab.names() == [target.named(backup["id"])]
    assert (backup["verified_by"], backup["format"], backup["engine"]) == ("restore", "snapshot", "postgresql")
    assert backup["restore_seconds"] > 0
    assert "/" in backup["position"]
    listed = target.good("listed")
    assert listed["backups"] == [backup]
    assert "restored in" in listed["table"][-1]
    assert not target.left().exists()


def test_a_second_run_changes_nothing_while_the_first_is_fresh(lab: Lab, target: Target) -> None:
    first = target.good(max_age=3600)
    again = target.good(max_age=3600)
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["backup"] == first["backup"]
    assert lab.names() == [target.named(first["backup"]["id"])]


def test_a_drill_proves_the_newest_one_again_although_its_database_has_gone_on(lab: Lab, target: Target) -> None:
    name = target.good(verify="none")["backup"]["id"]
    lab.execute(target.database, "DELETE FROM item WHERE id > 10", "CREATE TABLE later (id int)")
    drilled = target.good("verified", id="latest")
    assert (drilled["changed"], drilled["backup"]["id"], drilled["backup"]["verified_by"]) == (True, name, "restore")
    assert not target.good("verified", id="latest", max_age=3600)["changed"]
    assert target.good("verified", id=name)["changed"]


def test_a_preview_makes_nothing_and_writes_nothing(lab: Lab, target: Target) -> None:
    result = target.good(check=True)
    assert result["changed"]
    assert "snapshot the cluster" in result["actions"][-1]
    assert lab.names() == []
    assert not target.path.joinpath("root").exists()
    assert not target.path.joinpath("store").exists()


def test_what_is_written_to_all_the_time_is_named_and_what_is_not_must_be_the_same(lab: Lab, target: Target) -> None:
    lab.execute(target.database, "CREATE TABLE busy (id bigserial PRIMARY KEY, at timestamptz DEFAULT now())")
    with writing(lab, target.database, "INSERT INTO busy DEFAULT VALUES") as count:
        result = target.good()
        assert count[0] > 10
        name = result["backup"]["id"]
        assert "changed meanwhile, so only read: table public.busy" in result["actions"][-1]
        assert "public.item" not in result["actions"][-1]
        assert target.good("verified", id=name)["backup"]["verified_by"] == "restore"


def test_a_table_that_is_filled_and_emptied_all_the_time_is_no_difference_now_nor_later(
    lab: Lab, target: Target
) -> None:
    """A queue: before and after the snapshot it looks the same, in it it may not."""
    lab.execute(target.database, "CREATE TABLE queue (id bigserial PRIMARY KEY)")
    with writing(lab, target.database, "INSERT INTO queue DEFAULT VALUES; COMMIT; DELETE FROM queue"):
        name = target.good()["backup"]["id"]
    assert target.good("verified", id=name)["backup"]["verified_by"] == "restore"


def test_what_was_answered_for_and_not_yet_on_disk_is_in_the_snapshot(lab: Lab, target: Target) -> None:
    """Without synchronous_commit the server answers first; what was seen before the snapshot must be in it all the same."""
    lab.execute(target.database, "SET synchronous_commit = off; INSERT INTO item (word) VALUES ('answered')")
    assert target.good()["backup"]["verified_by"] == "restore"


def test_what_recovery_empties_is_no_difference(lab: Lab, target: Target) -> None:
    lab.execute(target.database, "CREATE UNLOGGED TABLE cache AS SELECT n FROM generate_series(1, 100) AS n")
    assert target.good()["backup"]["verified_by"] == "restore"


LOST = {
    "DELETE FROM item WHERE id = 7": "table public.item: 999 rows, wanted 1000",
    "UPDATE other SET word = 'x' WHERE id = 7": "table public.other: 1000 rows, but not the same ones",
    "DROP TABLE gone": "table public.gone: is missing",
    "DROP INDEX found_by": "object found_by; Type: INDEX; Schema: public: is missing",
    "SELECT setval('item_id_seq', 5)": "sequence public.item_id_seq: stands at 5",
}


def test_a_snapshot_that_lacks_something_is_no_proof(lab: Lab, target: Target) -> None:
    """As if it had been made of something else, or lost some."""
    lab.execute(
        target.database,
        "CREATE TABLE other AS SELECT * FROM item",
        "ALTER TABLE other ADD PRIMARY KEY (id)",
        "CREATE TABLE gone (id int)",
        "CREATE INDEX found_by ON item (word)",
    )
    name = target.good(verify="none")["backup"]["id"]
    lab.change(target.named(name), target.database, *LOST)
    said = target.fails("bad_backup", "restores to something else", "verified", id=name)["msg"]
    assert [words for words in LOST.values() if words not in said] == []
    assert "BAD: " in target.good("listed")["table"][-1]
    target.fails("missing", "no such backup", "verified", id="latest")
    assert target.good()["backup"]["verified_by"] == "restore"


def test_retention_goes_by_the_storages_own_remove_and_never_takes_the_last_proven_one(
    lab: Lab, target: Target
) -> None:
    proven = target.good(retention={"last": 1})["backup"]["id"]
    second = target.good(retention={"last": 1}, verify="none")["backup"]["id"]
    third = target.good(retention={"last": 1}, verify="none")
    assert target.kept() == sorted([proven, third["backup"]["id"]])
    assert lab.names() == [target.named(name) for name in target.kept()]
    assert f"removed {second}: beyond the retention" in " ".join(third["actions"])
    target.fails("protected", "the last one verified", "absent", id=proven)
    assert target.good("absent", id=third["backup"]["id"])["changed"]
    assert lab.names() == [target.named(proven)]


def test_dumps_are_taken_beside_snapshots_by_the_same_target(lab: Lab, target: Target) -> None:
    dump = target.good(method="logical")["backup"]
    snapshot = target.good(method="auto", verify="none")["backup"]
    assert (dump["format"], snapshot["format"]) == ("custom", "snapshot")
    assert [one["id"] for one in target.good("listed")["backups"]] == [dump["id"], snapshot["id"]]
    target.good("absent", id=snapshot["id"])
    assert lab.names() == []
    assert [one["id"] for one in target.good("listed")["backups"]] == [dump["id"]]


@pytest.mark.parametrize("state", ["present", "verified"])
def test_a_timer_makes_and_drills_snapshots(target: Target, state: str, tmp_path: pathlib.Path) -> None:
    name = target.good(verify="none")["backup"]["id"]
    order = tmp_path / "order.json"
    order.write_text(json.dumps({**target.params(), "textfile_dir": str(tmp_path)}))
    assert scheduled.main(str(order), state) == 0
    newest = target.good("listed")["backups"][-1]
    assert (newest["id"] == name) is (state == "verified")
    figures = (tmp_path / "slipway_backup_shop-test.prom").read_text()
    assert f'restored_timestamp_seconds{{platform="shop",environment="test"}} {newest["taken"]}' in figures


def test_no_word_of_the_connection_string_comes_back_nor_reaches_a_command(
    target: Target, tmp_path: pathlib.Path
) -> None:
    seen = tmp_path / "seen"
    listed = shlex.join(target.params()["snapshot"]["list"])
    spied = {"list": ["sh", "-c", f"{listed}; env > {seen}; tr '\\0' ' ' < /proc/$$/cmdline >> {seen}"]}
    said = json.dumps(target.run(snapshot=spied), ensure_ascii=False) + seen.read_text()
    assert "wörd" not in said
