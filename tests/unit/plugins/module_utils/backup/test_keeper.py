# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups are taken, proven and let go of; whatever fails, those that there were, are."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import (
    Clock,
    FakeEngine,
    ids,
    keeper,
    order,
)


def files(tmp_path):
    return sorted(os.listdir(tmp_path / "store"))


def test_a_backup_is_restored_and_says_so(tmp_path):
    outcome = keeper(tmp_path).present(order())
    assert outcome.changed
    assert outcome.backup.verified_by == "restore"
    assert outcome.backup.manifest.position == "7"
    assert ids(outcome) == [outcome.backup.manifest.id]
    assert len(files(tmp_path)) == 4  # dump, roles, manifest, proof


def test_everything_is_for_its_owner_alone(tmp_path):
    keeper(tmp_path).present(order())
    assert os.stat(tmp_path / "store").st_mode & 0o777 == 0o700
    assert {os.stat(tmp_path / "store" / name).st_mode & 0o777 for name in files(tmp_path)} == {0o600}


def test_a_fresh_one_makes_another_needless(tmp_path):
    clock = Clock()
    first = keeper(tmp_path, clock=clock).present(order())
    clock.now += 3600
    again = keeper(tmp_path, clock=clock).present(order(max_age=3600))
    assert not again.changed
    assert again.backup == first.backup
    clock.now += 1
    assert keeper(tmp_path, clock=clock).present(order(max_age=3600)).changed


def test_a_weaker_proof_does_not_make_it_needless(tmp_path):
    keeper(tmp_path).present(order(verify="read"))
    assert keeper(tmp_path).present(order(max_age=3600)).changed


def test_after_a_clock_went_back_another_one_is_taken_and_is_the_newest(tmp_path):
    clock = Clock()
    first = keeper(tmp_path, clock=clock).present(order())
    clock.now -= 3600
    second = keeper(tmp_path, clock=clock).present(order(max_age=7200))
    assert second.changed
    assert ids(second) == [first.backup.manifest.id, second.backup.manifest.id]
    assert second.backup.manifest.number == 2


def test_a_preview_writes_nothing(tmp_path):
    outcome = keeper(tmp_path).present(order(), check=True)
    assert outcome.changed
    assert outcome.actions == ["back up fake of here, and verify by restore"]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("after", range(13))
def test_a_dump_that_fails_leaves_nothing(tmp_path, after):
    engine = FakeEngine()
    good = keeper(tmp_path, engine).present(order())
    before = files(tmp_path)
    engine.dump_fails_after = after
    with pytest.raises(SlipwayError, match="the dump failed"):
        keeper(tmp_path, engine).present(order(last=1))
    assert files(tmp_path) == before
    assert keeper(tmp_path, engine).verified(good.backup.manifest.id, "restore", 0).changed


def test_the_first_backup_of_all_that_fails_says_why_although_there_is_no_store_yet(tmp_path):
    class Early(FakeEngine):
        def snapshot(self):
            raise SlipwayError("no room for a dump", cause="no_space")

    with pytest.raises(SlipwayError, match="no room for a dump"):
        keeper(tmp_path, Early()).present(order())


def test_a_dump_that_is_too_small_is_none(tmp_path):
    with pytest.raises(SlipwayError, match="found '2 bytes', wanted 'at least 3'"):
        keeper(tmp_path, FakeEngine(b"ab")).present(order())
    assert files(tmp_path) == []


@pytest.mark.parametrize("what", ["dump.0a1b2c.partial", "dump", "roles", "proof-1.json"])
def test_what_a_killed_backup_left_is_no_backup_and_is_cleared_up(tmp_path, what):
    good = keeper(tmp_path).present(order())
    left = tmp_path / "store" / f"20200101T000000Z-abcdef.{what}"
    left.write_bytes(b"half")
    assert ids(keeper(tmp_path).list()) == ids(good)
    assert any("20200101T000000Z-abcdef" in action for action in keeper(tmp_path).present(order()).actions)
    assert not left.exists()


