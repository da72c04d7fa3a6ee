# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives and directories as sources: what they hold, and what is refused."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import stat
import tarfile
import threading
import zipfile

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.process.source_directory import content_hash
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


def source(tmp_path, **options):
    return make_source(options, "services.web.source", Place(System(), str(tmp_path / "base"), {}, 60.0))


def tar(path, members, mode="w:gz"):
    """Members: name to content, or to ``(kind, target)``."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o4777 if "run" in name else 0o640
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return str(path)


def fetched(tmp_path, **options):
    made = source(tmp_path, kind="archive", **options)
    target = tmp_path / "target"
    target.mkdir()
    made.fetch(made.resolve(), str(target))
    return target


def refused(work):
    with pytest.raises(SlipwayError) as caught:
        work()
    return caught.value


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_laid_out_without_its_leading_directory(tmp_path, mode):
    members = {
        "app-1/bin/run": b"#!",
        "app-1/conf": b"x",
        "app-1/link": (tarfile.SYMTYPE, "bin/run"),
        "app-1/hard": (tarfile.LNKTYPE, "app-1/conf"),
        "app-1/device": (tarfile.CHRTYPE, ""),
        "app-1/empty": (tarfile.DIRTYPE, ""),
    }
    target = fetched(tmp_path, path=tar(tmp_path / "a", members, mode), strip=1)
    assert sorted(os.listdir(target)) == ["bin", "conf", "empty", "hard", "link"]
    assert stat.S_IMODE((target / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((target / "conf").stat().st_mode) == 0o644
    assert ((target / "hard").read_bytes(), os.readlink(target / "link")) == (b"x", "bin/run")


def test_a_zip_is_laid_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("bin/run")
        info.external_attr = 0o100755 << 16
        archive.writestr(info, "#!")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "bin/run")
    target = fetched(tmp_path, path=str(tmp_path / "a.zip"))
    assert os.access(target / "bin/run", os.X_OK) and os.readlink(target / "link") == "bin/run"


@pytest.mark.parametrize(
    "members",
    [
        {"../out": b"x"},
        {"/out": b"x"},
        {"a/../../out": b"x"},
        {"link": (tarfile.SYMTYPE, "../.."), "link/out": b"x"},
        {"link": (tarfile.SYMTYPE, "/etc")},
        {"a/link": (tarfile.SYMTYPE, "../../x")},
        {"a": (tarfile.SYMTYPE, "."), "a/out": b"x"},
        {"same": b"1", "./same": b"2"},
        {"dir": (tarfile.DIRTYPE, "")},
    ],
    ids=[
        "up",
        "absolute",
        "up inside",
        "through a link",
        "absolute link",
        "link up",
        "link to itself",
        "twice",
        "no file",
    ],
)
def test_what_leads_out_or_is_nothing_is_refused(tmp_path, members):
    path = tar(tmp_path / "a", members)
    assert refused(lambda: fetched(tmp_path, path=path)).cause == "archive"
    assert not (tmp_path / "out").exists()


def test_an_archive_that_is_cut_is_refused(tmp_path):
    path = tar(tmp_path / "a", {"x": os.urandom(5000)})
    os.truncate(path, 3000)
    assert refused(lambda: fetched(tmp_path, path=path)).cause == "archive"


def test_another_archive_than_the_one_of_the_checksum_is_refused(tmp_path):
    path = tar(tmp_path / "a", {"x": b"1"})
    error = refused(lambda: source(tmp_path, kind="archive", path=path, checksum=f"sha256:{'0' * 64}").resolve())
    assert error.cause == "checksum"
    made = source(tmp_path, kind="archive", path=path)
    resolved = made.resolve()
    tar(tmp_path / "a", {"x": b"2"})
    assert refused(lambda: made.fetch(resolved, str(tmp_path))).cause == "checksum"


def test_a_url_is_downloaded_and_verified_and_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    path = tar(tmp_path / "site" / "a.tgz", {"x": b"1"})
    checksum = "sha256:" + hashlib.sha256((tmp_path / "site" / "a.tgz").read_bytes()).hexdigest()
    monkeypatch.chdir(tmp_path / "site")
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert (fetched(tmp_path, url=f"{url}/a.tgz", checksum=checksum) / "x").read_bytes() == b"1"
        made = source(tmp_path, kind="archive", url=f"{url}/b.tgz", checksum=checksum)
        assert refused(lambda: made.fetch(made.resolve(), str(tmp_path))).cause == "download"
        tar(path, {"x": b"2"})
        made = source(tmp_path, kind="archive", url=f"{url}/a.tgz", checksum=checksum)
        assert refused(lambda: made.fetch(made.resolve(), str(tmp_path))).cause == "checksum"
    finally:
        server.shutdown()
        server.server_close()
    assert os.listdir(tmp_path / "base" / "downloads") == []


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"url": "http://x/a"}, "checksum"),
        ({"url": "http://x/a", "checksum": "md5:0"}, "checksum"),
        ({"url": "http://x/a", "path": "/a", "checksum": f"sha256:{'0' * 64}"}, "path"),
        ({"path": "-a"}, "path"),
        ({"path": "/a", "strip": -1}, "strip"),
        ({"path": "/a", "depth": 1}, "depth"),
        ({}, "path"),
    ],
)
def test_options_that_cannot_be_are_named(tmp_path, options, key):
    error = refused(lambda: source(tmp_path, kind="archive", **options).resolve())
    assert (error.cause, error.obj) == ("invalid", f"services.web.source.{key}")


def test_only_http_is_downloaded(tmp_path):
    made = source(tmp_path, kind="archive", url="file:///etc/passwd", checksum=f"sha256:{'0' * 64}")
    assert refused(lambda: made.fetch(made.resolve(), str(tmp_path))).obj == "services.web.source.url"


# -- directories ---------------------------------------------------------------------------------------------------


def test_a_directory_is_copied_without_its_repository_and_known_by_its_content(tmp_path):
    there = tmp_path / "there"
    (there / ".git").mkdir(parents=True)
    (there / ".git" / "config").write_text("x")
    (there / "app").write_text("1")
    (there / "link").symlink_to("app")
    (there / "empty").mkdir()
    made = source(tmp_path, kind="directory", path=str(there))
    resolved = made.resolve()
    target = tmp_path / "target"
    target.mkdir()
    made.fetch(resolved, str(target))
    assert (sorted(os.listdir(target)), os.readlink(target / "link")) == (["app", "empty", "link"], "app")
    assert resolved["content"] == content_hash(str(target))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: (path / "app").write_text("2"),
        lambda path: (path / "app").chmod(0o755),
        lambda path: (path / "app").rename(path / "b"),
        lambda path: (path / "more").mkdir(),
        lambda path: (path / "link").unlink() or (path / "link").symlink_to("x"),
    ],
    ids=["content", "mode", "name", "directory", "link"],
)
def test_every_change_of_a_directory_is_seen(tmp_path, change):
    (tmp_path / "app").write_text("1")
    (tmp_path / "app").chmod(0o644)
    (tmp_path / "link").symlink_to("app")
    before = content_hash(str(tmp_path))
    change(tmp_path)
    assert content_hash(str(tmp_path)) != before


def test_a_directory_that_changes_while_it_is_copied_is_refused(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    made = source(tmp_path, kind="directory", path=str(there))
    resolved = made.resolve()
    (there / "app").write_text("1")
    (tmp_path / "target").mkdir()
    assert refused(lambda: made.fetch(resolved, str(tmp_path / "target"))).cause == "source_changed"
    assert (
        refused(lambda: source(tmp_path, kind="directory", path=str(tmp_path / "none")).resolve()).cause
        == "source_missing"
    )
