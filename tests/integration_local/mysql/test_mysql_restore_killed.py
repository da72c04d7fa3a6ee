# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A replacing that is killed, fails or loses its connection is put right: as it was, or as it was to be."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_exchange
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import Server
from .replaced import changed, kept, state
from .target import Target


@pytest.fixture
def target(server: Server, database: str, target: Target) -> Target:
    return changed(server, database, target)


BEFORE = [step.__name__ for step in mysql_exchange.BEFORE]


AFTER = ["opened", "finish", "kept"]  # the last statement was done; the first of them before that was written down


@pytest.mark.parametrize("step", [*BEFORE, "closed", *AFTER])
@pytest.mark.sample(5, of="killed")
def test_a_run_that_is_killed_in_the_middle_is_put_right_by_the_next(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path, step: str
) -> None:
    """Before each step; until the restored tables have their names everything is as it was, afterwards it is replaced."""
    before = state(target, database)
    (backup,) = target.keeper().list().backups
    kill(target, tmp_path, scratch, server.url(database), step)
    assert target.engine.system.read_file(target.engine.closed_file)
    (done,) = target.engine.recover()[:1]
    assert target.engine.recover() == []
    after = state(target, database)
    assert [name for name in server.databases(database) if "_new_" in name] == []
    if step in AFTER:
        assert done == f"finished the replacing of {database}, which was cut off"
        assert after.schema == backup.manifest.facts["schema"]
        assert state(target, kept(server, database)).tables == before.tables
        assert after.counters["auto_increment of parent"] == before.counters["auto_increment of parent"]
        return
    assert done == f"put {database} back, which a run that was cut off was about to replace"
    assert server.databases(database) == [database]
    assert after == before
    target.replace(safety=False)  # and nothing is in the way of another one
    assert server.ask(database, "SELECT COUNT(*) FROM parent") == [(1000,)]


@pytest.mark.parametrize("step", [*BEFORE[1:], "closed"])
@pytest.mark.sample(3, of="fails")
def test_a_step_that_fails_puts_everything_back(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = state(target, database)

    def fails(name: str) -> None:
        if name == step:
            raise SlipwayError("planted", cause="planted")

    monkeypatch.setattr(mysql_exchange, "reached", fails)
    with pytest.raises(SlipwayError, match="planted"):
        target.replace(safety=False)
    after = state(target, database)
    assert server.databases(database) == [database]
    assert after == before
    assert target.engine.recover() == []


def test_a_connection_that_is_lost_after_the_last_statement_is_no_failure(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(name: str) -> None:
        if name == "opened":
            monkeypatch.undo()
            raise SlipwayError("the connection was lost", cause="connection_lost")

    monkeypatch.setattr(mysql_exchange, "reached", lost)
    actions = target.replace(safety=False)
    assert f"finished the replacing of {database}, which was cut off" in actions
    assert server.ask(database, "SELECT COUNT(*) FROM parent") == [(1000,)]
    assert target.engine.recover() == []


def test_a_run_that_is_killed_while_it_puts_things_back_is_put_right_by_the_next(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    before = state(target, database)
    kill(target, tmp_path, scratch, server.url(database), "open_again")
    for step in ("back", "putting", "triggers"):
        kill(target, tmp_path, scratch, server.url(database), step, "recover")
    target.engine.recover()
    after = state(target, database)
    assert after == before


def kill(
    target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path, url: str, step: str, act: str = "replace"
) -> None:
    """Another process does it, and is killed before a step."""
    script = f"""
import os, pathlib, signal, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parents[3])!r})
from tests.integration_local.mysql.target import Target
from {mysql_exchange.__name__} import __name__ as _name
exchange = sys.modules[_name]
exchange.reached = lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == {step!r} else None
target = Target(sys.argv[1], pathlib.Path({str(tmp_path / "store")!r}), pathlib.Path({str(scratch)!r}))
target.replace(safety=False) if {act!r} == "replace" else target.engine.recover()
"""
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
