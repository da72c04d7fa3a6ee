# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Physical backups are taken, restored up to a point made now, and compared."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import physical_facts, physical_point
from ansible_collections.slipway.deploy.plugins.module_utils.backup.physical_copy import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.stages import scheduled

from .lab import Lab, Target, flipped, other, writing

pytestmark = pytest.mark.sample(6)


def test_a_backup_is_taken_restored_and_listed(lab: Lab, database: str, target: Target) -> None:
    result = target.good(physical={"type": "full"})
    backup = result["backup"]
    assert result["changed"]
    assert backup["id"] == lab.labels()[-1]
    assert (backup["verified_by"], backup["format"], backup["engine"]) == ("restore", "pgbackrest full", "postgresql")
    assert backup["restore_seconds"] > 0
    assert backup["plain_size"] > backup["size"] > 0
    assert backup["source"]["database"] == database
    assert "/" in backup["position"]
    listed = target.good("listed")
    assert listed["backups"][-1] == backup
    assert "restored in" in listed["table"][-1]


def test_an_incremental_backup_stands_on_a_full_one_and_is_proven_as_a_whole(lab: Lab, target: Target) -> None:
    full = target.good(physical={"type": "full"}, verify="none")["backup"]
    lab.execute(target.database, "INSERT INTO item (word) VALUES ('later')")
    made = target.good(physical={"type": "incr"})["backup"]
    assert made["id"].startswith(full["id"] + "_")
    assert (made["format"], made["verified_by"]) == ("pgbackrest incr", "restore")
    assert made["plain_size"] < full["plain_size"] / 2


def test_what_a_kept_release_leans_on_outlives_pgbackrest_s_retention(lab: Lab, target: Target) -> None:
    one = other(lab, **{"retention-full=90": "retention-full=1"})
    first = target.good(physical={**one, "type": "full"})["backup"]["id"]
    target.release(physical=one)
    others = set(lab.labels()) - {first}  # of tests before this one
    kept = target.good(verify="none", physical={**one, "type": "full"})
    assert {first, *others} < set(lab.labels())
    assert any("left pgBackRest's retention out" in said and first in said for said in kept["actions"])
    last = target.good(verify="none", physical={**one, "type": "full"}, keep=0)
    assert lab.labels() == [last["backup"]["id"]]


def test_a_second_run_changes_nothing_while_the_first_is_fresh(lab: Lab, target: Target) -> None:
    first = target.good(max_age=3600)
    before = lab.labels()
    again = target.good(max_age=3600)
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["backup"] == first["backup"]
    assert lab.labels() == before
    assert "is fresh: verified by restore" in again["actions"][-1]


def test_a_drill_restores_the_newest_one_again_unless_that_was_done(target: Target) -> None:
    label = target.good(verify="read")["backup"]["id"]
    drilled = target.good("verified", id="latest")
    assert (drilled["changed"], drilled["backup"]["id"], drilled["backup"]["verified_by"]) == (True, label, "restore")
    assert target.records() == [f"{label}.proof-1.json", f"{label}.proof-2.json"]
    assert not target.good("verified", id="latest", max_age=3600)["changed"]


def test_a_drill_needs_the_repository_and_not_the_machine_of_the_cluster(lab: Lab, target: Target) -> None:
    label = target.good(verify="none")["backup"]["id"]
    there = other(lab, **{"pg1-port": "pg1-host=cluster.invalid\npg1-port"})
    for by in ("read", "restore"):
        assert target.good("verified", id=label, verify=by, physical=there)["backup"]["verified_by"] == by
    assert "failed" not in target.release(physical=there)


def test_a_preview_takes_nothing_and_writes_nothing(lab: Lab, target: Target) -> None:
    before = lab.labels(), lab.ask("postgres", "SELECT pg_current_wal_lsn()")
    result = target.good(check=True)
    assert result["changed"]
    assert "back up" in result["actions"][-1]
    assert (lab.labels(), lab.ask("postgres", "SELECT pg_current_wal_lsn()")) == before
    assert not target.path.joinpath("root").exists()


def test_what_is_written_to_all_the_time_is_named_and_what_is_not_must_be_the_same(lab: Lab, target: Target) -> None:
    lab.execute(target.database, "CREATE TABLE busy (id bigserial PRIMARY KEY, at timestamptz DEFAULT now())")
    with writing(lab, target.database, "INSERT INTO busy DEFAULT VALUES") as count:
        result = target.good()
    assert count[0] > 10
    assert result["backup"]["verified_by"] == "restore"
    assert "changed meanwhile, so only read: table public.busy" in result["actions"][-1]
    assert "public.item" not in result["actions"][-1]


