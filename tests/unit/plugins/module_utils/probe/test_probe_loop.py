# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop: how many successes, how far apart, until when, and which cause is told."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.probe import loop
from ansible_collections.slipway.deploy.plugins.module_utils.probe.container import Container
from ansible_collections.slipway.deploy.plugins.module_utils.probe.loop import check_once, probe_all, wait_healthy
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import (
    Clean,
    Policy,
    Probe,
    Result,
    Success,
    Target,
)
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.probe.fakes import (
    ON_9000,
    FakeDocker,
    FakeSystem,
    inspected,
    proc_files,
)
from hypothesis import given
from hypothesis import strategies as st

TARGET = Target("http", name="backend/1", url="http://127.0.0.1:20000/health", companion="backend", image="shop:1")
REFUSED = SlipwayError("nothing listens", cause="refused", remedy="Start it.", evidence={"address": "127.0.0.1:20000"})
OK = Success({"status": 200})


class Scripted(Probe):
    """Tries end as written down, the last one for ever; each takes ``cost`` seconds."""

    def __init__(self, system: FakeSystem, outcomes: list[Success | SlipwayError], cost: float = 0.0) -> None:
        super().__init__(TARGET, system, Clean())
        self.outcomes = outcomes
        self.cost = cost
        self.budgets: list[float] = []

    def attempt(self, timeout: float) -> Success:
        self.budgets.append(timeout)
        t.cast(FakeSystem, self.system).advance(min(self.cost, timeout))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, SlipwayError):
            raise outcome
        return outcome


def waited(
    outcomes: list[Success | SlipwayError], policy: Policy, docker: FakeDocker | None = None, cost: float = 0.0
) -> tuple[Result, FakeSystem, Scripted]:
    system = FakeSystem(proc_files(ON_9000))
    probe = Scripted(system, outcomes, cost)
    container = None
    if docker is not None:
        container = Container(
            "backend", TARGET, policy=policy, system=system, clean=Clean(), connect=t.cast(t.Any, lambda: docker)
        )
    return wait_healthy(probe, container, policy), system, probe


@pytest.mark.parametrize(
    ("outcomes", "policy", "attempts", "seconds"),
    [
        ([OK], Policy(successes=1, minimum=0.0), 1, 0.0),
        ([OK], Policy(successes=3, minimum=0.0), 3, 1.0),
        ([OK], Policy(), 5, 2.0),
        ([REFUSED, OK], Policy(successes=1, minimum=0.0), 2, 0.5),
        ([OK, OK, REFUSED, OK], Policy(successes=3, minimum=0.0), 6, 2.5),
        ([OK], Policy(successes=1, minimum=0.7), 3, 1.0),
    ],
)
def test_healthy_is_a_row_of_successes_over_the_minimum(
    outcomes: list[Success | SlipwayError], policy: Policy, attempts: int, seconds: float
) -> None:
    result, _system, _probe = waited(list(outcomes), policy)
    assert (result.healthy, result.cause, result.attempts, result.seconds) == (True, "", attempts, seconds)
    assert result.evidence == {"status": 200}


def test_a_restart_between_two_successes_begins_the_count_anew() -> None:
    outcomes: list[Success | SlipwayError] = [Success({}, run="1"), Success({}, run="1"), Success({}, run="2")]
    result, _system, _probe = waited(outcomes, Policy(successes=3, minimum=0.0))
    assert result.healthy
    assert result.attempts == 5


def test_the_deadline_ends_the_wait_with_the_last_cause() -> None:
    result, system, _probe = waited([REFUSED], Policy(deadline=3.2))
    assert (result.healthy, result.cause, result.seconds) == (False, "refused", 3.2)
    assert result.message == "nothing listens."
    assert result.remedy == "Start it."
    assert system.sleeps[-1] == pytest.approx(0.2)


def test_tries_are_cut_at_the_deadline_and_a_cut_one_hides_no_cause() -> None:
    slow = SlipwayError("no answer", cause="timeout")
    result, _system, probe = waited(
        [REFUSED, slow], Policy(successes=1, minimum=0.0, deadline=3.0, timeout=9.0), cost=9.0
    )
    assert probe.budgets == [3.0]
    assert result.cause == "refused"
    result, _system, probe = waited([REFUSED, slow], Policy(successes=1, minimum=0.0, deadline=3.0), cost=1.6)
    assert probe.budgets == [2.0, pytest.approx(0.9)]
    assert result.cause == "refused"


def test_successes_that_do_not_last_are_named_unstable() -> None:
    result, _system, _probe = waited([REFUSED, OK], Policy(successes=3, minimum=2.0, deadline=2.6), cost=0.4)
    assert result.cause == "unstable"
    assert "found '2 successes in a row over 0.9 s', wanted '3 over 2 s'" in result.message
    assert "nothing listens" in result.message


def test_a_certain_cause_ends_the_wait_at_once() -> None:
    docker = FakeDocker(inspected(), inspected("exited", ExitCode=3), logs=b"no such table\n")
    result, system, _probe = waited([REFUSED], Policy(), docker)
    assert (result.cause, result.attempts, system.sleeps) == ("exited", 2, [0.5])
    assert result.evidence["logs"] == ["no such table"]
    assert result.evidence["container"]["exit_code"] == 3
    assert result.evidence["address"] == "127.0.0.1:20000"


def test_a_container_that_is_restarted_is_waited_for() -> None:
    docker = FakeDocker(inspected("restarting", ExitCode=1))
    result, _system, _probe = waited([REFUSED], Policy(deadline=5.0), docker)
    assert (result.cause, result.seconds) == ("refused", 5.0)
    assert "keeps exiting with 1" in result.evidence["companion"]


