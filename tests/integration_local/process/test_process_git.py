# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code out of real git repositories."""

from __future__ import annotations

import os
import pathlib
import shutil
import stat
import subprocess
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.process.source_git import absolute
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

KEY = "-----BEGIN OPENSSH PRIVATE {0}-----\ns3cret\n-----END OPENSSH PRIVATE {0}-----".format("KEY")
# In the place of ssh: it tells what it was given, and runs the command here.
SSH = """#!/bin/sh
while [ "$1" != -- ] && [ $# -gt 0 ]; do case $1 in
  -i) cp "$2" {seen}/key; stat -c %a "$2" > {seen}/mode; shift 2;;
  -o) echo "$2" >> {seen}/options; shift 2;;
  -*) shift;;
  *) break;;
esac; done
shift; exec sh -c "$*"
"""


class Work:
    """A repository that somebody works in, and what a machine releases from it."""

    def __init__(self, tmp_path: pathlib.Path) -> None:
        self.tmp = tmp_path
        self.path = tmp_path / "work"
        self.base = tmp_path / "base"
        self.secrets: dict[str, str] = {}
        self.number = 0
        self.git("init", "--quiet", "--initial-branch=main", str(self.path), at=tmp_path)
        self.commit("1")

    def git(self, *words: str, at: pathlib.Path | None = None) -> str:
        names = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "protocol.file.allow=always"]
        argv = ["git", *names, *words]
        return subprocess.run(argv, cwd=at or self.path, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, content: str, *words: str) -> str:
        (self.path / "app").write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", content, *words)
        return self.git("rev-parse", "HEAD")

    def source(self, **options: t.Any) -> t.Any:
        place = Place(System(), str(self.base), self.secrets, 60.0)
        return make_source(
            {"kind": "git", "repository": f"file://{self.path}", **options}, "services.web.source", place
        )

    def release(self, **options: t.Any) -> tuple[pathlib.Path, str]:
        """Where its files are, and the commit."""
        self.number += 1
        target = self.tmp / f"release-{self.number}"
        target.mkdir()
        source = self.source(**options)
        resolved = source.resolve()
        source.fetch(resolved, str(target))
        return target, resolved["commit"]

    def refused(self, **options: t.Any) -> SlipwayError:
        with pytest.raises(SlipwayError) as caught:
            self.release(**options)
        return caught.value

    def mirror(self) -> pathlib.Path:
        return next((self.base / "repositories").glob("*.git"))


@pytest.fixture
def work(tmp_path: pathlib.Path) -> Work:
    return Work(tmp_path)


def test_a_branch_is_where_it_is_now_and_its_files_are_there_without_the_repository(work: Work) -> None:
    (work.path / "bin").mkdir()
    (work.path / "bin" / "run").write_text("#!/bin/sh")
    (work.path / "bin" / "run").chmod(0o755)
    (work.path / "link").symlink_to("app")
    newest = work.commit("2")
    target, commit = work.release(branch="main")
    assert (sorted(os.listdir(target)), commit) == (["app", "bin", "link"], newest)
    assert os.access(target / "bin" / "run", os.X_OK) and os.readlink(target / "link") == "app"


def test_a_huge_history_is_not_fetched(work: Work) -> None:
    for number in range(20):
        work.commit(str(number), "--allow-empty")
    for options in ({"branch": "main"}, {"commit": work.git("rev-parse", "HEAD~5")}):
        work.release(**options)
    listed = work.git("rev-list", "--all", at=work.mirror())
    assert len(listed.splitlines()) == 2


def test_a_commit_that_is_here_needs_no_network(work: Work) -> None:
    _target, commit = work.release(branch="main")
    work.path.rename(work.tmp / "away")
    target, _same = work.release(commit=commit)
    assert (target / "app").read_text() == "1"
    assert work.refused(branch="main").cause == "git"


