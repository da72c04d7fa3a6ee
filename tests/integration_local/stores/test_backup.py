# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a database in every store in a network."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
import time
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, gcs, remote, retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order, Outcome
from ansible_collections.slipway.deploy.plugins.module_utils.backup.sqlite import SQLite
from ansible_collections.slipway.deploy.plugins.module_utils.backup.store import Leftover, Store
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .conftest import PART, Server
from .proxy import Fault
from .test_store import SENDS

pytestmark = pytest.mark.sample(21)


@pytest.fixture
def database(tmp_path: pathlib.Path) -> pathlib.Path:
    """More than two parts of an upload, in a form that nothing compresses."""
    path = tmp_path / "live.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        link.executemany(
            "INSERT INTO item (body) VALUES (?)", [(os.urandom(1 << 20),) for _row in range((2 * PART >> 20) + 4)]
        )
        link.commit()
    return path


def back_up(database: pathlib.Path, store: Store, last: int | None = None) -> Outcome:
    return keeper(database, store).present(Order("restore", 0, retention.Policy(last=last)))


def keeper(database: pathlib.Path, store: Store) -> Keeper:
    system = System()
    engine = SQLite(str(database), system, scratch_dir=str(database.parent))
    return Keeper(engine, store, Codec(), system, notes=str(database.parent / "notes"))


def test_a_backup_is_restored_from_the_store_and_old_ones_go(store: Store, database: pathlib.Path) -> None:
    first, second = back_up(database, store), back_up(database, store, last=1)
    assert first.backup is not None and second.backup is not None
    assert second.backup.verified_by == "restore"
    assert second.backup.manifest.size > 2 * PART
    assert [one.manifest.id for one in second.backups] == [second.backup.manifest.id]
    assert {entry.key.partition(".")[0] for entry in store.entries()} == {second.backup.manifest.id}


@pytest.mark.parametrize("status", [0, 503])
def test_a_store_that_goes_down_while_a_backup_is_sent_leaves_the_last_one_good(
    server: Server, store: Store, database: pathlib.Path, status: int
) -> None:
    good = back_up(database, store).backup
    assert good is not None
    server.proxy.plan(Fault(SENDS[server.kind], status, after=1))
    with pytest.raises(SlipwayError) as caught:
        back_up(database, store)
    server.proxy.plan(None)
    assert caught.value.cause == "store_unreachable"
    assert [one.manifest.id for one in catalog.read(store).backups] == [good.manifest.id]
    assert keeper(database, store).verified("latest", "restore", 0).backup is not None
    back_up(database, store)
    assert store.leftovers(remove=False) == []


def test_an_upload_of_another_machine_goes_on_while_a_backup_is_taken_here(
    store: Store, database: pathlib.Path
) -> None:
    """And one of our own that was cut off is ended."""
    other, own = (f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{number:06x}" for number in (1, 2))
    upload, cut_off = (t.cast(remote.RemoteStore, store)._begin(f"{name}.dump") for name in (other, own))
    for one in (upload, cut_off):
        one.part(bytes(PART))
    (database.parent / "notes.writing").write_text(own)
    back_up(database, store)
    upload.finish()
    assert [entry.key for entry in store.entries() if entry.key.startswith(other)] == [f"{other}.dump"]
    if not isinstance(store, gcs.GoogleStore):  # which cannot tell
        assert store.leftovers(remove=False) == []


def test_when_an_upload_was_begun_is_known_where_the_store_tells(server: Server, store: Store) -> None:
    upload, seen = t.cast(remote.RemoteStore, store)._begin("a"), []
    upload.part(bytes(PART))

    def which(left: Leftover) -> bool:
        seen.append(left)
        return False

    assert store.leftovers(remove=True, which=which) == []
    assert [left.key for left in seen] == ([] if server.kind == "gcs" else ["a"])
    if server.kind == "s3":  # moto has one moment for all
        assert seen[0].began is not None
    else:
        assert all(left.began is None or abs(left.began - time.time()) < 3600 for left in seen)
    upload.finish()


def test_an_object_that_another_one_has_replaced_is_found_by_its_checksum(store: Store, database: pathlib.Path) -> None:
    taken = back_up(database, store).backup
    assert taken is not None
    part = taken.manifest.parts["dump"]
    content = bytearray(b"".join(store.get(part.key)))
    content[len(content) // 2] ^= 1
    store.delete(part.key)
    store.put(part.key, [bytes(content)])
    with pytest.raises(SlipwayError) as caught:
        keeper(database, store).verified("latest", "read", 0)
    assert caught.value.cause == "damaged"


def test_wrong_credentials_are_refused_and_never_quoted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    if server.kind != "azure":  # neither of the others asks for any
        server.proxy.plan(Fault(".", 403))
    wrong = "d3JvbmctY3JlZGVudGlhbHM="
    store = server.store("x")
    if server.kind == "azure":
        from .conftest import azure_string

        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure_string(server.port, wrong))
        from ansible_collections.slipway.deploy.plugins.module_utils.backup.azure import AzureStore

        store = AzureStore(container="backups", prefix="x")
    with pytest.raises(SlipwayError) as caught:
        store.put("a", [b"1"])
    server.proxy.plan(None)
    assert caught.value.cause == "store_refused"
    said: dict[str, t.Any] = caught.value.result()
    assert wrong not in str(said) and "secret-of-the-store" not in str(said)
