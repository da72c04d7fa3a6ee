# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is in the way of a backup of a real MariaDB server is named, and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import pathlib
import select
import subprocess
import sys

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import scratch_place
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql import MariaDB, MySQL
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.places import free_port

from .conftest import Server
from .target import Target, programs, real, rows


def test_a_server_that_is_not_there(server: Server, database: str, target: Target, tmp_path: pathlib.Path) -> None:
    target.back_up("none")
    url = server.url(database, port=free_port())
    Target(url, tmp_path / "store", tmp_path).fails("unreachable", "on 127.0.0.1: cannot be reached")


def test_a_database_that_is_not_there(server: Server, tmp_path: pathlib.Path) -> None:
    Target(server.url("nothing"), tmp_path / "store", tmp_path).fails(
        "no_such_database", "nothing on 127.0.0.1: is not there"
    )


def test_a_program_that_is_not_there(server: Server, database: str, tmp_path: pathlib.Path) -> None:
    without = programs(tmp_path / "bin", mariadb_dump="")
    Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=without).fails(
        "command_missing", "mariadb-dump: no such program"
    )


def test_a_server_program_that_is_not_there_is_not_the_fault_of_the_backup(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(server.url(database), tmp_path / "store", scratch)
    monkeypatch.setattr(
        "ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql_scratch.SERVER", {"MariaDB": ("nothing",)}
    )
    with pytest.raises(SlipwayError, match="nothing: no such program") as caught:
        target.back_up()
    assert caught.value.cause == "command_missing"
    assert [backup.failed for backup in target.keeper().list().backups] == [False]


def test_a_server_of_the_other_vendor_is_told_by_its_name(server: Server, database: str, target: Target) -> None:
    other = MySQL(server.url(database), target.system, scratch_dir="", closed_file=target.engine.closed_file)
    target.engine = other  # type: ignore[assignment]
    target.fails("other_vendor", "is a server of MariaDB, and not of MySQL.*wanted 'engine: mariadb'")


@pytest.mark.parametrize(
    "said, cause, words",
    [
        ("mysqldump  Ver 10.16 Distrib 10.1.48-MariaDB, for debian-linux-gnu (x86_64)", "client_too_old", "10.1.48"),
        ("mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", "other_vendor", "of MySQL, and"),
    ],
)
def test_a_client_that_does_not_fit_is_refused_before_anything_is_written(
    server: Server, database: str, tmp_path: pathlib.Path, said: str, cause: str, words: str
) -> None:
    other = programs(tmp_path / "bin", mariadb_dump=f"echo '{said}'")
    Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=other).fails(cause, words)


@pytest.mark.parametrize("after", [0, 1, 900, 4096, 100_000])
def test_a_dump_that_is_killed_leaves_nothing(
    server: Server, database: str, tmp_path: pathlib.Path, after: int
) -> None:
    rows(server, database, 20000)
    whole = f'{real("mariadb-dump")} "$@"'
    dies = f'case "$*" in *--version*) exec {whole};; esac\n{whole} | head -c {after}; kill -9 $$'
    cut = programs(tmp_path / "bin", mariadb_dump=dies)
    target = Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=cut)
    target.fails("command_failed", "mariadb-dump was ended by signal 9")


def test_a_dump_without_its_end_leaves_nothing_although_the_program_says_that_all_is_well(
    server: Server, database: str, tmp_path: pathlib.Path
) -> None:
    rows(server, database, 20000)
    whole = f'{real("mariadb-dump")} "$@"'
    cut = programs(
        tmp_path / "bin", mariadb_dump=f'case "$*" in *--version*) exec {whole};; esac\n{whole} | head -c 90000'
    )
    target = Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=cut)
    target.fails("bad_backup", "is not a dump from its beginning to its end")


def test_a_server_that_goes_away_while_it_is_asked_is_told(server: Server, database: str, target: Target) -> None:
    rows(server, database)
    with target.engine.snapshot() as snapshot:
        snapshot.cancel()
        with pytest.raises(SlipwayError, match="connection was lost") as caught:
            snapshot.facts()
    assert caught.value.cause == "connection_lost"


def test_what_a_killed_verification_left_is_cleared_up(target: Target, scratch: pathlib.Path) -> None:
    (scratch / "slipway-scratch-old").mkdir()
    (scratch / "slipway-scratch-old" / "data").write_text("large")
    target.back_up()
    assert not (scratch / "slipway-scratch-old").exists()


def test_a_killed_verification_leaves_no_server(server: Server, database: str, scratch: pathlib.Path) -> None:
    """The throw-away server ends with whoever started it."""
    script = f"""
import os, signal, sys
from {MariaDB.__module__} import MariaDB
from {System.__module__} import System
engine = MariaDB(sys.argv[1], System(), scratch_dir={str(scratch)!r}, closed_file="")
facts = {{"vendor": "MariaDB", "settings": {{"innodb_page_size": 16384, "lower_case_table_names": 0}}}}
with engine.scratch("10.11", facts, 0) as scratch:
    print(scratch._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    url = server.url(database, password="another")
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    pid = int(done.stdout)
    with contextlib.suppress(ProcessLookupError):  # then it is gone already
        assert select.select([os.pidfd_open(pid)], [], [], 30)[0]  # readable when it has ended (pidfd_open(2))
    scratch_place.clear(str(scratch))  # as the next run does first


@pytest.mark.parametrize("harm", ["flipped", "cut off", "cut off at a statement"])
def test_a_damaged_file_is_found(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, harm: str
) -> None:
    rows(server, database, 5000)
    made = target.back_up("none", Codec(method="none")).backup
    assert made is not None
    path = tmp_path / "store" / made.manifest.parts["dump"].key
    whole = path.read_bytes()
    assert whole.startswith(b"-- MariaDB dump ") and whole.endswith(b"-- Dump completed\n")
    for place in range(100, len(whole), len(whole) // 12):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        statement = whole.index(b"\n", place) + 1
        path.write_bytes({"flipped": bytes(flipped), "cut off": whole[:place]}.get(harm, whole[:statement]))
        with pytest.raises(SlipwayError, match="is not what was written"):
            target.keeper().verified(made.manifest.id, "restore" if place == 100 else "read", 0)
        for proof in (tmp_path / "store").glob("*.proof-*"):
            proof.unlink()
