# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching and draining, decided by looks that are made up, on a clock that only sleeping moves."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import PROVIDERS, provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import (
    Closure,
    Counters,
    Look,
    Plan,
    Provider,
    Traffic,
)
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import (
    BACK_GATE,
    Drain,
    SwitchError,
    Watch,
    configure,
    switch,
)

BLUE, GREEN = ("backend", "blue_1"), ("backend", "green_1")
CLOSURE = Closure(0.0, 60, "<p>Later.</p>", (), 0.0)
TRAFFIC = Traffic("shop", "production", "*", 80, (), (), {"blue": 0, "green": 100})


class Clock(System):
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "a loop that does not wait"
        self.now += seconds


def look(
    requests: int = 0, errors: int = 0, *, sessions: int = 0, down: bool = False, foreign: bool = False, other: int = 0
) -> Look:
    counters = {"backend": Counters(requests, errors, {"5xx": errors})}
    if other:
        counters["frontend"] = Counters(other, 0, {"5xx": 0})
    return Look(
        counters=counters,
        sessions={"backend/blue_1": sessions} if sessions else {},
        down={"backend/green_1": "Connection refused"} if down else {},
        weights={"backend/green_1": 7} if foreign else {},
    )


class Scripted(Provider):
    """Gives looks by time, and keeps what it was told to do."""

    def __init__(self, clock: Clock, looks: t.Callable[[float], Look], before: dict[t.Any, int] | None = None) -> None:
        self.clock = clock
        self.looks = looks
        self.before = {BLUE: 100, GREEN: 0} if before is None else before
        self.done: list[str] = []
        self.gates: list[float] = []
        self.locked = False
        self.reshapes = False
        self.ill: SlipwayError | None = None
        self.anew = False
        self.closed = False

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        self.locked = True
        yield
        self.locked = False

    def observe(self) -> dict[str, t.Any]:
        return {}

    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        self.done.append("plan")
        after = {BLUE: 0, GREEN: 100}
        return Plan(traffic, None, None, self.reshapes, self.before, after, "old", "new", (), (), ["an action"])

    def refused_certificates(self, tls: t.Any, hosts: t.Sequence[str]) -> list[str]:
        return []

    def in_force(self) -> Traffic | None:
        return TRAFFIC._replace(closure=CLOSURE) if self.closed else None

    def retired(self) -> dict[str, int]:
        return {}

    def belongings(self) -> list[str]:
        return []

    def remove(self) -> None:
        self.done.append("remove")

    def configure(self, plan: Plan) -> None:
        assert self.locked
        self.done.append("configure")

    def gate(self, plan: Plan, seconds: float, *, anew: bool = False) -> None:
        assert not self.locked, "another platform must not wait for this gate"
        self.done.append("gate")
        self.gates.append(seconds)
        self.anew = anew

    def shift(self, plan: Plan) -> float | None:
        assert self.locked
        self.done.append("shift")
        return 1.2345

    def back(self, plan: Plan) -> Plan:
        assert self.locked
        if self.ill is not None:
            raise self.ill
        self.done.append("back")
        return plan._replace(actions=["a way back"])

    def look(self, plan: Plan) -> Look:
        assert not self.locked, "two platforms are released together"
        return self.looks(self.clock.now)


def run(
    looks: t.Callable[[float], Look],
    *,
    watch: Watch | None = None,
    drain: float | None = None,
    ill: SlipwayError | None = None,
    before: dict[t.Any, int] | None = None,
    reshapes: bool = False,
) -> tuple[dict[str, t.Any], Scripted]:
    clock = Clock()
    proxy = Scripted(clock, looks, before)
    proxy.ill = ill
    proxy.reshapes = reshapes
    try:
        result = switch(
            proxy, clock, TRAFFIC, gate=1.0, watch=watch, drain=None if drain is None else Drain(drain), check=False
        )
    except SwitchError as error:
        result = error.result()
    return result, proxy


WATCH = Watch(bake=10.0, interval=0.5, max_error_ratio=0.02, min_requests=50, revert=True)


