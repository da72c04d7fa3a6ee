# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that one machine builds, and others lay out."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process import tree as tree_module
from ansible_collections.slipway.deploy.plugins.module_utils.process.content import content_hash
from ansible_collections.slipway.deploy.plugins.module_utils.process.handed_on import pack_built, unpack_built
from ansible_collections.slipway.deploy.plugins.module_utils.process.packages import Packages
from ansible_collections.slipway.deploy.plugins.module_utils.process.tree import Trees, fingerprint
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import (
    STATES,
    Killed,
    World,
)

ONE = {"build_on": "one"}


def packed(root):
    stream = io.BytesIO()
    pack_built(str(root), stream, "services.web.build")
    return stream.getvalue()


def laid_out(data, tmp_path, name="there"):
    (tmp_path / f"{name}.tar.gz").write_bytes(data)
    (tmp_path / name).mkdir()
    unpack_built(str(tmp_path / f"{name}.tar.gz"), str(tmp_path / name))
    return tmp_path / name


@pytest.fixture
def tree(tmp_path):
    """What a build leaves: an environment with links out of it, modes, times, and what a source would leave out."""
    root = tmp_path / "tree"
    for name in (".venv/bin", ".git", "empty", "a/b"):
        (root / name).mkdir(parents=True)
    for name, mode in {".venv/bin/run": 0o750, ".git/HEAD": 0o600, "a/b/c": 0o644, "a/set": 0o4755}.items():
        (root / name).write_text(name)
        (root / name).chmod(mode)
        os.utime(root / name, (1_700_000_000, 1_700_000_000))
    (root / ".venv/bin/python").symlink_to("/usr/bin/python3")
    (root / ".venv/lib64").symlink_to("lib")
    (root / "a/b").chmod(0o555)
    return root


def test_it_arrives_as_it_was_made(tree, tmp_path):
    there = laid_out(packed(tree), tmp_path)
    (tree / "a/set").chmod(0o755)  # nobody gets rights of another user by it
    assert fingerprint(str(there)) == fingerprint(str(tree))
    assert (there / "empty").is_dir() and (there / "a/b").stat().st_mode & 0o777 == 0o555
    assert os.readlink(there / ".venv/bin/python") == "/usr/bin/python3"


def test_the_same_files_are_the_same_package_whenever_they_are_packed(tree, tmp_path):
    first = packed(tree)
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, symlinks=True)
    assert packed(copy) == first
    (copy / "a/b/c").chmod(0o755)
    assert packed(copy) != first


def test_what_cannot_be_handed_on_is_named(tree):
    os.mkfifo(tree / "a" / "pipe")
    with pytest.raises(SlipwayError) as caught:
        packed(tree)
    assert (caught.value.cause, caught.value.actual) == ("source_refused", f"{tree}/a/pipe")


@pytest.mark.parametrize("names", [["../x"], ["/x"], ["a/../../x"], ["link", "link/x"], ["link", "link/"]])
def test_nothing_is_written_outside_of_the_release(tmp_path, names):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in names:
            info = tarfile.TarInfo(name.rstrip("/"))
            if name == "link":
                info.type, info.linkname = tarfile.SYMTYPE, str(tmp_path)
            elif name.endswith("/"):  # its mode, 0644, would be that of what the link leads to
                info.type = tarfile.DIRTYPE
            archive.addfile(info)
    with pytest.raises(SlipwayError) as caught:
        laid_out(stream.getvalue(), tmp_path)
    assert caught.value.cause == "archive"
    assert not (tmp_path / "x").exists()


