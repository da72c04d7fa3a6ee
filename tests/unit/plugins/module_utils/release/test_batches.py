# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batches of a rolling release: for every fleet and every amount each machine once, and always some progress."""

from __future__ import annotations

import math

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.release.batches import batches
from hypothesis import given
from hypothesis import strategies as st

AMOUNTS = st.one_of(st.integers(1, 30).map(str), st.integers(1, 100).map("{}%".format))
FLEETS = st.dictionaries(st.sampled_from([f"app{n}" for n in range(20)]), st.sampled_from(["", "a", "b", "c"]))


def rolling(batch=None, max_surge="100%", order="hosts", max_unavailable=None):
    given = {"batch": batch, "max_unavailable": max_unavailable}
    return {"max_surge": max_surge, "order": order, **{name: amount for name, amount in given.items() if amount}}


def most(amount, machines, rounded=math.ceil):
    share = amount.endswith("%")
    return rounded(machines * int(amount[:-1]) / 100) if share else int(amount)


@given(FLEETS, AMOUNTS, AMOUNTS, st.sampled_from(["hosts", "zones"]))
def test_each_machine_is_in_one_batch_and_no_batch_is_empty_or_larger_than_allowed(fleet, batch, surge, order):
    found = batches(fleet, rolling(batch, surge, order))
    assert sorted(name for members in found for name in members) == sorted(fleet)
    assert all(0 < len(members) <= min(most(batch, len(fleet)), most(surge, len(fleet))) for members in found)


@given(
    FLEETS, AMOUNTS, st.one_of(st.none(), AMOUNTS), st.sampled_from(["hosts", "zones"]), st.sampled_from(["0", "0%"])
)
def test_never_more_machines_are_out_than_may_be(fleet, unavailable, batch, order, none):
    found = batches(fleet, rolling(batch, none, order, unavailable))
    assert sorted(name for members in found for name in members) == sorted(fleet)
    allowed = max(1, most(unavailable, len(fleet), math.floor))
    assert all(0 < len(members) <= min(allowed, most(batch or "100%", len(fleet))) for members in found)


@given(FLEETS, AMOUNTS)
def test_no_batch_has_machines_of_two_zones_and_no_zone_is_come_back_to(fleet, batch):
    zones = [{fleet[name] for name in members} for members in batches(fleet, rolling(batch, order="zones"))]
    assert all(len(zone) == 1 for zone in zones)
    order = [zone.pop() for zone in zones]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("batch", "surge", "sizes"),
    [
        (None, "100%", [1, 1, 1, 1, 1]),
        ("1", "100%", [1, 1, 1, 1, 1]),
        ("2", "100%", [2, 2, 1]),
        ("25%", "100%", [2, 2, 1]),  # of 5 it is 1.25
        ("1%", "100%", [1, 1, 1, 1, 1]),
        ("100%", "100%", [5]),
        ("9", "100%", [5]),
        ("100%", "2", [2, 2, 1]),
    ],
)
def test_a_share_is_rounded_up(batch, surge, sizes):
    found = batches(dict.fromkeys(["a", "b", "c", "d", "e"], ""), rolling(batch, surge))
    assert [len(members) for members in found] == sizes


@pytest.mark.parametrize(
    ("unavailable", "batch", "sizes"),
    [
        (None, None, [1, 1, 1, 1, 1]),
        ("2", None, [2, 2, 1]),
        ("2", "1", [1, 1, 1, 1, 1]),
        ("50%", None, [2, 2, 1]),  # of 5 it is 2.5, and more than half of them may not be out
        ("10%", None, [1, 1, 1, 1, 1]),
    ],
)
def test_what_may_be_out_is_rounded_down_but_one_always_may(unavailable, batch, sizes):
    found = batches(dict.fromkeys(["a", "b", "c", "d", "e"], ""), rolling(batch, "0", max_unavailable=unavailable))
    assert [len(members) for members in found] == sizes


def test_hosts_go_by_name_and_zones_one_after_the_other():
    fleet = {"app3": "left", "app1": "right", "app2": "left", "app4": ""}
    assert batches(fleet, rolling("2")) == [["app1", "app2"], ["app3", "app4"]]
    assert batches(fleet, rolling("2", order="zones")) == [["app4"], ["app2", "app3"], ["app1"]]
