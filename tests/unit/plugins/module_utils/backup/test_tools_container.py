# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in containers: what the shell in one does, run here, and what the engine is asked, by one that is made up."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import tools_container
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pipeline import Inside, Program, flow, started
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools_container import HELD, READS, TOLD, Image
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System

SEAL = "\nslipway:0123\n"
SECRET = b"*:*:*:*:p@ss\\: w\xc3\xb6rd'\\\\\"$HOME `id` %s\\n  \n[more]\n"


def inside(tmp_path, *argv, script=HELD, told=b"", seal=SEAL):
    """A program as in a container, with the file of its secret here."""
    text = script.replace(TOLD, str(tmp_path / "told"))
    held = Inside(told + b"\n", seal.encode(), ("true",))
    return Program(("sh", "-c", text, "sh", seal, *argv), {"LC_ALL": "C"}, called="dump in the image x", inside=held)


def test_a_secret_comes_as_it_is_and_nobody_else_may_read_it(tmp_path):
    assert b"".join(flow([inside(tmp_path, "cat", str(tmp_path / "told"), told=SECRET)])) == SECRET
    assert os.stat(tmp_path / "told").st_mode & 0o777 == 0o600


def test_what_is_read_after_a_secret_is_as_it_is(tmp_path):
    chunks = [b"\n\n", bytes(range(256)) * 5000, b"\n"]
    program = inside(tmp_path, "sh", "-c", f"cat >{tmp_path / 'found'}", script=READS, told=SECRET, seal="")
    assert list(flow([program], chunks)) == []
    assert (tmp_path / "found").read_bytes() == b"".join(chunks)
    assert (tmp_path / "told").read_bytes() == SECRET


