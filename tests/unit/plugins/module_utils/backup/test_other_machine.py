# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine takes the backups, another one restores them: the store is all that both have."""

from __future__ import annotations

import base64
import json
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mark
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup, scheduled
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import Clock

NAMES = {"platform": "shop", "environment": "test"}


class Pair:
    """Two machines, each with a root and a scratch directory of its own, and a store that both see."""

    def __init__(self, path):
        self.path, self.store = path, path / "store"
        for machine in ("db1", "prover"):
            (path / machine).mkdir()
        self.database = path / "db1" / "shop.db"
        with sqlite3.connect(self.database) as link:
            link.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
            link.executemany("INSERT INTO item (name) VALUES (?)", [("kettle",), ("pot",)])
        link.close()

    def params(self, machine, **changes):
        params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
        params.update(NAMES, engine="sqlite", name="shop-test", compression={"method": "none"})
        params.update(root=str(self.path / machine / "root"), scratch_dir=str(self.path / machine))
        params["url"] = base64.b64encode(str(self.database).encode()).decode() if machine == "db1" else None
        return {**params, "store": {"kind": "local", "path": str(self.store)}, **changes}

    def on(self, machine, *, check=False, **changes):
        return database_backup.perform(self.params(machine, **changes), check)

    def take(self, **changes):
        return self.on("db1", **{"verify": "none", **changes})

    def prove(self, **changes):
        return self.on("prover", **{"state": "verified", "id": "latest", **changes})

    def marks(self):
        return sorted(path.name for path in self.store.rglob("mark-*"))


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


def test_what_another_machine_has_restored_is_verified_for_the_one_that_took_it(pair):
    assert pair.take()["backup"]["verified_by"] == "none"
    pair.database.rename(pair.path / "away")  # and nothing of the live one is asked
    proven = pair.prove()
    assert (proven["changed"], proven["backup"]["verified_by"]) == (True, "restore")
    (pair.path / "away").rename(pair.database)
    fresh = pair.on("db1", max_age=3600.0)
    assert (fresh["changed"], fresh["backup"]["id"]) == (False, proven["backup"]["id"])
    leant = pair.take(in_release_max=0.0, scheduled_max_age=3600.0)
    assert (leant["changed"], leant["backup"]["restore_seconds"]) == (False, proven["backup"]["restore_seconds"])


def test_what_restores_to_something_else_is_bad_for_both(pair):
    made = pair.take()["backup"]["id"]
    (dump,) = pair.store.rglob(f"{made}.dump")
    content = dump.read_bytes()
    dump.write_bytes(content.replace(b"kettle", b"kottle"))
    assert pair.prove()["error"]["cause"] == "damaged"
    (seen,) = pair.on("db1", state="listed")["backups"]
    assert seen["verified_by"] == "none" and "is not what was written" in seen["problem"]
    assert pair.take(in_release_max=0.0)["error"]["cause"] == "no_fresh_backup"


@pytest.mark.parametrize("state", ["present", "listed", "restored", "recovered", "absent"])
def test_whatever_asks_the_database_wants_to_know_where_it_is(pair, state):
    refused = pair.on("prover", state=state, id="latest", into="look")["error"]
    assert (refused["object"], refused["cause"]) == ("url", "bad_input")


def test_a_proof_of_a_physical_backup_wants_the_database_too(pair):
    refused = pair.prove(physical={"stanza": "shop"})["error"]
    assert (refused["object"], refused["cause"]) == ("url", "bad_input")


def test_a_mark_of_the_one_that_proves_is_found_by_the_one_that_takes_and_taken_away(pair):
    left = pair.on("prover", state="reached")
    assert not left["changed"] and pair.marks() == [left["mark"]]
    made = pair.take(mark=left["mark"])
    assert made["changed"] and pair.marks() == []
    assert [backup["id"] for backup in made["backups"]] == [made["backup"]["id"]]


def test_a_directory_of_the_same_name_on_two_machines_is_no_store_of_both_and_nothing_is_taken(pair):
    left = pair.on("prover", state="reached", store={"kind": "local", "path": str(pair.path / "prover" / "store")})
    refused = pair.take(mark=left["mark"])
    assert refused["failed"] and refused["error"]["cause"] == "not_shared"
    for word in (str(pair.store), "sees another store", "leave verify_host out"):
        assert word in refused["msg"]
    assert not pair.store.exists()


def test_a_store_in_which_the_one_that_proves_may_not_write_is_named_before_anything_is_taken(pair):
    pair.store.write_text("no directory")
    refused = pair.on("prover", state="reached")
    assert refused["failed"] and str(pair.store) in refused["msg"]


def test_a_preview_leaves_no_mark(pair):
    found = pair.on("prover", check=True, state="reached")
    assert found["changed"] is False and "mark" not in found
    assert not pair.store.exists()


def test_marks_and_a_store_are_needed_where_they_are_asked_for(pair):
    assert pair.take(mark="latest")["error"]["object"] == "mark"
    for changes in ({"state": "reached"}, {"mark": "mark-1-0a0a0a0a"}):
        refused = pair.on("db1", store=None, physical={"stanza": "shop"}, **changes)
        assert refused["error"]["object"] == "store"


def test_marks_that_nobody_looked_for_go_in_the_end(tmp_path):
    clock = Clock()
    store = LocalStore(str(tmp_path), clock)
    first = mark.leave(store, clock)
    clock.now += mark.KEPT
    second = mark.leave(store, clock)
    clock.now += 1
    third = mark.leave(store, clock)
    assert [entry.key for entry in store.entries()] == [second, third] and first not in (second, third)


def timer(pair, state):
    order = pair.path / "order.json"
    order.write_text(json.dumps({**pair.params("prover"), "textfile_dir": ""}))
    return scheduled.main(str(order), state)


def test_the_timer_that_proves_restores_each_backup_once(pair, capsys):
    assert timer(pair, "proved") == 1
    assert "no such backup" in capsys.readouterr().err
    pair.take(verify="read")
    assert timer(pair, "proved") == 0
    assert "is good, by restore" in capsys.readouterr().out
    assert timer(pair, "proved") == 0
    assert "was verified by restore" in capsys.readouterr().out
    assert timer(pair, "verified") == 0
    assert "is good, by restore" in capsys.readouterr().out


def test_a_restore_that_was_bad_is_not_made_good_by_a_look_at_its_bytes(pair):
    made = pair.take()["backup"]["id"]
    (dump,) = pair.store.rglob(f"{made}.dump")
    content = dump.read_bytes()
    dump.write_bytes(content[:-1])
    assert pair.prove(id=made)["failed"]
    dump.write_bytes(content)
    assert pair.prove(id=made, verify="read")["backup"]["verified_by"] == "read"
    assert pair.prove(id=made, max_age=3600.0)["changed"]
