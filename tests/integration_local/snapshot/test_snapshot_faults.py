# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with a storage's commands and its snapshots: it is told, and nothing is left that the next run does not clear."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shlex
import shutil
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import (
    physical_facts,
    snapshot_commands,
    snapshot_prover,
)

from tests.integration_local.physical.lab import BIN, as_postgres, run

from .lab import Lab, Target

pytestmark = pytest.mark.sample(1)


def shell(target: Target, option: str, script: str) -> dict[str, list[str]]:
    """A command that is a script, in which C(COMMAND) is the good one, with its places."""
    return {option: ["sh", "-c", script.replace("COMMAND", shlex.join(target.params()["snapshot"][option]))]}


def hurry(patch: pytest.MonkeyPatch, option: str, seconds: float = 0.5) -> None:
    """Let one command alone have little time; the others do what they should, however busy the machine is."""
    one = snapshot_commands.Storage._one

    def hurried(storage: t.Any, what: str, argv: t.Sequence[str]) -> str:
        storage.commands = storage.commands._replace(timeout=seconds if what == option else 600.0)
        return one(storage, what, argv)

    patch.setattr(snapshot_commands.Storage, "_one", hurried)


def expect_clear(lab: Lab, target: Target) -> None:
    """All that there is, is known; nothing was begun and not ended."""
    assert lab.names() == [target.named(name) for name in target.kept()]
    assert not target.left().exists()
    assert list(target.scratch.iterdir()) == []


# Option to script, what is told, and with what words.
WRONG = {
    "create fails": (
        "create",
        "echo no room >&2; exit 3; COMMAND",
        "command_failed",
        "create failed with exit status 3",
    ),
    "create fails late": ("create", "COMMAND; exit 3", "command_failed", "create failed with exit status 3"),
    "create does nothing": ("create", "true {name}", "snapshot_missing", "the list does not have the snapshot"),
    "create does not end": ("create", "sleep infinity; COMMAND", "timeout", "create did not end in time"),
    "clone fails": ("clone", "exit 4; COMMAND", "command_failed", "clone failed with exit status 4"),
    "clone fails late": ("clone", "COMMAND; echo busy >&2; exit 4", "command_failed", "busy"),
    "clone does nothing": ("clone", "true {name} {path}", "no_data_directory", "is no data directory of PostgreSQL"),
    "clone does not end": ("clone", "COMMAND; sleep infinity", "timeout", "clone did not end in time"),
    "list fails": ("list", "COMMAND; exit 5", "command_failed", "list failed with exit status 5"),
    "list does not end": ("list", "COMMAND; sleep infinity", "timeout", "list did not end in time"),
    "list says nothing": ("list", "true", "snapshot_missing", "the list does not have the snapshot"),
    "list talks": ("list", "head -c 100000 /dev/urandom", "snapshot_missing", "the list does not have the snapshot"),
    "list says it twice": ("list", "COMMAND; COMMAND", "unreadable", "tells a snapshot twice"),
    "list tells no name": ("list", "COMMAND | sed 's/$/ $(reboot)/'", "unreadable", "tells something that is no name"),
}


@pytest.mark.sample(1, of="wrong")
@pytest.mark.parametrize("what", WRONG)
def test_what_a_command_does_wrong_is_told_and_cleared(lab: Lab, target: Target, what: str) -> None:
    good = target.good(verify="none")["backup"]["id"]
    option, script, cause, words = WRONG[what]
    with pytest.MonkeyPatch.context() as patch:
        if cause == "timeout":
            hurry(patch, option)
        target.fails(cause, words, snapshot=shell(target, option, script))
    assert target.good("verified", id=good)["backup"]["verified_by"] == "restore"
    expect_clear(lab, target)


@pytest.mark.sample(1, of="wrong")
@pytest.mark.parametrize(
    "script, cause, words",
    [
        ("exit 6; COMMAND", "command_failed", "unclone failed with exit status 6"),
        ("true {path}", "clone_left", "is still there after unclone"),
        ("sleep infinity; COMMAND", "timeout", "unclone did not end in time"),
    ],
)
def test_a_clone_that_stays_is_told_and_let_go_of_by_the_next_run(
    lab: Lab, target: Target, script: str, cause: str, words: str
) -> None:
    bad = shell(target, "unclone", script)
    with pytest.MonkeyPatch.context() as patch:
        if cause == "timeout":
            hurry(patch, "unclone")
        target.fails(cause, words, snapshot=bad)
        assert target.left().exists()
        target.fails(cause, words, snapshot=bad, verify="none")  # and nothing is begun as long as it stays
    name = target.kept()[0]
    assert target.good("verified", id=name)["backup"]["verified_by"] == "restore"
    expect_clear(lab, target)


