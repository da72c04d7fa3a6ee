# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.recover import (
    CLOSE,
    FORWARD,
    RESUME,
    UNDO,
    Ended,
    OpenRelease,
    Traces,
    interrupted,
)


def opened(release="r1", token=7, *, decided=False, settling=False, reverting=False, spec=None):
    return OpenRelease(release, token, "stage", decided, settling, reverting, spec, {"side": "green"})


def trace(release=None, *ended):
    return Traces(release, [Ended(name, outcome) for name, outcome in ended])


CASES = {
    "prepared, no decision": ([trace(opened()), trace(opened())], UNDO),
    "decided on one machine only": ([trace(opened(decided=True)), trace(opened())], RESUME),
    "decided on all": ([trace(opened(decided=True)), trace(opened(decided=True))], RESUME),
    "settling begun on one": ([trace(opened(decided=True, settling=True)), trace(opened(decided=True))], FORWARD),
    "settled and recorded on one": ([trace(None, ("r1", "succeeded")), trace(opened(decided=True))], FORWARD),
    "reverting on one": ([trace(opened(decided=True, reverting=True)), trace(opened(decided=True))], UNDO),
    "reverted and recorded on one": ([trace(None, ("r1", "reverted")), trace(opened(decided=True))], UNDO),
    "never begun on one": ([trace(None), trace(opened(decided=True))], RESUME),
}


@pytest.mark.parametrize(("traces", "course"), CASES.values(), ids=CASES.keys())
def test_the_course_follows_from_what_all_machines_remember(traces, course):
    found = interrupted({f"m{number}": item for number, item in enumerate(traces)})
    assert found is not None
    assert (found.id, found.course) == ("r1", course)


def test_nothing_open_is_nothing_to_do():
    assert interrupted({"app1": trace(None, ("r0", "succeeded")), "app2": trace()}) is None


def test_the_oldest_release_comes_first():
    found = interrupted({"app1": trace(opened("r2", 9)), "app2": trace(opened("r1", 7))})
    assert (found.id, found.machines) == ("r1", ["app2"])


def test_the_frozen_specification_of_any_machine_serves_all():
    found = interrupted({"app1": trace(opened()), "app2": trace(opened(decided=True, spec={"version": "1.1.0"}))})
    assert found.spec == {"version": "1.1.0"}
    assert found.machines == ["app1", "app2"]


def test_a_split_outcome_is_refused_not_guessed():
    with pytest.raises(SlipwayError, match="ended the same release differently"):
        interrupted({"a": trace(None, ("r1", "succeeded")), "b": trace(None, ("r1", "reverted")), "c": trace(opened())})


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [([], "failed"), ([Ended("r1", "succeeded", 7)], "succeeded"), ([Ended("r1", "withdrawn", 7)], "failed")],
)
def test_a_release_that_a_newer_one_has_overtaken_is_only_closed(ended, outcome):
    """A machine was away for long: what it was about to put back is another release's side by now."""
    newer = Ended("r2", "succeeded", 9)
    found = interrupted({"app1": Traces(None, [*ended, newer]), "app2": trace(opened(token=7, decided=True))})
    assert (found.id, found.course, found.outcome, found.machines) == ("r1", CLOSE, outcome, ["app2"])


@pytest.mark.parametrize(
    "other",
    [Ended("r0", "succeeded", 5), Ended("r2", "reverted", 9), Ended("r1", "succeeded", 9)],
    ids=["an older one", "a newer one that failed", "itself, resumed with a newer token"],
)
def test_no_other_release_overtakes_it(other):
    found = interrupted({"app1": Traces(None, [other]), "app2": trace(opened(token=7))})
    assert found.course != CLOSE
