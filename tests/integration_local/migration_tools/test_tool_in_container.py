# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations whose tool only an image has: what it is told, what is left of it, and who waits for whom."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.one_off import LABEL
from ansible_collections.slipway.deploy.plugins.module_utils.migration.child import Child
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_container import image_of
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local import tool_images
from tests.integration_local.backup.conftest import PASSWORD, Server

from .outside import PYTHON, ROOT, Project, states
from .test_tool_alembic import ENV, REVISION
from .test_tool_command import TOOL

PACKAGES = ("alembic", "sqlalchemy", "mako", "markupsafe", "psycopg2", "psycopg2_binary.libs", "typing_extensions.py")
SECRETS = {"TOKEN": "tök'en-of-files", "KEY": "key-of-the-environment"}
SEES = """
assert open(os.environ["TOKEN_FILE"]).read() == "tök'en-of-files" and os.environ["KEY"] == "key-of-the-environment"
assert os.environ["PLAIN"] == "a b" and os.getuid() == 1234 and "SLIPWAY" not in os.environ
"""
MODULE = (
    "import json, sys; from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform;"
    "perform(json.load(sys.stdin), False)"
)

pytestmark = pytest.mark.sample(2)


class InImage(Project):
    """Run in an image with this machine's Python and Alembic, whose user is no user of this machine."""

    def options(self, **given: t.Any) -> dict[str, t.Any]:
        secrets = base64.b64encode(json.dumps(SECRETS).encode()).decode()
        container = {
            "image": tool_images.python(str(ROOT / ".venv-migration-tools"), *PACKAGES),
            "env": {"PLAIN": "a b"},
            "secrets": ["TOKEN"],
            "env_secrets": ["KEY"],
            "keywords": {"cpu_shares": 2, "volumes": [f"{self.directory}:{self.directory}"]},
            **given.pop("container", {}),
        }
        return super().options(run_in="container", container=container, secrets=secrets, **given)

    def containers(self, *, running: bool = False) -> list[str]:
        """Names of all that have to do with this database."""
        words = [
            "docker",
            "ps",
            "--format",
            "{{.Names}}",
            "--filter",
            f"label={LABEL}",
            *([] if running else ["--all"]),
        ]
        found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        return [name for name in found if str(self.directory) in _inspected(name)]

    def begin(self) -> subprocess.Popen[bytes]:
        """The module in a process of its own, and its tool at work."""
        os.mkfifo(self.directory / "at_work")
        os.chmod(self.directory / "at_work", 0o666)
        self.write("stops", "")
        process = subprocess.Popen([sys.executable, "-c", MODULE], stdin=subprocess.PIPE, cwd=ROOT)
        assert process.stdin is not None
        with process.stdin as stream:
            stream.write(json.dumps(self.options()).encode())
        assert (self.directory / "at_work").read_text()
        return process


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> t.Iterator[InImage]:
    tool = [PYTHON, str(tmp_path / "tool.py")]
    commands = {name: [*tool, name] for name in ("apply", "pending", "preview")}
    project = InImage(tool_server, tmp_path, "command", pending_rc=[3], **commands)
    project.write("tool.py", TOOL.replace("import fcntl, os, pathlib, sys", f"import fcntl, os, pathlib, sys\n{SEES}"))
    project.write("steps/one", "CREATE TABLE one ();")
    project.write("steps/two", "CREATE TABLE two ();")
    (tmp_path / "done").mkdir()
    for path in (tmp_path, tmp_path / "done"):
        path.chmod(0o777)
    for path in [*tmp_path.parents][:-2]:
        with contextlib.suppress(PermissionError):
            path.chmod(path.stat().st_mode | 0o011)
    yield project
    for name in project.containers():
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def test_it_is_applied_once_and_nothing_is_left(project: InImage) -> None:
    assert project.run(check=True)["changed"] and not list((project.directory / "done").iterdir())
    told = project.run()
    assert told["changed"] and [one["script"] for one in told["applied"]] == ["one", "two"]
    assert not project.run()["changed"]
    assert project.containers() == [] and _rooms(os.getpid()) == []


def test_what_is_secret_is_seen_by_nobody_else(project: InImage) -> None:
    process = project.begin()
    try:
        (name,) = project.containers(running=True)
        shown = _inspected(name)
        lines = [path.read_bytes() for path in _command_lines()]
    finally:
        subprocess.run(["docker", "kill", *project.containers(running=True)], check=True, capture_output=True)
        process.wait()
    assert '"PLAIN=a b"' in shown and project.database not in shown
    for word in (PASSWORD, "w\\u00f6rd", "wörd", "w%C3%B6rd", *SECRETS.values()):
        assert word not in shown and not [line for line in lines if word.encode() in line]


def test_what_has_failed_is_kept_until_the_next_run(project: InImage) -> None:
    project.write("fails", "")
    error = project.refused()
    assert error["cause"] == "migration_failed" and error["evidence"]["rc"] == 9 and "cannot" in error["actual"]
    (name,) = project.containers()
    assert error["evidence"]["container"] == name and name in error["remedy"]
    logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
    assert "cannot" in logs.stderr
    (project.directory / "fails").unlink()
    assert project.run()["changed"] and project.containers() == []


def test_of_a_run_that_takes_too_long_nothing_is_at_work(project: InImage) -> None:
    project.write("stops", "")
    error = project.refused(timeout=3)
    assert error["cause"] == "timeout" and project.containers(running=True) == []
    assert project.containers() == [error["evidence"]["container"]]


