# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a container that runs already: what the shell does there, run here, and what the engine is asked."""

from __future__ import annotations

import os
import pathlib
import subprocess
import tempfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import factory
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pipeline import Inside, Program, flow, started
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools_running import (
    HELD,
    KILL,
    READS,
    TOLD,
    Running,
)
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System

SEAL = "\nslipway:0123\n"
SECRET = b"*:*:*:*:p@ss\\: w\xc3\xb6rd'\\\\\"$HOME `id` %s\\n  \n[more]\n"
ENDLESS = ("sh", "-c", "sleep 100000 & echo there; wait")  # with a child of its own


def inside(tmp_path, *argv, script=HELD, told=SECRET, seal=SEAL):
    """A program as C(docker exec) starts it, which makes it the first of a session."""
    mine = str(tmp_path / "mine")
    held = Inside(told + b"\n", seal.encode(), ("sh", "-c", KILL, "sh", mine))
    return Program(("setsid", "sh", "-c", script, "sh", seal, mine, *argv), {"LC_ALL": "C"}, inside=held)


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("mine"))


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_all_that_it_writes_comes_and_nothing_is_left(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "content").write_bytes(content)
    assert b"".join(flow([inside(tmp_path, "cat", str(tmp_path / "content"))])) == content
    assert left(tmp_path) == []


def test_a_secret_is_read_whole_from_a_file_that_nobody_finds(tmp_path):
    words = f"stat -L -c '%a %F %h' {TOLD}; cat {TOLD}; ls {tmp_path}"
    said = b"".join(flow([inside(tmp_path, "sh", "-c", words)]))
    assert said == b"600 regular file 0\n" + SECRET + b"mine\n"  # no link is left to it, and mine has a number


def test_what_is_read_after_a_secret_is_as_it_is(tmp_path):
    chunks = [b"\n\n", bytes(range(256)) * 5000, b"\n"]
    program = inside(
        tmp_path, "sh", "-c", f"cat >{tmp_path / 'found'}; cat {TOLD} >{tmp_path / 'told'}", script=READS, seal=""
    )
    assert list(flow([program], chunks)) == []
    assert (tmp_path / "found").read_bytes() == b"".join(chunks)
    assert (tmp_path / "told").read_bytes() == SECRET
    assert left(tmp_path) == []


@pytest.mark.parametrize("script", [HELD, READS])
@pytest.mark.parametrize(("words", "status"), [("exit 3", "3"), ("kill -9 $$", "137"), ("exec no-such-program", "127")])
def test_a_program_that_fails_is_told(tmp_path, script, words, status):
    program = inside(
        tmp_path, "sh", "-c", f"echo reason >&2; {words}", script=script, seal="" if script == READS else SEAL
    )
    with pytest.raises(SlipwayError, match=f"exit status {status}: reason"):
        list(flow([program]))
    assert left(tmp_path) == []


@pytest.mark.parametrize("told", [b"", SECRET], ids=["before it was told", "while it runs"])
def test_all_of_it_ends_with_whoever_started_it(tmp_path, told):
    """Its standard input ends then, and its output only when nobody has that any more."""
    program = inside(tmp_path, *ENDLESS, told=told)
    if not told:
        program = program._replace(inside=program.inside._replace(told=b""))
    with tempfile.TemporaryFile() as said:
        process = started(program, subprocess.DEVNULL, subprocess.PIPE, said)
        if told:
            assert process.stdout.readline() == b"there\n"
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == (-9 if told else 1)
        process.stdout.close()
    assert left(tmp_path) == []


def test_all_of_what_is_given_up_is_killed(tmp_path):
    program = inside(tmp_path, "sh", "-c", "sleep 100000 & echo $! and more than a seal has; wait")
    chunks = flow([program])
    child = int(next(chunks).split()[0])
    chunks.close()
    assert left(tmp_path) == []
    while not ended(child):
        pass


def ended(pid):
    """Whether a process has, though nobody may have asked for its status yet (proc(5))."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# --- what the engine is asked


class Engine(System):
    """A made-up Docker Engine that has one container, in some state."""

    def __init__(self, said=""):
        self.said, self.asked = said, []

    def run(self, argv, *, timeout, stdin=None, env=None):
        self.asked.append(list(argv[1:]))
        if argv[1] != "container":
            return Completed(0, "", "")
        return Completed(0, f"{self.said}\n", "") if self.said else Completed(1, "\n", "Error: No such container: db")


@pytest.mark.parametrize("said, actual", [("", "no such container"), ("exited c1 sha256:1", "exited")])
def test_a_container_that_does_not_run_is_told(monkeypatch, tmp_path, said, actual):
    (tmp_path / "docker").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlipwayError, match=f"the container db: does not run.*{actual}") as caught:
        Running("db", Engine(said)).ready()
    assert caught.value.cause == "container_missing"


def test_who_needs_files_of_this_machine_gets_a_container_of_its_own(monkeypatch, tmp_path):
    (tmp_path / "docker").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = Engine("running c1 sha256:1")
    tools = Running("db", engine)
    with tools.handed(SECRET) as handed:
        program = tools.program(("pg_dump", "--x"), {"PGPASSFILE": handed.path}, handed=handed)
        shares = tools.program(("pg_dump", "--x"), {"PGPASSFILE": handed.path}, handed=handed, shares=["/var/tmp/d"])
        sees = tools.program(("psql",), handed=handed, sees=["/etc/ca.pem"])
    assert program.argv[:3] == ("docker", "exec", "--interactive") and "c1" in program.argv
    assert program.inside.told == SECRET + b"\n"
    assert not [word for word in program.argv if "rd'" in word]
    for other in (shares, sees):
        assert other.argv[:2] == ("docker", "run") and "sha256:1" in other.argv
    assert len([words for words in engine.asked if words[0] == "container"]) == 1


def test_the_option_names_either():
    nested = DATABASE_BACKUP.options["run_in"]
    assert (nested["required_one_of"], nested["mutually_exclusive"]) == ([("image", "container")],) * 2
    for given, kind in (({"container": "db"}, "Running"), ({"image": "db:1", "container": None}, "Image")):
        assert type(factory._tools({"run_in": given}, System())).__name__ == kind