@pytest.mark.parametrize("annotated", [[], ["--annotate", "--message=x"]], ids=["light", "annotated"])
def test_a_tag_that_has_moved_is_refused_until_the_new_commit_is_given(work: Work, annotated: list[str]) -> None:
    work.git("tag", *annotated, "v1")
    _target, first = work.release(tag="v1")
    assert work.release(tag="v1")[1] == first
    second = work.commit("2")
    work.git("tag", *annotated, "--force", "v1")
    error = work.refused(tag="v1")
    assert (error.cause, error.actual, error.wanted) == ("tag_moved", second, first)
    target, commit = work.release(tag="v1", commit=second)
    assert ((target / "app").read_text(), commit) == ("2", second)
    assert work.release(tag="v1")[1] == second
    shutil.rmtree(work.mirror())  # what was seen is known all the same
    work.git("tag", *annotated, "--force", "v1", first)
    assert work.refused(tag="v1").cause == "tag_moved"
    work.git("tag", *annotated, "--force", "v1", second)
    assert work.refused(tag="v1", commit="0" * 40).cause == "tag_moved"


def test_a_branch_that_was_forced_is_what_it_is_now_and_nothing_else(work: Work) -> None:
    (work.path / "old").write_text("x")
    gone = work.commit("2")
    work.release(branch="main")
    work.git("reset", "--quiet", "--hard", "HEAD~1")
    newest = work.commit("3")
    target, commit = work.release(branch="main")
    assert (commit, sorted(os.listdir(target)), (target / "app").read_text()) == (newest, ["app"], "3")
    assert work.release(commit=gone)[1] == gone  # this machine still has it


def test_what_is_not_there_is_named(work: Work) -> None:
    assert work.refused(branch="none").cause == "ref_missing"
    assert work.refused(tag="v9").cause == "ref_missing"
    error = work.refused(commit="1" * 40)
    assert error.cause in ("commit_missing", "git") and "1" * 40 in f"{error.actual}"
    assert work.refused(branch="main", repository="file:///nowhere").cause == "git"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "branch"),
        ({"branch": "a", "tag": "b"}, "branch"),
        ({"branch": "--upload-pack=x"}, "branch"),
        ({"commit": "abc"}, "commit"),
        ({"branch": "main", "repository": "--x"}, "repository"),
        ({"branch": "main", "repository": "https://user:secret@example.com/x"}, "repository"),
        ({"branch": "main", "submodules": "yes"}, "submodules"),
        ({"branch": "main", "depth": 1}, "depth"),
    ],
)
def test_options_that_cannot_be_are_named(work: Work, options: dict[str, t.Any], key: str) -> None:
    error = work.refused(**options)
    assert (error.cause, error.obj) == ("invalid", f"services.web.source.{key}")
    assert "secret" not in error.message


def test_a_transport_that_runs_commands_is_refused(work: Work) -> None:
    error = work.refused(branch="main", repository=f"ext::touch {work.tmp}/owned")
    assert (error.cause, (work.tmp / "owned").exists()) == ("git", False)


def test_submodules_come_along_at_their_own_commits(work: Work, tmp_path: pathlib.Path) -> None:
    for name in ("inner", "deepest"):
        (tmp_path / name).mkdir()
    inner, deepest = Work(tmp_path / "inner"), Work(tmp_path / "deepest")
    inner.git("submodule", "--quiet", "add", f"file://{deepest.path}", "deep er")
    inner.commit("inner 1")
    work.git("submodule", "--quiet", "add", "../inner/work", "lib")
    work.commit("with lib")
    inner.commit("inner 2")
    target, _commit = work.release(branch="main")
    assert (target / "lib" / "app").read_text() == "inner 1"
    assert (target / "lib" / "deep er" / "app").read_text() == "1"
    assert not list((work.release(branch="main", submodules=False)[0] / "lib").iterdir())
    (work.path / ".gitmodules").write_text("")
    work.commit("broken")
    assert work.refused(branch="main").cause == "submodule"


