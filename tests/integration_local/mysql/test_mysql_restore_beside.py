# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of a real MariaDB server becomes a new database all at once, whatever it is killed at."""

from __future__ import annotations

import os
import pathlib
import signal

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_exchange, mysql_facts, mysql_restore
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import EVERYTHING, Server
from .replaced import changed, state
from .target import Target


@pytest.fixture
def target(server: Server, database: str, target: Target) -> Target:
    return changed(server, database, target)


def beside(target: Target, look: str) -> None:
    target.keeper().restored("latest", look, confirm="", safety=False)


def test_one_of_everything_becomes_a_new_database(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.script(database, EVERYTHING)
    target = Target(server.url(database), tmp_path / "store", scratch)
    backup = target.back_up("none").backup
    assert backup is not None
    beside(target, f"{database}_look")
    found = state(target, f"{database}_look")
    assert found.tables == backup.manifest.facts["tables"]
    assert set(found.schema) == {name for name in backup.manifest.facts["schema"] if not name.startswith("event ")}
    assert server.databases(database) == [database, f"{database}_look"]
    assert target.keeper().recover() == []


STEPS = [step.__name__ for step in mysql_exchange.BEFORE]
WHOLE = ["opened", "finish", "kept"]  # the last statement was done
KILLS = ["fill", "differences", "create", "survey", *STEPS, "closed", *WHOLE]
TABLES = {"parent", "child", "seen", "numbered"}


@pytest.mark.sample(3)
@pytest.mark.parametrize("step", KILLS)
def test_it_is_killed(server: Server, database: str, target: Target, step: str) -> None:
    """Until it is whole it has no table under the name that was asked for, and afterwards all of them."""
    before, look = state(target, database), f"{database}_look"
    kill(target, look, step)
    question = (
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}' AND TABLE_TYPE = 'BASE TABLE'"
    )
    named = {row[0] for row in server.ask(None, question.format(look))} & TABLES
    assert named == (TABLES if step in WHOLE else set())
    done = target.keeper().recover()
    if step in WHOLE:
        assert done[0] == f"finished the making of {look}, which was cut off"
        assert server.ask(look, "SELECT MAX(n) FROM doubled") == [(2000,)]
        assert server.databases(database) == [database, look]
    else:
        assert server.databases(database) == [database]
        assert done and not [said for said in done if look not in said]
        beside(target, look)  # and nothing is in the way of another one
        assert server.ask(look, "SELECT COUNT(*) FROM parent") == [(1000,)]
    assert target.keeper().recover() == []
    assert state(target, database) == before


def kill(target: Target, look: str, step: str) -> None:
    child = os.fork()
    if not child:

        def dies(*_given: object, **_more: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        if step == "fill":
            mysql_restore.fill = dies  # type: ignore[assignment]
        elif step == "differences":
            mysql_facts.differences = dies  # type: ignore[assignment]
        elif step in ("create", "survey"):
            setattr(mysql_exchange, step, dies)
        else:
            mysql_exchange.reached = lambda name: dies() if name == step else None
        try:
            beside(target, look)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.sample(1, of="fails")
@pytest.mark.parametrize("step", [*STEPS, "closed"])
def test_a_step_that_fails_leaves_nothing(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = state(target, database)

    def fails(name: str) -> None:
        if name == step:
            raise SlipwayError("planted", cause="planted")

    monkeypatch.setattr(mysql_exchange, "reached", fails)
    with pytest.raises(SlipwayError, match="planted"):
        beside(target, f"{database}_look")
    assert server.databases(database) == [database]
    assert state(target, database) == before
    assert target.keeper().recover() == []


def test_a_database_that_was_made_meanwhile_is_told_and_left_alone(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, differences = f"{database}_look", mysql_facts.differences

    def compared(*given: object, **more: object) -> list[str]:
        server.execute(None, f"CREATE DATABASE `{look.replace('`', '``')}`")
        return differences(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(mysql_facts, "differences", compared)
    with pytest.raises(SlipwayError, match="there is a database of this name"):
        beside(target, look)
    assert target.keeper().recover() == []
    assert server.databases(database) == [database, look]
