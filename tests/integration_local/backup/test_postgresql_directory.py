# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps in directory format: several jobs write and restore them, and nothing but a dump is ever unpacked."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pathlib
import select
import signal
import subprocess
import tarfile
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import factory
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.model import Backup
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .conftest import BIN, Replica, Server
from .target import Target

EVERYTHING = (pathlib.Path(__file__).parent / "everything.sql").read_text()
PLAIN = Codec(method="none")
DIRECTORY: dict[str, t.Any] = {"layout": "directory", "jobs": 2}


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    """A database with a table and a large object, of which nothing is backed up yet."""
    server.execute(database, "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 2000) AS n")
    server.execute(
        database, "SELECT lo_from_bytea(0, decode(repeat('c0ffee', 1000), 'hex')) FROM generate_series(1, 3)"
    )
    return Target(server.url(database), tmp_path / "store", scratch, **DIRECTORY)


def taken(target: Target, verify: str = "restore", codec: Codec = PLAIN) -> Backup:
    made = target.back_up(verify, codec).backup
    assert made is not None
    return made


def stored(target: Target, backup: Backup) -> pathlib.Path:
    return pathlib.Path(target.store.url(backup.manifest.parts["dump"].key))


def pg(where: pathlib.Path, **scripts: str) -> str:
    """The programs of PostgreSQL, some of them with words of a shell before them."""
    where.mkdir()
    for program in BIN.iterdir():
        (where / program.name).symlink_to(program)
    for name, script in scripts.items():
        (where / name).unlink()
        (where / name).write_text(f'#!/bin/sh\n{script}\nexec {BIN}/{name} "$@"\n')
        (where / name).chmod(0o755)
    return str(where)


def counted(server: Server, database: str) -> list[int]:
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("SELECT count(*), (SELECT count(*) FROM pg_largeobject_metadata) FROM t")
        return list(cursor.fetchone())


# --- there and back


def test_everything_comes_back(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, place: pathlib.Path
) -> None:
    seen = tmp_path / "seen"
    spy = f'echo "$0" "$@" >>{seen}'
    programs = pg(place / database, pg_dump=spy, pg_restore=spy)  # the throw-away server's user passes there
    target = Target(server.url(database), tmp_path / "store", scratch, bin_dir=programs, **DIRECTORY)
    server.execute(database, EVERYTHING)
    try:
        made = taken(target, codec=Codec())
        assert (made.manifest.format, made.verified_by) == ("directory", "restore")
        assert made.manifest.facts["tables"]["public.without_key"][0] == 60000
        assert made.manifest.facts["large_objects"]["all"][0] == 3
        target.keeper().verified(made.manifest.id, "read", 0)
        lines = [line for line in seen.read_text().splitlines() if "--version" not in line]
        dumped, restored, read = (line for line in lines if "--schema-only" not in line)
        assert " --format=directory --jobs=2 --compress=0 " in dumped and " --snapshot=" in dumped
        assert "--exit-on-error" in restored and "--jobs=2 --format=directory" in restored
        assert "--file=- --format=directory" in read
        assert "wörd" not in seen.read_text()
    finally:
        server.execute(database, 'DROP OWNED BY "reader of ""all""" CASCADE; DROP ROLE "reader of ""all"""')


def test_what_is_stored_is_a_tar_that_anybody_can_restore(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path
) -> None:
    path = stored(target, taken(target, "none"))
    (tmp_path / "out").mkdir()
    done = subprocess.run(["tar", "xf", path, "-C", tmp_path / "out"], check=True, capture_output=True)
    assert done.stderr == b""
    names = sorted(os.listdir(tmp_path / "out"))
    assert "toc.dat" in names and len([name for name in names if name.startswith("blob_")]) == 3
    listed = subprocess.run([BIN / "pg_restore", "--list", tmp_path / "out"], check=True, capture_output=True)
    assert b"TABLE DATA public t" in listed.stdout


@pytest.mark.parametrize("made, read", [("custom", "directory"), ("directory", "custom")])
def test_a_backup_is_read_as_what_it_is_whatever_the_option_says_by_now(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path, made: str, read: str
) -> None:
    of = {
        layout: Target(server.url(database), tmp_path / "store", scratch, layout=layout)
        for layout in ("custom", "directory")
    }
    backup = taken(of[made], "none")
    assert backup.manifest.format == made
    for by in ("read", "restore"):
        proven = of[read].keeper().verified(backup.manifest.id, by, 0).backup
        assert proven is not None and proven.verified_by == by
    into = f"{database}_beside"
    try:
        of[read].keeper().restored(backup.manifest.id, into, confirm="", safety=True)
        assert counted(server, into) == [2000, 3]
    finally:
        of[read].engine.discard(into)