def test_a_submodule_of_a_foreign_repository_reads_nothing_of_this_machine(work: Work) -> None:
    source = work.source(branch="main", repository="https://example.com/x.git")
    with pytest.raises(SlipwayError) as caught:
        source._fetch_submodules(Listed("/etc"), "0" * 40, "/nowhere")
    assert caught.value.cause == "invalid"


class Listed:
    """A mirror with one submodule."""

    def __init__(self, url: str) -> None:
        self.url = url

    def submodules(self, _commit: str, _target: str) -> dict[str, tuple[str, str]]:
        return {"x": (self.url, "1" * 40)}


@pytest.mark.parametrize(
    ("parent", "url", "expected"),
    [
        ("https://example.com/a/b.git", "../c.git", "https://example.com/a/c.git"),
        ("git@example.com:a/b.git", "../c.git", "git@example.com:a/c.git"),
        ("ssh://git@example.com:22/a/b", "./c", "ssh://git@example.com:22/a/b/c"),
        ("/srv/a/b", "../c", "/srv/a/c"),
        ("https://example.com/a", "https://other.example.com/c", "https://other.example.com/c"),
    ],
)
def test_a_submodule_may_be_relative_to_its_parent(parent: str, url: str, expected: str) -> None:
    assert absolute(parent, url) == expected


def test_a_private_key_is_in_a_file_for_as_long_as_git_runs(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = work.tmp / "seen"
    (work.tmp / "bin").mkdir()
    seen.mkdir()
    ssh = work.tmp / "bin" / "ssh"
    ssh.write_text(SSH.format(seen=seen))
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{work.tmp}/bin:{os.environ['PATH']}")
    work.secrets["DEPLOY"] = KEY
    options = {
        "repository": f"ssh://git@example.com{work.path}",
        "key": "DEPLOY",
        "known_hosts": "example.com ssh-ed25519 AAAA",
    }
    target, _commit = work.release(branch="main", **options)
    assert (target / "app").read_text() == "1"
    assert ((seen / "key").read_text(), (seen / "mode").read_text()) == (f"{KEY}\n", "600\n")
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"} <= set(
        (seen / "options").read_text().split()
    )
    repositories = work.base / "repositories"
    assert stat.S_IMODE(repositories.stat().st_mode) == 0o700
    assert all(path.suffix in (".git", ".json") for path in repositories.iterdir())
    del work.secrets["DEPLOY"]
    assert work.refused(branch="main", **options).cause == "secret_missing"


@pytest.mark.parametrize("harm", ["no head", "a file lost", "locks of a dead process"])
def test_a_mirror_that_was_cut_off_is_mended(work: Work, harm: str) -> None:
    work.release(branch="main")
    mirror = work.mirror()
    if harm == "no head":
        (mirror / "HEAD").unlink()
    elif harm == "a file lost":
        pack = next((mirror / "objects" / "pack").glob("*.pack"))
        data = pack.read_bytes()
        shutil.rmtree(pack.parent)
        subprocess.run(["git", "unpack-objects", "-q"], cwd=mirror, input=data, check=True)
        blob = work.git("rev-parse", "HEAD:app")
        (mirror / "objects" / blob[:2] / blob[2:]).unlink()
    else:
        for name in ("shallow.lock", "HEAD.lock", "packed-refs.lock"):
            (mirror / name).touch()
        work.commit("2")
    target, _commit = work.release(branch="main")
    assert (target / "app").read_text() == ("2" if "locks" in harm else "1")


def test_what_was_released_twice_is_the_same(work: Work) -> None:
    (work.path / "dir").mkdir()
    (work.path / "dir" / "file").write_text("x")
    work.commit("2")
    first, second = (work.release(branch="main")[0] for _time in range(2))
    assert subprocess.run(["diff", "-r", first, second], check=False).returncode == 0
