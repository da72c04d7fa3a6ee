# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of a backup of a PostgreSQL server on the machine that takes it: programs, disks, clocks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .faults import BAD, UNPROVEN, Site, Table, replace_program
from .faults_postgresql import REAL, Generated, PostgreSQLSite

ROWS = Table()


# --- the programs


@ROWS.row("no pg_dump", "command_missing", "pg_dump: no such program.*Install", proof="restore")
def no_pg_dump(site: PostgreSQLSite) -> Generated:
    site.wrapped()
    os.unlink(f"{site.bin_dir}/pg_dump")
    yield


@ROWS.row("a pg_dump that may not be executed", "command_missing", "pg_dump: cannot be started.*Permission denied")
def a_pg_dump_that_may_not_be_executed(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump=REAL)
    os.chmod(f"{site.bin_dir}/pg_dump", 0o644)
    yield


@ROWS.row("a pg_dump that is older than the server", "client_too_old", "found '9.6.1', wanted '1")
def a_pg_dump_that_is_older_than_the_server(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump="echo 'pg_dump (PostgreSQL) 9.6.1'")
    yield


def dump(script: str) -> str:
    """A pg_dump whose dump is what a script makes; the rest it does."""
    return f'case "$*" in *custom*) {script};; esac\n{REAL}'


@ROWS.row("a dump that is whole but ends with 1", "command_failed", "pg_dump ended with exit status 1: late")
def a_dump_that_is_whole_but_ends_with_1(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump=dump('$REAL/pg_dump "$@"; echo late >&2; exit 1'))
    yield


@ROWS.row("a dump of no byte that ends with 0", "too_small", "found '0 bytes', wanted 'at least 200'")
def a_dump_of_no_byte_that_ends_with_0(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump=dump("exit 0"))
    yield


@ROWS.row("a dump of 20 bytes, as gzip makes of nothing, that ends with 0", "too_small", "found '20 bytes'")
def a_dump_of_20_bytes_as_gzip_makes_of_nothing_that_ends_with_0(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump=dump("echo -n | gzip; exit 0"))
    yield


@ROWS.row(
    "a dump that is cut in the middle and ends with 0", "command_failed", "pg_restore ended with", leaves=UNPROVEN
)
def a_dump_that_is_cut_in_the_middle_and_ends_with_0(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump=dump('$REAL/pg_dump "$@" | head -c 90000; exit 0'))
    yield


@ROWS.row("the same, which a look finds without a server", "command_failed", "pg_restore ended with", leaves=UNPROVEN)
def the_same_which_a_look_finds_without_a_server(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump=dump('$REAL/pg_dump "$@" | head -c 90000; exit 0'))
    site.verify = "read"
    yield


@ROWS.row("a dump that is something else", "command_failed", "does not appear to be a valid archive", leaves=UNPROVEN)
def a_dump_that_is_something_else(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dump=dump("seq 1 1000; exit 0"))
    yield


@ROWS.row("a pg_dumpall that fails", "command_failed", "pg_dumpall ended with exit status 7: no roles")
def a_pg_dumpall_that_fails(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_dumpall="echo no roles >&2; exit 7")
    yield


@ROWS.row("no pg_restore", "command_missing", "pg_restore: no such program", leaves=UNPROVEN)
def no_pg_restore(site: PostgreSQLSite) -> Generated:
    site.wrapped()
    os.unlink(f"{site.bin_dir}/pg_restore")
    yield


@ROWS.row("a pg_restore that is killed", "command_failed", "pg_restore was ended by signal 9", leaves=UNPROVEN)
def a_pg_restore_that_is_killed(site: PostgreSQLSite) -> Generated:
    site.wrapped(pg_restore="head -c 5000 >/dev/null; kill -9 $$")
    yield


@ROWS.row("a restore that is something else", "bad_backup", "bill: 5999 rows, wanted 6000", leaves=BAD, proof="restore")
def a_restore_that_is_something_else(site: PostgreSQLSite) -> Generated:
    lose = '$REAL/psql "${@: -1:1}" -c "" 2>/dev/null; $REAL/psql "$(echo "${@: -1:1}" | sed s/--dbname=//)'
    lose += f' dbname={site.database}" -qc "DELETE FROM bill WHERE id = 77"'
    site.wrapped(pg_restore=f'case "$*" in *create*) $REAL/pg_restore "$@" || exit 1; {lose}; exit;; esac\n{REAL}')
    yield


