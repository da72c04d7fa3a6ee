# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge, moved


def passed(started=10.0, ended=11.0):
    return {"stage": {"ok": True, "cause": "", "message": "", "started": started, "ended": ended}}


def failed(cause, message="because"):
    return {"stage": {"ok": False, "cause": cause, "message": message, "started": 10.0, "ended": 12.5}}


def test_all_machines_must_pass():
    verdict = judge("prepare", {"app1": passed(), "app2": failed("status", "status 500, wanted 200")})
    assert not verdict.ok
    assert verdict.message.splitlines() == [
        "prepare: 1 of 2 machines did not pass",
        "  app2: status 500, wanted 200 [status]",
    ]


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        (None, "no_result"),
        ({"unreachable": True, "msg": "no route"}, "unreachable"),
        ({"skipped": True}, "skipped"),
        ({"msg": "something else ran"}, "error"),
        (failed("lost_lock"), "lost_lock"),
    ],
)
def test_a_machine_that_left_no_good_result_counts_against_the_stage(result, cause):
    verdict = judge("shift", {"app1": passed(), "lb1": result})
    assert not verdict.ok
    assert [(failure.machine, failure.cause) for failure in verdict.failures] == [("lb1", cause)]


@pytest.mark.parametrize(
    ("good", "bad", "ok"),
    [(1, 0, True), (2, 1, True), (1, 1, False), (2, 2, False), (3, 2, True), (1, 2, False)],
)
def test_a_majority_is_more_than_half_of_all_machines(good, bad, ok):
    results = {f"good{number}": passed() for number in range(good)}
    results.update({f"bad{number}": failed("unreachable") for number in range(bad)})
    assert judge("lock", results, majority=True).ok is ok


@pytest.mark.parametrize(
    ("cause", "blames"),
    [("status", True), ("exited", True), ("watch_errors", True), ("unreachable", False), ("no_space", False)],
)
def test_only_what_speaks_against_the_version_blames_it(cause, blames):
    assert judge("prepare", {"app1": failed(cause)}).blames_version is blames


def test_a_version_that_passes_on_one_host_is_not_blamed_for_what_is_wrong_on_another():
    ran = {**passed(), "containers": {"backend-1": {}}}
    verdict = judge("prepare", {"app1": failed("exited"), "app2": ran, "lb1": {**passed(), "containers": {}}})
    assert (verdict.ok, verdict.blames_version, verdict.passed_elsewhere) == (False, False, ["app2"])
    assert "not marked bad, because it passed on app2" in verdict.message


def test_a_version_that_has_passed_in_an_earlier_batch_is_not_blamed():
    verdict = judge("prepare", {"app1": passed(), "app2": failed("exited")}, passed=["app1"])
    assert (verdict.ok, verdict.blames_version, verdict.passed_elsewhere) == (False, False, ["app1"])


def test_a_balancer_that_had_nothing_to_run_does_not_speak_for_a_version():
    verdict = judge("prepare", {"app1": failed("exited"), "lb1": {**passed(), "containers": {}}})
    assert verdict.blames_version
    assert "not marked bad" not in verdict.message


def test_a_stage_takes_from_the_first_start_to_the_last_end():
    assert judge("prepare", {"app1": passed(10, 12), "app2": passed(11, 14.5), "app3": None}).seconds == 4.5


@pytest.mark.parametrize(
    ("read", "granted", "named"),
    [
        (7, 8, []),  # the grant itself
        (0, 1, []),  # a bare machine
        (7, 9, ["app1"]),  # a module that a killed controller had left has ended in between
        (None, 8, ["app1"]),  # it could not be read
    ],
)
def test_a_machine_has_moved_on_when_its_journal_gained_more_than_the_grant(read, granted, named):
    reads = {"app1": None if read is None else {"journal": {"last_seq": read}}}
    assert moved(reads, {"app1": {"journal": {"last_seq": granted}}, "lb1": {"msg": "refused"}, "lb2": None}) == named


def test_a_database_that_cannot_be_backed_up_speaks_against_no_version():
    """The causes of a backup have the same names as those of a program: a command that is missing, a time that is up."""
    assert not judge("backup", {"db1": failed("command_missing")}).blames_version
