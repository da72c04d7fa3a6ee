# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines on a machine: this one, through a shell, as an SSH server would run them."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages import release_state
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import RELEASE_STATE
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.plugin_utils import host_engine
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import HostEngine, answer, checked, expands
from hypothesis import given
from hypothesis import strategies as st


class Shell:
    """Runs commands, and remembers how many."""

    def __init__(self):
        self.commands = 0

    def __call__(self, command, sent):
        self.commands += 1
        done = subprocess.run(["sh", "-c", command], input=sent, capture_output=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}


def engine_in(root, shell=None):
    return HostEngine(shell or Shell(), sys.executable, str(root))


def read(root):
    given = {"platform": "shop", "environment": "test", "root": str(root)}
    return checked(given, RELEASE_STATE)


def files(root):
    return sorted(os.path.join(place, name) for place, _directories, names in os.walk(root) for name in names)


def test_a_machine_without_engines_is_only_looked_at(tmp_path):
    assert engine_in(tmp_path).run("release_state", read(tmp_path), check=False) is None
    assert files(tmp_path) == []


def test_a_home_is_a_directory_of_one_s_own(tmp_path):
    assert engine_in(tmp_path).is_at_home()
    assert not engine_in(tmp_path / "none").is_at_home()
    os.chown(tmp_path, 65534, 65534)
    assert not engine_in(tmp_path).is_at_home()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"locations": ["/srv/shop"], "placeholder_prefix": "${"}, False),
        ({"locations": ["/srv/shop", "~/more"]}, True),
        ({"locations": "$HOME/sql"}, True),
        ({"project": {"directory": "~shop/app"}}, True),
        ({"project": {"directory": "/srv/shop", "config": "~"}}, False),
        ({"root": "~/slipway", "locations": None}, True),
    ],
)
def test_a_path_that_only_the_machine_can_complete_is_left_to_it(given, expected):
    assert expands(MIGRATION_RUNNER.options, given) is expected


def test_what_an_installed_engine_says_is_what_the_module_would_return(tmp_path):
    engine = engine_in(tmp_path)
    assert engine.install()
    found = engine.run("release_state", read(tmp_path), check=False)
    assert {name: found[name] for name in ("changed", "lease", "journal")} == {
        name: release_state.perform(read(tmp_path), False)[name] for name in ("changed", "lease", "journal")
    }


def test_an_engine_that_runs_leaves_no_file_behind(tmp_path):
    engine = engine_in(tmp_path)
    engine.install()
    before = files(tmp_path)
    engine.run("release_state", read(tmp_path), check=False)
    assert files(tmp_path) == before


def test_only_root_can_read_or_change_what_it_will_run(tmp_path):
    engine_in(tmp_path).install()
    modes = {os.stat(os.path.dirname(path)).st_mode & 0o077 for path in files(tmp_path)}
    assert modes == {0}


@pytest.mark.parametrize("which", ["engine", "engine/{digest}"])
def test_engines_of_another_user_are_not_run(tmp_path, which):
    """Whoever owns a directory can put other code into it: root would run it."""
    engine = engine_in(tmp_path)
    engine.install()
    os.chown(tmp_path / which.format(digest=host_engine.digest()), 65534, 65534)
    assert engine.run("release_state", read(tmp_path), check=False) is None


def test_engines_are_not_installed_where_another_user_could_change_them(tmp_path):
    (tmp_path / "engine").mkdir()
    os.chown(tmp_path / "engine", 65534, 65534)
    assert not engine_in(tmp_path).install()


def test_installing_follows_no_link_that_somebody_has_laid(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "engine.lock").symlink_to(tmp_path / "victim")
    assert not engine_in(tmp_path).install()
    assert (tmp_path / "victim").read_text() == "precious"


def test_an_error_of_a_stage_is_its_result(tmp_path):
    engine = engine_in(tmp_path)
    engine.install()
    params = {**read(tmp_path), "release": {"id": "r", "token": 1, "holder": {}}, "outcome": "succeeded"}
    found = engine.run("release_state", {**params, "state": "recorded"}, check=False)
    assert (found["failed"], found["error"]["cause"]) == (True, "lost_lock")
    found = engine.run("release_state", {**params, "state": "granted", "takeover": 7}, check=False)
    assert (found["failed"], found["msg"].partition(":")[0]) == (True, "TypeError")


