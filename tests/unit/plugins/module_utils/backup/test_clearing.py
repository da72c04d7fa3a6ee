# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two machines that keep backups in one store leave each other's unfinished parts alone, and clear up their own."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog
from ansible_collections.slipway.deploy.plugins.module_utils.backup.clearing import SAFE, Clearing
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.store import Leftover, Store
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import (
    PLAIN,
    Clock,
    FakeEngine,
    FakeSnapshot,
    ids,
    order,
)


def machine(tmp_path, name, engine=None, clock=None):
    """One that has the store and notes of its own."""
    clock = clock or Clock()
    store = LocalStore(str(tmp_path / "store"), clock)
    return Keeper(engine or FakeEngine(), store, PLAIN, clock, notes=str(tmp_path / name / "shop"))


class Slow(FakeEngine):
    """Something else happens in the middle of its dump, or between that and its manifest."""

    def __init__(self, during=lambda: None, after=lambda: None):
        super().__init__()
        self.during, self.after = during, after

    def snapshot(self):
        outer = self

        class Moment(FakeSnapshot):
            def dump(self):
                yield b"all the "
                outer.during()
                yield b"rows"

            def beside(self):
                outer.after()
                return super().beside()

        class Context:
            def __enter__(self):
                return Moment(outer)

            def __exit__(self, *_given):
                pass

        return Context()


@pytest.mark.parametrize("when", ["during", "after"])
def test_another_machine_that_takes_a_backup_meanwhile_takes_nothing_away(tmp_path, when):
    others = []
    slow = Slow(**{when: lambda: others.append(machine(tmp_path, "b").present(order()))})
    slow.content = b"all the rows"
    made = machine(tmp_path, "a", slow).present(order())
    assert made.backup.verified_by == "restore"
    (other,) = others
    assert {made.backup.manifest.id, other.backup.manifest.id} == set(ids(machine(tmp_path, "b").list()))
    assert bool([said for said in other.actions if "another machine may be writing" in said]) == (when == "after")


def killed(tmp_path, name, when):
    """A backup of a machine that is killed in the middle."""
    child = os.fork()
    if not child:
        try:
            machine(tmp_path, name, Slow(**{when: lambda: os.kill(os.getpid(), signal.SIGKILL)})).present(order())
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    left = sorted(os.listdir(tmp_path / "store"))
    assert left
    return left


@pytest.mark.parametrize("when", ["during", "after"])
def test_a_machine_clears_up_its_own_at_once(tmp_path, when):
    left = killed(tmp_path, "a", when)
    outcome = machine(tmp_path, "a").present(order())
    assert [name for name in left if (tmp_path / "store" / name).exists()] == []
    assert [said for said in outcome.actions if said.startswith("removed ")]
    assert os.listdir(tmp_path / "a") == []


def test_what_another_one_has_left_is_cleared_up_when_nobody_can_be_at_it_any_more(tmp_path):
    left = killed(tmp_path, "a", "after")
    clock = Clock()
    for age, there in ((0.0, left), (SAFE - 10, left), (-3600.0, left), (SAFE + 10, [])):
        clock.now = Clock.now + age
        machine(tmp_path, "b", clock=clock).present(order())
        assert [name for name in left if (tmp_path / "store" / name).exists()] == there


def test_half_a_file_of_a_machine_that_is_dead_is_known_by_its_lock(tmp_path):
    left = killed(tmp_path, "a", "during")
    assert [name.rpartition(".")[2] for name in left] == ["partial"]
    machine(tmp_path, "b").present(order())
    assert not (tmp_path / "store" / left[0]).exists()


def test_where_a_disk_has_no_locks_half_a_file_is_left_alone_until_it_is_old(tmp_path, monkeypatch):
    left = killed(tmp_path, "a", "during")

    def lockless(*_given):
        raise OSError(95, "Operation not supported")

    module = "ansible_collections.slipway.deploy.plugins.module_utils.backup.local.fcntl.flock"
    monkeypatch.setattr(module, lockless)
    machine(tmp_path, "b").present(order())
    assert (tmp_path / "store" / left[0]).exists()
    clock = Clock()
    clock.now += SAFE + 10
    machine(tmp_path, "b", clock=clock).present(order())
    assert not (tmp_path / "store" / left[0]).exists()