@pytest.mark.parametrize(("patience", "attempts"), [(0.0, 2), (2.0, 5)])
def test_another_port_is_believed_when_it_stays_the_only_one(patience: float, attempts: int) -> None:
    result, _system, _probe = waited([REFUSED], Policy(wrong_port_after=patience), FakeDocker(inspected()))
    assert (result.cause, result.attempts) == ("wrong_port", attempts)
    assert result.evidence["listening"] == ["0.0.0.0:9000"]
    assert "9000" in result.message
    assert "8080" in result.message


def test_an_engine_that_does_not_answer_is_no_verdict_on_the_program() -> None:
    docker = FakeDocker(inspected())
    docker.broken = SlipwayError("the Docker Engine gives no answer", cause="docker")
    result, _system, _probe = waited([REFUSED, OK], Policy(), docker)
    assert result.healthy


@given(
    st.lists(st.booleans(), min_size=1, max_size=30),
    st.integers(1, 5),
    st.floats(0, 5),
    st.floats(0.1, 3),
    st.floats(0, 2),
)
def test_no_wait_outlasts_the_deadline_and_no_healthy_one_lacks_successes(
    script: list[bool], successes: int, minimum: float, interval: float, cost: float
) -> None:
    policy = Policy(successes=successes, minimum=minimum, interval=interval, deadline=20.0)
    outcomes: list[Success | SlipwayError] = [OK if good else REFUSED for good in script]
    result, system, probe = waited(outcomes, policy, cost=cost)
    assert result.seconds <= 20.001
    assert all(budget <= policy.timeout for budget in probe.budgets)
    assert all(pause <= interval for pause in system.sleeps)
    if result.healthy:
        tail = (script + [script[-1]] * 500)[: result.attempts][-successes:]
        assert all(tail)
        assert result.seconds >= minimum - 0.001


def test_all_targets_are_probed_each_by_its_own_policy_and_told_in_order() -> None:
    system = FakeSystem()
    system.answers = [Completed(0, "", "")] * 3
    slow = Policy(successes=3, minimum=0.0, interval=5.0)
    targets = [
        Target("container", container="shop-1"),
        Target("command", argv=["check", "--now"], policy=slow),
        Target("container", name="worker", container="shop-2"),
    ]
    docker = FakeDocker(inspected())
    results = probe_all(
        targets, system=system, policy=Policy(successes=1, minimum=0.0), docker=t.cast(t.Any, lambda: docker)
    )
    assert [(result.name, result.healthy, result.attempts) for result in results] == [
        ("shop-1", True, 1),
        ("check", True, 3),
        ("worker", True, 1),
    ]
    assert docker.closed


def test_a_bug_in_a_probe_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> t.NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(Container, "inspect", broken)
    with pytest.raises(ZeroDivisionError):
        probe_all([Target("container", container="x")], system=FakeSystem(), policy=Policy())


def test_a_thread_that_never_comes_back_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck:
        def __init__(self, **_options: object) -> None:
            pass

        def start(self) -> None:
            pass

        def join(self, _seconds: float) -> None:
            pass

    monkeypatch.setattr(loop.threading, "Thread", Stuck)
    result = probe_all([Target("command", name="x", argv=["true"])], system=FakeSystem(), policy=Policy())[0]
    assert (result.healthy, result.cause) == (False, "timeout")


def test_a_smoke_test_tries_exactly_once() -> None:
    system = FakeSystem()
    system.answers = [Completed(1, "", "boom"), Completed(0, "", "")]
    target = Target("command", argv=["check"])
    result = check_once(target, system=system, policy=Policy())
    assert (result.healthy, result.cause, result.attempts) == (False, "command", 1)
    assert check_once(target, system=system, policy=Policy()).healthy
    assert system.sleeps == []


def test_a_smoke_test_names_the_cause_inside_the_container() -> None:
    docker = FakeDocker(inspected("exited", ExitCode=139))
    system = FakeSystem()
    system.answers = [Completed(1, "", "")]
    target = Target("command", argv=["check"], companion="backend")
    result = check_once(target, system=system, policy=Policy(), docker=t.cast(t.Any, lambda: docker))
    assert (result.cause, result.attempts) == ("exited", 1)
    assert "139 (SIGSEGV)" in result.message


def test_secrets_show_nowhere_in_a_result() -> None:
    secret = "hunter2-is-long"
    docker = FakeDocker(
        inspected("exited", ExitCode=1, Error=""), logs=f"connecting with {secret}\nline {secret[:4]}\n".encode()
    )
    system = FakeSystem()
    system.answers = [Completed(2, f"out {secret}", f"err {secret}")] * 2
    targets = [
        Target("command", argv=["check", secret]),
        Target("command", argv=["check", secret], companion="backend"),
    ]
    results = probe_all(
        targets,
        system=system,
        policy=Policy(successes=1, minimum=0.0, deadline=0.4),
        secrets=[secret],
        docker=t.cast(t.Any, lambda: docker),
    )
    assert [result.cause for result in results] == ["command", "exited"]
    assert secret not in json.dumps(results)
    assert results[1].evidence["logs"][0] == "connecting with ********"


def test_bad_input_is_refused_before_anything_is_probed() -> None:
    system = FakeSystem()
    with pytest.raises(SlipwayError, match=r"targets\[1\]\.kind: unknown kind"):
        probe_all([Target("command", argv=["x"]), Target("smtp")], system=system, policy=Policy())
    assert system.commands == []
