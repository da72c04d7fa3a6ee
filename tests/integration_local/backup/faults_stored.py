# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a backup in its store: a directory whose files are changed, cut, lost, or cannot be written."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.backup import model, retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper

from .faults import BAD, NOTHING, UNPROVEN, Site, Table, as_nobody, flipped

ROWS = Table()
Generated = t.Iterator[None]


def damaged(site: Site, by: str, change: t.Callable[[model.Backup], object]) -> None:
    """Another backup than the good one is changed, and then looked at."""
    made = site.another("read")
    change(made)
    site.act = lambda: site.verified(made.manifest.id, by)


# --- bytes that are not those that were written

GLOBALS = "globals.sql"  # beside a dump of PostgreSQL; one of SQLite has nothing beside it


def beside(site: Site, made: model.Backup) -> str:
    return GLOBALS if GLOBALS in made.manifest.parts else "dump"


@ROWS.row("a bit is flipped in the dump, and it is read", "damaged", "is not what was written", BAD, "restore")
def a_bit_is_flipped_in_the_dump_and_it_is_read(site: Site) -> Generated:
    damaged(site, "read", lambda made: flipped(site.file(made), 5000))
    yield


@ROWS.row("a bit is flipped in the dump, and it is restored", "damaged", "is not what was written", BAD, "restore")
def a_bit_is_flipped_in_the_dump_and_it_is_restored(site: Site) -> Generated:
    damaged(site, "restore", lambda made: flipped(site.file(made), -1))
    yield


@ROWS.row("a bit is flipped in what is beside the dump, and it is read", "damaged", "is not what was written", BAD)
def a_bit_is_flipped_in_what_is_beside_the_dump_and_it_is_read(site: Site) -> Generated:
    damaged(site, "read", lambda made: flipped(site.file(made, beside(site, made)), 40))
    yield


@ROWS.row(
    "a bit is flipped beside the dump, which a restore did not look at", "damaged", "is not what was written", BAD
)
def a_bit_is_flipped_beside_the_dump_which_a_restore_did_not_loo(site: Site) -> Generated:
    damaged(site, "restore", lambda made: flipped(site.file(made, beside(site, made)), 40))
    yield


@ROWS.row("the roles beside the dump are gone, which a restore did not look at", "missing", "is not there", BAD)
def the_roles_beside_the_dump_are_gone_which_a_restore_did_not_l(site: Site) -> Generated:
    damaged(site, "restore", lambda made: site.file(made, beside(site, made)).unlink())
    yield


@ROWS.row("the last byte of the dump is cut off", "damaged", "is not what was written", BAD, "restore")
def the_last_byte_of_the_dump_is_cut_off(site: Site) -> Generated:
    damaged(site, "restore", lambda made: os.truncate(site.file(made), made.manifest.parts["dump"].size - 1))
    yield


@ROWS.row("nothing is left of the dump but its name", "damaged", "found '0 bytes", BAD)
def nothing_is_left_of_the_dump_but_its_name(site: Site) -> Generated:
    damaged(site, "read", lambda made: os.truncate(site.file(made), 0))
    yield


@ROWS.row("a megabyte more than was written, which pg_restore did not read", "damaged", "is not what was written", BAD)
def a_megabyte_more_than_was_written_which_pg_restore_did_not_re(site: Site) -> Generated:
    def longer(made: model.Backup) -> None:
        with site.file(made).open("ab") as stream:
            stream.write(os.urandom(1 << 20))

    damaged(site, "read", longer)
    yield


@ROWS.row("another backup's dump in the place of this one's", "damaged", "is not what was written", BAD)
def another_backup_s_dump_in_the_place_of_this_one_s(site: Site) -> Generated:
    def swap(made: model.Backup) -> None:
        content = site.file(site.listed()[site.good]).read_bytes()
        site.file(made).write_bytes(content[:-64] + bytes(64))

    damaged(site, "restore", swap)
    yield


@ROWS.row("the dump is gone", "missing", "dump: is not there", BAD)
def the_dump_is_gone(site: Site) -> Generated:
    damaged(site, "restore", lambda made: site.file(made).unlink())
    yield


@ROWS.row("the dump is a directory", "io", "Is a directory")
def the_dump_is_a_directory(site: Site) -> Generated:
    made = site.another()
    site.file(made).unlink()
    site.file(made).mkdir()
    site.act = lambda: site.verified(made.manifest.id, "read")
    yield
    site.file(made).rmdir()


# --- what says what they are


@ROWS.row("the manifest is gone", "manifest_lost", "has no manifest any more, though a proof says that it was whole")
def the_manifest_is_gone(site: Site) -> Generated:
    made = site.another("restore")
    site.act = lambda: site.verified(made.manifest.id, "read")
    site.file(made, "manifest.json").unlink()
    yield
    assert site.file(made).exists()


