# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store in a network must do, whatever it or the network does."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import remote
from ansible_collections.slipway.deploy.plugins.module_utils.backup.store import Store
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import PART, Server
from .proxy import Fault

SOME = os.urandom(PART * 2 + 12345)
# A request that carries bytes of an object, by the store's kind.
SENDS = {"s3": r"^PUT .*partNumber", "gcs": r"^PUT .*upload_id", "azure": r"^PUT .*comp=block(&|$)"}
READS = {"s3": r"^GET .*/a(\?|$)", "gcs": r"^GET .*alt=media", "azure": r"^GET .*/a(\?|$)"}
ENDS = {"s3": r"^POST .*uploadId", "gcs": r"^PUT .*upload_id", "azure": r"^PUT .*comp=blocklist"}


def pieces(content: bytes, size: int = 1_000_000) -> t.Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def test_an_object_comes_back_as_it_was_sent(store: Store) -> None:
    assert store.put("a.dump", pieces(SOME)) == len(SOME)
    assert b"".join(store.get("a.dump")) == SOME
    assert [tuple(entry) for entry in store.entries()] == [("a.dump", len(SOME))]


def test_a_small_object_comes_back_too(store: Store) -> None:
    store.put("a.manifest.json", [b"{}"])
    assert b"".join(store.get("a.manifest.json")) == b"{}"


def test_targets_do_not_see_each_others_objects(server: Server, store: Store) -> None:
    store.put("a", [b"1"])
    assert server.store("another", direct=True).entries() == []


def test_many_objects_are_listed_whole(store: Store) -> None:
    names = sorted(f"{number:04d}" for number in range(30))
    for name in names:
        store.put(name, [b"x"])
    assert [entry.key for entry in store.entries()] == names


def test_an_object_is_never_written_over(store: Store) -> None:
    store.put("a", [b"first"])
    with pytest.raises(SlipwayError) as caught:
        store.put("a", [b"second"])
    assert caught.value.cause == "exists"
    assert b"".join(store.get("a")) == b"first"


def test_an_object_that_is_not_there_is_missing(store: Store) -> None:
    with pytest.raises(SlipwayError) as caught:
        list(store.get("a"))
    assert caught.value.cause == "missing"


def test_what_is_deleted_is_gone_and_deleting_it_again_is_fine(store: Store) -> None:
    store.put("a", [b"1"])
    store.delete("a")
    store.delete("a")
    assert store.entries() == []


def test_nothing_is_kept_of_a_source_that_fails(store: Store) -> None:
    def fails() -> t.Iterator[bytes]:
        yield SOME
        raise SlipwayError("the dump was killed", obj="pg_dump", cause="command_failed")

    with pytest.raises(SlipwayError, match="the dump was killed"):
        store.put("a", fails())
    assert store.entries() == []
    store.leftovers(remove=True)
    assert store.leftovers(remove=False) == []
    store.put("a", [b"1"])
    assert b"".join(store.get("a")) == b"1"


def test_an_upload_that_was_cut_off_is_found_and_removed_where_the_store_can_tell(server: Server, store: Store) -> None:
    upload = t.cast(remote.RemoteStore, store)._begin("a")
    upload.part(SOME[:PART])
    assert store.entries() == []
    assert store.leftovers(remove=True) == ([] if server.kind == "gcs" else ["a"])
    assert store.leftovers(remove=False) == []
    assert store.entries() == []


@pytest.mark.parametrize("status", [0, 500, 503, 403])
def test_a_store_that_fails_in_the_middle_keeps_nothing_and_says_so(server: Server, store: Store, status: int) -> None:
    store.put("good", [b"1"])
    server.proxy.plan(Fault(SENDS[server.kind], status, after=1))
    with pytest.raises(SlipwayError) as caught:
        store.put("bad", pieces(SOME))
    server.proxy.plan(None)
    assert caught.value.cause == ("store_refused" if status == 403 else "store_unreachable")
    assert "bad" in str(caught.value)
    assert [entry.key for entry in store.entries()] == ["good"]
    assert b"".join(store.get("good")) == b"1"


def test_a_store_that_fails_at_the_very_end_keeps_nothing(server: Server, store: Store) -> None:
    server.proxy.plan(Fault(ENDS[server.kind], 500))
    with pytest.raises(SlipwayError) as caught:
        store.put("bad", [b"1"])
    server.proxy.plan(None)
    assert caught.value.cause == "store_unreachable"
    assert store.entries() == []


def test_a_store_that_fails_once_is_asked_again(server: Server, store: Store) -> None:
    server.proxy.plan(Fault(SENDS[server.kind], 503, times=1))
    store.put("a", pieces(SOME))
    assert server.proxy.faults == 1
    assert b"".join(store.get("a")) == SOME


def test_an_answer_that_ends_too_early_is_not_taken_for_the_whole(server: Server, store: Store) -> None:
    store.put("a", pieces(SOME))
    server.proxy.plan(Fault(READS[server.kind], -1))
    with pytest.raises(SlipwayError) as caught:
        list(store.get("a"))
    assert caught.value.cause == "store_unreachable"


@pytest.mark.parametrize("status", [403, 500])
def test_a_store_that_cannot_be_listed_is_not_an_empty_one(server: Server, store: Store, status: int) -> None:
    server.proxy.plan(Fault(r"^GET ", status))
    with pytest.raises(SlipwayError) as caught:
        store.entries()
    assert caught.value.cause == ("store_refused" if status == 403 else "store_unreachable")


def test_a_bucket_that_is_not_there_is_named(server: Server) -> None:
    store = server.store("x", bucket="no-such-bucket", direct=True)
    with pytest.raises(SlipwayError, match="no-such-bucket") as caught:
        store.put("a", [b"1"])
    assert caught.value.cause == "store_missing"


def test_a_store_that_does_not_answer_is_unreachable(server: Server) -> None:
    gone = Server(server.kind, 1, server.proxy).store("x", direct=True)
    with pytest.raises(SlipwayError) as caught:
        gone.entries()
    assert caught.value.cause == "store_unreachable"
