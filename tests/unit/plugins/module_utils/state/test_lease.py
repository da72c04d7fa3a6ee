# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may take a lease and who may act under it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.state import lease as engine
from ansible_collections.slipway.deploy.plugins.module_utils.state.journal import Record
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import (
    Lease,
    Lock,
    ReleaseToken,
    UnreadableError,
    check_grant,
    check_stage,
    decode_lock,
    encode_lock,
    resolve,
)
from hypothesis import given
from hypothesis import strategies as st

HERE = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "99", "boot_id": "c", "command": "deploy", "since": 5.0}
THERE = {**HERE, "pid": 8}
RELEASE = ReleaseToken("r5", 5, HERE)


def a_lease(token=5, holder=None, release="r5"):
    return Lease(token, release, holder or HERE, "boot-1", 100.0, 160.0)


# How long


@pytest.mark.parametrize(
    ("boot", "now", "remaining"),
    [
        pytest.param("boot-1", 100.0, 60.0, id="fresh"),
        pytest.param("boot-1", 161.0, -1.0, id="lapsed"),
        pytest.param("boot-2", 1.0, 59.0, id="rebooted: it may have been down for a moment only"),
        pytest.param("boot-2", 60.0, 0.0, id="rebooted: this boot is as old as the lease was long"),
    ],
)
def test_a_lease_runs_on_the_clock_of_the_boot(boot, now, remaining):
    assert a_lease().remaining(boot, now) == remaining


# The file


TEXT_OR_NUMBER = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LEASES = st.builds(
    Lease,
    token=st.integers(1),
    release_id=st.text(),
    holder=st.dictionaries(st.text(), TEXT_OR_NUMBER, max_size=4),
    boot_id=st.text(),
    granted=st.floats(0, 1e9),
    expires=st.floats(0, 1e9),
)


@given(st.integers(0), st.none() | LEASES)
def test_what_was_written_is_read(fence, lease):
    assert decode_lock(encode_lock(fence, lease)) == (fence, lease)


@given(st.integers(0), LEASES, st.data())
def test_a_cut_file_is_unreadable_wherever_it_was_cut(fence, lease, data):
    content = encode_lock(fence, lease)
    with pytest.raises(UnreadableError):
        decode_lock(content[: data.draw(st.integers(0, len(content) - 2))])


@given(st.binary() | st.text().map(str.encode) | st.just(b"[]") | st.just(b"{}") | st.just(b"null"))
def test_garbage_is_unreadable_and_nothing_else(garbage):
    with pytest.raises(UnreadableError):
        decode_lock(garbage)


def test_an_edited_file_is_unreadable():
    with pytest.raises(UnreadableError):
        decode_lock(encode_lock(5, None).replace(b'"fence":5', b'"fence":4'))


