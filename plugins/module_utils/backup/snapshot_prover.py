# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a storage's snapshot: a server of our own is started on a clone of it (private to the collection).

Nobody can ask a question at the very moment of the snapshot, so the live database is asked before and after it, by the rule of
physical_facts. A snapshot is worth something only where it is of one moment. That is the storage's promise; what can be seen of a
broken one is looked for: a recovery that stops before what was on disk already, and pages that are newer than the last WAL.
"""

from __future__ import annotations

import array
import contextlib
import os
import re
import typing as t

from ..database.copied import Copy as Where
from ..errors import SlipwayError
from ..system import System
from . import physical_facts
from .model import Backup
from .pgbackrest import as_owner
from .physical_copy import Copy
from .physical_facts import Around
from .physical_looks import Looks
from .physical_point import owned
from .physical_restore import number_of
from .postgresql import PostgreSQL, major
from .scratch_place import place
from .scratch_server import SOCKETS
from .snapshot_clone import Clones

PAGE = 8192  # bytes; another size is refused
FLUSHED = 10.0  # seconds in which what is committed reaches the disk (PostgreSQL, three times C(wal_writer_delay))
PAUSE = 0.05
SHOWN = 5

_LIVE = """
SELECT pg_is_in_recovery(), current_setting('block_size')::int, (SELECT rolname FROM pg_roles WHERE oid = 10),
  (SELECT system_identifier::text FROM pg_control_system()),
  CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') ELSE '' END
