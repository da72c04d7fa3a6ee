# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down about releases, and which of them may go."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.records import (
    SHELF,
    ServiceRecord,
    containers_of,
    owner,
    prune,
)
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.side.records import Record, last_settled
from hypothesis import given
from hypothesis import strategies as st


def record(number, *, identity="", outcome="settled", containers=(), pulled=False, side="blue"):
    names = list(containers) or [f"c{number}"]
    service = ServiceRecord(f"web:{number}", f"sha{number}", f"kept:{number}", pulled, "", names)
    return Record(f"r{number}", number, "1", identity or f"id{number}", side, outcome, {"web": service})


SERVICES = st.builds(
    ServiceRecord, st.text(), st.text(), st.text(), st.booleans(), st.text(), st.lists(st.text(), max_size=2)
)
OUTCOMES = st.sampled_from(["prepared", "failed", "reverted", "settled"])
RECORDS = st.builds(
    Record,
    st.text(),
    st.integers(),
    st.text(),
    st.text(),
    st.sampled_from(["blue", "green"]),
    OUTCOMES,
    st.dictionaries(st.text(), SERVICES, max_size=2),
)


@given(RECORDS)
def test_what_was_written_is_read_back(value):
    assert SHELF.decode(SHELF.encode(value), "path") == value


@given(
    st.binary()
    | RECORDS.map(SHELF.encode).flatmap(lambda data: st.integers(0, len(data) - 2).map(lambda end: data[:end]))
)
def test_whatever_else_is_in_the_file_is_refused_with_its_path(data):
    with pytest.raises(SlipwayError) as caught:
        SHELF.decode(data, "/the/path")
    assert caught.value.obj == "/the/path"


def test_the_record_of_a_newer_slipway_is_refused():
    with pytest.raises(SlipwayError) as caught:
        SHELF.decode(SHELF.encode(record(1)).replace(b'"schema": 1', b'"schema": 2'), "path")
    assert caught.value.cause == "schema"


def test_a_container_belongs_to_the_release_that_took_it_over():
    records = [record(1, containers=["c1"]), record(2), record(3, containers=["c1"])]
    assert owner(records, "c1") == records[2]
    assert owner(records, "nobody") is None


@pytest.mark.parametrize(
    ("records", "keep", "gone"),
    [
        ([record(1), record(2), record(3)], 2, ["r1"]),
        ([record(1), record(2), record(3)], 0, ["r1", "r2"]),
        ([record(1, outcome="failed"), record(2, outcome="reverted"), record(3)], 3, ["r1"]),
        ([record(1, identity="a"), record(2, identity="b"), record(3, identity="a")], 3, ["r1"]),
        ([record(1), record(2, outcome="prepared"), record(3)], 1, ["r1"]),
        ([record(1), record(2), record(3, outcome="prepared")], 1, ["r1"]),
    ],
    ids=["older than keep", "the current one always stays", "one failure is kept to look at",
         "a release that came again is kept once", "one interrupted", "the current one does not count as failed"],
)  # fmt: skip
def test_what_is_beyond_the_retention(records, keep, gone):
    assert [item.release for item in prune(records, keep, records[-1].release).records] == gone


def test_what_a_kept_release_needs_never_goes():
    records = [
        record(1, identity="a", containers=["c1"], pulled=True),
        record(2),
        record(3, identity="a", containers=["c1"]),
    ]
    shared = records[2].services["web"]._replace(image="web:1")
    records[2] = records[2]._replace(services={"web": shared})
    pruning = prune(records, 3, "r3")
    assert [item.release for item in pruning.records] == ["r1"]
    assert (pruning.containers, pruning.tags, pruning.references) == ([], ["kept:1"], [])


@given(st.lists(st.tuples(st.sampled_from("abcd"), OUTCOMES), min_size=1, max_size=12), st.integers(0, 4))
def test_the_retention_never_takes_the_current_release_or_one_of_the_newest(items, keep):
    records = [record(number, identity=identity, outcome=how) for number, (identity, how) in enumerate(items)]
    current = records[-1]
    pruning = prune(records, keep, current.release)
    left = [item for item in records if item not in pruning.records]
    assert current in left
    settled = [item for item in records if item.outcome == "settled"]
    newest = list(dict.fromkeys(item.identity for item in reversed(settled)))[: max(keep, 1)]
    assert {item.identity for item in left if item.outcome == "settled"} >= set(newest)
    assert last_settled(left) == last_settled(records)
    named = {name for item in left for name in containers_of(item)}
    assert not named & set(pruning.containers)
