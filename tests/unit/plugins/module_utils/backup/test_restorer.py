# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored database has its own name only when it is whole, and what a killed restore has left is dropped."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention, sqlite
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import FakeEngine, keeper, order


def restore(tmp_path, engine, into="look"):
    return keeper(tmp_path, engine).restored("latest", into, confirm="fake", safety=False)


def note(tmp_path):
    return tmp_path / "state" / "shop.restoring"


class Watched(FakeEngine):
    """Remembers which databases there were when a restored one was compared."""

    def restore_beside(self, dump, facts, name):
        found = super().restore_beside(dump, facts, name)
        self.seen = sorted(self.databases)
        return found


@pytest.mark.parametrize("into, own", [("look", "look_new_"), ("", "fake_new_")])
def test_until_it_is_compared_it_has_a_name_of_its_own(tmp_path, into, own):
    engine = Watched()
    keeper(tmp_path, engine).present(order())
    restore(tmp_path, engine, into)
    (seen,) = engine.seen
    assert seen.startswith(own)
    assert [name for name in engine.databases if "_new_" in name] == []
    assert not note(tmp_path).exists()


def test_no_two_restores_ever_use_one_name(tmp_path):
    engine, names = Watched(), set()
    keeper(tmp_path, engine).present(order())
    for number in range(20):
        restore(tmp_path, engine, f"look{number}")
        names |= {name.partition("_new_")[2] for name in engine.seen if "_new_" in name}
    assert len(names) == 20


@pytest.mark.parametrize("check", [True, False])
def test_a_name_that_is_taken_is_told_before_anything_is_read(tmp_path, check):
    engine = Watched()
    keeper(tmp_path, engine).present(order())
    engine.databases["look"] = b"somebody's"
    with pytest.raises(SlipwayError, match="look: there is a database of this name") as caught:
        keeper(tmp_path, engine).restored("latest", "look", confirm="", safety=False, check=check)
    assert caught.value.cause == "exists"
    assert engine.databases == {"look": b"somebody's"}
    assert not hasattr(engine, "seen")


@pytest.mark.parametrize("into", ["look", ""])
def test_one_that_is_something_else_is_dropped(tmp_path, into):
    engine = FakeEngine()
    keeper(tmp_path, engine).present(order())
    engine.differs = ["table t: 999 rows, wanted 1000"]
    with pytest.raises(SlipwayError, match="table t: 999 rows") as caught:
        restore(tmp_path, engine, into)
    assert caught.value.cause == "bad_backup"
    assert (engine.databases, engine.content) == ({}, b"all the rows")
    assert not note(tmp_path).exists()


class Mortal(FakeEngine):
    """Its machine goes down at a method, so nothing is done any more until it is up again."""

    dies_at = ""
    dead = False

    def die(self, method):
        if self.dead or self.dies_at == method:
            self.dead = True
            raise SlipwayError("gone", cause="unreachable")

    def restore_beside(self, dump, facts, name):
        found = super().restore_beside(dump, facts, name)
        self.die("restore_beside")
        return found

    def give_name(self, new, name):
        self.die("give_name")
        super().give_name(new, name)

    def take_the_place(self, new, kept):
        self.die("take_the_place")
        return super().take_the_place(new, kept)

    def discard(self, name):
        self.die("discard")
        super().discard(name)

    def recover(self):
        self.die("recover")
        return []


@pytest.mark.parametrize("dies_at", ["restore_beside", "give_name", "take_the_place"])
def test_what_a_run_left_whose_server_went_down_is_dropped_by_the_next(tmp_path, dies_at):
    engine = Mortal()
    keeper(tmp_path, engine).present(order())
    engine.databases["mine"] = b"somebody's"
    engine.dies_at = dies_at
    with pytest.raises(SlipwayError, match="gone"):
        restore(tmp_path, engine, "" if dies_at == "take_the_place" else "look")
    (left,) = set(engine.databases) - {"mine"}
    assert "_new_" in left
    with pytest.raises(SlipwayError, match="gone"):  # it is down still, and the note stays
        keeper(tmp_path, engine).recover()
    engine.dies_at, engine.dead = "", False
    assert keeper(tmp_path, engine).recover() == [f"dropped {left}, which a restore that was cut off had left"]
    assert engine.databases == {"mine": b"somebody's"}
    assert keeper(tmp_path, engine).recover() == []


# --- of a file, by a process that is killed


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "live.db"
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (1), (2);")
    (tmp_path / "scratch").mkdir()

    def make():
        engine = sqlite.SQLite(str(path), System(), scratch_dir=str(tmp_path / "scratch"))
        store = LocalStore(str(tmp_path / "store"), System())
        return Keeper(engine, store, Codec(method="none"), System(), notes=str(tmp_path / "note"))

    make().present(Order("none", 0, retention.Policy()))
    return make


@pytest.mark.parametrize("into", ["look.db", ""])
@pytest.mark.parametrize("at", ["_write", "differences", "link"])
def test_a_killed_restore_of_a_file_leaves_no_half_one_under_its_name(tmp_path, target, into, at):
    before = sorted(os.listdir(tmp_path))
    child = os.fork()
    if not child:

        def dies(*given):
            if at == "_write":
                with open(given[0], "wb") as stream:
                    stream.write(b"half of it")
            os.kill(os.getpid(), signal.SIGKILL)

        if at == "link":
            os.link = dies
        elif at == "_write":
            sqlite._write = dies
        else:
            sqlite.sqlite_facts.differences = dies
        try:
            target().restored("latest", into and str(tmp_path / into), confirm=str(tmp_path / "live.db"), safety=False)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert not (tmp_path / "look.db").exists()
    left = set(os.listdir(tmp_path)) - {*before, "note.restoring"}
    assert [name for name in left if "_new_" in name]
    (done,) = target().recover()
    assert done.startswith("dropped ")
    assert sorted(os.listdir(tmp_path)) == before
    target().restored("latest", str(tmp_path / "look.db"), confirm="", safety=False)
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "look.db"])


def test_a_live_file_that_was_emptied_can_be_replaced_but_not_backed_up(tmp_path, target):
    os.truncate(tmp_path / "live.db", 0)
    with pytest.raises(SlipwayError, match="has not a single page"):
        target().restored("latest", "", confirm=str(tmp_path / "live.db"), safety=True)
    target().restored("latest", "", confirm=str(tmp_path / "live.db"), safety=False)
    with contextlib.closing(sqlite3.connect(tmp_path / "live.db")) as link:
        assert link.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_a_file_that_came_to_be_there_meanwhile_is_not_replaced(tmp_path, target, monkeypatch):
    look = tmp_path / "look.db"
    differences = sqlite.sqlite_facts.differences

    def compared(*given):
        look.write_text("somebody's")
        return differences(*given)

    monkeypatch.setattr(sqlite.sqlite_facts, "differences", compared)
    with pytest.raises(SlipwayError, match="there is a database of this name"):
        target().restored("latest", str(look), confirm="", safety=False)
    assert look.read_text() == "somebody's"
    assert [name for name in os.listdir(tmp_path) if "_new_" in name] == []
