# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed, at each statement and at any instant, on each kind of database; and many that begin together."""

from __future__ import annotations

import itertools
import os
import select
import signal
import time
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Database

from tests import sampling

from .projects import Project

AT_ONCE = 8
TIMES = 50 if sampling.SOAK else 1
STATEMENTS = 100  # more than a run has
INSTANTS = 70  # on each of three

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "mariadb", "sqlite"])


@pytest.fixture(name="project")
def _project(engine: str, request: pytest.FixtureRequest) -> Project:
    project: Project = request.getfixturevalue(f"on_{engine}")
    project.write(**project.usual)
    return project


def forked(work: t.Callable[[], object]) -> int:
    """A process of its own that does it, and says whether it was refused."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def signalled(child: int) -> bool:
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def killed_at(project: Project, number: int, *, after: bool, state: str = "latest", target: str = "") -> bool:
    """A run that is killed at a statement of its own; whether it came so far."""

    def work() -> None:
        counted = itertools.count()
        run = Database.run

        def counting(self: Database, statement: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
            here = next(counted) == number
            if here and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = run(self, statement, *values)
            if here:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        Database.run = counting  # type: ignore[method-assign]
        project.run(state, target)

    return signalled(forked(work))


def expect_the_next_one_to_end_well(project: Project, undisturbed: Project) -> None:
    try:
        project.run()
    except SlipwayError as error:
        assert error.cause == "dirty", error.message
        (dirty,) = project.runner().status().of("dirty")
        assert dirty.script in project.outside
        assert project.run("repaired").changed
        project.run()
    assert project.whole() == undisturbed.whole()
    assert not project.run().changed


@pytest.mark.sample(4, of="statements")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(STATEMENTS))
def test_killed_at_any_statement_the_next_run_ends_well(project: Project, number: int, after: bool) -> None:
    undisturbed = project.another()
    undisturbed.run()
    killed_at(project, number, after=after)
    expect_the_next_one_to_end_well(project, undisturbed)


@pytest.mark.sample(6, of="instants")
@pytest.mark.parametrize("number", range(INSTANTS))
def test_killed_at_any_instant_the_next_run_ends_well(project: Project, engine: str, number: int) -> None:
    undisturbed = project.another()
    began = time.monotonic()
    os.waitpid(forked(undisturbed.run), 0)
    whole = time.monotonic() - began
    child = forked(project.run)
    select.select([], [], [], sampling.drawn(f"{engine} {number}").uniform(0.0, whole))
    os.kill(child, signal.SIGKILL)
    signalled(child)
    expect_the_next_one_to_end_well(project, undisturbed)


def test_a_run_has_fewer_statements_than_are_tried(project: Project) -> None:
    assert not killed_at(project, STATEMENTS, after=False)


def test_runners_that_begin_together_apply_each_migration_once(project: Project) -> None:
    undisturbed = project.another()
    undisturbed.run()
    for _time in range(TIMES):
        other = project.another()
        reading, writing = os.pipe()

        def work(other: Project = other, reading: int = reading, writing: int = writing) -> None:
            os.close(writing)
            os.read(reading, 1)  # ends when the last one is there
            other.run()

        children = [forked(work) for _number in range(AT_ONCE)]
        os.close(reading)
        os.close(writing)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * AT_ONCE
        assert other.whole() == undisturbed.whole()


@pytest.mark.sample(2, of="baselines")
@pytest.mark.parametrize("number", range(20))
def test_killed_while_it_baselines_it_does_so_when_it_is_asked_again(project: Project, number: int) -> None:
    project.execute("CREATE TABLE item (id int PRIMARY KEY, name varchar(20))")
    undisturbed = project.another()
    undisturbed.execute("CREATE TABLE item (id int PRIMARY KEY, name varchar(20))")
    undisturbed.run("baselined", "1")
    killed_at(project, number, after=True, state="baselined", target="1")
    project.run("baselined", "1")
    assert project.whole() == undisturbed.whole()
