# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers paused and let go by a run that is killed in the middle: what is written down says what the next run must know."""

from __future__ import annotations

import contextlib
import types
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.side import pause
from ansible_collections.slipway.deploy.plugins.module_utils.side.held import Held, read_held
from ansible_collections.slipway.deploy.plugins.module_utils.side.report import Report
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


class Killed(BaseException):
    """The process is gone."""


class Workers:
    """Two of them, in a process that may be killed as it stops or starts them."""

    names = ("job-1", "job-2")

    def __init__(self) -> None:
        self.at_work, self.killed = True, False

    def announce(self, work: bool, check: bool) -> bool:
        return check or self.at_work == work

    def stop(self) -> None:
        self._become(False)

    def start(self) -> None:
        self._become(True)

    def _become(self, at_work: bool) -> None:
        if self.killed:
            raise Killed
        self.at_work = at_work


class Clock(System):
    now = 1000.0

    def wall(self) -> float:
        return self.now


@pytest.fixture
def place(tmp_path: t.Any) -> t.Any:
    """A machine, with what has been done and noted on it."""
    system, workers, notes = Clock(), Workers(), []
    scope = types.SimpleNamespace(directory=str(tmp_path / "state"))

    def do(how: t.Any, *, killed: bool = False, check: bool = False) -> str:
        workers.killed = killed
        report = Report(system, [])
        with pytest.raises(Killed) if killed else contextlib.nullcontext():
            how(lambda: workers, scope, report, lambda name, **_about: notes.append(name), check=check)
        return report.said

    def held() -> Held | None:
        return read_held(system, scope)

    return types.SimpleNamespace(do=do, system=system, workers=workers, notes=notes, held=held)


def test_a_run_that_is_killed_as_they_stop_has_written_down_that_they_are_paused(place: t.Any) -> None:
    place.do(pause.hold, killed=True)
    assert place.held() == Held(1000.0) and place.workers.at_work
    place.system.now += 60
    assert place.do(pause.hold) == "workers paused"
    assert place.held() == Held(1000.0) and not place.workers.at_work
    assert place.notes == ["workers_paused"]


def test_a_run_that_is_killed_as_they_start_leaves_that_they_are_to_work_again(place: t.Any) -> None:
    place.do(pause.hold)
    place.system.now += 60
    place.do(pause.let_go, killed=True)
    assert place.held() == Held(1000.0, ending=True) and place.notes == ["workers_paused"]
    assert place.do(pause.let_go) == "workers at work again after 60.0 s"
    assert place.held() is None and place.workers.at_work
    assert place.notes == ["workers_paused", "workers_resumed"]


def test_who_pauses_them_after_that_has_them_paused_since_the_first_time(place: t.Any) -> None:
    place.do(pause.hold)
    place.system.now += 60
    place.do(pause.let_go, killed=True)
    place.workers.at_work = True  # the first of them was started
    place.do(pause.hold)
    assert place.held() == Held(1000.0) and place.notes == ["workers_paused", "workers_paused"]


@pytest.mark.parametrize("how", [pause.hold, pause.let_go])
def test_a_preview_writes_nothing(place: t.Any, how: t.Any) -> None:
    if how is pause.let_go:
        place.do(pause.hold)
    before = place.held()
    place.do(how, check=True)
    assert place.held() == before


def test_nobody_is_let_go_who_was_not_paused(place: t.Any) -> None:
    place.workers.at_work = False
    assert place.do(pause.let_go) == "" and not place.workers.at_work