def test_it_takes_the_place_of_the_live_database(server: Server, database: str, target: Target) -> None:
    backup = taken(target)
    server.execute(database, "DELETE FROM t")
    target.keeper().restored(backup.manifest.id, "", confirm=database, safety=True)
    with contextlib.closing(server.connect("postgres")) as link, link.cursor() as cursor:
        cursor.execute(f"SELECT datname FROM pg_database WHERE datname LIKE '{database}_replaced%'")
        (kept,) = (row[0] for row in cursor.fetchall())
    assert counted(server, database) == [2000, 3]
    assert counted(server, kept) == [0, 3]
    target.engine.discard(kept)


def test_a_dump_is_of_the_moment_of_its_snapshot(server: Server, database: str, target: Target) -> None:
    """Each job has a connection of its own."""
    with target.engine.snapshot() as snapshot:
        server.execute(database, "DELETE FROM t WHERE n > 5", "CREATE TABLE later ()")
        dump = b"".join(snapshot.dump())
        facts = snapshot.completed(snapshot.facts())
    assert facts["tables"] == {"public.t": [2000, facts["tables"]["public.t"][1]]}
    with target.engine.scratch("15.0", facts, 0) as scratch:
        scratch.restore([dump])
        assert scratch.differences(facts) == []


def test_a_replica_is_dumped_by_several_jobs_too(
    server: Server, database: str, target: Target, request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    standby: Replica = request.getfixturevalue("replica")
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        position = cursor.fetchone()[0]
    while not standby.caught_up(position):
        pass
    scratch = target.engine.scratch_dir
    made = taken(Target(standby.url(database), tmp_path / "of_replica", pathlib.Path(scratch), **DIRECTORY))
    assert (made.verified_by, made.manifest.facts["tables"]["public.t"][0]) == ("restore", 2000)


def test_the_throw_away_server_takes_all_jobs(target: Target) -> None:
    target.engine.jobs = 130
    facts = {"roles": {}, "preload": "", "database": "postgres"}
    with (
        target.engine.scratch("15.0", facts, 0) as scratch,
        contextlib.closing(scratch._login("postgres").connect()) as link,  # type: ignore[attr-defined]
        link.cursor() as cursor,
    ):
        cursor.execute("SHOW max_connections")
        assert int(cursor.fetchone()[0]) > 130


# --- what is in the way


@pytest.mark.parametrize(
    "dies, said",
    [
        ("{whole}; rm $dir/toc.dat; exit 3", "pg_dump ended with exit status 3: it said nothing"),
        ("{whole}; kill -9 $$", "pg_dump was ended by signal 9"),
        ("{whole}; echo >$dir/5.dat.new", "pg_dump: has a file that no restore would take; found '5.dat.new'"),
    ],
)
def test_a_dump_that_fails_leaves_nothing(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path, dies: str, said: str
) -> None:
    script = 'for word; do case "$word" in --file=*) dir=${word#--file=};; esac; done\n'
    script += f'[ -z "$dir" ] || {{ {dies.format(whole=f"""{BIN}/pg_dump "$@" """)}; exit 0; }}'
    programs = pg(tmp_path / "bin", pg_dump=script)
    failing = Target(server.url(database), tmp_path / "store", scratch, bin_dir=programs, **DIRECTORY)
    failing.fails("command_failed", said)
    assert list(scratch.iterdir()) == []


@contextlib.contextmanager
def small_disk(where: pathlib.Path, size: str) -> t.Iterator[pathlib.Path]:
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)


def test_no_room_is_told_before_anything_is_written(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path
) -> None:
    with small_disk(tmp_path / "small", "256k") as small:
        full = Target(server.url(database), tmp_path / "store", small, **DIRECTORY)
        full.fails("no_space", "small: has no room for a dump; found")
        assert list(small.iterdir()) == []
    assert not (tmp_path / "store").exists()


def test_a_dump_for_which_there_is_no_room_to_be_unpacked_is_not_bad(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path
) -> None:
    backup = taken(target, "none")
    with small_disk(tmp_path / "small", "64k") as small:
        full = Target(server.url(database), tmp_path / "store", small)
        with pytest.raises(SlipwayError, match="small: has no room for an unpacked dump") as caught:
            full.keeper(PLAIN).verified(backup.manifest.id, "read", 0)
        assert caught.value.cause == "no_space"
    assert [one.failed for one in target.keeper().list().backups] == [False]


