# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""git when the repository is huge, the connection breaks, nobody answers, or git is not there."""

from __future__ import annotations

import fcntl
import os
import pathlib
import socket
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.git_mirror import sweep
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .test_process_git import Work

# In the place of ssh: it runs the command here, and hangs up after so many bytes of the answer.
CUT = """#!{python}
import os, subprocess, sys
left = int(open("{limit}").read())
answer = subprocess.Popen(["sh", "-c", sys.argv[-1]], stdout=subprocess.PIPE).stdout.fileno()
while left > 0:
    data = os.read(answer, min(left, 4096))
    if not data:
        break
    os.write(1, data)
    left -= len(data)
"""


@pytest.fixture
def work(tmp_path: pathlib.Path) -> Work:
    return Work(tmp_path)


def history(work: Work, commits: int, files: int) -> None:
    """Many commits, each with other contents in many files; one import, because a process a commit takes long."""
    lines = []
    for number in range(commits):
        data = f"commit {number}"
        lines.append(f"commit refs/heads/main\ncommitter x <x@example.com> {1700000000 + number} +0000\n")
        lines.append(f"data {len(data)}\n{data}\n")
        for file in range(files if number == 0 else 1):
            text = f"{number} of {file}" * 50
            lines.append(f"M 644 inline dir{file % 10}/file{(file + number) % files}\ndata {len(text)}\n{text}\n")
    (work.tmp / "import").write_text("".join(lines))
    with open(work.tmp / "import", "rb") as stream:
        subprocess.run(["git", "fast-import", "--quiet", "--force"], cwd=work.path, stdin=stream, check=True)
    work.git("reset", "--quiet", "--hard", "main")


def objects(work: Work) -> int:
    """How many objects the mirror has."""
    counted = dict(line.split(": ") for line in work.git("count-objects", "-v", at=work.mirror()).splitlines())
    return int(counted["count"]) + int(counted["in-pack"])


def test_of_a_huge_repository_one_commit_is_fetched_and_then_what_is_new(work: Work) -> None:
    history(work, commits=500, files=100)
    everything = len(work.git("rev-list", "--all", "--objects").splitlines())
    wanted = len(work.git("rev-list", "--objects", "--no-walk", "main").splitlines())
    target, _commit = work.release(branch="main")
    assert objects(work) == wanted < everything / 5
    listed = work.git("ls-tree", "-r", "--name-only", "main").splitlines()
    assert {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} == set(listed)
    (work.path / "dir0" / "file0").write_text("new")
    work.commit("one file more")
    target, _commit = work.release(branch="main")
    assert (target / "dir0" / "file0").read_text() == "new"
    # The commit, its tree, the directory's and the file, and what those are told by their difference to.
    assert objects(work) - wanted <= 10


@pytest.mark.sample(2, of="bytes")
@pytest.mark.parametrize("limit", [0, 3, 100, 400, 700, 1000, 1500, 2000, 5000, 20000])
def test_a_connection_that_breaks_leaves_nothing_that_counts(
    work: Work, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    for number in range(40):
        (work.path / f"file{number}").write_bytes(os.urandom(1024))  # incompressible: more bytes than any limit
    newest = work.commit("2")
    (work.tmp / "bin").mkdir()
    (work.tmp / "bin" / "ssh").write_text(CUT.format(python=sys.executable, limit=work.tmp / "limit"))
    (work.tmp / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{work.tmp}/bin:{os.environ['PATH']}")
    (work.tmp / "limit").write_text(str(limit))
    options = {"repository": f"ssh://git@example.com{work.path}", "commit": newest}
    error = work.refused(**options)
    assert error.cause == "git" and not list(work.tmp.glob("release-*/*"))
    (work.tmp / "limit").write_text("1000000")
    target, commit = work.release(**options)
    assert commit == newest and len(os.listdir(target)) == 41


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_stage_may_take(work: Work) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/shop.git"
        place = Place(System(), str(work.base), {}, 0.5)
        source = make_source({"kind": "git", "repository": address, "branch": "main"}, "x", place)
        with pytest.raises(SlipwayError) as caught:
            source.resolve()
    assert (caught.value.cause, caught.value.actual) == ("git", "not done after 0.5 s")


def test_a_machine_without_git_says_so_and_blames_no_version(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    (work.tmp / "bin").mkdir()
    for name in ("timeout", "env", "setpriv", "sh"):
        (work.tmp / "bin" / name).symlink_to(f"/usr/bin/{name}")
    source = work.source(branch="main")
    monkeypatch.setenv("PATH", f"{work.tmp}/bin")
    with pytest.raises(SlipwayError) as caught:
        source.resolve()
    assert caught.value.cause == "git" and "git" in str(caught.value.actual)


def test_a_disk_that_is_full_is_told_as_such(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    (work.tmp / "bin").mkdir()
    said = "fatal: write error: No space left on device"
    (work.tmp / "bin" / "git").write_text(f"#!/bin/sh\necho '{said}' >&2; exit 128\n")
    (work.tmp / "bin" / "git").chmod(0o755)
    source = work.source(branch="main")
    monkeypatch.setenv("PATH", f"{work.tmp}/bin:{os.environ['PATH']}")
    with pytest.raises(SlipwayError) as caught:
        source.resolve()
    assert caught.value.cause == "no_space"


def test_a_branch_and_a_tag_of_one_name_are_two(work: Work) -> None:
    first = work.git("rev-parse", "HEAD")
    work.git("tag", "main")
    second = work.commit("2")
    found: dict[str, t.Any] = {kind: work.release(**{kind: "main"})[1] for kind in ("branch", "tag")}
    assert found == {"branch": second, "tag": first}


def test_a_key_that_a_killed_process_has_left_goes_with_the_next_and_none_that_is_in_use(
    tmp_path: pathlib.Path,
) -> None:
    for name in ("slipway-git-left", "slipway-git-used", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text("x")
    used = os.open(tmp_path / "slipway-git-used", os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_EX)
    (tmp_path / "slipway-git-link").symlink_to(tmp_path / "other")
    sweep(str(tmp_path))
    os.close(used)
    assert sorted(os.listdir(tmp_path)) == ["other", "slipway-git-link", "slipway-git-used"]
    assert os.listdir(tmp_path / "other") == ["key"]
