# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of a backup of a SQLite file."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import sqlite
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .faults import BAD, UNPROVEN, Site, Table, as_nobody
from .faults_programs import Clock, path_of, small_disk
from .faults_stored import readable

SCHEMA = """
CREATE TABLE buyer (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
CREATE TABLE bill (id INTEGER PRIMARY KEY, buyer INTEGER NOT NULL REFERENCES buyer, what TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO buyer (name) SELECT 'Käufer ' || i FROM n;
INSERT INTO bill (buyer, what) SELECT a.id, a.name || b.name FROM buyer a, buyer b WHERE b.id < 13;
CREATE INDEX by_what ON bill (what);
"""

ROWS = Table()
Generated = t.Iterator[None]


@contextlib.contextmanager
def other(site: Site, change: t.Callable[[pathlib.Path], object]) -> t.Iterator[pathlib.Path]:
    """The database is a changed copy of the live one."""
    path = site.directory / "other.db"
    shutil.copy(site.url, path)
    change(path)
    site.url = str(path)
    yield path


def pages(path: pathlib.Path, kind: str) -> list[int]:
    """Where the pages of a table or an index begin."""
    with contextlib.closing(sqlite3.connect(path)) as link:
        (size,) = link.execute("PRAGMA page_size").fetchone()
        (root,) = link.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (kind,)).fetchone()
    return [(root - 1) * size, size]


@ROWS.row("a file that is not there", "unreachable", "nothing.db: is not there.*Correct url", proof="restore")
def a_file_that_is_not_there(site: Site) -> Generated:
    site.url = str(site.directory / "nothing.db")
    yield


@ROWS.row("a file that is no database", "not_a_database", "file is not a database")
def a_file_that_is_no_database(site: Site) -> Generated:
    with other(site, lambda path: path.write_text("certainly no database " * 1000)):
        yield


@ROWS.row(
    "a file without a byte, which gave a good backup", "not_a_database", "has not a single page.*url names another"
)
def a_file_without_a_byte_which_gave_a_good_backup(site: Site) -> Generated:
    with other(site, lambda path: os.truncate(path, 0)):
        yield


@ROWS.row("a database without a table, which is one", "", "is good, by restore")
def a_database_without_a_table_which_is_one(site: Site) -> Generated:
    def emptied(path: pathlib.Path) -> None:
        path.unlink()
        with contextlib.closing(sqlite3.connect(path)) as link:
            link.execute("VACUUM")

    with other(site, emptied):
        yield


@ROWS.row(
    "a scratch directory that is not there, which had no cause", "bad_input", "nowhere: is no directory.*scratch_dir"
)
def a_scratch_directory_that_is_not_there_which_had_no_cause(site: Site) -> Generated:
    site.scratch = site.directory / "nowhere"
    site.act = refused(site)
    yield


@ROWS.row("a scratch directory that is a file", "bad_input", "a file: is no directory")
def a_scratch_directory_that_is_a_file(site: Site) -> Generated:
    site.scratch = site.directory / "a file"
    site.scratch.touch()
    site.act = refused(site)
    yield


@ROWS.row("a scratch directory that may not be written to", "permission", "scratch of root: may not be written to")
def a_scratch_directory_that_may_not_be_written_to(site: Site) -> Generated:
    site.scratch = site.directory / "scratch of root"
    site.scratch.mkdir(mode=0o755)
    readable(site)
    site.act = as_nobody(lambda: site.verified(site.good, "read"))
    yield


def refused(site: Site) -> t.Callable[[], object]:
    """Both ways to use it say the same."""

    def act() -> object:
        with pytest.raises(SlipwayError, match="is no directory"):
            site.verified(site.good, "restore")
        return site.back_up()

    return act