# --- a module that is killed


def in_a_process(target: Target) -> int:
    """The exit status of a process that takes a backup."""
    process = multiprocessing.get_context("fork").Process(target=target.back_up, args=("read", PLAIN))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def test_a_module_that_is_killed_while_it_dumps_leaves_what_the_next_run_clears(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    """And no pg_dump that goes on to write into what is cleared."""
    script = f'case "$*" in *--file=*) {BIN}/pg_dump "$@"; echo $$ >{tmp_path}/pid; kill -9 $PPID; exec cat {tmp_path}/never;; esac'
    programs = pg(tmp_path / "bin", pg_dump=script)
    os.mkfifo(tmp_path / "never")
    dying = Target(server.url(database), tmp_path / "store", scratch, bin_dir=programs, **DIRECTORY)
    assert in_a_process(dying) == -signal.SIGKILL
    with contextlib.suppress(ProcessLookupError):  # then it is gone already
        pid = os.pidfd_open(int((tmp_path / "pid").read_text()))
        assert select.select([pid], [], [], 30)[0]  # readable when it has ended (pidfd_open(2))
    (left,) = scratch.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    assert (left / "dump" / "toc.dat").exists()
    assert taken(target).verified_by == "restore"
    assert not left.exists()


def test_a_module_that_is_killed_while_it_unpacks_leaves_what_the_next_run_clears(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    programs = pg(tmp_path / "bin", pg_restore="kill -9 $PPID")
    dying = Target(server.url(database), tmp_path / "store", scratch, bin_dir=programs, **DIRECTORY)
    assert in_a_process(dying) == -signal.SIGKILL
    (left,) = scratch.iterdir()
    assert "toc.dat" in os.listdir(left)
    assert taken(target).verified_by == "restore"
    assert not left.exists()


# --- what is damaged, or no dump


def test_a_bit_flipped_or_an_end_cut_off_is_found(target: Target) -> None:
    """In the headers, in files, and in the end; also by a look that knows no checksum, where it is no content."""
    backup = taken(target, "none")
    path = stored(target, backup)
    whole = path.read_bytes()
    header = [0, 100, 130, 156, 257, 520]
    for place in [*header, *range(1024, len(whole), len(whole) // 12), len(whole) - 1]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        found_bad(target, backup)
    for length in (0, 100, 512, 1024, len(whole) // 2, len(whole) - 1024, len(whole) - 1):
        path.write_bytes(whole[:length])
        found_bad(target, backup)
        with pytest.raises(SlipwayError) as caught:
            target.engine.check([whole[:length]])
        assert caught.value.cause == ("damaged" if length >= 512 else "command_failed")
    path.write_bytes(whole)
    assert not target.keeper().verified(backup.manifest.id, "restore", 0).backup.failed  # type: ignore[union-attr]


def found_bad(target: Target, backup: Backup) -> None:
    with pytest.raises(SlipwayError, match="is not what was written") as caught:
        target.keeper().verified(backup.manifest.id, "read", 0)
    assert caught.value.cause == "damaged"


def test_a_tar_with_a_way_out_restores_to_nothing(target: Target) -> None:
    facts = {"roles": {}, "preload": "", "database": "postgres"}
    upwards, link = tarfile.TarInfo("../../toc.dat"), tarfile.TarInfo("toc.dat")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    for member in (upwards, link):
        begin = tarfile.TarInfo.create_pax_global_header({"comment": "0 bytes"})
        stored = begin + member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
        with target.engine.scratch("15.0", facts, 0) as scratch, pytest.raises(SlipwayError, match="has a member that"):
            scratch.restore([stored])
        with pytest.raises(SlipwayError, match="has a member that"):
            target.engine.check([stored])


def test_the_options_reach_the_engine() -> None:
    given = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
    given.update(name="shop", root="/nowhere")
    chosen = t.cast(t.Any, factory.engine({**given, "format": "directory", "jobs": 3}, "dbname=x", System()))
    assert (chosen.format, chosen.jobs) == ("directory", 3)
    default = t.cast(t.Any, factory.engine(given, "dbname=x", System()))
    assert default.format == "custom"
    assert 1 <= default.jobs <= 8