@pytest.mark.parametrize("lost", ["run.py", "slipway/errors.py", "slipway/stages/entry.py"])
def test_engines_of_which_a_file_is_lost_are_installed_anew(tmp_path, lost):
    engine = engine_in(tmp_path)
    engine.install()
    (home,) = (tmp_path / "engine").iterdir()
    (home / lost).unlink()
    assert engine.run("release_state", read(tmp_path), check=False) is None
    assert engine.install()
    assert engine.run("release_state", read(tmp_path), check=False)["changed"] is False


def test_another_collection_has_engines_of_its_own_and_the_oldest_go(tmp_path, monkeypatch):
    for number in range(8):
        monkeypatch.setattr(host_engine, "digest", lambda number=number: f"digest{number}")
        engine_in(tmp_path).install()
        os.utime(tmp_path / "engine" / f"digest{number}", (number, number))
    names = sorted(path.name for path in (tmp_path / "engine").iterdir())
    assert names == ["digest3", "digest4", "digest5", "digest6", "digest7"]


def test_whole_engines_are_left_alone_because_a_stage_may_still_import_from_them(tmp_path):
    """Two platforms that are released together install the same engines on the same machine."""
    engine = engine_in(tmp_path)
    engine.install()
    before = {path: os.stat(path).st_ino for path in files(tmp_path / "engine")}
    assert engine.install()
    assert {path: os.stat(path).st_ino for path in files(tmp_path / "engine")} == before


def test_of_several_that_install_at_once_each_finds_whole_engines(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(lambda _number: engine_in(tmp_path).install(), range(4))) == [True] * 4
    assert engine_in(tmp_path).run("release_state", read(tmp_path), check=False)["changed"] is False
    assert [path.name for path in (tmp_path / "engine").iterdir()] == [host_engine.digest()]


def test_what_an_interrupted_installation_has_left_is_used_by_nobody(tmp_path):
    part = tmp_path / "engine" / f"{host_engine.digest()}.part"
    (part / "slipway").mkdir(parents=True)
    (part / "run.py").write_text("raise SystemExit('half an engine')")
    engine = engine_in(tmp_path)
    assert engine.run("release_state", read(tmp_path), check=False) is None
    assert engine.install()
    assert engine.run("release_state", read(tmp_path), check=False)["changed"] is False
    assert not part.exists()


def test_every_source_counts_in_the_digest(monkeypatch):
    before = host_engine.digest()
    changed = {**host_engine.sources(), "slipway/errors.py": b"# other\n"}
    monkeypatch.setattr(host_engine, "sources", lambda: changed)
    assert host_engine.digest() != before


def test_engines_that_cannot_be_installed_say_so(tmp_path):
    (tmp_path / "engine").write_text("a file where the directory would be")
    assert not engine_in(tmp_path).install()


@given(st.text(alphabet=st.characters(blacklist_characters="{")))
def test_what_a_login_shell_prints_before_a_result_is_passed_over(noise):
    assert answer({"rc": 0, "stdout": noise + '{"changed": true}\n', "stderr": ""}) == {"changed": True}


@given(st.text(), st.text())
def test_a_stage_that_ends_without_a_result_has_failed_or_said_something(stdout, stderr):
    assert isinstance(answer({"rc": 137, "stdout": stdout, "stderr": stderr}), dict)


def test_a_stage_that_was_killed_is_told_with_its_status_and_what_to_do():
    found = answer({"rc": 137, "stdout": "", "stderr": "Killed"})
    assert (found["failed"], found["error"]["cause"]) == (True, "no_result")
    for word in ("exit status 137", "Killed", "wanted 'a result as JSON'", "run it again"):
        assert word in found["msg"]


def test_all_that_is_wrong_with_the_parameters_is_said_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"environment.*|state") as caught:
        checked({"platform": "shop", "state": "gone"}, RELEASE_STATE)
    assert "environment" in str(caught.value)
    assert "state" in str(caught.value)
