# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that waits to be confirmed: what is armed before it is in place, and what each end of it leaves."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.access.change import Change, Wanted
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.guarded_file import plan
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System


class Machine(System):
    """Commands are remembered instead of run, but for the script that takes a file back; one may fail."""

    def __init__(self, path, fails=""):
        self.path, self.fails = path, fails
        self.commands, self.at_the_time = [], []

    def run(self, argv, *, timeout, stdin=None, env=None):
        self.commands.append(list(argv))
        self.at_the_time.append(self.path.read_text() if self.path.exists() else None)
        if argv[0] == "/bin/sh":
            done = subprocess.run(list(argv), capture_output=True, text=True, check=False)
            return Completed(done.returncode, done.stdout, done.stderr)
        return Completed(1, "", "no") if self.fails and self.fails in argv else Completed(0, "", "")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "etc" / "it's.conf"  # a name that has to be quoted
    path.parent.mkdir()
    path.write_text("old")
    return path


def change(file, machine, content=b"new"):
    wanted = Wanted(str(file), content, 0o600, ["true", "reload"], ["true", "stop"], 60)
    return Change(machine, wanted, str(file.parent / "pending"))


def undo(file):
    (script,) = (file.parent / "pending").glob("*/undo")
    return subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True)


def test_the_timer_is_armed_before_anything_is_in_place(file):
    machine = Machine(file)
    change(file, machine).apply()
    first = next(number for number, argv in enumerate(machine.commands) if argv[0] == "systemd-run")
    assert machine.at_the_time[first] == "old" and "--on-active=60" in machine.commands[first]
    assert machine.commands[first][-2] == "/bin/sh"  # /run is mounted with noexec
    assert machine.commands[-1] == ["true", "reload"] and machine.at_the_time[-1] == "new"


def test_a_timer_that_cannot_be_armed_leaves_everything_as_it_was(file):
    with pytest.raises(SlipwayError) as refused:
        change(file, Machine(file, fails="systemd-run")).apply()
    assert refused.value.cause == "not_armed" and file.read_text() == "old"


def test_what_cannot_be_brought_into_force_is_taken_back_at_once(file):
    machine = Machine(file, fails="reload")
    with pytest.raises(SlipwayError) as refused:
        change(file, machine).apply()
    assert refused.value.cause == "not_applied" and file.read_text() == "old"
    assert not change(file, machine).waits


def test_whoever_confirms_keeps_it_and_the_timer_does_nothing_more(file):
    machine = Machine(file)
    one = change(file, machine)
    one.apply()
    (script,) = (file.parent / "pending").glob("*/undo")
    kept = script.read_text()
    one.confirm()
    script.parent.parent.joinpath("late").write_text(kept)
    subprocess.run(["sh", str(script.parent.parent / "late")], check=True)  # it had been started already
    assert file.read_text() == "new" and list(script.parent.parent.iterdir()) == [script.parent.parent / "late"]


def test_when_nobody_confirms_the_old_file_is_back_and_a_late_confirmation_is_refused(file):
    machine = Machine(file)
    one = change(file, machine)
    one.apply()
    undo(file)
    assert file.read_text() == "old"
    with pytest.raises(SlipwayError) as refused:
        one.confirm()
    assert refused.value.cause == "taken_back"


def test_a_file_that_was_not_there_is_gone_again(file):
    os.unlink(file)
    change(file, Machine(file)).apply()
    assert "stop" in next((file.parent / "pending").glob("*/undo")).read_text()
    undo(file)
    assert not file.exists()


def test_a_second_change_is_taken_back_to_what_was_confirmed_last(file):
    machine = Machine(file)
    change(file, machine, b"first").apply()
    change(file, machine, b"second").apply()
    undo(file)
    assert file.read_text() == "old"


@pytest.mark.parametrize(
    ("content", "mode", "before", "changed"),
    [(b"a", 0o600, b"a", False), (b"a", 0o644, b"a", True), (b"b", 0o600, b"a", True), (None, 0o600, None, False)],
)
def test_only_a_difference_is_a_change(content, mode, before, changed):
    wanted = Wanted("/x", content, 0o600, [], [], 60)
    assert plan(wanted, before, mode if before is not None else None)["changed"] is changed