def test_a_newer_file_is_refused(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(engine, "SCHEMA", 2)
        content = encode_lock(5, a_lease())
    with pytest.raises(SlipwayError) as caught:
        decode_lock(content)
    assert caught.value.cause == "journal_newer"


# The file and the journal together


def granted(token, seq=1):
    data = {"lease": a_lease(token)._asdict(), "about": {}}
    return Record(seq, 0.0, "r", token, "", "granted", json.loads(json.dumps(data)))


def test_the_fence_is_the_higher_of_file_and_journal():
    assert resolve(encode_lock(9, None), [granted(5)]).fence == 9
    assert resolve(encode_lock(4, None), [granted(5)]).fence == 5


@pytest.mark.parametrize("content", [None, b"", b"garbage", encode_lock(5, a_lease())[:-20]])
def test_a_lost_or_unreadable_file_loses_neither_the_fence_nor_the_lease(content):
    lock = resolve(content, [granted(5)])
    assert lock == Lock(5, a_lease(5), "journal")


@pytest.mark.parametrize("event", ["withdrawn", "released", "unlocked"])
def test_without_the_file_a_lease_given_back_stays_given_back(event):
    given_back = Record(2, 0.0, "r", 5, "", event, {})
    assert resolve(None, [granted(5), given_back]) == Lock(5, None, "journal")


def test_without_the_file_the_renewals_of_the_stages_count():
    times = {"boot_id": "boot-2", "granted": 1.0, "expires": 31.0}
    renewed = Record(2, 0.0, "r", 5, "prepare", "begin", {"lease": times})
    assert resolve(b"garbage", [granted(5), renewed]).lease == a_lease()._replace(**times)


def test_a_bare_machine_has_no_fence_and_no_lease():
    assert resolve(None, []) == Lock(0, None, "none")


# Granting


def refusal(lock, release, remaining, takeover=()):
    try:
        check_grant(lock, release, remaining, takeover)
    except SlipwayError as error:
        return error.cause
    return ""


OTHERS = a_lease(4, THERE, "r4")


@pytest.mark.parametrize(
    ("lock", "remaining", "takeover", "cause"),
    [
        pytest.param(Lock(0, None, "none"), 0, [], "", id="a bare machine"),
        pytest.param(Lock(4, None, "file"), 0, [], "", id="a higher token"),
        pytest.param(Lock(5, None, "file"), 0, [], "fence_conflict", id="the same token, not ours any more"),
        pytest.param(Lock(6, None, "file"), 0, [], "fence_conflict", id="an old token"),
        pytest.param(Lock(4, OTHERS, "file"), 20, [], "lock_held", id="a live foreign lease"),
        pytest.param(Lock(4, OTHERS, "file"), -1, [], "", id="a lapsed foreign lease"),
        pytest.param(Lock(4, OTHERS, "file"), 20, [{"token": 4, "holder": THERE}], "", id="a holder proved gone"),
        pytest.param(
            Lock(4, OTHERS, "file"),
            20,
            [{"token": 4, "holder": {**THERE, "host": "other"}}],
            "lock_held",
            id="another holder of the same token proved gone",
        ),
        pytest.param(
            Lock(4, OTHERS, "file"),
            20,
            [{"token": 3, "holder": THERE}],
            "lock_held",
            id="an earlier lease proved gone, and granted anew since",
        ),
        pytest.param(Lock(4, a_lease(4), "file"), 20, [], "", id="our own process with an earlier token"),
        pytest.param(Lock(5, a_lease(), "file"), 20, [], "", id="exactly ours already"),
        pytest.param(Lock(5, a_lease(), "file"), -5, [], "", id="exactly ours, lapsed"),
        pytest.param(Lock(6, a_lease(), "file"), 20, [], "fence_conflict", id="ours, but fenced off"),
        pytest.param(Lock(5, a_lease(5, THERE), "file"), 20, [], "lock_held", id="the same token of another"),
        pytest.param(Lock(5, a_lease(5, THERE), "file"), -1, [], "fence_conflict", id="the same token, lapsed"),
    ],
)
def test_a_lease_is_given_to_one(lock, remaining, takeover, cause):
    assert refusal(lock, RELEASE, remaining, takeover) == cause


def test_two_nameless_holders_are_not_the_same_process():
    assert refusal(Lock(4, a_lease(4, {"host": ""}), "file"), ReleaseToken("r5", 5, {}), 20) == "lock_held"


def test_a_refusal_says_who_from_where_since_when_until_when():
    with pytest.raises(SlipwayError) as caught:
        check_grant(Lock(4, OTHERS, "file"), RELEASE, 20.4, [])
    for word in ("ann", "ctl", "8", "r4", "since 1970-01-01 00:00:05 UTC", "20 s", "unlock"):
        assert word in caught.value.message
    assert caught.value.evidence["since"] == 5.0
    assert caught.value.evidence["remaining"] == 20.4


# Acting


@pytest.mark.parametrize(
    ("lock", "stage", "remaining", "cause"),
    [
        pytest.param(Lock(5, a_lease(), "file"), "shift", 10, "", id="ours and live"),
        pytest.param(Lock(5, a_lease(), "file"), "prepare", -10, "", id="ours and lapsed: renewed"),
        pytest.param(Lock(5, a_lease(), "file"), "revert", -10, "", id="ours and lapsed: may always be put back"),
        pytest.param(Lock(5, a_lease(), "file"), "shift", -10, "lease_lapsed", id="lapsed: no shift"),
        pytest.param(Lock(5, a_lease(), "file"), "settle", 0, "lease_lapsed", id="lapsed: no settle"),
        pytest.param(Lock(6, a_lease(), "file"), "prepare", 10, "lost_lock", id="fenced off"),
        pytest.param(Lock(5, None, "file"), "prepare", 10, "lost_lock", id="unlocked by somebody"),
        pytest.param(Lock(5, a_lease(5, THERE), "file"), "prepare", 10, "lost_lock", id="the same token of another"),
        pytest.param(Lock(0, None, "none"), "prepare", 0, "lost_lock", id="never granted here"),
        pytest.param(Lock(4, a_lease(4), "file"), "prepare", 10, "lost_lock", id="our earlier token"),
    ],
)
def test_only_the_holder_of_the_fence_acts(lock, stage, remaining, cause):
    found = ""
    try:
        check_stage(lock, RELEASE, stage, remaining)
    except SlipwayError as error:
        found = error.cause
    assert found == cause


def test_whoever_repairs_an_older_release_acts_for_it_under_its_own_lease():
    check_stage(Lock(5, a_lease(5, HERE, "new"), "file"), ReleaseToken("old", 5, HERE), "revert", 10)


@pytest.mark.parametrize(("name", "token"), [("r", None), ("r", 0), ("", 1), ("../x", 1), (".x", 1), ("r", "x")])
def test_an_option_that_is_no_release_is_refused(name, token):
    with pytest.raises(SlipwayError) as caught:
        ReleaseToken.parse({"id": name, "token": token})
    assert caught.value.cause == "invalid"


def test_an_option_may_carry_more_than_the_release():
    assert ReleaseToken.parse({"id": "r5", "token": "5", "holder": HERE, "stage": "shift"}) == RELEASE