@ROWS.row("the manifest is gone of one that was never looked at", "missing", "no such backup; found '")
def the_manifest_is_gone_of_one_that_was_never_looked_at(site: Site) -> Generated:
    made = site.another()
    site.act = lambda: site.verified(made.manifest.id, "read")
    for name in ("manifest.json", *made.manifest.parts):  # the next run clears the rest: it may have been cut off
        site.file(made, name).unlink()
    yield


@ROWS.row("a bit is flipped in the manifest, which was not told", "manifest_damaged", "manifest.json: is damaged")
def a_bit_is_flipped_in_the_manifest_which_was_not_told(site: Site) -> Generated:
    damaged(site, "read", lambda made: flipped(site.file(made, "manifest.json"), 200))
    yield


@ROWS.row("the manifest is cut", "manifest_damaged", "manifest.json: is damaged.*may still be good")
def the_manifest_is_cut(site: Site) -> Generated:
    damaged(site, "read", lambda made: os.truncate(site.file(made, "manifest.json"), 300))
    yield


@ROWS.row("a manifest of 65 MiB", "manifest_damaged", "is too large to be one")
def a_manifest_of_65_mib(site: Site) -> Generated:
    damaged(site, "read", lambda made: os.truncate(site.file(made, "manifest.json"), 65 << 20))
    yield


@ROWS.row("a manifest of a newer Slipway", "manifest_newer", "was written by a newer Slipway.*found 'schema 2'")
def a_manifest_of_a_newer_slipway(site: Site) -> Generated:
    def newer(made: model.Backup) -> None:
        record = json.loads(site.file(made, "manifest.json").read_bytes())
        site.file(made, "manifest.json").write_text(json.dumps({**record, "schema": 2}))

    damaged(site, "read", newer)
    yield


@ROWS.row("a bit is flipped in a proof, which was not told", "manifest_damaged", "proof-1.json: is damaged")
def a_bit_is_flipped_in_a_proof_which_was_not_told(site: Site) -> Generated:
    damaged(site, "read", lambda made: flipped(site.file(made, "proof-1.json"), 90))
    yield


@ROWS.row("all files of a backup have another one's name, which was not noticed", "manifest_damaged", "another backup")
def all_files_of_a_backup_have_another_one_s_name_which_was_not(site: Site) -> Generated:
    made = site.another()
    other = "20200101T000000Z-abcdef"
    for path in list(site.path.glob(f"{made.manifest.id}.*")):
        path.rename(site.path / path.name.replace(made.manifest.id, other))
    site.act = lambda: site.verified(other, "read")
    yield


# --- disks and rights


@contextlib.contextmanager
def small_disk(site: Site, *options: str) -> t.Iterator[None]:
    """The store is on a disk of its own."""
    aside = site.directory / "aside"
    shutil.move(site.path, aside)
    site.path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", site.path], check=True)
    try:
        shutil.copytree(aside, site.path, dirs_exist_ok=True)
        yield
        shutil.rmtree(aside)
        shutil.copytree(site.path, aside)  # what is on it is looked at without it
    finally:
        subprocess.run(["umount", site.path], check=True)
        site.path.rmdir()
        shutil.move(aside, site.path)


@ROWS.row(
    "no room for another one", "no_space", "has no room for another backup.*shorten the retention", proof="restore"
)
def no_room_for_another_one(site: Site) -> Generated:
    with small_disk(site, "size=64m"):
        fill(site, 0)
        yield
        (site.path / "filler").unlink()


def fill(site: Site, free: int) -> None:
    """Leave so many bytes free."""
    room = os.statvfs(site.path)
    with (site.path / "filler").open("wb") as stream:
        left = room.f_bavail * room.f_frsize - free
        os.posix_fallocate(stream.fileno(), 0, left)


