# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage in the repository is found, and whatever is in the way is named with its remedy."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import physical_prover
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup

from .lab import BIN, STANZA, Lab, Target, as_postgres, flipped, gone, other, run

pytestmark = pytest.mark.sample(6)

Damage = t.Callable[[Lab, str], t.ContextManager[None]]


def next_segment(lab: Lab) -> pathlib.Path:
    """A file of the WAL after the newest backup, in the archive."""
    segment = lab.ask("postgres", "SELECT pg_walfile_name(pg_switch_wal())")[0][0]
    lab.backrest("check")
    return lab.wal(segment)


DAMAGES: dict[str, Damage] = {
    "a bit in a file of a table": lambda lab, label: flipped(lab.stored(label)[-1]),
    "a file of a table": lambda lab, label: gone(lab.stored(label)[-2]),
    "a backup as a whole": lambda lab, label: gone(lab.directory / "repo" / "backup" / STANZA / label),
    "a bit in the WAL after it": lambda lab, _label: flipped(next_segment(lab)),
    "a file of the WAL after it": lambda lab, _label: gone(next_segment(lab)),
}


@pytest.mark.parametrize("by", ["read", "restore"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_in_the_repository_is_found_and_written_down(lab: Lab, target: Target, damage: str, by: str) -> None:
    label = target.good(physical={"type": "full"}, verify="none")["backup"]["id"]
    lab.execute(target.database, "INSERT INTO item (word) SELECT md5(n::text) FROM generate_series(1, 5000) AS n")
    with DAMAGES[damage](lab, label):
        failed = target.run("verified", id=label, verify=by)
        assert failed.get("failed"), failed
        assert failed["error"]["cause"] in ("damaged", "missing", "wal_missing"), failed["msg"]
        listed = target.good("listed")["backups"][-1]
        assert (listed["id"], listed["verified_by"]) == (label, "none")
        assert listed["problem"]
    assert target.good("verified", id=label, verify=by)["backup"]["verified_by"] == by


def test_a_full_backup_that_is_damaged_makes_those_on_it_bad(lab: Lab, target: Target) -> None:
    full = target.good(physical={"type": "full"}, verify="none")["backup"]["id"]
    lab.execute(target.database, "INSERT INTO item (word) VALUES ('later')")
    label = target.good(physical={"type": "incr"}, verify="none")["backup"]["id"]
    with flipped(lab.stored(full)[-1]):
        target.fails("damaged", f"{full} is invalid", "verified", id=label, verify="read")
        target.fails("damaged", "restore failed", "verified", id=label)


def test_an_archive_that_is_broken_fails_the_backup_before_it_is_taken(lab: Lab, target: Target) -> None:
    before = lab.labels()
    lab.archive("false # pgbackrest")
    try:
        target.fails("archive_broken", "[082]", physical={"archive_timeout": 1.0})
    finally:
        lab.archive()
    assert lab.labels() == before
    lab.archive("cp %p /dev/null")
    try:
        target.fails("archive_broken", "must contain pgbackrest")
    finally:
        lab.archive()


def test_a_stanza_that_is_not_there_is_told_with_the_command_that_makes_it(lab: Lab, target: Target) -> None:
    failed = target.fails("stanza_missing", "has not been created", physical={"stanza": "nothing"})
    assert f"sudo -u postgres pgbackrest --config={lab.config} --stanza=nothing stanza-create" in failed["msg"]


def test_a_stanza_of_another_cluster_is_not_used(lab: Lab, target: Target) -> None:
    data = lab.directory / "another"
    run(*as_postgres(BIN / "initdb", "-D", data, "-U", "admin", "--auth=trust", "--no-sync"))
    named = other(lab, **{f"[{STANZA}]": "[another]", f"{lab.directory}/data": str(data)})
    run(*as_postgres("pgbackrest", f"--config={named['config']}", "--stanza=another", "--no-online", "stanza-create"))
    system = lab.ask("postgres", "SELECT system_identifier FROM pg_control_system()")[0][0]
    target.fails("other_cluster", str(system), physical={**named, "stanza": "another"})


def test_a_configuration_that_is_not_there_and_a_repository_that_is_not(target: Target) -> None:
    target.fails("bad_input", "/nothing: is not there", physical={"config": "/nothing"})
    target.fails("command_failed", "key '7' is not valid", physical={"repo": 7})


def test_a_machine_without_the_program(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(BIN))
    target.fails("command_missing", "Install pgbackrest")


def test_a_role_that_may_not_make_restore_points(lab: Lab, target: Target) -> None:
    lab.execute("postgres", "CREATE ROLE poor LOGIN PASSWORD 'poor-word'", "GRANT pg_read_all_data TO poor")
    url = lab.url(target.database, "poor", "poor-word")
    functions = "FUNCTION pg_create_restore_point(text), pg_switch_wal()"
    try:
        label = target.good(verify="none", url=url)["backup"]["id"]
        failed = target.fails("not_allowed", f"GRANT EXECUTE ON {functions} TO poor;", "verified", id=label, url=url)
        assert "poor-word" not in json.dumps(failed)
        lab.execute(target.database, f"GRANT EXECUTE ON {functions} TO poor")
        assert target.good("verified", id=label, url=url)["backup"]["verified_by"] == "restore"
    finally:
        lab.execute(target.database, "DROP OWNED BY poor")
        lab.execute("postgres", "DROP OWNED BY poor", "DROP ROLE poor")


def test_another_kind_of_database_has_none(target: Target) -> None:
    target.fails("bad_input", "is for PostgreSQL only", engine="sqlite", url="/nothing")


# --- killed


KILLED = f"""
import json, os, signal, sys
from {physical_prover.__name__} import PhysicalProver
from {database_backup.__name__} import perform
def killed(self, url, programs, around):
    print(json.dumps([url]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
PhysicalProver._compare = killed
perform(json.load(sys.stdin), False)
"""


def test_a_killed_proof_leaves_no_server_and_the_next_run_clears_up(target: Target) -> None:
    label = target.good(verify="none")["backup"]["id"]
    params = target.params(state="verified", id=label, verify="restore")
    done = subprocess.run(
        [sys.executable, "-c", KILLED], input=json.dumps(params), capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,) = target.scratch.iterdir()
    pidfile = left / "data" / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # then it has ended already
        pid = int(pidfile.read_text().split()[0])
        assert select.select([os.pidfd_open(pid)], [], [], 30)[0]  # readable when it has ended (pidfd_open(2))
    assert target.good("verified", id=label)["backup"]["verified_by"] == "restore"
    assert list(target.scratch.iterdir()) == []


def test_a_machine_without_room_for_the_copy_says_so_and_the_backup_is_not_called_bad(
    target: Target, tmp_path: pathlib.Path
) -> None:
    label = target.good(verify="none")["backup"]["id"]
    small = tmp_path / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small))
    try:
        target.fails("no_space", "has no room for a restored copy", "verified", id=label, scratch_dir=str(small))
    finally:
        run("umount", str(small))
    assert target.records() == []


def test_the_programs_are_never_told_the_connection_string(
    target: Target, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    seen.touch(0o666)
    seen.chmod(0o666)
    spying = target.scratch.parent / f"{target.scratch.name}-bin"
    spying.mkdir()
    script = spying / "pgbackrest"
    script.write_text(
        f'#!/bin/sh\ntr "\\0" "\\n" </proc/$$/cmdline >>{seen}; env >>{seen}\nexec /usr/bin/pgbackrest "$@"\n'
    )
    script.chmod(0o755)
    for parent in tmp_path.parents:
        if parent == pathlib.Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spying}:{os.environ['PATH']}")
    try:
        target.good(verify="read")
    finally:
        script.unlink()
        spying.rmdir()
    text = seen.read_text(errors="replace")
    assert "--stanza=shop" in text
    assert "wörd" not in text
    assert base64.b64encode("wörd".encode()).decode() not in text
