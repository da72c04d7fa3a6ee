# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of which there may be one only takes a lock for as long as it works, and writes down whenever it does not get it."""

from __future__ import annotations

import itertools
import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.engine import Engine
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.alone import ALONE, STATES
from tests.integration_local.process.process_site import wait_for

from .conftest import PYTHON, Site


@pytest.fixture
def book(tmp_path: pathlib.Path) -> pathlib.Path:
    """What the worker writes down, of all versions."""
    directory = tmp_path / "book"
    directory.mkdir()
    return directory / "lines"


def services(site: Site, version: int, book: pathlib.Path, *, mode: str = "", **more: t.Any) -> dict[str, t.Any]:
    """The web, and one worker in the fleet."""
    volumes = {str(book.parent): {"bind": "/book", "mode": "rw"}}
    env = {"BOOK": "/book", "MODE": mode}
    job = {"command": [PYTHON, "-c", ALONE], "container": {"volumes": volumes}, "singleton": True, "env": env, **more}
    return {"web": site.web(version), "job": site.worker(version, **job)}


def lines(book: pathlib.Path) -> list[str]:
    return book.read_text().splitlines() if book.exists() else []


def working(site: Site) -> list[str]:
    """Its containers that have a process, however they came to be."""
    return [name for name, item in site.containers().items() if item.running and item.label("service") == "job"]


def test_the_new_one_starts_when_the_old_one_has_ended_and_the_gap_is_told(site: Site, book: pathlib.Path) -> None:
    site.release("blue", "r1", services(site, 1, book))
    wait_for(lambda: lines(book) == ["start 1"])
    second = services(site, 2, book, mode="stubborn", stop_grace=1)
    site.run("prepared", "green", "r2", second)
    assert lines(book) == ["start 1"]
    gap = site.run("decided", "green", "r2", second)["handed_over"]["job"]
    assert gap["exact"] and gap["seconds"] > 0
    wait_for(lambda: lines(book) == ["start 1", "end 1", "start 2"])
    site.run("settled", "green", "r2", second)
    third = services(site, 3, book)
    site.run("prepared", "blue", "r3", third)
    done = site.run("decided", "blue", "r3", third)
    assert "did not end within 1 s after SIGTERM and was killed" in done["warnings"][0]
    wait_for(lambda: lines(book) == ["start 1", "end 1", "start 2", "start 3"])
    assert working(site) == ["job-r3-1"]
    back = site.run("reverted", "blue", "r3", third, live_side="green")
    assert back["handed_over"]["job"]["exact"]
    wait_for(lambda: lines(book)[-2:] == ["end 3", "start 2"])
    assert working(site) == ["job-r2-1"]


class Killed(BaseException):
    """The module's process is gone; nothing can catch this."""


def kill_at(patch: pytest.MonkeyPatch, change: int) -> None:
    """End the module at its n-th change of a container or a file: before it if n is odd, after it if not."""
    numbers = itertools.count(1)

    def counted(work: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def do(*args: t.Any, **options: t.Any) -> t.Any:
            number = next(numbers)
            if number > change or (number == change and change % 2):
                raise Killed
            result = work(*args, **options)
            if number == change:
                raise Killed
            return result

        return do

    for owner, name in ((Engine, "start"), (Engine, "stop"), (Engine, "set_restart"), (System, "replace_file")):
        patch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.mark.sample(2, of="killed")
@pytest.mark.parametrize("kill", range(1, 8))
def test_whatever_is_cut_off_there_is_one_after_the_next_run_and_never_two(
    site: Site, book: pathlib.Path, kill: int
) -> None:
    site.release("blue", "r1", services(site, 1, book))
    wait_for(lambda: lines(book) == ["start 1"])
    second = services(site, 2, book)
    site.run("prepared", "green", "r2", second)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, kill)
        site.run("decided", "green", "r2", second)
    told = [site.run(state, "green", "r2", second, live_side="blue").get("handed_over") for state in STATES]
    assert [set(gap) for gap in told if gap] == [{"job"}]
    wait_for(lambda: lines(book)[-1] == "start 2")
    assert [line for line in lines(book) if line.startswith("twice")] == []
    assert working(site) == ["job-r2-1"]