def full_at(what: str) -> t.Callable[[Site], Generated]:
    """The disk is full when this part is written, and not before."""

    def fault(site: Site) -> Generated:
        with small_disk(site, "size=64m"):
            # As large as the next one, of the same database; those before it were smaller.
            trial = site.another()
            names = [*trial.manifest.parts, "manifest.json"]
            sizes = {name: -(-site.file(trial, name).stat().st_size // 4096) * 4096 for name in names}
            sizes["proof-1.json"] = 4096
            site.keeper().absent(trial.manifest.id, ())
            fill(site, sum(sizes[name] for name in [*sizes][: [*sizes].index(what) + 1]) - 4096)
            # It is known only by what is there, and that does not fit: let it try.
            roomless = site.keeper()
            roomless._expect_room = lambda *_given: None  # type: ignore[method-assign]
            site.act = lambda: _present(roomless, site)
            yield
            (site.path / "filler").unlink()

    return fault


def _present(keeper: Keeper, site: Site) -> object:
    from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Order

    return keeper.present(Order("read", 0, retention.Policy()))


ROWS.row("the disk is full while the dump is written", "no_space", "dump: no space left")(full_at("dump"))
ROWS.row("the disk is full when the manifest is", "no_space", "manifest.json: no space left")(full_at("manifest.json"))
ROWS.row("the disk is full when the proof is", "no_space", "proof-1.json: no space left", UNPROVEN)(
    full_at("proof-1.json")
)


@ROWS.row("no inode left, which was called a bad disk", "no_space", "no space left.*Free disk space")
def no_inode_left_which_was_called_a_bad_disk(site: Site) -> Generated:
    with small_disk(site, "size=64m", f"nr_inodes={len(list(site.path.iterdir())) + 2}"):
        (site.path / "one more").touch()
        yield
        (site.path / "one more").unlink()


@ROWS.row("a disk that is mounted read-only", "permission", "Read-only file system")
def a_disk_that_is_mounted_read_only(site: Site) -> Generated:
    with small_disk(site, "size=64m"):
        subprocess.run(["mount", "-o", "remount,ro", site.path], check=True)
        yield
        subprocess.run(["mount", "-o", "remount,rw", site.path], check=True)


@ROWS.row("a store that may not be looked into", "permission", "not permitted.*become")
def a_store_that_may_not_be_looked_into(site: Site) -> Generated:
    site.act = as_nobody(lambda: site.back_up("none"))
    yield


@ROWS.row("a store that may not be written to", "permission", "not permitted.*become")
def a_store_that_may_not_be_written_to(site: Site) -> Generated:
    readable(site)
    site.act = as_nobody(lambda: site.back_up("none"))
    yield


@ROWS.row("a dump that may not be read", "permission", "dump: not permitted", NOTHING)
def a_dump_that_may_not_be_read(site: Site) -> Generated:
    readable(site)
    site.file(site.listed()[site.good]).chmod(0o600)
    site.act = as_nobody(lambda: site.verified(site.good, "read"))
    yield


def readable(site: Site) -> None:
    """By everybody."""
    site.path.chmod(0o755)
    for path in site.path.iterdir():
        path.chmod(0o644)


@ROWS.row("a store that is a file", "io", "Not a directory")
def a_store_that_is_a_file(site: Site) -> Generated:
    aside = site.directory / "aside"

    def act() -> object:
        site.path.rename(aside)
        site.path.touch()
        try:
            return site.back_up()
        finally:
            site.path.unlink()
            aside.rename(site.path)

    site.act = act
    yield


# --- what is asked for


@ROWS.row("a backup that is not there is verified", "missing", "no such backup; found '20.*state: listed")
def a_backup_that_is_not_there_is_verified(site: Site) -> Generated:
    site.act = lambda: site.verified("20200101T000000Z-000000", "read")
    yield


@ROWS.row("the last verified one is to be deleted", "protected", "the last one verified by restore", proof="restore")
def the_last_verified_one_is_to_be_deleted(site: Site) -> Generated:
    site.act = lambda: site.keeper().absent(site.good, ())
    yield


@ROWS.row("one that is pinned is to be deleted", "protected", "pinned")
def one_that_is_pinned_is_to_be_deleted(site: Site) -> Generated:
    made = site.another()
    site.act = lambda: site.keeper().absent(made.manifest.id, (made.manifest.id,))
    yield


@ROWS.row("a backup of a newer major version is to be restored", "newer_server", "is a backup of a newer server")
def a_backup_of_a_newer_major_version_is_to_be_restored(site: Site) -> Generated:
    made = _changed(site, server="99.1")
    site.act = lambda: site.keeper().restored(made, f"{site.directory}/look", confirm="", safety=True)
    yield


@ROWS.row("a backup of another engine is to be restored", "other_engine", "another kind of database; found 'mongodb'")
def a_backup_of_another_engine_is_to_be_restored(site: Site) -> Generated:
    made = _changed(site, engine="mongodb")
    site.act = lambda: site.keeper().restored(made, f"{site.directory}/look", confirm="", safety=True)
    yield


def _changed(site: Site, **what: str) -> str:
    """Another backup whose manifest says something else of it; where the two engines share a store, one does."""
    made = site.another()
    site.file(made, "manifest.json").write_bytes(model.to_bytes(made.manifest._replace(**what)))  # type: ignore[arg-type]
    return made.manifest.id


@ROWS.row("the live database is to be replaced without its name", "unconfirmed", "would be replaced")
def the_live_database_is_to_be_replaced_without_its_name(site: Site) -> Generated:
    site.act = lambda: site.keeper().restored(site.good, "", confirm="another", safety=True)
    yield


@ROWS.row(
    "a damaged one is to be restored beside the live database", "damaged|command_failed", "not what was|ended with"
)
def a_damaged_one_is_to_be_restored_beside_the_live_database(site: Site) -> Generated:
    made = site.another()
    flipped(site.file(made), 5000)
    site.act = lambda: site.keeper().restored(
        made.manifest.id, f"{site.make(site).database}_look", confirm="", safety=True
    )
    yield
