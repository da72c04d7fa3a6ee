# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a journal's records mean."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.state.history import compacted, report, summarize
from ansible_collections.slipway.deploy.plugins.module_utils.state.journal import Record, encode, parse
from hypothesis import given
from hypothesis import strategies as st

LEASE = {
    "token": 1,
    "release_id": "r1",
    "holder": {"host": "ctl", "pid": 7},
    "boot_id": "b",
    "granted": 0.0,
    "expires": 1.0,
}
ENDED = {"ok": True, "cause": "", "message": "", "seconds": 1.5}
SPEC = {"version": "1.1.0", "identity": "i1", "side": "green", "hosts": ["a"]}


def records(*events):
    """(event, release, token, stage, data) → records with numbers and times."""
    return [
        Record(seq, 100.0 + seq, release, token, stage, event, data)
        for seq, (event, release, token, stage, data) in enumerate(events, 1)
    ]


def granted(release, token, **about):
    return ("granted", release, token, "", {"lease": {**LEASE, "token": token, "release_id": release}, "about": about})


def begin(release, token, stage):
    return ("begin", release, token, stage, {"deadline": 1.0})


def end(release, token, stage, **data):
    return ("end", release, token, stage, {**ENDED, **data})


def decision(release, token):
    return ("decision", release, token, "decision", {"spec": SPEC})


def outcome(release, token, how, **about):
    return ("outcome", release, token, "settle", {"outcome": how, "diagnosis": {}, "about": about})


def succeeded(release, token, identity=""):
    return [
        granted(release, token, identity=identity),
        begin(release, token, "prepare"),
        end(release, token, "prepare"),
        outcome(release, token, "succeeded"),
        end(release, token, "settle"),
        ("released", release, token, "", {}),
    ]


def test_an_empty_journal_says_nothing():
    view = summarize([])
    assert (view.open, view.last_good, view.releases, view.bad, view.fence) == (None, None, [], {}, 0)


@pytest.mark.parametrize(
    ("events", "stage", "decided", "settling"),
    [
        pytest.param([granted("r1", 1)], "", False, False, id="granted only"),
        pytest.param([granted("r1", 1), begin("r1", 1, "prepare")], "prepare", False, False, id="preparing"),
        pytest.param(
            [granted("r1", 1), begin("r1", 1, "decision"), decision("r1", 1)], "decision", True, False, id="decided"
        ),
        pytest.param([granted("r1", 1), begin("r1", 1, "settle")], "settle", False, True, id="settling"),
    ],
)
def test_an_open_release_tells_how_far_it_got(events, stage, decided, settling):
    told = report(summarize(records(*events)))
    assert told["open"] == "r1"
    release = told["releases"][0]
    assert (release["stage"], release["decided"], release["settling"]) == (stage, decided, settling)


def test_the_frozen_specification_comes_back_whole():
    view = summarize(records(granted("r1", 1, live_side="blue"), decision("r1", 1)))
    assert view.open.decision == SPEC
    told = report(view)["releases"][0]
    assert told["decision"] == SPEC
    assert (told["version"], told["identity"], told["side"]) == ("1.1.0", "i1", "green")
    assert told["about"]["live_side"] == "blue"


def test_old_specifications_are_not_sent_but_that_there_was_one_is():
    events = []
    for token in range(1, 13):
        events += [decision(f"r{token}", token), outcome(f"r{token}", token, "succeeded")]
    told = report(summarize(records(*events)))
    assert [release["decision"] is None for release in told["releases"]] == [True] * 2 + [False] * 10
    assert all(release["decided"] for release in told["releases"])
    assert told["last_good"] == "r12"


def test_a_stage_that_did_not_end_is_told_from_one_that_failed():
    events = [
        granted("r1", 1),
        begin("r1", 1, "prepare"),
        end("r1", 1, "prepare", ok=False, cause="refused"),
        begin("r1", 1, "revert"),
    ]
    stages = summarize(records(*events)).open.stages
    assert [(stage["name"], stage["ok"], stage["cause"]) for stage in stages] == [
        ("prepare", False, "refused"),
        ("revert", None, ""),
    ]


def test_settling_is_known_by_any_record_of_it_when_a_repair_has_lost_its_beginning():
    events = [begin("r1", 1, "shift"), end("r1", 1, "shift"), ("note", "r1", 1, "settle", {"name": "stopped"})]
    assert summarize(records(*events)).open.begun("settle")
    view = summarize(records(end("r1", 1, "settle"), end("r1", 1, "settle")))
    assert [stage["ok"] for stage in view.open.stages] == [True, True]


def test_a_closed_release_is_not_open_and_the_last_good_one_is_remembered():
    failed = [granted("r2", 2), begin("r2", 2, "prepare"), outcome("r2", 2, "reverted")]
    view = summarize(records(*succeeded("r1", 1), *failed))
    assert view.open is None
    assert view.last_good.id == "r1"
    assert [(release.id, release.outcome) for release in view.releases] == [("r1", "succeeded"), ("r2", "reverted")]