def test_a_table_that_is_filled_and_emptied_all_the_time_is_no_difference(lab: Lab, target: Target) -> None:
    """A queue: before and after the restore point it looks the same, at the point it may not."""
    lab.execute(target.database, "CREATE TABLE queue (id bigserial PRIMARY KEY)")
    with writing(lab, target.database, "INSERT INTO queue DEFAULT VALUES; COMMIT; DELETE FROM queue"):
        assert target.good()["backup"]["verified_by"] == "restore"


def test_what_no_physical_backup_has_is_no_difference(lab: Lab, target: Target) -> None:
    lab.execute(
        target.database,
        "CREATE UNLOGGED TABLE cache (id bigserial PRIMARY KEY)",
        "INSERT INTO cache SELECT FROM generate_series(1, 10)",
        "CREATE SEQUENCE down INCREMENT -5",
        "SELECT nextval('down'), nextval('item_id_seq')",
        "SELECT lo_create(0)",
    )
    assert target.good()["backup"]["verified_by"] == "restore"


def test_transactions_that_were_prepared_are_restored_too(lab: Lab, target: Target) -> None:
    lab.execute(target.database, "BEGIN; INSERT INTO item (word) VALUES ('prepared'); PREPARE TRANSACTION 'slow'")
    try:
        assert target.good()["backup"]["verified_by"] == "restore"
    finally:
        lab.execute(target.database, "ROLLBACK PREPARED 'slow'")


def test_the_copy_runs_no_subscription(lab: Lab, target: Target) -> None:
    """It would read, and so take away, what the publisher keeps for the live one."""
    lab.execute(target.database, "CREATE TABLE sold (id int PRIMARY KEY)", "CREATE PUBLICATION all_sold FOR TABLE sold")
    lab.execute(target.database, "SELECT pg_create_logical_replication_slot('for_sold', 'pgoutput')")
    where = f"host={lab.directory} port={lab.port} user=admin dbname={target.database}"
    lab.execute(
        target.database,
        f"CREATE SUBSCRIPTION sub CONNECTION '{where}' PUBLICATION all_sold"
        " WITH (create_slot = false, slot_name = 'for_sold', connect = false)",
        "ALTER SUBSCRIPTION sub ENABLE",
    )
    try:
        # Before it streams, the server has said all that it says of the slot.
        while lab.ask("postgres", "SELECT state FROM pg_stat_replication WHERE application_name = 'sub'") != [
            ("streaming",)
        ]:
            pass
        log = lab.directory / "log" / "server"
        begun = log.stat().st_size
        assert target.good()["backup"]["verified_by"] == "restore"
        assert "for_sold" not in log.read_text()[begun:]
    finally:
        lab.execute(target.database, "ALTER SUBSCRIPTION sub DISABLE", "ALTER SUBSCRIPTION sub SET (slot_name = NONE)")
        lab.execute(target.database, "DROP SUBSCRIPTION sub")
        lab.execute("postgres", "SELECT pg_drop_replication_slot('for_sold')")