def test_a_run_that_fails_leaves_its_note_for_what_the_store_did_not_let_go_of(tmp_path):
    engine = FakeEngine()
    engine.dump_fails_after = 3
    with pytest.raises(SlipwayError):
        machine(tmp_path, "a", engine).present(order())
    assert os.listdir(tmp_path / "a") == ["shop.writing"]
    machine(tmp_path, "a").present(order())
    assert os.listdir(tmp_path / "a") == []


def test_a_drill_meanwhile_does_not_forget_what_was_cut_off(tmp_path):
    good = machine(tmp_path, "a").present(order()).backup.manifest.id
    child = os.fork()
    if not child:
        try:
            kill = Slow(after=lambda: os.kill(os.getpid(), signal.SIGKILL))
            machine(tmp_path, "a", kill).present(order())
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    assert machine(tmp_path, "a").verified(good, "restore", 0).changed
    outcome = machine(tmp_path, "a").present(order())
    assert [said for said in outcome.actions if said.startswith("removed ")]
    assert catalog.read(LocalStore(str(tmp_path / "store"), Clock())).cut_off == []


class Uploads(Store):
    """A store in a network that has nothing but uploads which have no end."""

    def __init__(self, *left):
        self.left = list(left)

    def entries(self):
        return []

    def put(self, key, chunks):
        raise NotImplementedError

    def get(self, key):
        raise NotImplementedError

    def delete(self, key):
        raise NotImplementedError

    def url(self, key):
        return key

    def leftovers(self, *, remove, which):
        found = [one.key for one in self.left if which(one)]
        self.left = [one for one in self.left if one.key not in found]
        return found


class Half(LocalStore):
    """Goes down while the first proof is written, and keeps half of it."""

    down, half = True, ()

    def put(self, key, chunks):
        if "proof-" in key and self.down:
            self.down, self.half = False, (Leftover(key),)
            raise SlipwayError("did not answer", obj=key, cause="store_unreachable")
        super().put(key, chunks)

    def leftovers(self, *, remove, which):
        found = [one.key for one in self.half if which(one)]
        self.half = tuple(one for one in self.half if one.key not in found)
        return found


def test_half_of_a_proof_is_cleared_up_by_the_next_run(tmp_path):
    clock = Clock()
    store = Half(str(tmp_path / "store"), clock)
    keeper = Keeper(FakeEngine(), store, PLAIN, clock, notes=str(tmp_path / "notes" / "shop"))
    with pytest.raises(SlipwayError):
        keeper.present(order())
    (half,) = store.half
    assert f"removed {half.key}, which a killed backup left" in keeper.present(order()).actions
    assert store.half == ()


NOW = Clock.now  # 2023-11-14 22:13:20
NEW, OLD = "20231114T221000Z-aaaaaa.dump", "20231101T000000Z-bbbbbb.dump"


@pytest.mark.parametrize(
    "left, gone",
    [
        (Leftover(NEW), False),
        (Leftover(NEW, NOW - 60), False),
        (Leftover(OLD), True),
        (Leftover(OLD, NOW - 60), False),  # a proof of an old backup is new
        (Leftover(OLD, NOW - 9 * 86400), True),
        (Leftover("20231114T221000Z-cccccc.dump"), True),  # our own
        (Leftover("no-id"), False),
        (Leftover("no-id", NOW - 9 * 86400), True),
        (Leftover("20231399T000000Z-aaaaaa.dump"), False),
    ],
)
def test_an_upload_is_ended_that_is_our_own_or_older_than_any_run(tmp_path, left, gone):
    (tmp_path / "note").write_text("20231114T221000Z-cccccc")
    store = Uploads(left)
    Clearing(store, Clock(), str(tmp_path / "note")).clear(catalog.Catalog([], {}, []), ())
    assert store.left == ([] if gone else [left])