def test_a_snapshot_that_cannot_be_removed_is_told_and_known_still(lab: Lab, target: Target) -> None:
    name = target.good(verify="none")["backup"]["id"]
    for script, words in (("exit 7; COMMAND", "exit status 7"), ("true {name}", "the list has the snapshot still")):
        target.fails("command_failed", words, "absent", id=name, snapshot=shell(target, "remove", script))
    assert [one["id"] for one in target.good("listed")["backups"]] == [name]
    target.good("absent", id=name)
    expect_clear(lab, target)


def test_what_a_command_has_started_ends_with_it(
    target: Target, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    script = f"sleep infinity & echo $! > {child}; wait; COMMAND"
    hurry(monkeypatch, "create", 5.0)
    target.fails("timeout", "create did not end", snapshot=shell(target, "create", script))
    about = pathlib.Path(f"/proc/{child.read_text().strip()}/stat")
    assert not about.exists() or about.read_text().rpartition(")")[2].split()[0] in "ZX"


# Where the module is killed: by the command itself, before or after it does its work.
KILLS = [
    (option, place)
    for option in ("create", "clone", "unclone", "remove", "list")
    for place in ("kill -9 $PPID; exit; COMMAND", "COMMAND; kill -9 $PPID")
]


@pytest.mark.sample(1, of="killed")
@pytest.mark.parametrize("option, script", KILLS)
def test_a_run_that_is_killed_leaves_nothing_that_the_next_one_does_not_clear(
    lab: Lab, target: Target, option: str, script: str
) -> None:
    first = target.good(verify="none")["backup"]["id"]
    target.good(verify="none")
    killed(target, "absent" if option == "remove" else "present", id=first, snapshot=shell(target, option, script))
    result = target.good()
    assert result["backup"]["verified_by"] == "restore"
    expect_clear(lab, target)


def killed(target: Target, state: str, **changes: t.Any) -> None:
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            target.run(state, **changes)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9


# --- what is not apart


def linked(lab: Lab, _target: Target, _name: str) -> dict[str, t.Any]:
    return {"clone": ["sh", "-c", f"ln -s {lab.data} {{path}}/main; : {{name}}"], "unclone": ["rm", "{path}/main"]}


def mounted(lab: Lab, _target: Target, _name: str) -> dict[str, t.Any]:
    """Another name of the very same files."""
    script = f"mkdir {{path}}/main && mount --bind {lab.data} {{path}}/main; : {{name}}"
    return {"clone": ["sh", "-c", script], "unclone": ["umount", "{path}/main", "&&", "rmdir", "{path}/main"]}


def above(lab: Lab, _target: Target, _name: str) -> dict[str, t.Any]:
    """The live data directory is in what is called the clone's."""
    script = f"mkdir {{path}}/main && mount --bind {lab.directory} {{path}}/main; : {{name}}"
    return {
        "clone": ["sh", "-c", script],
        "unclone": ["umount", "{path}/main", "&&", "rmdir", "{path}/main"],
        "data": "main/data",
    }


def in_snapshot(make: t.Callable[[pathlib.Path], object]) -> t.Callable[[Lab, Target, str], dict[str, t.Any]]:
    def change(lab: Lab, target: Target, name: str) -> dict[str, t.Any]:
        make(lab.snapshots / target.named(name))
        return {}

    return change


def wal_elsewhere(data: pathlib.Path) -> None:
    shutil.rmtree(data / "pg_wal")
    (data / "pg_wal").symlink_to(data.parent.parent / "data" / "pg_wal")


def file_elsewhere(data: pathlib.Path) -> None:
    path = data / "base" / "1" / "1259"
    path.unlink()
    path.symlink_to(data.parent.parent / "data" / "base" / "1" / "1259")


NOT_APART: dict[str, tuple[t.Any, str]] = {
    "a link": (linked, "which is not below"),
    "a mount": (mounted, "is the live cluster's own"),
    "a mount of what it is in": (above, "is the live cluster's own"),
    "tablespace": (
        in_snapshot(lambda data: (data / "pg_tblspc" / "16999").symlink_to("/srv/more")),
        "pg_tblspc/16999 to /srv/more",
    ),
    "WAL": (in_snapshot(wal_elsewhere), "links lead out of the clone: pg_wal to"),
    "file": (in_snapshot(file_elsewhere), "links lead out of the clone: base/1/1259 to"),
}


@pytest.mark.sample(1, of="apart")
@pytest.mark.parametrize("what", NOT_APART)
def test_no_server_is_started_on_what_is_live(lab: Lab, target: Target, what: str) -> None:
    name = target.good(verify="none")["backup"]["id"]
    make, words = NOT_APART[what]
    changes = make(lab, target, name)
    before = (lab.data / "postmaster.pid").read_bytes()
    target.fails("not_apart", words, "verified", id=name, snapshot=changes)
    assert (lab.data / "postmaster.pid").read_bytes() == before
    assert lab.ask(target.database, "SELECT count(*) FROM item") == [(1000,)]
    expect_clear(lab, target)
    assert not target.good("listed")["backups"][-1]["problem"]  # it is not the snapshot's fault


def test_no_server_is_started_in_a_directory_in_which_one_works(lab: Lab, target: Target) -> None:
    """Whatever the live one says of where it is, as one in a container does."""
    name = target.good(verify="none")["backup"]["id"]
    with pytest.MonkeyPatch.context() as patch:
        live = snapshot_prover.SnapshotProver.live
        patch.setattr(snapshot_prover.SnapshotProver, "live", lambda self: live(self)._replace(data="/var/lib/data"))
        target.fails("not_apart", "works in it", "verified", id=name, snapshot=mounted(lab, target, name))


# --- what is in a snapshot


def relation(lab: Lab, target: Target, name: str = "item") -> str:
    return str(lab.ask(target.database, f"SELECT pg_relation_filepath('{name}')")[0][0])


def flip(path: pathlib.Path, where: int) -> None:
    content = bytearray(path.read_bytes())
    content[where] ^= 4
    path.write_bytes(content)


def newer(lab: Lab, target: Target, data: pathlib.Path) -> None:
    """A file was copied later than the WAL, as where a snapshot is of several moments."""
    lab.execute(target.database, "UPDATE item SET word = word || '!' WHERE id = 5", "CHECKPOINT")
    shutil.copy(lab.data / relation(lab, target), data / relation(lab, target))


def without_newest_wal(_lab: Lab, _target: Target, data: pathlib.Path) -> None:
    """What was on disk before the snapshot was begun is not in it; the server takes that for the end of its WAL."""
    for path in (data / "pg_wal").glob("0*"):
        path.write_bytes(path.read_bytes()[:8192] + bytes(path.stat().st_size - 8192))


def control_newer(lab: Lab, target: Target, data: pathlib.Path) -> None:
    """It names a checkpoint that the WAL beside it has not."""
    lab.execute(target.database, "SELECT pg_switch_wal()", "CREATE TABLE more (id int)", "CHECKPOINT")
    shutil.copy(lab.data / "global" / "pg_control", data / "global" / "pg_control")


BROKEN: dict[str, tuple[t.Callable[[Lab, Target, pathlib.Path], object], str]] = {
    "a bit of a page": (
        lambda lab, target, data: flip(data / relation(lab, target), 5000),
        "pages: |cannot be read to its end",
    ),
    "a bit of a page of another database": (
        lambda _lab, _target, data: flip(data / "base" / "1" / "2610", 5000),
        "pages: ",
    ),
    "pages of later": (newer, "is newer than the end of the WAL"),
    "WAL of before": (without_newest_wal, "and was on disk up to|checkpoint record"),
    "control file of later": (control_newer, "checkpoint record"),
    "a bit of the control file": (lambda _lab, _target, data: flip(data / "global" / "pg_control", 100), "."),
    "no control file": (lambda _lab, _target, data: (data / "global" / "pg_control").unlink(), "pg_control"),
    "a file is gone": (lambda lab, target, data: (data / relation(lab, target)).unlink(), "cannot be read to its end"),
    "a file is cut": (
        lambda lab, target, data: os.truncate(data / relation(lab, target), 8192),
        "rows, wanted 1000|cannot be read",
    ),
    "no filenodes": (lambda _lab, _target, data: (data / "global" / "pg_filenode.map").unlink(), "pg_filenode.map"),
}


@pytest.mark.sample(1, of="broken")
@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_in_a_snapshot_is_found_and_written_down(
    lab: Lab, target: Target, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(physical_facts, "SETTLED", 0.0)
    lab.execute(target.database, "VACUUM (FREEZE) item", "CHECKPOINT")  # so that no WAL has whole pages of it
    name = target.good(verify="none")["backup"]["id"]
    damage, words = BROKEN[what]
    damage(lab, target, lab.snapshots / target.named(name))
    result = target.run("verified", id=name)
    assert (result.get("failed"), result["error"]["cause"]) == (True, "bad_backup"), result
    assert any(word in result["msg"] for word in words.split("|")), result["msg"]
    assert "BAD: " in target.good("listed")["table"][-1]
    assert target.release(1)["error"]["cause"] == "no_fresh_backup"
    expect_clear(lab, target)


def test_a_snapshot_of_another_version_or_cluster_is_not_its_fault(
    lab: Lab, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        live = snapshot_prover.SnapshotProver.live
        patch.setattr(snapshot_prover.SnapshotProver, "live", lambda self: live(self)._replace(system="12345"))
        other = target.good(verify="none")["backup"]["id"]
    target.fails("other_cluster", "system identifier", "verified", id=other)
    name = target.good(verify="none")["backup"]["id"]
    (lab.snapshots / target.named(name) / "PG_VERSION").write_text("99\n")
    target.fails("newer_server", "postgresql-99", "verified", id=name)
    assert [one["problem"] for one in target.good("listed")["backups"]] == ["", ""]


def test_a_clone_without_room_for_its_recovery_is_not_its_fault(lab: Lab, target: Target) -> None:
    lab.execute(target.database, "CREATE TABLE wide AS SELECT repeat('x', 500) FROM generate_series(1, 6000)")
    name = target.good(verify="none")["backup"]["id"]
    size = sum(path.stat().st_blocks for path in (lab.snapshots / target.named(name)).rglob("*")) // 2 + 300
    script = f"mount -t tmpfs -o size={size}k tmpfs {{path}} && COMMAND"
    small = {
        **shell(target, "clone", script),
        "unclone": ["umount", "{path}"],
    }
    target.fails("no_space", "more room", "verified", id=name, snapshot=small)  # it may tell a short write alone
    assert not target.good("listed")["backups"][-1]["problem"]
    expect_clear(lab, target)


def test_one_that_was_removed_behind_our_back_is_gone_and_counts_for_nothing(lab: Lab, target: Target) -> None:
    first, second = (target.good()["backup"]["id"] for _number in range(2))
    shutil.rmtree(lab.snapshots / target.named(second))
    listed = target.good("listed")
    assert [one["id"] for one in listed["backups"]] == [first]
    assert [(one["id"], one["cause"]) for one in listed["damaged"]] == [(second, "snapshot_missing")]
    assert "it was not Slipway that removed it" in listed["warnings"][0]
    assert target.release(1)["backup"]["id"] == first
    target.fails("snapshot_missing", "is gone", "verified", id=second)
    assert "forget" in target.good("absent", id=second)["actions"][-1]
    assert "damaged" not in target.good("listed")


def test_one_that_nobody_here_knows_is_told_and_left_alone(lab: Lab, target: Target) -> None:
    name = target.good(verify="none")["backup"]["id"]
    for path in (target.path / "store" / "shop-test.snapshots").iterdir():
        path.unlink()
    (lab.snapshots / "slipway-shop-20261128T000000Z-abcdef").mkdir()  # of another target
    listed = target.good("listed")
    assert (listed["backups"], len(listed["actions"])) == ([], 1)
    assert target.named(name) in listed["actions"][0]
    target.good(retention={"last": 1}, verify="none")
    assert target.named(name) in lab.names()


def test_a_role_that_may_not_read_where_the_data_is_is_told_what_to_grant(lab: Lab, target: Target) -> None:
    lab.execute("postgres", "CREATE ROLE looker LOGIN PASSWORD 'x'")
    lab.execute(target.database, "GRANT pg_read_all_data TO looker")
    url = lab.url(target.database, "looker", "x")
    try:
        target.fails("not_allowed", "GRANT pg_read_all_settings TO looker", url=url)
        lab.execute("postgres", "GRANT pg_read_all_settings TO looker")
        assert target.good(url=url)["backup"]["verified_by"] == "restore"
    finally:
        lab.execute(target.database, "DROP OWNED BY looker", "DROP ROLE looker")


def test_no_snapshot_is_taken_of_a_standby(lab: Lab, target: Target, place: pathlib.Path) -> None:
    name = target.good(verify="none")["backup"]["id"]
    data = place / "standby"
    run("cp", "--archive", str(lab.snapshots / target.named(name)), str(data))
    (data / "postmaster.pid").unlink()
    (data / "standby.signal").touch()
    words = f"-c unix_socket_directories={place}/s -c listen_addresses= -c port=5432 -c max_prepared_transactions=5"
    run(*as_postgres(BIN / "pg_ctl", "-D", data, "-w", "-l", place / "s" / "log", "-o", words, "start"))
    try:
        target.fails("standby", "is a standby", url=f"host={place}/s port=5432 user=admin dbname={target.database}")
    finally:
        run(*as_postgres(BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop"))
