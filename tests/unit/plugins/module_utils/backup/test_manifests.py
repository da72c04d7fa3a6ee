# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup whose manifest is damaged or lost is named wherever backups are, and nothing of it is deleted."""

from __future__ import annotations

import contextlib
import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, freshness
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import (
    Clock,
    FakeEngine,
    ids,
    keeper,
    order,
)


def damage(path):
    path.write_bytes(path.read_bytes().replace(b'"number": 1', b'"number": 9'))


LOSSES = {
    "manifest_damaged": damage,
    "manifest_lost": os.unlink,
}


@pytest.fixture(params=LOSSES)
def bad(tmp_path, request):
    """A backup without a readable manifest, its files, and the cause."""
    made = keeper(tmp_path).present(order()).backup.manifest.id
    LOSSES[request.param](tmp_path / "store" / f"{made}.manifest.json")
    return made, of(tmp_path, made), request.param


def of(tmp_path, name):
    return sorted(path for path in os.listdir(tmp_path / "store") if path.startswith(name))


def test_it_is_told_with_its_remedy_by_whatever_lists_backups(tmp_path, bad):
    name, files, cause = bad
    for outcome in (keeper(tmp_path).list(), keeper(tmp_path).present(order(last=1))):
        result = database_backup.report(outcome)
        assert [(one["id"], one["cause"]) for one in result["damaged"]] == [(name, cause)]
        assert result["damaged"][0]["remedy"]
        assert result["warnings"] == [result["damaged"][0]["message"]]
        assert name not in ids(outcome)
    assert of(tmp_path, name) == files


def test_how_fresh_the_backups_are_has_it_too(tmp_path, bad):
    name = bad[0]
    listed = keeper(tmp_path).list()
    known = freshness.of(listed.backups, 0.0, damaged=[error.message for _name, error in listed.damaged])
    freshness.write(Clock(), str(tmp_path), "shop", known)
    known = freshness.read(Clock(), str(tmp_path), "shop")
    assert f"! {name}" in freshness.said(known, 0.0)
    assert 'slipway_backup_damaged{platform="shop",environment="test"} 1\n' in freshness.metrics(known, "shop", "test")


def test_it_is_not_said_to_be_gone_when_it_is_to_be_deleted(tmp_path, bad):
    name, files, cause = bad
    with pytest.raises(SlipwayError) as caught:
        keeper(tmp_path).absent(name, ())
    assert caught.value.cause == cause
    assert of(tmp_path, name) == files


def test_it_is_named_when_it_is_asked_for(tmp_path, bad):
    for wanted in (bad[0], "latest"):
        with pytest.raises(SlipwayError) as caught:
            keeper(tmp_path).verified(wanted, "read", 0)
        assert caught.value.cause == bad[2]


def test_a_lost_manifest_that_comes_back_makes_it_a_backup_again(tmp_path):
    made = keeper(tmp_path).present(order()).backup
    path = tmp_path / "store" / f"{made.manifest.id}.manifest.json"
    content = path.read_bytes()
    path.unlink()
    keeper(tmp_path).present(order(last=1))
    path.write_bytes(content)
    assert made in keeper(tmp_path).list().backups


@pytest.mark.parametrize("deletes", [True, False])
def test_a_manifest_that_was_kept_though_the_store_says_that_it_failed_never_stands_without_its_dump(tmp_path, deletes):
    class Silent(LocalStore):
        """Its answer to a manifest gets lost, and then perhaps everything."""

        def put(self, key, chunks):
            size = super().put(key, chunks)
            if key.endswith(".manifest.json"):
                raise SlipwayError("the answer ended", cause="store_unreachable")
            return size

        def delete(self, key):
            if not deletes:
                raise SlipwayError("nobody listens", cause="store_unreachable")
            super().delete(key)

    silent = keeper(tmp_path)
    silent._store = Silent(str(tmp_path / "store"), Clock())
    with pytest.raises(SlipwayError, match="the answer ended"):
        silent.present(order())
    known = catalog.read(LocalStore(str(tmp_path / "store"), Clock()))
    assert (len(known.backups), known.cut_off) == (0 if deletes else 1, [])
    if known.backups:
        assert keeper(tmp_path).verified("latest", "restore", 0).changed


def test_a_proof_that_cannot_be_read_still_says_that_there_was_something(tmp_path):
    name = keeper(tmp_path).present(order()).backup.manifest.id
    (tmp_path / "store" / f"{name}.manifest.json").unlink()
    (tmp_path / "store" / f"{name}.proof-1.json").write_bytes(b"half")
    left = of(tmp_path, name)
    keeper(tmp_path).present(order())
    assert of(tmp_path, name) == left


def test_the_data_of_a_backup_that_a_release_leans_on_stays_without_a_proof(tmp_path):
    name = keeper(tmp_path).present(order(verify="none")).backup.manifest.id
    (tmp_path / "store" / f"{name}.manifest.json").unlink()
    outcome = keeper(tmp_path).present(order()._replace(pinned=(name,)))
    assert f"left {name}.dump alone: its manifest is lost, and a release was made on that backup" in outcome.actions
    assert of(tmp_path, name) == [f"{name}.dump", f"{name}.roles"]


class KilledError(BaseException):
    pass


class Dying(LocalStore):
    """Its machine goes down after so many deletions."""

    left = 0

    def delete(self, key):
        if not self.left:
            raise KilledError
        self.left -= 1
        super().delete(key)


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("proofs", ["", "good", "bad", "good good", "good bad", "bad good"])
def test_a_deletion_that_is_cut_off_anywhere_leaves_nothing_better_and_nothing_that_stays(tmp_path, proofs, after):
    """Nor is the rest taken for a backup whose manifest was lost, which would stay for ever."""
    engine = FakeEngine()
    name = keeper(tmp_path, engine).present(order(verify="none")).backup.manifest.id
    for proof in proofs.split(" ") if proofs else ():
        engine.restores_to = b"something else" if proof == "bad" else None
        try:
            keeper(tmp_path, engine).verified(name, "restore", 0)
        except SlipwayError as error:
            assert error.cause == "bad_backup"
    engine.restores_to = None
    store = Dying(str(tmp_path / "store"), Clock())
    store.left = after
    (backup,) = catalog.read(store).backups
    dying = keeper(tmp_path, engine)
    dying._store = store
    with contextlib.suppress(KilledError):
        dying._remove([backup])
    known = catalog.read(store)
    assert known.damaged == {}
    assert all(one.failed or not backup.failed for one in known.backups)
    new = keeper(tmp_path, engine).present(order()).backup.manifest.id
    if known.backups:
        keeper(tmp_path, engine).absent(name, ())
    assert {path.partition(".")[0] for path in os.listdir(tmp_path / "store")} == {new}
