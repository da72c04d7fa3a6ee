# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that the controller packs and a machine unpacks: what is in it, what is left out, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.content import content_hash, left_out, pack
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.packages import Packages, package_of
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

LONG = "x" * 120


@pytest.fixture
def code(tmp_path):
    """A directory with all that may be in one."""
    root = tmp_path / "code"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "run").write_text("#!/bin/sh")
    (root / "bin" / "run").chmod(0o700)
    (root / "app").write_text("1")
    (root / "app").chmod(0o600)
    (root / "latest").symlink_to("bin/run")
    (root / "scripts").symlink_to("bin")
    (root / "nobody").symlink_to("is-here")
    (root / "empty").mkdir()
    (root / LONG / LONG).mkdir(parents=True)
    (root / LONG / LONG / "grün").write_text("2")
    with open(os.fsencode(root) + b"/bytes-\xff", "wb") as file:
        file.write(b"\0\1")
    for name in (".git", "lib/.git", "node_modules", "docs/build", "build"):
        (root / name).mkdir(parents=True)
        (root / name / "x").write_text("x")
    (root / "lib" / "a.pyc").write_text("x")
    return root


EXCLUDE = ["node_modules", "*.pyc", "/docs/build/"]


def packed(root, exclude=()):
    stream = io.BytesIO()
    pack(str(root), exclude, stream, "services.web.source.path")
    return stream.getvalue()


def handed(tmp_path, name, data, **options):
    """A source whose package is on the machine."""
    (tmp_path / "sent").write_bytes(data)
    system, base = System(), str(tmp_path / "base")
    Packages(system, base).receive({name: str(tmp_path / "sent")})
    options = {"path": "app", "from": "controller", "content": name, **options}
    return make_source(options, "services.web.source", Place(system, base, {}, 60.0))


def fetched(tmp_path, source):
    target = tmp_path / "target"
    target.mkdir()
    source.fetch(source.resolve(), str(target))
    return target


def test_what_arrives_is_what_was_packed(code, tmp_path):
    content = content_hash(str(code), EXCLUDE)
    source = handed(tmp_path, content, packed(code, EXCLUDE), kind="directory", exclude=EXCLUDE)
    target = fetched(tmp_path, source)
    assert content_hash(str(target)) == content == source.resolve()["content"]
    assert (target / LONG / LONG / "grün").read_text() == "2" and os.path.exists(os.fsencode(target) + b"/bytes-\xff")
    modes = {name: stat.S_IMODE((target / name).stat().st_mode) for name in ("app", "bin", "bin/run")}
    assert modes == {"app": 0o644, "bin": 0o755, "bin/run": 0o755}
    assert (os.readlink(target / "scripts"), os.readlink(target / "nobody")) == ("bin", "is-here")
    assert sorted(os.listdir(target / "lib")) == [] and os.listdir(target / "docs") == []
    assert not {".git", "node_modules"} & set(os.listdir(target)) and (target / "build" / "x").exists()


def test_the_same_files_make_the_same_package_whoever_has_them_and_since_when(code):
    first = (packed(code), content_hash(str(code)))
    os.utime(code / "app", (1, 1))
    (code / "app").chmod(0o640)
    assert (packed(code), content_hash(str(code))) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda code: (code / "app").write_text("2"),
        lambda code: (code / "app").chmod(0o755),
        lambda code: (code / "app").rename(code / "other"),
        lambda code: (code / "more").mkdir(),
        lambda code: ((code / "latest").unlink(), (code / "latest").symlink_to("app")),
    ],
    ids=["content", "executable", "name", "directory", "link"],
)
def test_whatever_differs_is_another_content(code, change):
    before = content_hash(str(code))
    change(code)
    assert content_hash(str(code)) != before


@pytest.mark.parametrize(
    ("path", "exclude", "expected"),
    [
        ("a/node_modules", ["node_modules"], True),
        ("a/node_modules2", ["node_modules"], False),
        ("a/b.pyc", ["*.pyc"], True),
        ("docs/build", ["docs/build/"], True),
        ("a/docs/build", ["docs/build"], False),
        ("a/.git", [], True),
        (".github", [], False),
    ],
)
def test_names_are_left_out_at_any_depth_and_paths_from_the_top(path, exclude, expected):
    assert left_out(path, exclude) is expected


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "bin/../../outside", "loop/../../outside"])
def test_a_link_that_leads_out_is_refused_and_never_followed(code, tmp_path, target):
    (tmp_path / "outside").write_text("precious")
    (code / "loop").symlink_to("bin")
    (code / "evil").symlink_to(target)
    with pytest.raises(SlipwayError) as caught:
        packed(code)
    assert (caught.value.cause, caught.value.obj) == ("source_refused", "services.web.source.path")
    assert "evil" in caught.value.actual
    assert b"precious" not in packed(code, ["evil"])