"""
_RELATION = re.compile(r"\d+(_(?:fsm|vm|init))?(\.\d+)?")
# What a server says that cannot recover from what it finds, and not from want of something on this machine.
_BROKEN = re.compile(
    r"PANIC|checkpoint record|in control file|invalid page|\"(?:\./)?(?:(?:global|base|pg_\w+)/|PG_VERSION\")"
)


class Live(t.NamedTuple):
    """The live cluster as it is.

    :param superuser: the role that every cluster has from its beginning.
    :param system: its identifier.
    :param data: its data directory.
    """

    superuser: str
    system: str
    data: str


class Found(t.NamedTuple):
    """What a clone showed.

    :param seconds: until it answered.
    :param changed: what was written to around the snapshot, so that it was only read.
    :param compared: whether the tables were counted when it was taken.
    """

    seconds: float
    changed: list[str]
    compared: bool


class SnapshotProver(Looks):
    """The looks at the snapshots of one target."""

    source = "snapshot"
    renew = "Take another one, and see whether the storage's snapshots are of one moment."

    def __init__(self, engine: PostgreSQL, clones: Clones, system: System) -> None:
        super().__init__(engine, system)
        self.clones = clones

    # --- the live cluster

    def live(self) -> Live:
        """What the cluster says of itself.

        :raises SlipwayError: C(standby), C(not_allowed), C(bad_input), or that it cannot be reached.
        """
        with self.cursor() as cursor:
            cursor.execute(_LIVE)
            standby, size, superuser, system, data = cursor.fetchone()
        where = f"{self.engine.database} on {self.engine.login.where['host']}"
        if standby:
            raise SlipwayError(
                "is a standby, of which no snapshot is taken",
                obj=where,
                remedy="Let the connection string lead to the primary, and take the backups on its machine.",
                cause="standby",
            )
        if not data:
            raise SlipwayError(
                "does not tell this role where its data directory is, so a clone could not be told from it",
                obj=where,
                remedy="Let a superuser say: GRANT pg_read_all_settings TO "
                f"{self.engine.login.public.get('user', 'the role')};",
                cause="not_allowed",
            )
        if int(size) != PAGE:
            raise SlipwayError(
                "cannot be used",
                obj="block_size",
                actual=size,
                wanted=str(PAGE),
                remedy="Use dumps.",
                cause="bad_input",
            )
        return Live(str(superuser), str(system), str(data))

    def before(self, *, counted: bool) -> dict[str, t.Any]:
        """What is known just before a snapshot is made.

        :param counted: read all tables, so that a clone can be compared with them.
        """
        known: dict[str, t.Any] = {}
        if counted:
            with self.cursor() as cursor:
                written, unlogged, steps = physical_facts.ask(cursor)
            known = {"written": written, "unlogged": sorted(unlogged), "steps": steps}
            known["before"] = self.facts(self.engine)
        return {**known, "from": self._flushed()}

    def after(self, known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The same with what is known just after it was made."""
        with self.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()")
            facts = {**known, "to": str(cursor.fetchone()[0])}
        if "before" in known:
            facts["after"], facts["written_after"] = self.facts(self.engine), self.written()
        return facts

    def _flushed(self) -> str:
        """Up to where the WAL is on disk, all that was ever answered for among it."""
        deadline = self.system.monotonic() + FLUSHED
        with self.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()")
            wanted = cursor.fetchone()[0]
            while True:
                cursor.execute("SELECT pg_current_wal_flush_lsn(), pg_current_wal_flush_lsn() >= %s::pg_lsn", (wanted,))
                lsn, there = cursor.fetchone()
                if there or self.system.monotonic() >= deadline:
                    return str(lsn)
                self.system.sleep(PAUSE)

    # --- a clone

    def prove(self, backup: Backup, stored: str, path: str, live: Live, *, new: bool) -> Found:
        """Start a clone, and compare it with what the live database had.

        :param stored: what the storage calls the snapshot.
        :param path: where the clone is to be.
        :param new: it was taken in this run, so what the server counts of writes is still of then.
        :raises SlipwayError: C(bad_backup), or what was wrong with the place.
        """
        manifest = backup.manifest
        programs, begun = self.programs(manifest.server), self.system.monotonic()
        with (
            self.clones.of(manifest.id, stored, path, live.data) as data,
            place(SOCKETS, 0) as sockets,
        ):
            self.expect_ours(data, programs, manifest.source["system"])
            owned(sockets)
            cloned = self.system.monotonic()
            newest = newest_pages(data)  # before anything is written there
            started = self.system.monotonic()
            with self.recovered(data, sockets, programs, manifest.facts["preload"]) as copy:
                seconds = cloned - begun + self.system.monotonic() - started
                url = copy.url(live.superuser, self.engine.database)
                with self._blamed(manifest.id):
                    end = self._end_of_wal(url, programs)
                    found, disordered = self.copied(url, programs)
                copy.stop()
            wrong = [*too_early(end, manifest.facts["from"]), *pages_ahead(newest, end)]
            wrong += [*disordered, *self.pages(data, programs)]
        changed: list[str] = []
        compared = "before" in manifest.facts
        if compared:
            verdict = self._verdict(backup, found, new=new)
            wrong, changed = [*verdict.differences, *wrong], verdict.changed
        if wrong:
            raise SlipwayError(
                "restores to something else than what was there when it was taken",
                obj=manifest.id,
                actual="; ".join(wrong),
                wanted="the same objects, rows and samples, of one moment",
                remedy=f"Do not rely on it. {self.renew}",
                cause="bad_backup",
                evidence={"differences": wrong},
            )
        return Found(seconds, changed, compared)

    @contextlib.contextmanager
    def tried(self, backup: Backup, stored: str, path: str, role: str) -> t.Iterator[Where]:
        """A server on a clone, for programs that are tried on it; see RV(prove)."""
        manifest, live = backup.manifest, self.live()
        programs = self.programs(manifest.server)
        with self.clones.of(manifest.id, stored, path, live.data) as data, place(SOCKETS, 0) as sockets:
            self.expect_ours(data, programs, manifest.source["system"])
            owned(sockets)
            with self.recovered(data, sockets, programs, manifest.facts["preload"], tried=True) as copy:
                yield copy.where(live.superuser, self.engine.database, role)
                copy.stop()

    def recovered(self, data: str, sockets: str, programs: str, preload: str, **how: bool) -> t.Any:
        """The server on a clone, once it has recovered.

        :param how: as RV(Copy).
        :raises SlipwayError: C(bad_backup) where it cannot, for what it finds there.
        """
        copy = _Clone(data, sockets, programs, "", self.system, preload=preload, **how)
        copy.renew = self.renew
        return copy

    def expect_ours(self, data: str, programs: str, system: str) -> None:
        """That a data directory is of this cluster, and of a version that is installed here.

        :raises SlipwayError: C(newer_server), C(other_cluster), C(command_missing).
        """
        with open(os.path.join(data, "PG_VERSION"), encoding="ascii", errors="replace") as stream:
            version = stream.read().strip()
        server = self.engine.version(os.path.join(programs, "postgres"))
        if str(major(server)) != version:
            raise SlipwayError(
                "is of another version than the server's programs",
                obj=data,
                actual=version,
                wanted=str(major(server)),
                remedy=f"Install the server's programs of version {version} on this machine (Debian: postgresql-{version}).",
                cause="newer_server",
            )
        found = self._system_of(data, programs)
        if found != system:
            raise SlipwayError(
                "is of another cluster than the one that was to be backed up",
                obj=data,
                actual=f"system identifier {found}",
                wanted=system,
                remedy="See what slipway_database.backup.snapshot.create makes a snapshot of, and what clone shows.",
                cause="other_cluster",
            )

    def _system_of(self, data: str, programs: str) -> str:
        """The identifier of a cluster that does not run."""
        argv = [*as_owner("TERM"), os.path.join(programs, "pg_controldata"), data]
        done = self.system.run(argv, timeout=60, env={"LC_ALL": "C"})
        found = dict(line.split(":", maxsplit=1) for line in done.stdout.splitlines() if ":" in line)
        if done.rc or "Database system identifier" not in found:
            raise SlipwayError(
                "cannot be read",
                obj=f"pg_control in {data}",
                actual=(done.stderr or done.stdout).strip(),
                remedy=f"Do not rely on it. {self.renew}",
                cause="bad_backup",
            )
        return found["Database system identifier"].strip()

    def _verdict(self, backup: Backup, found: dict[str, t.Any], *, new: bool) -> physical_facts.Verdict:
        facts = backup.manifest.facts
        after = facts["after"]
        for proof in backup.proofs:  # what an earlier look found to have been written to meanwhile
            marks = {name.partition(" ")[2]: ["written to"] for name in proof.changed if name.startswith("table ")}
            known = {name: mark for name, mark in marks.items() if name in after["tables"]}
            after = {**after, "tables": {**after["tables"], **known}}
        around = Around(facts["before"], after, facts["written"], set(facts["unlogged"]), facts["steps"])
        verdict = physical_facts.judge(around, found)
        look = self.written if new else lambda: facts["written_after"]
        return physical_facts.settled(around, verdict, found, look, self.system, moves=new)

    @contextlib.contextmanager
    def _blamed(self, name: str) -> t.Iterator[None]:
        """Where a clone came up and cannot be asked, for what is in it."""
        try:
            yield
        except SlipwayError as error:
            if error.cause != "unreachable" or not _BROKEN.search(str(error.actual)):
                raise
            remedy = f"Do not rely on it. {self.renew}"
            raise SlipwayError(
                "comes up and cannot be asked", obj=name, actual=error.actual, remedy=remedy, cause="bad_backup"
            ) from None

    def _end_of_wal(self, url: str, programs: str) -> str:
        """Where the recovery of a clone has ended."""
        copy = PostgreSQL(url, self.system, bin_dir=programs, scratch_dir="", closed_file="")
        with Looks(copy, self.system).cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()")
            return str(cursor.fetchone()[0])