@pytest.mark.parametrize("size", [0, 1, len(SEAL) - 1, len(SEAL), len(SEAL) + 1, 65535, 65536, 3_000_000])
def test_the_seal_is_not_part_of_what_is_written(tmp_path, size):
    content = (SEAL[:-2].encode() * (size // len(SEAL) * 2 + 2))[:size]  # as like it as can be
    (tmp_path / "content").write_bytes(content)
    assert b"".join(flow([inside(tmp_path, "cat", str(tmp_path / "content"))])) == content


def test_a_container_that_ends_before_all_was_read_is_told(tmp_path):
    program = inside(tmp_path, script="printf half; exit 0")
    with pytest.raises(SlipwayError, match="dump in the image x: what it wrote was cut off") as caught:
        list(flow([program]))
    assert caught.value.cause == "command_failed"


@pytest.mark.parametrize(("words", "status"), [("exit 3", "3"), ("kill -9 $$", "137"), ("exec no-such-program", "127")])
def test_a_program_that_fails_is_told_by_its_own_name(tmp_path, words, status):
    program = inside(tmp_path, "sh", "-c", f"echo some; echo reason >&2; {words}")
    with pytest.raises(SlipwayError, match=f"dump in the image x ended with exit status {status}: reason"):
        list(flow([program]))


@pytest.mark.parametrize("told", [b"", SECRET], ids=["before it was told", "while it runs"])
def test_it_ends_with_whoever_started_it(tmp_path, told):
    """Its standard input ends then."""
    program = inside(tmp_path, "sh", "-c", "echo there; exec sleep 100000", told=told)
    if not told:
        program = program._replace(inside=program.inside._replace(told=b""))
    with tempfile.TemporaryFile() as said:
        process = started(program, subprocess.DEVNULL, subprocess.PIPE, said)
        if told:
            assert process.stdout.readline() == b"there\n"
        process.stdin.close()
        assert process.wait() == (128 + signal.SIGKILL if told else 1)
        process.stdout.close()


def test_what_is_given_up_is_removed(tmp_path):
    program = inside(tmp_path, "sh", "-c", "echo there, and more than a seal has; exec sleep 100000")
    program = program._replace(inside=program.inside._replace(remove=("touch", str(tmp_path / "removed"))))
    chunks = flow([program])
    assert next(chunks)
    chunks.close()
    assert (tmp_path / "removed").exists()


def test_a_feed_that_fails_removes_it_before_its_end_is_taken_for_the_whole(tmp_path):
    """Whoever reads a script would do all of what there is of it."""

    def cut():
        yield b"some\n"
        raise SlipwayError("is damaged", cause="damaged")

    remove = ("sh", "-c", f"test ! -e {tmp_path}/whole && touch {tmp_path}/removed; kill $(cat {tmp_path}/pid)")
    script = f"{READS.split('shift', maxsplit=1)[0]}echo $$ >{tmp_path}/pid; read -r line; cat; touch {tmp_path}/whole"
    program = inside(tmp_path, script=script, seal="")
    program = program._replace(inside=program.inside._replace(remove=remove))
    with pytest.raises(SlipwayError, match="is damaged"):
        list(flow([program], cut()))
    assert (tmp_path / "removed").exists()


class Engine(System):
    """A made-up Docker Engine.

    :param images: that it has; ``pulls`` are those that a registry has.
    """

    def __init__(self, *images, pulls=(), refuses=""):
        self.images, self.pulls, self.refuses, self.asked = list(images), pulls, refuses, []

    def run(self, argv, *, timeout, stdin=None, env=None):
        self.asked.append(" ".join(argv[1:3]))
        if self.refuses:
            return Completed(1, "", self.refuses)
        if argv[1] == "pull":
            known = argv[-1] in self.pulls
            self.images += [argv[-1]] if known else []
            return Completed(0, argv[-1], "") if known else Completed(1, "", "no such manifest")
        if argv[1] == "image":
            known = argv[-1] in self.images
            return Completed(0, "sha256:1\n", "") if known else Completed(1, "\n", f"Error: No such image: {argv[-1]}")
        return Completed(0, "", "")


@pytest.fixture
def docker(monkeypatch, tmp_path):
    (tmp_path / "docker").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("docker")
def test_an_image_that_is_there_is_not_pulled():
    engine = Engine("db:1")
    assert Image("db:1", engine).ready() == ""
    assert "pull --quiet" not in engine.asked


@pytest.mark.usefixtures("docker")
def test_an_image_that_is_missing_is_pulled_once():
    engine = Engine(pulls=["db:1"])
    tools = Image("db:1", engine)
    assert (tools.ready(), tools.ready()) == ("", "")
    assert engine.asked.count("pull --quiet") == 1


@pytest.mark.usefixtures("docker")
def test_a_plan_pulls_nothing_and_says_so():
    engine = Engine(pulls=["db:1"])
    tools = Image("db:1", engine, plan=True)
    assert tools.ready().startswith("pull db:1")
    with pytest.raises(SlipwayError, match="nothing is pulled for a plan"):
        tools.program(("pg_dump",))
    assert "pull --quiet" not in engine.asked


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize(
    ("engine", "cause", "words"),
    [
        (Engine(), "image_missing", "db:1: is neither on this machine nor can it be pulled; found 'no such manifest'"),
        (Engine(refuses="permission denied while trying to connect"), "engine_permission", "become: true"),
        (Engine(refuses="Cannot connect to the Docker daemon"), "engine_unreachable", "systemctl start docker"),
    ],
)
def test_why_no_program_can_be_run_is_told(engine, cause, words):
    with pytest.raises(SlipwayError, match=words) as caught:
        Image("db:1", engine).ready()
    assert caught.value.cause == cause


def test_a_machine_without_docker_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlipwayError, match=r"docker: no such program.*leave run_in out") as caught:
        Image("db:1", System()).ready()
    assert caught.value.cause == "engine_missing"


@pytest.mark.usefixtures("docker")
def test_nothing_that_is_told_is_on_the_command_line():
    tools = Image("db:1", Engine("db:1"))
    with tools.handed(SECRET) as handed:
        program = tools.program(("pg_dump", "--x"), {"PGPASSFILE": handed.path}, handed=handed)
    assert program.inside is not None and program.inside.told == SECRET + b"\n"
    assert not [word for word in program.argv if "rd'" in word]
    assert program.argv[-2:] == ("pg_dump", "--x")
    assert {"--rm", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"} <= set(program.argv)


def test_a_path_with_commas_and_quotes_is_one_field():
    said = tools_container._mount('/a,b"c', readonly=True)
    assert said == '--mount="type=bind","source=/a,b""c","target=/a,b""c","readonly"'