@ROWS.row("no server's programs", "command_missing", "initdb: no such program", leaves=UNPROVEN)
def no_server_s_programs(site: PostgreSQLSite) -> Generated:
    site.wrapped()
    os.unlink(f"{site.bin_dir}/initdb")
    yield


@ROWS.row("an initdb that fails", "command_failed", "ended with exit status 1: no locale", leaves=UNPROVEN)
def an_initdb_that_fails(site: PostgreSQLSite) -> Generated:
    site.wrapped(initdb="echo no locale >&2; exit 1")
    yield


@ROWS.row(
    "a throw-away server that does not start", "scratch_failed", "did not start; found 'no memory", leaves=UNPROVEN
)
def a_throw_away_server_that_does_not_start(site: PostgreSQLSite) -> Generated:
    site.wrapped(postgres='case "$*" in *listen_addresses*) echo no memory; exit 1;; esac\n' + REAL)
    yield


# --- disks


@contextlib.contextmanager
def small_disk(path: t.Any, *options: str) -> t.Iterator[None]:
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


@ROWS.row("no room to restore into", "no_space", "has no room for a restored copy.*scratch_dir", leaves=UNPROVEN)
def no_room_to_restore_into(site: PostgreSQLSite) -> Generated:
    site.scratch = site.directory / "scratch of its own"
    with small_disk(site.scratch, "size=256k"):
        yield


@ROWS.row("the disk to restore into fills up", "command_failed", "No space left on device", leaves=UNPROVEN)
def the_disk_to_restore_into_fills_up(site: PostgreSQLSite) -> Generated:
    site.scratch = site.directory / "scratch of its own"
    with small_disk(site.scratch, "size=16m"):
        yield


# --- compression and encryption


@ROWS.row("no zstd", "command_missing", "zstd: no such program.*Install zstd")
def no_zstd(site: PostgreSQLSite) -> Generated:
    with path_of(site, gzip="exec /bin/gzip"):
        site.codec = Codec()
        yield


@ROWS.row("a zstd that is killed", "command_failed", "zstd was ended by signal 9")
def a_zstd_that_is_killed(site: PostgreSQLSite) -> Generated:
    with path_of(site, zstd="head -c 30000; kill -9 $$"):
        site.codec = Codec()
        yield


@ROWS.row("a recipient that is none", "command_failed", "age .*malformed recipient")
def a_recipient_that_is_none(site: PostgreSQLSite) -> Generated:
    site.codec = Codec(method="none", recipients=("age1nonsense",))
    yield


@ROWS.row("encrypted, and no identity to restore it with", "identity_missing", "Name it with", leaves=UNPROVEN)
def encrypted_and_no_identity_to_restore_it_with(site: PostgreSQLSite) -> Generated:
    site.codec = Codec(recipients=(identity(site)[1],))
    yield


@ROWS.row(
    "encrypted, and the identity of somebody else", "command_failed", "age .*no identity matched", leaves=UNPROVEN
)
def encrypted_and_the_identity_of_somebody_else(site: PostgreSQLSite) -> Generated:
    site.codec = Codec(recipients=(identity(site)[1],), identity=identity(site)[0])
    yield


def identity(site: Site) -> tuple[str, str]:
    """The file of a new one, and its recipient."""
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    path = site.directory / f"identity{len(list(site.directory.iterdir()))}"
    path.write_text(made.stdout)
    return str(path), made.stderr.split()[-1]


@contextlib.contextmanager
def path_of(site: Site, **scripts: str) -> t.Iterator[None]:
    """A PATH on which there is nothing but these scripts."""
    directory = site.directory / "path"
    directory.mkdir()
    for name in ("bash", "head", "cat", "setpriv"):
        (directory / name).symlink_to(f"/usr/bin/{name}")
    for name, script in scripts.items():
        replace_program(directory, name, script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(directory))
        yield


# --- clocks


class Clock(System):
    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def wall(self) -> float:
        return super().wall() + self.ahead


@ROWS.row("a clock that went back, so that the last one is of tomorrow and no longer fresh", "", "is good, by read")
def a_clock_that_went_back_so_that_the_last_one_is_of_tomorrow_a(site: PostgreSQLSite) -> Generated:
    site.system, site.verify = Clock(-86400), "read"
    site.act = lambda: site.back_up(max_age=7 * 86400)
    yield