def test_a_grant_that_was_never_used_is_closed_by_the_next_one():
    view = summarize(records(granted("r1", 1), granted("r2", 2)))
    assert [(release.id, release.outcome) for release in view.releases] == [("r1", "withdrawn"), ("r2", "")]


def test_an_interrupted_release_stays_open_beside_a_newer_one_and_comes_first():
    view = summarize(records(granted("r1", 1), begin("r1", 1, "prepare"), granted("r2", 2)))
    assert [release.id for release in view.unfinished] == ["r1", "r2"]
    assert view.open.id == "r1"


@pytest.mark.parametrize("event", ["withdrawn", "released", "unlocked"])
def test_giving_the_lease_back_closes_only_a_release_that_did_nothing(event):
    untouched = summarize(records(granted("r1", 1), (event, "r1", 1, "", {})))
    assert untouched.releases[0].outcome == "withdrawn"
    begun = summarize(records(granted("r1", 1), begin("r1", 1, "prepare"), (event, "r1", 1, "", {})))
    assert begun.open.id == "r1"


MARK = ("marked_bad", "r1", 1, "", {"identity": "i1", "version": "1.2.0", "why": "smoke"})


def test_a_bad_version_stays_bad_until_forgiven_or_good():
    assert set(summarize(records(MARK)).bad) == {"i1"}
    assert summarize(records(MARK, ("forgiven", "", 0, "", {"identity": "i1"}))).bad == {}
    assert summarize(records(MARK, *succeeded("r2", 2, identity="i1"))).bad == {}
    assert set(summarize(records(MARK, *succeeded("r2", 2, identity="other"))).bad) == {"i1"}


FROZEN = ("frozen", "", 0, "", {"who": "ann", "why": "sale", "until": 0.0})


def test_it_is_frozen_as_was_said_last_until_it_is_thawed():
    again = ("frozen", "", 0, "", {"who": "bob", "why": "stock", "until": 5.0})
    assert summarize(records(FROZEN, again)).frozen == {**again[4], "since": 102.0}
    assert summarize(records(FROZEN, *succeeded("r1", 1))).frozen["who"] == "ann"
    assert report(summarize(records(FROZEN, ("thawed", "", 0, "", {"who": "bob"}))))["frozen"] is None


def taken_out(token, how, machine="app2"):
    """A run that takes a machine out of traffic, gives it back or removes it, and its end."""
    about = {"machine": machine, "who": "ann", "why": "disk"}
    return [
        granted(f"d{token}", token, drain=about, **({"remove": about} if how == "removed" else {})),
        begin(f"d{token}", token, "drain"),
        outcome(f"d{token}", token, how),
    ]


def test_a_machine_is_drained_until_it_is_given_back_or_removed():
    drained = taken_out(3, "drained")
    assert summarize(records(*drained)).drained == {
        "app2": {"drained": True, "removed": False, "who": "ann", "why": "disk", "since": 103.0, "token": 3}
    }
    for how, removed in (("undrained", False), ("removed", True)):
        last = summarize(records(*drained, *taken_out(4, how))).drained["app2"]
        assert (last["drained"], last["removed"], last["token"]) == (False, removed, 4)
    failed = summarize(records(*drained, *taken_out(4, "failed"), *taken_out(5, "drained", "app3"))).drained
    assert failed["app2"]["drained"] and failed["app3"]["drained"]


def test_an_event_of_no_meaning_here_is_passed_over():
    view = summarize(records(granted("r1", 1), ("note", "r1", 1, "prepare", {"name": "x"})))
    assert view.open.id == "r1"


def many(count):
    events = [MARK, FROZEN, *taken_out(0, "drained"), *succeeded("first", 1, identity="i0")]
    for token in range(2, count + 2):
        events += [granted(f"r{token}", token), begin(f"r{token}", token, "x"), outcome(f"r{token}", token, "reverted")]
    return records(*events)


@given(st.integers(1, 30), st.integers(1, 10))
def test_compaction_keeps_the_last_releases_and_what_the_older_ones_still_say(count, keep):
    before = many(count)
    after = compacted(before, keep)
    old, new = summarize(before), summarize(after)
    assert (new.bad, new.frozen, new.fence, new.last_seq) == (old.bad, old.frozen, old.fence, old.last_seq)
    assert new.drained == old.drained
    assert new.last_good == old.last_good
    assert new.releases == old.releases[-len(new.releases) :]
    assert len(new.releases) >= min(keep, len(old.releases))
    assert summarize(parse(b"".join(encode(record) for record in after), "journal").records) == new
    again = compacted(after, keep)
    assert summarize(again).releases == new.releases


def test_compaction_never_drops_an_unfinished_release():
    interrupted = records(granted("old", 1), begin("old", 1, "prepare"))
    later = [record._replace(seq=record.seq + 2) for record in many(9)]
    assert summarize(compacted([*interrupted, *later], 2)).open.id == "old"
