# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of releases: what is shared, who may enter, and what tells that somebody changed them."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.owners import make_passable, user_ids
from ansible_collections.slipway.deploy.plugins.module_utils.process.shared import share
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import Scope
from ansible_collections.slipway.deploy.plugins.module_utils.process.tree import Trees, fingerprint
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


@pytest.fixture
def scope(tmp_path):
    return Scope("shop", "test", str(tmp_path / "state"), str(tmp_path / "base"))


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def service(**shared):
    option = {"source": {"kind": "directory"}, "command": ["x"], "user": str(os.getuid()), "shared": shared}
    return parse_services({"web": option}, "blue")[0]


def test_what_is_shared_replaces_what_the_release_brings(scope, own):
    (own / "data" / "old").mkdir(parents=True)
    (own / "conf").mkdir()
    (own / "conf" / "site").write_text("of the release")
    os.makedirs(f"{scope.base}/shared/web/conf")
    with open(f"{scope.base}/shared/web/conf/site", "w", encoding="utf-8") as file:
        file.write("shared")
    for _time in range(2):
        share(scope, service(directories=["data", "a/b"], files=["conf/site"]), str(own))
    assert (own / "conf" / "site").read_text() == "shared"
    (own / "data" / "new").write_text("x")
    assert os.listdir(f"{scope.base}/shared/web/data") == ["new"]
    assert (own / "a" / "b").is_dir()


@pytest.mark.parametrize("kind", ["directories", "files"])
def test_links_lead_nothing_of_root_out_of_the_release_or_of_what_is_shared(scope, own, tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("precious")
    os.makedirs(f"{scope.base}/shared/web/conf")
    with open(f"{scope.base}/shared/web/conf/x", "w", encoding="utf-8") as file:
        file.write("shared")
    (own / "conf").symlink_to(outside)
    with pytest.raises(SlipwayError) as caught:
        share(scope, service(**{kind: ["conf/x" if kind == "files" else "conf/y"]}), str(own))
    assert (caught.value.cause, os.listdir(outside)) == ("shared_missing", ["x"])
    os.symlink(outside, f"{scope.base}/shared/web/data")
    with pytest.raises(SlipwayError):
        share(scope, service(directories=["data/y"]), str(own))
    assert os.listdir(outside) == ["x"]


def test_every_user_may_pass_through_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        make_passable(System(), str(tmp_path / "a" / "b" / "c"))
    finally:
        os.umask(before)
    for name in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o755


def test_an_unknown_user_is_named():
    with pytest.raises(SlipwayError) as caught:
        user_ids("nobody-of-this-name", "services.web.user")
    assert caught.value.obj == "services.web.user"
    assert user_ids("root", "x") == (0, 0) == user_ids("0", "x")


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda path: (path / "app").write_text("22"), True),
        (lambda path: os.utime(path / "app", (1, 1)), True),
        (lambda path: (path / "app").chmod(0o755), True),
        (lambda path: (path / "app").unlink(), True),
        (lambda path: (path / "more").write_text(""), True),
        (lambda path: ((path / "link").unlink(), (path / "link").symlink_to("y")), True),
        (lambda path: ((path / "__pycache__").mkdir(), (path / "__pycache__" / "x.pyc").write_text("")), False),
    ],
    ids=["content", "time", "mode", "gone", "more", "link", "what python compiles"],
)
def test_what_was_changed_by_hand_is_seen(own, change, seen):
    (own / "app").write_text("1")
    (own / "app").chmod(0o644)
    (own / "link").symlink_to("x")
    before = fingerprint(str(own))
    change(own)
    assert (fingerprint(str(own)) != before) is seen


@pytest.mark.parametrize("mark", [None, b"", b"{", b'{"schema": 2}', b'{"schema": 1}'])
def test_a_directory_without_a_whole_mark_counts_for_nothing(scope, own, mark):
    if mark is not None:
        with open(f"{own}.json", "wb") as file:
            file.write(mark)
    assert Trees(System(), scope).mark(str(own)) is None
