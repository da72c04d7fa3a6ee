# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code of the controller: found in a site, hashed and packed once a run."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tarfile
from concurrent.futures import ProcessPoolExecutor

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.plugin_utils import packages
from ansible_collections.slipway.deploy.plugins.plugin_utils.packages import Depot, Local, local_sources, with_contents


class Templar:
    """Everything is as it is written."""

    def template(self, value):
        return value


@pytest.fixture
def depot(tmp_path):
    (tmp_path / "run").mkdir()
    return Depot(str(tmp_path / "run"))


@pytest.fixture
def local(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "version").write_text("1")
    return Local(str(tmp_path / "app"), True, (), "services.web.source")


def test_sources_of_the_controller_are_those_with_a_path_unless_they_say_otherwise(tmp_path):
    sources = {
        "web": {"kind": "directory", "path": "app", "exclude": ["tmp"]},
        "api": {"kind": "archive", "path": "/srv/api.tgz"},
        "there": {"kind": "directory", "path": "/srv/app", "from": "machine"},
        "far": {"kind": "archive", "url": "https://example.com/x.tgz"},
        "git": {"kind": "git", "repository": "https://example.com/x.git", "branch": "main"},
    }
    services = {name: {"source": source} for name, source in sources.items()}
    found = local_sources({**services, "job": {"code": "web"}}, {"slipway_site_dir": str(tmp_path)}, Templar())
    assert found == {
        "web": Local(f"{tmp_path}/app", True, ("tmp",), "services.web.source"),
        "api": Local("/srv/api.tgz", False, (), "services.api.source"),
    }
    changed = with_contents(services, {"web": "abc"})
    assert changed["web"]["source"] == {**sources["web"], "from": "controller", "content": "abc"}
    assert (changed["api"], services["web"]) == (services["api"], {"source": sources["web"]})


def test_a_directory_is_hashed_and_packed_once_a_run_by_whichever_process(depot, local, monkeypatch):
    work = []
    for name in ("content_hash", "pack"):
        real = getattr(packages, name)
        monkeypatch.setattr(packages, name, lambda *args, name=name, real=real: (work.append(name), real(*args))[1])
    content = depot.content(local)
    first = depot.package(content, local)
    again = Depot(os.path.dirname(first))  # as another process of the same run has it
    assert (again.content(local), again.package(content, local)) == (content, first)
    assert work == ["content_hash", "pack", "content_hash"]  # the last: it did not change meanwhile
    with tarfile.open(first) as archive:
        assert archive.getnames() == ["version", "."]


def packed(depot, local):
    return depot.package(depot.content(local), local)


def test_many_processes_at_once_pack_it_once(depot, local, tmp_path):
    with ProcessPoolExecutor(3, multiprocessing.get_context("fork")) as several:
        paths = {work.result() for work in [several.submit(packed, depot, local) for _number in range(3)]}
    assert paths == {packed(depot, local)}
    assert len(os.listdir(tmp_path / "run")) == 3  # a lock, a hash, a package


def test_what_changes_while_a_release_runs_is_refused(depot, local, tmp_path):
    content = depot.content(local)
    (tmp_path / "app" / "version").write_text("2")
    with pytest.raises(SlipwayError) as caught:
        depot.package(content, local)
    assert (caught.value.cause, caught.value.obj) == ("source_changed", local.path)
    assert depot.content(local) == content  # one release, one answer


@pytest.mark.parametrize("directory", [True, False])
def test_what_is_not_there_or_cannot_be_read_is_named(depot, local, directory, tmp_path, monkeypatch):
    with pytest.raises(SlipwayError) as caught:
        depot.content(local._replace(path=f"{tmp_path}/none", directory=directory))
    assert (caught.value.cause, caught.value.actual) == ("source_missing", f"{tmp_path}/none")

    def denied(*_args):
        raise PermissionError(13, "Permission denied", "/the/file")

    monkeypatch.setattr(packages, "content_hash", denied)
    with pytest.raises(SlipwayError) as caught:
        depot.content(local)
    assert (caught.value.cause, caught.value.obj, caught.value.actual) == (
        "source_unreadable",
        "/the/file",
        "Permission denied",
    )


def test_what_a_machine_has_built_is_brought_once_and_counts_only_when_it_is_what_it_says(depot, tmp_path):
    name = hashlib.sha256(b"built").hexdigest()
    fetched = []

    def fetch(data):
        def work(target):
            fetched.append(data)
            with open(target, "wb") as file:
                file.write(data)

        return work

    assert depot.brought(name) == ""
    with pytest.raises(SlipwayError) as caught:
        depot.bring(name, "/srv/x", fetch(b"something else"))
    assert (caught.value.cause, caught.value.obj, depot.brought(name)) == ("checksum", "/srv/x", "")
    assert os.listdir(tmp_path / "run") == []
    for _time in range(2):
        depot.bring(name, "/srv/x", fetch(b"built"))
    assert fetched == [b"something else", b"built"]
    with open(depot.brought(name), "rb") as file:
        assert file.read() == b"built"
    assert depot.all_brought([name, "0" * 64]) == {name: depot.brought(name)}


def test_a_package_that_is_named_by_what_is_in_it_is_taken_as_it_arrives(depot, tmp_path):
    def fetch(target):
        with open(target, "wb") as file:
            file.write(b"a tar")

    depot.bring("0" * 64, "/srv/x", fetch, whole=False)
    assert os.stat(depot.brought("0" * 64)).st_mode & 0o777 == 0o600