def test_what_a_killed_run_has_left_is_waited_for(project: InImage) -> None:
    """Its client goes on and holds the lock; so does nobody begin beside it."""
    process = project.begin()
    process.send_signal(signal.SIGKILL)
    process.wait()
    error = project.refused(lock_wait=0)
    (name,) = project.containers(running=True)
    assert error["cause"] == "lock_held" and name in error["remedy"]
    (project.directory / "stops").unlink()
    subprocess.run(["docker", "kill", name], check=True, capture_output=True)
    assert [one["script"] for one in project.run()["applied"]] == ["one", "two"]
    assert project.containers() == []


def test_what_holds_no_lock_any_more_is_stopped_before_anything_begins(project: InImage) -> None:
    process = project.begin()
    process.send_signal(signal.SIGKILL)
    process.wait()
    (name,) = project.containers(running=True)
    for path in _command_lines():
        if name.encode() in path.read_bytes():
            os.kill(int(path.parent.name), signal.SIGKILL)
    (project.directory / "stops").unlink()
    assert _rooms(process.pid)
    assert [one["script"] for one in project.run()["applied"]] == ["one", "two"]
    assert project.containers() == [] and not _rooms(process.pid)


@pytest.mark.parametrize("asked", ["pending", "apply"])
def test_a_program_that_the_image_does_not_have(project: InImage, asked: str) -> None:
    project.project[asked] = ["/nowhere/tool", asked]
    error = project.refused()
    assert (
        error["cause"] == "tool_missing" and "/nowhere/tool" in error["object"] and "container.image" in error["remedy"]
    )


def test_an_image_that_is_not_there_is_not_pulled_to_look(project: InImage) -> None:
    nowhere = {"image": "127.0.0.1:1/nothing:1", "pull": "missing"}
    told = project.run(check=True, container=nowhere)
    assert told["changed"] and "127.0.0.1:1/nothing:1 is not on this machine" in told["sql"]
    assert project.refused(container=nowhere)["cause"] == "image_missing"


@pytest.mark.parametrize(
    ("container", "cause"),
    [
        ({"secrets": ["NONE"]}, "secret_missing"),
        ({"network": "bridge"}, "bad_input"),
        ({"mounts": ["/nowhere"]}, "bad_input"),
        ({"keywords": {"restart_policy": {"Name": "always"}}}, "invalid"),
    ],
)
def test_options_that_cannot_be(project: InImage, container: dict[str, t.Any], cause: str) -> None:
    assert project.refused(container=container)["cause"] == cause
    assert project.containers() == []


def test_what_is_made_for_a_tool_is_its_own(project: InImage) -> None:
    """As Flyway gets its settings, and Liquibase a directory in which it keeps a history."""
    settings, place = project.write("made.conf", "a setting"), project.directory / "made"
    settings.chmod(0o600)
    place.mkdir(0o700)
    (place / "history.csv").write_text("one\n")
    image = image_of(project.options(), project.url, System(), plan=False)
    words = f"cat {settings} {place}/history.csv && echo two >> {place}/history.csv && cat - && pwd"
    with image.tidied():
        child = Child(("sh", "-c"), "/srv", {"A": "b"}, place=image)
        ended = child.run(words, stdin="asked", mine=[str(settings), str(place)])
    assert (ended.rc, ended.stdout) == (0, "a settingone\nasked/srv\n")
    assert (place / "history.csv").read_text() == "one\ntwo\n"
    assert project.containers() == []


def test_alembic_of_an_image(tool_server: Server, tmp_path: pathlib.Path) -> None:
    """Its files are in the image alone, and so are their annotations."""
    project = InImage(tool_server, tmp_path / "here", "alembic", program=[PYTHON])
    project.project["directory"] = "/srv/app"
    base = tool_images.python(str(ROOT / ".venv-migration-tools"), *PACKAGES)
    made = {"a": None, "b": "a", "c": "b"}
    texts = {
        name: REVISION.format(doc=name, name=name, down=down, sql=f"CREATE TABLE {name} ()", undo="")
        for name, down in made.items()
    }
    texts["c"] = f"# slipway: phase=contract\n{texts['c']}"
    files = {
        "/srv/app/alembic.ini": "[alembic]\nscript_location = %(here)s/scripts\n",
        "/srv/app/scripts/env.py": ENV,
        **{f"/srv/app/scripts/versions/{name}.py": text for name, text in texts.items()},
    }
    given: dict[str, t.Any] = {"container": {"image": tool_images.with_files(base, files)}}
    shown = project.run(check=True, phase="expand", **given)
    assert "CREATE TABLE b" in shown["sql"] and "CREATE TABLE c" not in shown["sql"] and project.empty()
    told = project.run(phase="expand", **given)
    assert [one["version"] for one in told["applied"]] == ["a", "b"] and states(told)["c"] == "pending"
    assert project.tables() == {"a", "b"} and project.containers() == []


def _inspected(name: str) -> str:
    return subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=False).stdout


def _rooms(number: int) -> list[pathlib.Path]:
    """Where a process has put what is secret."""
    return [*pathlib.Path("/run").glob(f"slipway-once-{number}.*")]


def _command_lines() -> t.Iterator[pathlib.Path]:
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            path.read_bytes()
            yield path