def test_the_order_is_always_the_same() -> None:
    result, proxy = run(lambda now: look())
    assert proxy.done == ["plan", "configure", "gate", "shift"]
    assert (result["switched_ms"], result["watch"], result["drain"], result["reverted"]) == (1.23, None, None, False)
    assert result["changed"] and result["live_side"] == "green"
    assert result["weights_before"] == {"backend": {"blue": 100, "green": 0}}


@pytest.mark.parametrize("anew", [True, False])
def test_what_the_proxy_knew_counts_unless_it_may_be_old(anew: bool) -> None:
    clock = Clock()
    proxy = Scripted(clock, lambda now: look())
    switch(proxy, clock, TRAFFIC, gate=1.0, watch=None, drain=None, check=False, anew=anew)
    assert proxy.anew == anew


@pytest.mark.parametrize("closed", [True, False])
def test_a_platform_is_opened_once_its_traffic_has_moved_and_before_it_is_watched(closed: bool) -> None:
    clock = Clock()
    proxy = Scripted(clock, lambda now: look(requests=60))
    proxy.closed = closed

    def opens() -> dict[str, t.Any]:
        assert not proxy.locked
        proxy.done.append("open")
        return {"changed": True, "actions": ["open again"], "closed_seconds": 3.2, "said": "opened after 3.2 s"}

    result = switch(proxy, clock, TRAFFIC, gate=1.0, watch=WATCH, drain=None, check=False, opens=opens)
    assert proxy.done == ["plan", "configure", "gate", "shift", "open"]
    # What the proxy knew before the old side stopped says nothing; but what serves is not looked at anew.
    assert proxy.anew == closed
    assert (result["closed_seconds"], result["actions"]) == (3.2, ["an action", "open again"])
    assert result["watch"]["requests"] == 60, "a reload counts anew"


def test_check_mode_only_plans() -> None:
    clock = Clock()
    proxy = Scripted(clock, lambda now: look())
    result = switch(proxy, clock, TRAFFIC, gate=1.0, watch=WATCH, drain=Drain(1.0), check=True)
    assert proxy.done == ["plan"] and result["actions"] == ["an action"] and result["changed"]
    proxy.done.clear()
    configure(proxy, TRAFFIC, check=True)
    assert proxy.done == ["plan"]


@pytest.mark.parametrize(
    ("requests", "errors", "fails"),
    [
        (49, 49, False),
        (50, 1, False),
        (50, 2, True),
        (100, 2, False),
        (1000, 20, False),
        (1000, 21, True),
        (0, 50, True),
    ],
)
def test_errors_count_beyond_the_ratio_and_from_the_minimum_on(requests: int, errors: int, fails: bool) -> None:
    result, proxy = run(lambda now: look(requests if now else 0, errors if now else 0), watch=WATCH)
    assert (result["watch"]["cause"] == "watch_errors") is fails
    assert ("back" in proxy.done) is fails and result["reverted"] is fails


def test_what_was_counted_before_the_shift_does_not_count() -> None:
    result, _proxy = run(lambda now: look(1000, 900), watch=WATCH)
    assert result["watch"]["ok"] and result["watch"]["requests"] == 0 and not result["watch"]["judged"]


def test_counters_that_a_reload_set_to_zero_count_from_zero() -> None:
    result, _proxy = run(lambda now: look(1000, 0) if now < 5 else look(60, 30), watch=WATCH)
    assert result["watch"]["cause"] == "watch_errors" and result["watch"]["requests"] == 60


def test_what_was_counted_before_a_shift_by_reload_counts_for_nothing() -> None:
    """The new process counts from zero, and may have counted more than the old one before the first look."""
    looks = iter([look(10, 0), look(60, 10)])
    last = look(60, 10)
    result, _proxy = run(lambda now: next(looks, last), watch=WATCH, reshapes=True)
    assert result["watch"]["requests"] == 60 and result["watch"]["errors"] == 10