class _Clone(Copy):
    """A copy that recovers as after a loss of power."""

    renew = ""

    def _failed(self, what: str) -> SlipwayError:
        error = super()._failed(what)
        if error.cause != "scratch_failed" or not _BROKEN.search(str(error.actual)):
            return error
        remedy = f"Do not rely on it. {self.renew}"
        return SlipwayError(error.what, obj=error.obj, actual=error.actual, remedy=remedy, cause="bad_backup")


def too_early(end: str, wanted: str) -> list[str]:
    """Whether the WAL of a clone ends before what was on disk when its snapshot was begun."""
    enough = number_of(end) >= number_of(wanted)
    return [] if enough else [f"WAL: it ends at {end}, and was on disk up to {wanted} before the snapshot"]


def pages_ahead(newest: t.Mapping[str, int], end: str) -> list[str]:
    """Files with pages that are newer than the end of the WAL, which no snapshot of one moment has.

    WAL is on disk before the page that it is of (PostgreSQL manual, "Write-Ahead Logging").
    """
    found = sorted(name for name, lsn in newest.items() if lsn > number_of(end))
    more = [f"pages: {len(found) - SHOWN} more files are newer than that"] if len(found) > SHOWN else []
    return [*(f"pages: {name} is newer than the end of the WAL, {end}" for name in found[:SHOWN]), *more]


def newest_pages(data: str) -> dict[str, int]:
    """The files of tables and indexes of a cluster, and the greatest LSN that their pages have."""
    found = {}
    for directory, _names, files in os.walk(data):
        where = os.path.relpath(directory, data)
        if where.partition("/")[0] in ("base", "global"):
            for name in filter(_RELATION.fullmatch, files):
                found[os.path.join(where, name)] = newest_page(os.path.join(directory, name))
    return found


def newest_page(path: str) -> int:
    """The greatest LSN that pages of a file have (PostgreSQL, C(PageHeaderData): its halves are the first two words)."""
    newest, step = 0, PAGE // 4
    with open(path, "rb") as stream:
        while chunk := stream.read(PAGE * 1024):
            words = array.array("I", chunk[: len(chunk) // PAGE * PAGE])
            newest = max(newest, *map(_joined, words[0::step], words[1::step]), 0)
    return newest


def _joined(high: int, low: int) -> int:
    return (high << 32) + low