@ROWS.row("a file that was cut in the middle", "not_a_database", "malformed")
def a_file_that_was_cut_in_the_middle(site: Site) -> Generated:
    with other(site, lambda path: os.truncate(path, os.path.getsize(path) // 2)):
        yield


@ROWS.row("a table whose first page is zeros", "not_a_database", "malformed")
def a_table_whose_first_page_is_zeros(site: Site) -> Generated:
    with other(site, lambda path: zeros(path, "bill")):
        yield


@ROWS.row(
    "an index that lacks rows, which no question meets", "bad_backup", "is not sound; found 'row 1 missing", leaves=BAD
)
def an_index_that_lacks_rows_which_no_question_meets(site: Site) -> Generated:
    def another_column(path: pathlib.Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as link:
            link.execute("PRAGMA writable_schema = ON")
            link.execute("UPDATE sqlite_master SET sql = 'CREATE INDEX by_what ON bill (buyer)' WHERE name = 'by_what'")
            link.commit()

    with other(site, another_column):
        yield


def zeros(path: pathlib.Path, what: str) -> None:
    start, size = pages(path, what)
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(content)


@ROWS.row("a lock that does not end", "busy", "database is locked.*a lock must end within a minute")
def a_lock_that_does_not_end(site: Site) -> Generated:
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(sqlite3.connect(site.url)) as link:
        patch.setattr(sqlite, "WAIT", 0.1)
        link.isolation_level = None
        link.execute("BEGIN EXCLUSIVE")
        yield


@ROWS.row("a file that may not be read, which was called no database", "permission", "not permitted.*become")
def a_file_that_may_not_be_read_which_was_called_no_database(site: Site) -> Generated:
    with other(site, lambda path: path.chmod(0o600)):
        site.path.chmod(0o755)
        for path in site.path.iterdir():
            path.chmod(0o644)
        site.act = as_nobody(site.back_up)
        yield


@ROWS.row("no room for the copy", "no_space", "has no room for a restored copy.*scratch_dir")
def no_room_for_the_copy(site: Site) -> Generated:
    site.scratch = site.directory / "scratch of its own"
    with small_disk(site.scratch, "size=64k"):
        yield


@ROWS.row("no room to read a copy, which had no cause", "no_space", "no space left")
def no_room_to_read_a_copy_which_had_no_cause(site: Site) -> Generated:
    site.scratch = site.directory / "scratch of its own"
    site.act = lambda: site.verified(site.good, "read")
    with small_disk(site.scratch, "size=64k"):
        yield


@ROWS.row("a restore into a directory that is not there, which had no cause", "io", "No such file or directory")
def a_restore_into_a_directory_that_is_not_there_which_had_no_ca(site: Site) -> Generated:
    site.act = lambda: site.keeper().restored(site.good, f"{site.directory}/not/there.db", confirm="", safety=True)
    yield


@ROWS.row("a restore over a file that is there", "exists", "there is a database of this name")
def a_restore_over_a_file_that_is_there(site: Site) -> Generated:
    (site.directory / "look.db").touch()
    site.act = lambda: site.keeper().restored(site.good, f"{site.directory}/look.db", confirm="", safety=True)
    yield


@ROWS.row("a program has the file open that is to be replaced", "in_use", "is still open; found 'process")
def a_program_has_the_file_open_that_is_to_be_replaced(site: Site) -> Generated:
    with open(site.url, "rb") as stream:
        program = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[stream.fileno()])
    site.act = lambda: site.keeper().restored(site.good, "", confirm=site.url, safety=False)
    yield
    program.kill()
    program.communicate()


@ROWS.row("a gzip that ends with 1 after its last byte", "command_failed", "gzip ended with exit status 1: late")
def a_gzip_that_ends_with_1_after_its_last_byte(site: Site) -> Generated:
    with path_of(site, gzip='/bin/gzip "$@"; echo late >&2; exit 1'):
        site.codec = Codec(method="gzip")
        yield


@ROWS.row("a zstd that makes something else, without a word", "command_failed", "zstd ended with", leaves=UNPROVEN)
def a_zstd_that_makes_something_else_without_a_word(site: Site) -> Generated:
    with path_of(site, zstd='case "$*" in *decompress*) exec /usr/bin/zstd "$@";; *) head -c 9000;; esac'):
        site.codec, site.verify = Codec(), "read"
        yield


@ROWS.row("an age that is killed", "command_failed", "age was ended by signal 9")
def an_age_that_is_killed(site: Site) -> Generated:
    with path_of(site, age="head -c 70000; kill -9 $$"):
        site.codec = Codec(method="none", recipients=("age1x",))
        yield


@ROWS.row("a clock that went back", "", "is good, by restore")
def a_clock_that_went_back(site: Site) -> Generated:
    site.system = Clock(-86400)
    site.act = lambda: site.back_up(max_age=7 * 86400)
    yield


@ROWS.row("text that is no UTF-8, which could not be backed up", "", "is good, by restore")
def text_that_is_no_utf_8_which_could_not_be_backed_up(site: Site) -> Generated:
    def latin(path: pathlib.Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as link:
            link.execute("UPDATE buyer SET name = CAST(x'4bc3e475' AS TEXT) WHERE id = 3")
            link.execute("ALTER TABLE bill ADD COLUMN raw BLOB")
            link.commit()

    with other(site, latin):
        yield
