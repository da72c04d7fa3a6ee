# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups stay."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.model import Backup, Manifest, Part, Proof
from ansible_collections.slipway.deploy.plugins.module_utils.backup.retention import DAY, Policy, judge
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_700_000_000.0  # 2023-11-14, a Tuesday


def made(number, age_days, *proofs):
    part = Part(f"b{number}.dump", 1, "", 1)
    manifest = Manifest(
        id=f"b{number}",
        number=number,
        engine="fake",
        format="bytes",
        taken=NOW - age_days * DAY,
        seconds=1.0,
        source={},
        server="",
        client="",
        position="",
        compression="none",
        recipients=[],
        facts={},
        parts={"dump": part},
    )
    return Backup(manifest, tuple(Proof(by, ok, NOW, 1.0) for by, ok in proofs))


GOOD, READ, BAD = ("restore", True), ("read", True), ("restore", False)


def staying(backups, policy, pinned=()):
    return [verdict.backup.manifest.id for verdict in judge(backups, policy, NOW, pinned) if verdict.stays]


def test_without_a_policy_all_stay():
    assert staying([made(1, 9999), made(2, 1, BAD)], Policy()) == ["b1", "b2"]


def test_the_newest_so_many_stay():
    assert staying([made(number, 10 - number, GOOD) for number in range(1, 6)], Policy(last=2)) == ["b4", "b5"]


def test_a_bad_one_takes_no_place():
    backups = [made(1, 3, GOOD), made(2, 2, GOOD), made(3, 1, BAD), made(4, 0, BAD)]
    assert staying(backups, Policy(last=2)) == ["b1", "b2"]


def test_those_younger_stay():
    assert staying([made(1, 8, READ), made(2, 6.9), made(3, 1, GOOD)], Policy(days=7)) == ["b1", "b2", "b3"]
    assert staying([made(1, 8), made(2, 6.9), made(3, 1, GOOD)], Policy(days=7)) == ["b2", "b3"]


def test_the_newest_of_each_period_stays():
    backups = [made(number, 40 - number, GOOD) for number in range(40)]
    assert staying(backups, Policy(daily=3)) == ["b37", "b38", "b39"]
    assert len(staying(backups, Policy(weekly=4))) == 4
    assert len(staying(backups, Policy(monthly=12))) == 2
    assert staying(backups, Policy(yearly=1)) == ["b39"]


def test_the_last_verified_one_stays_whatever_the_policy_says():
    backups = [made(1, 900, GOOD), made(2, 800, READ), made(3, 3), made(4, 2), made(5, 1, GOOD, BAD)]
    assert staying(backups, Policy(last=1)) == ["b1", "b2", "b4"]


def test_why_is_said():
    verdicts = judge([made(1, 30, GOOD), made(2, 20, BAD), made(3, 0, GOOD)], Policy(last=1), NOW)
    assert [verdict.why for verdict in verdicts] == [
        "beyond the retention, 30.0 days old",
        "found to be bad, beyond the retention, 20.0 days old",
        "the last one verified by restore",
    ]


PROOFS = st.lists(st.sampled_from([GOOD, READ, BAD, ("read", False)]), max_size=3)
HISTORIES = st.lists(st.tuples(st.floats(-30, 4000), PROOFS), max_size=30)
POLICIES = st.builds(Policy, *[st.integers(0, 5), st.floats(0, 500), *[st.integers(0, 4)] * 4])


@given(HISTORIES, POLICIES, st.sets(st.integers(1, 30)))
def test_over_all_histories(history, policy, pins):
    backups = [made(number, age, *proofs) for number, (age, proofs) in enumerate(history, start=1)]
    pinned = {f"b{number}" for number in pins}
    verdicts = judge(backups, policy, NOW, pinned)
    assert verdicts == judge(backups, policy, NOW, pinned)
    stays = {verdict.backup.manifest.id for verdict in verdicts if verdict.stays}
    assert [verdict.backup for verdict in verdicts] == backups
    for strength in ("read", "restore"):
        proven = [one.manifest.id for one in backups if one.verified_by == strength]
        assert not proven or proven[-1] in stays
    assert pinned & {one.manifest.id for one in backups} <= stays
    remaining = [one for one in backups if one.manifest.id in stays]
    assert set(staying(remaining, policy, pinned)) == stays  # what stayed goes at no second look


@given(st.lists(st.tuples(st.floats(0, 3), PROOFS, POLICIES, st.sets(st.integers(1, 12))), min_size=1, max_size=12))
def test_over_the_life_of_a_store(life):
    """Each run takes one, proves it or not, and lets go; clocks go on, policies and pins change."""
    there, age = [], sum(days for days, *_others in life)
    for number, (days, proofs, policy, pins) in enumerate(life, start=1):
        age -= days
        there = [*there, made(number, age, *proofs)]
        pinned = {f"b{pin}" for pin in pins} | {f"b{number}"}
        verdicts = judge(there, policy, NOW - age * DAY, pinned)
        again = judge(list(there), policy, NOW - age * DAY, sorted(pinned, reverse=True))
        assert verdicts == again
        stays = [verdict.backup for verdict in verdicts if verdict.stays]
        for strength in ("read", "restore"):
            proven = [one for one in there if one.verified_by == strength]
            assert not proven or proven[-1] in stays
        assert all(one in stays for one in there if one.manifest.id in pinned)
        assert all(verdict.why for verdict in verdicts)
        there = stays


@given(HISTORIES, POLICIES, st.integers(0, 5))
def test_a_wider_policy_lets_go_of_no_more(history, policy, more):
    backups = [made(number, age, *proofs) for number, (age, proofs) in enumerate(history, start=1)]
    kept = set(staying(backups, policy))
    for wider in (policy._replace(last=policy.last + more), policy._replace(days=policy.days + more)):
        assert not any(policy) or kept <= set(staying(backups, wider))


@given(HISTORIES, POLICIES, st.sets(st.integers(1, 30)))
def test_of_what_cannot_be_read_no_other_one_goes_earlier(history, policy, unreadable):
    backups = [made(number, age, *proofs) for number, (age, proofs) in enumerate(history, start=1)]
    read = [one for one in backups if one.manifest.number not in unreadable]
    assert set(staying(backups, policy)) & {one.manifest.id for one in read} <= set(staying(read, policy))


@given(HISTORIES, POLICIES)
def test_what_is_negative_keeps_as_much_as_what_is_not_set(history, policy):
    """The newest minus one so many were all but the oldest."""
    backups = [made(number, age, *proofs) for number, (age, proofs) in enumerate(history, start=1)]
    assert staying(backups, Policy(*[-number for number in policy])) == [one.manifest.id for one in backups]
    for field in Policy._fields:
        if any(policy._replace(**{field: 0})):
            below, unset = policy._replace(**{field: -1}), policy._replace(**{field: 0})
            assert staying(backups, below) == staying(backups, unset)


@pytest.mark.parametrize(
    "proofs, strength",
    [((), "none"), ((READ,), "read"), ((GOOD, READ), "restore"), ((GOOD, BAD), "none"), ((BAD, READ), "read")],
)
def test_the_strongest_proof_since_the_last_failure_counts(proofs, strength):
    assert made(1, 0, *proofs).verified_by == strength