def test_half_an_archive_is_refused(tree, tmp_path):
    whole = packed(tree)
    for number, data in enumerate((whole[: len(whole) // 2], gzip.compress(b"no archive"), b"")):
        with pytest.raises(SlipwayError) as caught:
            laid_out(data, tmp_path, f"cut-{number}")
        assert caught.value.cause == "archive"


class Two:
    """Two machines of a platform."""

    def __init__(self, tmp_path):
        self.one, self.other = World(f"{tmp_path}/one"), World(f"{tmp_path}/other")
        self.other.ports = self.one.ports

    def build(self, side="blue", release="r1", version=1, **how):
        return self.one.run("built", side, release, {"web": self.one.services(version, **ONE)["web"]}, **how)

    def services(self, built, version=1):
        """As the other machine is told of them: what it has no source for."""
        told = {"by": "app1", "package": built["web"]["package"], "source": built["web"]["source"]}
        services = self.one.services(version, **ONE)
        shutil.rmtree(f"{self.one.root}/sources/{version}", ignore_errors=True)
        services["web"]["built"] = told
        return services

    def carry(self, built):
        """What the action plugins do."""
        name = built["web"]["package"]
        source = Packages(self.one.system, self.one.scope.base).path(name)
        Packages(self.other.system, self.other.scope.base).receive({name: source})

    def trees(self):
        return [Trees(world.system, world.scope) for world in (self.one, self.other)]


@pytest.fixture
def two(tmp_path):
    return Two(tmp_path)


def test_one_machine_builds_and_the_others_run_the_very_same(two):
    built = two.build()["built"]
    two.carry(built)
    services = two.services(built)
    for world in (two.one, two.other):
        for state in STATES:
            world.run(state, "blue", "r1", services)
        assert world.current() == "r1"
        assert not world.run("prepared", "blue", "r1", services)["changed"]
    one, other = two.trees()
    paths = [trees.path("r1", "web") for trees in (one, other)]
    assert one.mark(paths[0])[:2] == other.mark(paths[1])[:2]
    assert content_hash(paths[0]) == content_hash(paths[1])
    assert other.mark(paths[1]).source["built"] == built["web"]["package"]


def test_what_is_built_already_is_not_built_again(two):
    first = two.build()
    assert [action.split()[0] for action in first["actions"]] == ["fetch", "pack"]
    again = two.build()
    assert (again["changed"], again["built"]) == (False, first["built"])
    later = two.build("green", "r2")
    assert (later["changed"], later["built"]) == (False, first["built"])


def test_a_package_that_is_gone_or_damaged_is_built_anew(two):
    packages = Packages(two.one.system, two.one.scope.base)
    for damage in (os.unlink, lambda path: os.truncate(path, 10)):
        damage(packages.path(two.build()["built"]["web"]["package"]))
        assert two.build(check=True)["changed"]
        assert two.build()["changed"]
        assert not two.build()["changed"]


def test_what_each_machine_built_before_is_built_once_more_when_one_does_it_for_all(two):
    two.one.release("blue", "r1", two.one.services(1))
    assert two.build("green", "r2")["changed"]
    assert Trees(two.one.system, two.one.scope).path("r2", "web").endswith("r2/web")


def test_what_arrives_as_something_else_is_not_laid_out(two):
    built = two.build()["built"]
    two.carry(built)
    packages = Packages(two.other.system, two.other.scope.base)
    with open(packages.path(built["web"]["package"]), "r+b") as file:
        file.seek(20)
        file.write(b"!")
    with pytest.raises(SlipwayError) as caught:
        two.other.run("prepared", "blue", "r1", two.services(built))
    assert caught.value.cause == "package_missing"
    assert (packages.names(), two.trees()[1].complete("r1", "web")) == ([], False)
    two.carry(built)
    two.other.run("prepared", "blue", "r1", two.services(built))


def at_every_change(world, run):
    """Runs it again and again, killed one change later each time, until it comes to its end; what it returned."""
    for change in range(1, 100):
        world.fuse.arm(change)
        try:
            return run()
        except Killed:
            for name in os.listdir(world.scope.release_path("r1")):
                assert not name.endswith(".json") or os.path.exists(world.scope.release_path("r1", "web/version")), name
        finally:
            world.fuse.arm(None)
    raise AssertionError("it never came to its end")


def halfway(monkeypatch, name, work):
    """Kills the next use of one of the two functions, halfway."""

    def half(*args):
        work(*args)
        monkeypatch.undo()
        raise Killed

    monkeypatch.setattr(tree_module, name, half)


def test_a_kill_leaves_nothing_that_looks_whole(two, monkeypatch):
    """On the machine that builds and on the one that gets it; the next run does the rest."""
    halfway(monkeypatch, "pack_built", lambda _own, stream, _where: stream.write(b"half of it"))
    with pytest.raises(Killed):
        two.build()
    one, other = two.trees()
    assert not one.complete("r1", "web")
    assert Packages(two.one.system, two.one.scope.base).names() == []
    built = at_every_change(two.one, two.build)["built"]
    assert one.complete("r1", "web")

    services = two.services(built)
    two.carry(built)
    halfway(monkeypatch, "unpack_built", lambda _path, own: os.mkdir(f"{own}/half"))
    with pytest.raises(Killed):
        two.other.run("prepared", "blue", "r1", services)
    assert not other.complete("r1", "web")
    at_every_change(two.other, lambda: two.other.run("prepared", "blue", "r1", services))
    assert other.complete("r1", "web")
    assert os.listdir(other.path("r1", "web")) == ["version"]


def test_a_preview_says_who_builds_and_touches_nothing(two):
    said = two.build(check=True)
    assert [action.split()[0] for action in said["actions"]] == ["fetch", "pack"]
    assert said["built"]["web"]["package"] == ""
    services = two.services(said["built"])
    actions = two.other.run("prepared", "blue", "r1", services, check=True)["actions"]
    assert actions[0].startswith("take over what app1 builds of directory ")
    assert not os.path.exists(two.one.scope.base) and not os.path.exists(two.other.scope.base)


def test_a_package_stays_as_long_as_a_kept_release_came_of_it(two):
    names = []
    for number, side in enumerate(("blue", "green", "blue"), 1):
        built = two.build(side, f"r{number}", number)["built"]
        services = two.services(built, number)
        for state in STATES:
            two.one.run(state, side, f"r{number}", services, keep=2)
        names.append(built["web"]["package"])
    assert len(set(names)) == 3
    assert Packages(two.one.system, two.one.scope.base).names() == sorted(names[1:])


@pytest.mark.parametrize("built", [{"by": "app1"}, {"by": "app1", "package": "../x", "source": {"kind": "git"}}])
def test_nobody_else_says_what_is_built(two, built):
    services = two.one.services(1, built=built)
    with pytest.raises(SlipwayError) as caught:
        two.one.run("prepared", "blue", "r1", services)
    assert (caught.value.cause, caught.value.obj) == ("invalid", "services.web.built")
