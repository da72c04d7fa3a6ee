# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any tool by its commands: what its exit codes say, the lock it is kept under, and what is left when it hangs or is killed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.postgresql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Settings
from ansible_collections.slipway.deploy.plugins.module_utils.migration.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.backup.conftest import PASSWORD, Server

from .outside import ROOT, Project

# A tool in a few lines: what is in steps/ is pending until done/ has it.
TOOL = """
import fcntl, os, pathlib, sys
here = pathlib.Path(__file__).parent
left = sorted({p.name for p in (here / "steps").iterdir()} - {p.name for p in (here / "done").iterdir()})
if sys.argv[1] == "pending":
    print(*left, sep="\\n")
    sys.exit(3 if left else 0)
if sys.argv[1] == "preview":
    print(*((here / "steps" / name).read_text() for name in left), sep="\\n")
    sys.exit(0)
if (here / "fails").exists():
    print(f"cannot: {os.environ['DATABASE_URL']} said no", file=sys.stderr)
    sys.exit(9)
if (here / "stops").exists():
    alive = os.open(here / "alive", os.O_CREAT | os.O_RDWR)
    fcntl.flock(alive, fcntl.LOCK_EX)
    os.set_inheritable(alive, True)
    if not os.fork():
        os.execvp("sleep", ["sleep", "86400"])
    (here / "at_work").write_text(str(os.getpid()))
    os.execvp("sleep", ["sleep", "86400"])
assert os.environ["DATABASE_URL"].startswith("postgresql://admin:") and os.environ["PGOPTIONS"]
for name in [] if (here / "lies").exists() else left:
    (here / "done" / name).touch()
"""


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> Project:
    tool = [sys.executable, str(tmp_path / "tool.py")]
    commands = {name: [*tool, name] for name in ("apply", "pending", "preview")}
    project = Project(tool_server, tmp_path, "command", pending_rc=[3], **commands)
    project.write("tool.py", TOOL)
    project.write("steps/one", "CREATE TABLE one ();")
    project.write("steps/two", "CREATE TABLE two ();")
    (tmp_path / "done").mkdir()
    return project


def test_it_is_applied_once(project: Project) -> None:
    assert [one["script"] for one in project.run("status")["pending"]] == ["one", "two"]
    shown = project.run(check=True)
    assert shown["changed"] and "CREATE TABLE two" in shown["sql"]
    assert not list((project.directory / "done").iterdir())
    told = project.run()
    assert told["changed"] and [one["script"] for one in told["applied"]] == ["one", "two"]
    assert not project.run()["changed"]
    assert not project.run(check=True)["changed"]
    assert project.empty()


def test_what_it_says_of_a_failure_is_told_without_the_password(project: Project) -> None:
    project.write("fails", "")
    error = project.refused()
    assert error["cause"] == "migration_failed" and error["evidence"]["rc"] == 9
    assert "said no" in error["actual"] and "cannot" in error["actual"]


def test_an_end_without_an_effect_is_a_failure(project: Project) -> None:
    project.write("lies", "")
    error = project.refused()
    assert error["cause"] == "migration_failed" and "still pending: one, two" in error["actual"]


def test_an_exit_status_that_was_not_declared_decides_nothing(project: Project) -> None:
    project.project["pending_rc"] = [4]
    assert project.refused()["cause"] == "command_failed"
    assert not list((project.directory / "done").iterdir())


@pytest.mark.parametrize("word", ["pending", "apply"])
def test_a_tool_that_is_not_there(project: Project, word: str) -> None:
    project.project[word] = [str(project.directory / "nothing"), word]
    error = project.refused()
    assert error["cause"] == "tool_missing" and "nothing" in error["object"]


def test_a_directory_that_is_not_there(project: Project) -> None:
    project.project["directory"] = str(project.directory / "nowhere")
    assert project.refused()["cause"] == "bad_input"


def test_what_it_cannot_do_is_refused(project: Project) -> None:
    assert project.refused("undone")["cause"] == "unable"
    assert project.refused("repaired")["cause"] == "unable"


def test_of_a_run_that_takes_too_long_nothing_is_left(project: Project) -> None:
    project.write("stops", "")
    error = project.refused(timeout=1)
    assert error["cause"] == "timeout"
    assert (project.directory / "at_work").exists()
    with (project.directory / "alive").open() as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)  # waits for ever for what is left


def test_the_lock_is_held_as_long_as_anything_of_a_killed_run_is_at_work(project: Project) -> None:
    """The tool goes on when the module is killed; nobody may begin beside it."""
    os.mkfifo(project.directory / "at_work")
    project.write("stops", "")
    code = (
        "import json, sys; from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform;"
        "perform(json.load(sys.stdin), False)"
    )
    module = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=ROOT)
    assert module.stdin is not None
    with module.stdin as stream:
        stream.write(json.dumps(project.options()).encode())
    group = int((project.directory / "at_work").read_text())
    try:
        module.send_signal(signal.SIGKILL)
        module.wait()
        assert project.refused(lock_wait=0, timeout=5)["cause"] == "lock_held"
    finally:
        os.killpg(group, signal.SIGKILL)
    (project.directory / "stops").unlink()
    assert [one["script"] for one in project.run()["applied"]] == ["one", "two"]


def test_it_waits_for_whoever_migrates_the_same_database(project: Project) -> None:
    database = PostgreSQL(Login(project.url).open, Settings(), System())
    told: list[dict[str, t.Any]] = []
    with database.lock(0):
        assert project.refused(lock_wait=0)["cause"] == "lock_held"
        waiting = threading.Thread(target=lambda: told.append(project.run()))
        waiting.start()
    waiting.join()
    assert told[0]["changed"]


def test_a_release_that_a_later_one_has_overtaken_changes_nothing(project: Project) -> None:
    assert project.fenced(2).apply(Order()).changed
    project.write("steps/three", "")
    with pytest.raises(SlipwayError) as caught:
        project.fenced(1).apply(Order())
    assert caught.value.cause == "fenced" and not (project.directory / "done/three").exists()


def test_the_password_is_in_no_command_line(project: Project) -> None:
    os.mkfifo(project.directory / "at_work")
    project.write("stops", "")
    done: list[dict[str, t.Any]] = []
    run = threading.Thread(target=lambda: done.append(project.refused(timeout=30)))
    run.start()
    group = int((project.directory / "at_work").read_text())
    lines = [path.read_bytes() for path in _command_lines()]
    os.killpg(group, signal.SIGKILL)
    run.join()
    assert any(b"86400" in line for line in lines)
    assert not [line for line in lines if PASSWORD.encode() in line or b"w%C3%B6rd" in line]
    assert done[0]["cause"] == "migration_failed"


def _command_lines() -> t.Iterator[pathlib.Path]:
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            path.read_bytes()
            yield path