def older_point(lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the proof restore up to a point from before, which is as if all since had been lost."""
    lab.execute("postgres", f"SELECT pg_create_restore_point('{name}')")
    make = physical_point.make
    monkeypatch.setattr(physical_point, "make", lambda *order: make(*order)._replace(name=name))
    monkeypatch.setattr(physical_facts, "SETTLED", 0.0)


LOST = {
    "INSERT INTO item (word) VALUES ('new')": "table public.item: 1000 rows, wanted 1001",
    "UPDATE other SET word = 'other' WHERE id = 7": "table public.other: 1000 rows, but not the same ones",
    "CREATE TABLE more (id int)": "table public.more: is missing",
    "CREATE INDEX extra ON item (word)": "object extra; Type: INDEX; Schema: public: is missing",
    "ALTER TABLE other ALTER word SET DEFAULT 'x'": "object other; Type: TABLE; Schema: public: is not the same",
    "SELECT nextval('item_id_seq') FROM generate_series(1, 200)": "sequence public.item_id_seq: stands at",
    "SELECT lo_create(0)": "large objects all: is not the same",
}


def test_a_copy_that_has_lost_something_is_no_proof(lab: Lab, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.execute(target.database, "CREATE TABLE other AS SELECT * FROM item", "ALTER TABLE other ADD PRIMARY KEY (id)")
    label = target.good(verify="none")["backup"]["id"]
    with monkeypatch.context() as patch:
        older_point(lab, patch, f"before_{target.database}")
        lab.execute(target.database, *LOST)
        said = target.fails("bad_backup", "restores to something else", "verified", id=label)["msg"]
    assert [words for words in LOST.values() if words not in said] == []
    listed = target.good("listed")
    assert listed["backups"][-1]["verified_by"] == "none"
    assert "BAD: " in listed["table"][-1]
    target.fails("no_fresh_backup", "none that was restored", in_release_max=0.0)
    assert target.good("verified", id=label)["backup"]["verified_by"] == "restore"  # it was the copy, not the backup


def test_a_damaged_page_of_the_copy_is_found_in_whatever_file_it_is(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a database that is not compared, and of an index, too: as if its disk had damaged it."""
    label = target.good(verify="none")["backup"]["id"]
    stop = Copy.stop

    def damaging(copy: Copy) -> None:
        stop(copy)
        largest = max(pathlib.Path(copy._data, "base", "1").iterdir(), key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[5000] ^= 1
        largest.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr(Copy, "stop", damaging)
        target.fails("bad_backup", "pages: ", "verified", id=label)


def test_a_damaged_page_of_the_live_cluster_is_told_although_pgbackrest_ends_well(lab: Lab, target: Target) -> None:
    lab.execute(target.database, "CREATE TABLE page AS SELECT n FROM generate_series(1, 1000) AS n", "CHECKPOINT")
    path = lab.directory / "data" / str(lab.ask(target.database, "SELECT pg_relation_filepath('page')")[0][0])
    with flipped(path):
        failed = target.fails("bad_backup", "has pages in it whose checksums are wrong", physical={"type": "full"})
    label = failed["error"]["object"]
    try:
        assert label == lab.labels()[-1]
        assert target.good("listed")["backups"][-1]["problem"]
        target.fails("bad_backup", "checksums are wrong", "verified", id=label)
    finally:
        lab.backrest("expire", f"--set={label}")
        lab.backrest("backup", "--type=full")  # pgBackRest takes no other one after the newest full one has gone


def test_an_index_whose_order_is_wrong_is_told_where_amcheck_is_there(lab: Lab, target: Target) -> None:
    """As on a machine whose C library sorts in another way than that of the live cluster."""
    order = (
        "CREATE OR REPLACE FUNCTION way(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT btint4cmp($1, $2) * {}'"
    )
    ways = ", ".join(f"OPERATOR {number} {name}" for number, name in enumerate(("<", "<=", "=", ">=", ">"), start=1))
    lab.execute(
        target.database,
        "CREATE EXTENSION amcheck",
        order.format(1),
        f"CREATE OPERATOR CLASS other FOR TYPE int USING btree AS {ways}, FUNCTION 1 way(int, int)",
        "CREATE TABLE sorted AS SELECT n FROM generate_series(1, 500) AS n",
        "CREATE INDEX by_way ON sorted (n other)",
    )
    label = target.good()["backup"]["id"]
    lab.execute(target.database, order.format(-1))
    target.fails("bad_backup", "index public.by_way: ", "verified", id=label)


@pytest.mark.parametrize("password, state", [(None, "present"), (None, "listed"), ("wrong: wörd", "present")])
def test_no_word_of_the_connection_string_comes_back(
    lab: Lab, target: Target, password: str | None, state: str
) -> None:
    url = lab.url(target.database, password=password) if password else lab.url(target.database)
    said = json.dumps(target.run(state, url=url, verify="none"), ensure_ascii=False)
    assert "wörd" not in said
    assert ("cannot log in" in said) is bool(password)


def test_backups_are_not_deleted_and_live_clusters_not_replaced(target: Target) -> None:
    label = target.good(verify="none")["backup"]["id"]
    target.fails("not_ours", f"--set={label}", "absent", id=label)
    target.fails("whole_cluster", "is on a new timeline", "restored", id=label, confirm=target.database)


def test_what_is_known_of_backups_that_have_expired_goes(lab: Lab, target: Target) -> None:
    old = target.good(physical={"type": "full"}, verify="read")["backup"]["id"]
    target.good(physical={"type": "full"}, verify="none")
    lab.backrest("expire", f"--set={old}")
    newest = target.good(physical={"type": "incr"}, verify="read")["backup"]["id"]
    assert target.records() == [f"{newest}.proof-1.json"]


@pytest.mark.parametrize("state", ["present", "verified"])
def test_a_timer_takes_and_drills_physical_backups(target: Target, state: str, tmp_path: pathlib.Path) -> None:
    label = target.good(verify="none")["backup"]["id"]
    order = tmp_path / "order.json"
    order.write_text(json.dumps({**target.params(), "textfile_dir": str(tmp_path)}))
    assert scheduled.main(str(order), state) == 0
    newest = target.good("listed")["backups"][-1]
    assert (newest["id"] == label) is (state == "verified")
    assert newest["verified_by"] == "restore"
    figures = (tmp_path / "slipway_backup_shop-test.prom").read_text()
    assert f'restored_timestamp_seconds{{platform="shop",environment="test"}} {newest["taken"]}' in figures