def test_what_is_not_ours_is_left_alone(tmp_path):
    keeper(tmp_path).present(order())
    (tmp_path / "store" / "README.txt").write_text("a note")
    keeper(tmp_path).present(order(last=1))
    assert (tmp_path / "store" / "README.txt").read_text() == "a note"


def test_a_copy_that_is_something_else_is_named_and_is_never_the_newest(tmp_path):
    engine = FakeEngine()
    good = keeper(tmp_path, engine).present(order())
    engine.restores_to = b"something else"
    with pytest.raises(SlipwayError, match="content: is not the same") as caught:
        keeper(tmp_path, engine).present(order(last=1))
    assert caught.value.cause == "bad_backup"
    bad = keeper(tmp_path, engine).list().backups[-1]
    assert bad.failed
    assert "content: is not the same" in bad.proofs[-1].problem
    engine.restores_to = None
    assert keeper(tmp_path, engine).verified("latest", "restore", 1e9).backup.manifest.id == good.backup.manifest.id


@pytest.mark.parametrize("by", ["read", "restore"])
@pytest.mark.parametrize("method", ["none", "gzip"])
def test_a_flipped_bit_anywhere_is_found(tmp_path, by, method):
    codec = Codec(method=method)
    made = keeper(tmp_path, codec=codec).present(order(verify="none"))
    path = tmp_path / "store" / made.backup.manifest.parts["dump"].key
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(SlipwayError, match="is not what was written") as caught:
            keeper(tmp_path, codec=codec).verified(made.backup.manifest.id, by, 0)
        assert caught.value.cause == "damaged"
        for proof in (tmp_path / "store").glob("*.proof-*"):
            proof.unlink()


def test_a_cut_off_dump_is_found(tmp_path):
    made = keeper(tmp_path, codec=Codec(method="gzip")).present(order(verify="none"))
    path = tmp_path / "store" / made.backup.manifest.parts["dump"].key
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SlipwayError, match="is not what was written"):
        keeper(tmp_path, codec=Codec(method="gzip")).verified(made.backup.manifest.id, "read", 0)


def test_a_missing_part_is_found(tmp_path):
    made = keeper(tmp_path).present(order(verify="none"))
    (tmp_path / "store" / made.backup.manifest.parts["roles"].key).unlink()
    with pytest.raises(SlipwayError) as caught:
        keeper(tmp_path).verified(made.backup.manifest.id, "read", 0)
    assert caught.value.cause == "missing"


def test_a_damaged_manifest_is_told_and_its_dump_is_kept(tmp_path):
    made = keeper(tmp_path).present(order())
    key = made.backup.manifest.id
    path = tmp_path / "store" / f"{key}.manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"number": 1', b'"number": 2'))
    known = catalog.read(LocalStore(str(tmp_path / "store"), Clock()))
    assert list(known.damaged) == [key]
    keeper(tmp_path).present(order(last=1))
    assert (tmp_path / "store" / f"{key}.dump").exists()


def test_the_last_verified_one_and_a_pinned_one_are_not_deleted(tmp_path):
    first = keeper(tmp_path).present(order()).backup.manifest.id
    second = keeper(tmp_path).present(order(verify="none")).backup.manifest.id
    with pytest.raises(SlipwayError, match="the last one verified by restore"):
        keeper(tmp_path).absent(first, ())
    with pytest.raises(SlipwayError, match="pinned"):
        keeper(tmp_path).absent(second, (second,))
    assert keeper(tmp_path).absent(second, (), check=True).changed
    assert len(ids(keeper(tmp_path).list())) == 2
    assert keeper(tmp_path).absent(second, ()).changed
    assert ids(keeper(tmp_path).list()) == [first]
    assert not keeper(tmp_path).absent(second, ()).changed
    assert [name for name in files(tmp_path) if name.startswith(second)] == []


def test_a_proof_is_renewed_when_it_is_too_old(tmp_path):
    clock, engine = Clock(), FakeEngine()
    made = keeper(tmp_path, engine, clock).present(order())
    clock.now += 100
    assert not keeper(tmp_path, engine, clock).verified("latest", "restore", 100).changed
    assert engine.restores == 1
    clock.now += 1
    assert keeper(tmp_path, engine, clock).verified("latest", "restore", 100).backup.proofs[-1].at == clock.now
    assert engine.restores == 2
    assert ids(made) == ids(keeper(tmp_path).list())