def test_what_is_no_file_is_refused_by_its_name(code):
    os.mkfifo(code / "pipe")
    with pytest.raises(SlipwayError) as caught:
        packed(code)
    assert (caught.value.cause, caught.value.actual) == ("source_refused", str(code / "pipe"))


@pytest.mark.parametrize("harm", ["cut off", "other files", "no tar"])
def test_a_package_that_is_not_what_its_name_says_is_refused_and_sent_again(code, tmp_path, harm):
    content, data = content_hash(str(code)), packed(code)
    (code / "app").write_text("other")
    data = {"cut off": data[: len(data) // 2], "other files": packed(code), "no tar": b"x"}[harm]
    source = handed(tmp_path, content, data, kind="directory")
    with pytest.raises(SlipwayError) as caught:
        fetched(tmp_path, source)
    assert caught.value.cause in ("source_changed", "archive")
    with pytest.raises(SlipwayError) as caught:
        source.fetch(source.resolve(), str(tmp_path / "target"))
    assert caught.value.cause == "package_missing"


def test_a_file_that_was_handed_over_is_known_by_its_bytes(code, tmp_path):
    data = packed(code)
    name = hashlib.sha256(data).hexdigest()
    target = fetched(tmp_path, handed(tmp_path, name, data, kind="archive"))
    assert (target / "app").read_text() == "1"
    wrong = handed(tmp_path, name, b"other", kind="archive")
    with pytest.raises(SlipwayError) as caught:
        wrong.fetch(wrong.resolve(), str(target))
    assert caught.value.cause == "package_missing" and not os.listdir(tmp_path / "base" / "packages")
    with pytest.raises(SlipwayError) as caught:
        handed(tmp_path, name, data, kind="archive", checksum=f"sha256:{'0' * 64}").resolve()
    assert caught.value.cause == "checksum"


def test_packages_are_root_s_alone_and_go_when_no_kept_release_was_made_of_them(tmp_path):
    packages, names = Packages(System(), str(tmp_path)), ["a" * 64, "b" * 64]
    (tmp_path / "sent").write_bytes(b"x")
    packages.receive({name: str(tmp_path / "sent") for name in names})
    assert stat.S_IMODE((tmp_path / "packages").stat().st_mode) == 0o700
    (tmp_path / "packages" / f"{'c' * 64}.partial").touch()
    packages.prune({names[1]})
    assert os.listdir(tmp_path / "packages") == [names[1]]


def test_a_disk_that_is_full_leaves_no_half_package(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "sent").write_bytes(b"x")
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(SlipwayError) as caught:
        Packages(System(), str(tmp_path)).receive({"a" * 64: str(tmp_path / "sent")})
    assert (caught.value.cause, os.listdir(tmp_path / "packages")) == ("no_space", [])


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"from": "elsewhere"}, "from"),
        ({"from": "controller"}, "content"),
        ({"content": "a" * 64}, "content"),
        ({"from": "controller", "content": "../../etc/passwd"}, "content"),
        ({"exclude": "x"}, "exclude"),
        ({"exclude": ["/"]}, "exclude"),
        ({"exclude": [1]}, "exclude"),
        ({"path": ""}, "path"),
        ({"pathh": "x"}, "pathh"),
    ],
)
def test_options_that_cannot_be_are_named(tmp_path, options, key):
    place = Place(System(), str(tmp_path), {}, 60.0)
    with pytest.raises(SlipwayError) as caught:
        make_source({"kind": "directory", "path": str(tmp_path), **options}, "services.web.source", place).resolve()
    assert (caught.value.cause, caught.value.obj) == ("invalid", f"services.web.source.{key}")


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ({"source": {"content": "a" * 64}}, "a" * 64),
        ({"source": {"content": "a" * 64}, "built": {"package": "b" * 64}}, "b" * 64),
        ({"source": {"content": f"/../{'a' * 64}"}}, ""),
        ({"source": {"content": "a" * 64}, "built": {"package": "../x"}}, ""),
        ({"source": {"kind": "git"}}, ""),
        ({}, ""),
    ],
)
def test_what_another_machine_calls_a_package_is_the_name_of_one_or_nothing(option, name):
    assert package_of(option) == name