def test_a_busy_service_does_not_hide_the_errors_of_another() -> None:
    result, _proxy = run(lambda now: look(60, 30, other=100000) if now else look(), watch=WATCH)
    assert result["watch"]["cause"] == "watch_errors" and "backend" in result["msg"]


def test_a_failure_ends_the_watch_at_once() -> None:
    result, proxy = run(lambda now: look(down=now >= 1.0), watch=WATCH, drain=60.0)
    assert result["watch"]["cause"] == "watch_down" and proxy.clock.now == pytest.approx(1.0, abs=0.06)
    assert "Connection refused" in result["msg"] and result["live_side"] == "blue"


def test_weights_that_somebody_else_changed_fail_the_watch() -> None:
    result, _proxy = run(lambda now: look(foreign=now >= 1.0), watch=WATCH)
    assert result["error"]["cause"] == "watch_weights"


@pytest.mark.parametrize(("reshapes", "seconds"), [(False, 0.0), (True, BACK_GATE)])
def test_the_way_back_is_the_way_there_and_gated(reshapes: bool, seconds: float) -> None:
    result, proxy = run(lambda now: look(down=True), watch=WATCH, reshapes=reshapes)
    assert proxy.done == ["plan", "configure", "gate", "shift", "back", "configure", "gate", "shift"]
    assert proxy.gates == [1.0, seconds] and result["reverted"] and "a way back" in result["actions"]


def test_a_revert_that_is_not_wanted_is_left_to_the_caller() -> None:
    result, proxy = run(lambda now: look(down=True), watch=WATCH._replace(revert=False))
    assert "back" not in proxy.done and result["live_side"] == "green" and not result["reverted"]


def test_a_revert_that_cannot_be_is_said_beside_the_cause() -> None:
    result, _proxy = run(lambda now: look(down=True), watch=WATCH, ill=SlipwayError("the old side is ill"))
    assert result["error"]["cause"] == "watch_down" and not result["reverted"]
    assert "the old side is ill" in result["actions"][-1] and result["live_side"] == "green"


def test_a_first_release_has_nothing_to_go_back_to() -> None:
    result, proxy = run(lambda now: look(down=True), watch=WATCH, before={})
    assert "back" not in proxy.done and not result["reverted"] and "no side had traffic" in result["actions"][-1]


def test_a_failure_tells_nothing_of_the_configuration() -> None:
    result, _proxy = run(lambda now: look(down=True), watch=WATCH)
    assert "config" not in result


def test_a_drain_is_over_after_two_empty_looks_in_a_row() -> None:
    busy = iter([3, 0, 1, 0, 0, 9])
    result, _proxy = run(lambda now: look(sessions=next(busy)), drain=10.0)
    assert result["drain"] == {"empty": True, "seconds": 0.15, "remaining": {}}


def test_what_remains_at_the_deadline_is_told() -> None:
    result, proxy = run(lambda now: look(sessions=2), drain=1.0)
    assert result["drain"] == {"empty": False, "seconds": None, "remaining": {"backend/blue_1": 2}}
    assert proxy.clock.now == pytest.approx(1.0, abs=0.06)


def test_watch_and_drain_run_together() -> None:
    result, proxy = run(lambda now: look(sessions=int(now < 8)), watch=WATCH, drain=20.0)
    assert result["drain"]["empty"] and result["watch"]["ok"] and proxy.clock.now == pytest.approx(10.0, abs=0.6)


def test_an_unknown_provider_is_refused_with_those_there_are() -> None:
    with pytest.raises(SlipwayError) as refused:
        provider("apache", System(), platform="shop", environment="production")
    assert refused.value.cause == "unknown_provider" and "haproxy or nginx or caddy" in refused.value.message


@pytest.mark.parametrize("name", PROVIDERS)
def test_settings_of_the_other_provider_and_empty_ones_are_passed_over(name: str) -> None:
    found = provider(
        name,
        System(),
        platform="shop",
        environment="production",
        settings={"socket": None, "pid_file": "/x", "main_config": "/y", "check_command": ["a", "b"]},
    )
    assert isinstance(found, Provider)