def test_no_room_is_said_before_anything_is_written(tmp_path):
    engine = FakeEngine()
    keeper(tmp_path, engine).present(order())
    before = files(tmp_path)

    class Full(LocalStore):
        def room(self):
            return 1

    full = keeper(tmp_path, engine)
    full._store = Full(str(tmp_path / "store"), Clock())
    with pytest.raises(SlipwayError, match="has no room for another backup; found '1 bytes free'"):
        full.present(order())
    assert files(tmp_path) == before


def test_an_encrypted_one_cannot_be_read_without_an_identity(tmp_path):
    made = keeper(tmp_path).present(order(verify="none"))
    manifest = made.backup.manifest._replace(recipients=["age1x"])
    with pytest.raises(SlipwayError) as caught:
        list(keeper(tmp_path)._prover.content(made.backup._replace(manifest=manifest), manifest.parts["dump"]))
    assert caught.value.cause == "identity_missing"


def test_a_restore_beside_leaves_the_live_one_alone(tmp_path):
    engine = FakeEngine()
    keeper(tmp_path, engine).present(order())
    engine.content = b"newer rows"
    assert keeper(tmp_path, engine).restored("latest", "look", confirm="", safety=True).changed
    assert engine.databases == {"look": b"all the rows"}
    assert engine.content == b"newer rows"


def test_a_restore_in_its_place_keeps_the_replaced_one_and_a_backup_of_it(tmp_path):
    engine = FakeEngine()
    made = keeper(tmp_path, engine).present(order()).backup.manifest.id
    engine.content = b"newer rows"
    outcome = keeper(tmp_path, engine).restored("latest", "", confirm="fake", safety=True)
    assert engine.content == b"all the rows"
    assert engine.databases == {"fake_replaced_20231114_221320": b"newer rows"}
    assert "advanced a sequence" in outcome.actions
    assert [backup.verified_by for backup in outcome.backups] == ["restore", "read"]
    assert outcome.backup.manifest.id == made
    safety = outcome.backups[-1]
    assert b"".join(keeper(tmp_path)._prover.content(safety, safety.manifest.parts["dump"])) == b"newer rows"


def test_the_live_one_is_not_replaced_without_its_name(tmp_path):
    engine = FakeEngine()
    keeper(tmp_path, engine).present(order())
    with pytest.raises(SlipwayError, match="fake: would be replaced; found \"confirm: 'other'\"") as caught:
        keeper(tmp_path, engine).restored("latest", "", confirm="other", safety=True)
    assert caught.value.cause == "unconfirmed"
    assert engine.databases == {}


def test_a_preview_of_a_restore_touches_nothing(tmp_path):
    engine = FakeEngine()
    made = keeper(tmp_path, engine).present(order()).backup.manifest.id
    outcome = keeper(tmp_path, engine).restored("latest", "", confirm="fake", safety=True, check=True)
    assert outcome.actions == [f"restore {made} into fake"]
    assert engine.databases == {}
    assert len(outcome.backups) == 1


@pytest.mark.parametrize("field, value, cause", [("name", "other", "other_engine"), ("server", "0.9", "newer_server")])
def test_what_cannot_be_restored_here_is_told_before_anything_is_touched(tmp_path, field, value, cause):
    engine = FakeEngine()
    keeper(tmp_path, engine).present(order())
    setattr(engine, field, value)
    with pytest.raises(SlipwayError) as caught:
        keeper(tmp_path, engine).restored("latest", "look", confirm="", safety=True)
    assert caught.value.cause == cause
    assert engine.databases == {}


def test_a_damaged_backup_is_not_restored_over_anything(tmp_path):
    engine = FakeEngine()
    made = keeper(tmp_path, engine).present(order()).backup
    path = tmp_path / "store" / made.manifest.parts["dump"].key
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(SlipwayError, match="is not what was written"):
        keeper(tmp_path, engine).restored("latest", "", confirm="fake", safety=False)
    assert engine.databases == {}
    assert engine.content == b"all the rows"
