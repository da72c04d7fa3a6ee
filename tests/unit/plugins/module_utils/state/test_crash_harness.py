# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The crash harness itself: what it lets a crash do."""

from __future__ import annotations

import os

from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import CrashSystem, FullDisk


def outcomes(system, name):
    """Every content (None: no such file) in which a crash can leave one file."""
    return {crash.files.get(name) for crash in system.crashes()}


def test_data_that_was_not_synced_may_be_lost_torn_or_zero(tmp_path):
    system = CrashSystem(str(tmp_path / "live"))
    fd = system.open_fd(f"{system.root}/file", os.O_WRONLY | os.O_CREAT)
    system.fsync_directory(system.root)
    system.write_fd(fd, b"abcd")
    os.close(fd)
    assert outcomes(system, "file") == {None, b"", b"ab", b"abcd", b"\0\0\0\0", b"\0\0cd"}


def test_data_that_was_synced_stays_and_a_name_needs_its_directory_synced(tmp_path):
    system = CrashSystem(str(tmp_path / "live"))
    fd = system.open_fd(f"{system.root}/file", os.O_WRONLY | os.O_CREAT)
    system.write_fd(fd, b"abcd")
    system.fsync_fd(fd)
    os.close(fd)
    assert {crash.files.get("file") for crash in system.crashes() if crash.prefix == 3} == {None, b"abcd"}
    system.fsync_directory(system.root)
    assert {crash.files.get("file") for crash in system.crashes() if crash.prefix == 4} == {b"abcd"}


def test_a_rename_without_sync_of_the_data_can_leave_an_empty_file(tmp_path):
    system = CrashSystem(str(tmp_path / "live"))
    fd = system.open_fd(f"{system.root}/new", os.O_WRONLY | os.O_CREAT)
    system.write_fd(fd, b"new")
    os.close(fd)
    system.rename(f"{system.root}/new", f"{system.root}/file")
    assert b"" in outcomes(system, "file")


def test_replacing_a_file_as_system_does_it_leaves_old_or_new(tmp_path):
    live = tmp_path / "live"
    live.mkdir()
    (live / "file").write_bytes(b"old")
    system = CrashSystem(str(live))
    system.replace_file(f"{system.root}/file", b"new")
    system.acknowledge("replaced")
    assert outcomes(system, "file") == {b"old", b"new"}
    assert {crash.files["file"] for crash in system.crashes() if crash.acknowledged} == {b"new"}


def test_a_state_is_built_as_it_was_computed(tmp_path):
    system = CrashSystem(str(tmp_path / "live"))
    system.make_directory(f"{system.root}/deep/down")
    system.replace_file(f"{system.root}/deep/down/file", b"content")
    last = list(system.crashes())[-1]
    directory = last.build(str(tmp_path / "replayed"))
    with open(f"{directory}/deep/down/file", "rb") as stream:
        assert stream.read() == b"content"


def test_a_full_disk_writes_short_first_and_unlinking_gives_room(tmp_path):
    system = FullDisk(free=6)
    fd = system.open_fd(str(tmp_path / "file"), os.O_WRONLY | os.O_CREAT)
    assert system.write_fd(fd, b"abcd") == 4
    assert system.write_fd(fd, b"efgh") == 2
    os.close(fd)
    system.unlink(str(tmp_path / "file"))
    assert system.free == 6
