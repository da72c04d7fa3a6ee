# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a rehearsal goes, and what it makes of what it finds."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.copied import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.budget import Budget
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.locks import Lock
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.trial import Attempt, Result, Trial
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.watch import Blind, Measures, Table
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.witness import (
    BROKEN,
    UNABLE,
    Finding,
    Nobody,
    Witness,
)
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

COPY = Copy("sqlite", "/nowhere")
DONE = [{"script": "V1.sql", "version": "1", "ms": 5}]


class Clock(System):
    """Goes on only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Tale(Witness):
    """A witness that tells what it was told to tell, and when it was asked."""

    def __init__(self, steps: list[str], unable: t.Sequence[Finding] = (), broken: t.Sequence[Finding] = ()) -> None:
        self._steps, self._unable, self._broken = steps, unable, broken

    def __exit__(self, *_error: object) -> None:
        self._steps.append("gone")

    def warm(self) -> list[Finding]:
        self._steps.append("warm")
        return [*self._unable]

    def judge(self) -> list[Finding]:
        self._steps.append("judge")
        return [*self._broken]


class Rehearsed:
    """One rehearsal whose migrations take some time or fail."""

    def __init__(self, *, takes: float = 1.0, fails: SlipwayError | None = None, **witness: t.Any) -> None:
        self.steps: list[str] = []
        self._takes, self._fails, self._witness = takes, fails, witness
        self.clock = Clock()

    def run(self, pending: t.Sequence[str] = ("V1.sql",)) -> Result:
        tried = Trial(COPY, Budget(1.0, 60.0), lambda _copy: Tale(self.steps, **self._witness), self.clock)
        return tried.run(Attempt(pending, self._apply))

    def _apply(self, begun: t.Callable[[str], None]) -> list[dict[str, t.Any]]:
        self.steps.append("apply")
        begun("V1.sql")
        self.clock.now += self._takes
        if self._fails is not None:
            raise self._fails
        return DONE


def causes(result: Result) -> list[str]:
    return [one.cause for one in result.problems]


def test_the_old_version_is_warm_before_and_judged_after() -> None:
    rehearsed = Rehearsed()
    result = rehearsed.run()
    assert rehearsed.steps == ["warm", "apply", "judge", "gone"]
    assert result.applied == DONE and result.problems == []
    result.raised()


def test_nothing_is_started_where_nothing_is_pending() -> None:
    rehearsed = Rehearsed()
    assert rehearsed.run(()).pending == () and rehearsed.steps == []


def test_a_failing_migration_is_told_as_one_and_the_old_version_not_asked_then() -> None:
    rehearsed = Rehearsed(
        fails=SlipwayError("was refused", obj="V1.sql line 3", actual="23505", cause="migration_failed")
    )
    result = rehearsed.run()
    assert rehearsed.steps == ["warm", "apply", "gone"]
    with pytest.raises(SlipwayError, match=r"V1\.sql line 3") as caught:
        result.raised()
    assert caught.value.cause == "rehearsal_failed"
    assert caught.value.evidence["cause"] == "migration_failed"
    assert caught.value.evidence["rehearsal"]["pending"] == ["V1.sql"]


@pytest.mark.parametrize("cause", ["tool_missing", "not_baselined", "bad_input", "fenced"])
def test_a_tool_that_cannot_begin_says_nothing_about_the_migrations(cause: str) -> None:
    rehearsed = Rehearsed(fails=SlipwayError("is not there", cause=cause))
    with pytest.raises(SlipwayError) as caught:
        rehearsed.run()
    assert caught.value.cause == cause and rehearsed.steps[-1] == "gone"


def test_an_old_version_that_breaks_is_a_reason_and_one_that_cannot_be_tried_is_none() -> None:
    unable, broken = Finding(UNABLE, "app", "was not tried"), Finding(BROKEN, "app", "GET /", "old", "500")
    assert causes(Rehearsed(unable=[unable]).run()) == []
    assert "was not tried" in Rehearsed(unable=[unable]).run().warnings[0]
    result = Rehearsed(broken=[broken]).run()
    assert causes(result) == ["old_version_broken"]
    assert "app: GET / on old connections: 500" in result.problems[0].message


def test_too_long_is_told_whether_it_was_ended_or_not() -> None:
    assert causes(Rehearsed(takes=61.0).run()) == ["rehearsal_slow"]
    ended = Rehearsed(takes=61.0, fails=SlipwayError("was ended", cause="timeout")).run()
    assert causes(ended) == ["rehearsal_slow"] and "not done" in ended.problems[0].message
    own = Rehearsed(takes=2.0, fails=SlipwayError("was ended", cause="timeout")).run()  # by its statement_timeout
    assert causes(own) == ["rehearsal_failed"]


def test_all_reasons_are_told_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Measures(
        [Lock("item", "ShareLock", 9.0, "V1.sql", "CREATE INDEX")], {"item": Table("item", 1, 8192)}, [], 0.01
    )
    monkeypatch.setattr(Blind, "measures", lambda _self: held)
    result = Rehearsed(takes=61.0, broken=[Finding(BROKEN, "app", "GET /", "new", "500")]).run()
    assert causes(result) == ["old_version_broken", "rehearsal_lock", "rehearsal_slow"]
    with pytest.raises(SlipwayError) as caught:
        result.raised()
    assert len(caught.value.evidence["also"]) == 2


def test_a_server_that_reaches_others_is_told() -> None:
    open_one = COPY._replace(reaches="everything")
    tried = Trial(open_one, Budget(1.0, 60.0), lambda _copy: Nobody("nobody asked"), Clock())
    said = tried.run(Attempt(["V1.sql"], lambda _begun: DONE)).warnings
    assert any("everything" in one for one in said)
