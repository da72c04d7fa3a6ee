# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and assets on the host."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container import files
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from hypothesis import given
from hypothesis import strategies as st

ME = os.getuid()


def container(world, user="", image="sha-web-1"):
    return world.engine.create("c", image, labels={})._replace(user=user)


@pytest.fixture
def directory(world):
    return files.make_secrets_directory(world.system, world.scope, "blue", "web")


def test_secrets_are_for_one_user_alone(world, directory):
    files.write_secrets(world.system, directory, {"A": "1", "B": "2"}, ME)
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert {name: stat.S_IMODE(os.stat(f"{directory}/{name}").st_mode) for name in os.listdir(directory)} == {
        "A": 0o400,
        "B": 0o400,
    }


def test_the_mounted_directory_stays_while_its_secrets_change(world, directory):
    files.write_secrets(world.system, directory, {"A": "1", "B": "2"}, ME)
    before = os.stat(directory).st_ino
    assert files.secrets_differ(world.system, directory, {"A": "today"})
    files.write_secrets(world.system, directory, {"A": "today"}, ME)
    assert os.listdir(directory) == ["A"]
    assert os.stat(directory).st_ino == before
    assert not files.secrets_differ(world.system, directory, {"A": "today"})


@pytest.mark.parametrize(
    ("user", "uid"), [("", 0), ("1000", 1000), ("1000:50", 1000), ("app", 77), ("app:staff", 77), ("0", 0)]
)
def test_the_user_of_a_container_becomes_a_number_as_the_engine_does_it(world, user, uid):
    assert files.user_id(world.engine, container(world, user)) == uid


def test_a_user_that_the_image_lacks_is_named(world):
    with pytest.raises(SlipwayError) as caught:
        files.user_id(world.engine, container(world, "nobody-here"))
    assert (caught.value.cause, caught.value.actual) == ("user_unknown", "nobody-here")


@pytest.fixture
def assets(world):
    for number in (1, 2, 3):
        world.engine.assets[f"sha-web-{number}"] = {
            f"js/app-{number}.js": b"%d" % number,
            "index.html": b"page %d" % number,
        }
    made = files.Assets(world.system, world.scope, "web")
    for number in (1, 2, 3):
        source = container(world, image=f"sha-web-{number}")
        made.extract(world.engine, source, "/assets", f"k{number}")
        world.engine.remove(source)
    return made


def listing(assets, key):
    found = {}
    for base, _directories, names in os.walk(assets.path(key)):
        for name in names:
            path = os.path.join(base, name)
            with open(path, encoding="utf-8") as stream:
                found[os.path.relpath(path, assets.path(key))] = stream.read()
    return found


def test_both_sides_serve_each_others_files_and_keep_their_own(assets):
    assets.went_live("k1")
    assets.spread("k2", "k1", 60)
    assert listing(assets, "k2") == {"js/app-1.js": "1", "js/app-2.js": "2", "index.html": "page 2"}
    assert listing(assets, "k1") == {"js/app-1.js": "1", "js/app-2.js": "2", "index.html": "page 1"}


@pytest.mark.parametrize(("age", "kept"), [(60, True), (61, False)])
def test_files_are_kept_as_long_as_they_were_live_within_keep(world, assets, age, kept):
    assets.went_live("k1")
    assets.spread("k2", "k1", 60)
    assets.went_live("k2")
    world.system.now += age
    assets.refresh("k2", "", 60)
    assert ("js/app-1.js" in listing(assets, "k2")) is kept
    assert (assets.prune({"k2"}, 60) == ["k3"]) is kept  # k3 never was live


def test_a_release_that_was_never_live_is_no_source(assets):
    assets.went_live("k1")
    assets.spread("k3", "k1", 3600)
    assert "js/app-2.js" not in listing(assets, "k3")


def test_a_kept_release_keeps_its_own_files(world, assets):
    for key in ("k1", "k2"):
        assets.went_live(key)
    world.system.now += 9999
    assert assets.prune({"k1", "k2"}, 0) == ["k3"]
    assert listing(assets, "k1") == {"js/app-1.js": "1", "index.html": "page 1"}


def test_a_file_that_was_lost_or_cut_is_laid_out_again_in_the_same_directory(world, assets):
    path = assets.path("k1")
    with open(f"{path}/index.html", "w", encoding="utf-8"):
        pass
    assert not assets.ready("k1")
    before = os.stat(path).st_ino
    assets.extract(world.engine, container(world), "/assets", "k1")
    assert assets.ready("k1")
    assert listing(assets, "k1")["index.html"] == "page 1"
    assert os.stat(path).st_ino == before


def test_a_cut_manifest_counts_as_none(assets):
    with open(f"{assets.directory}/k1.json", "w", encoding="utf-8") as stream:
        stream.write('{"own": {')
    assert not assets.ready("k1")


@pytest.mark.parametrize("content", [None, {}], ids=["no such path", "no file in it"])
def test_an_image_without_assets_is_refused(world, assets, content):
    if content is None:
        world.engine.assets.pop("sha-web-1")
    else:
        world.engine.assets["sha-web-1"] = content
    with pytest.raises(SlipwayError) as caught:
        assets.extract(world.engine, container(world), "/assets", "k9")
    assert caught.value.cause == "assets_missing"


def test_a_file_in_place_of_a_directory_is_a_collision_and_harms_nothing(world, assets):
    world.engine.assets["sha-web-4"] = {"js": b"a file"}
    assets.extract(world.engine, container(world, image="sha-web-4"), "/assets", "k4")
    assets.went_live("k1")
    assets.spread("k4", "k1", 60)
    assert listing(assets, "k4") == {"js": "a file", "index.html": "page 1"}
    assert listing(assets, "k1") == {"js/app-1.js": "1", "index.html": "page 1"}


NAMES = st.sampled_from(
    ["assets/a", "assets/../../out", "assets/d/b", "/etc/out", "assets", "assets/..", "../../../out", "assets/d"]
)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])


@given(st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6, unique_by=lambda item: item[0]))
def test_no_archive_writes_outside_its_directory_or_leaves_a_link(tmp_path_factory, members):
    root = tmp_path_factory.mktemp("unpack")
    target = root / "in" / "here"
    target.mkdir(parents=True)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = 1 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"x"))
    with contextlib.suppress(OSError):  # of a file and a directory with the same name
        files._unpack(iter([data.getvalue()]), str(target))
    everything = [path for path in root.rglob("*") if path not in (target, target.parent)]
    assert all(target in path.parents and not path.is_symlink() for path in everything)
