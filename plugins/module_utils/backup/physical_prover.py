# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at physical backups: reads one, or restores it up to a restore point made now (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import secrets
import typing as t

from ..database.copied import Copy as Where
from ..errors import SlipwayError
from ..system import System
from . import physical_facts, physical_point
from .model import Backup, Point
from .pgbackrest import PgBackRest
from .pgbackrest_info import gap_in
from .physical_copy import Copy
from .physical_facts import Around
from .physical_looks import Looks, preload
from .physical_point import Cluster, owned
from .postgresql import PostgreSQL
from .scratch_place import place
from .scratch_server import SOCKETS

FACTOR = 1.1  # room for the WAL that is replayed, of the cluster's size


class Found(t.NamedTuple):
    """What a restore showed.

    :param seconds: that restore and recovery took.
    :param changed: what was written to around the point, so that it was read only.
    """

    seconds: float
    point: Point
    changed: list[str]


class PhysicalProver(Looks):
    """The looks at the backups of one stanza."""

    def __init__(self, engine: PostgreSQL, backrest: PgBackRest, system: System) -> None:
        super().__init__(engine, system)
        self.backrest = backrest

    # --- read

    def read(
        self, backup: Backup, newest: bool, references: t.Sequence[str], archive: tuple[str, str, list[str]]
    ) -> None:
        """That the stored bytes are those that were written, and that no WAL is missing that it needs.

        :param newest: whether WAL is wanted up to the last that was archived, not only what makes the backup whole.
        :param references: labels of the backups that it stands on.
        :param archive: the first and the last WAL segment of the backup, and the ids of the archives.
        :raises SlipwayError: C(damaged).
        """
        label = backup.manifest.id
        problem = self.backrest.verify([label, *references])
        first, last, ids = archive
        with self.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(last_archived_wal, ''), (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')"
                " FROM pg_stat_archiver"
            )
            archived, size = cursor.fetchone()
        stanza = self.backrest.order.stanza
        names = [name for one in ids for name in self.backrest.listing(f"archive/{stanza}/{one}")]
        gap = gap_in(names, first, max(last, archived[:24]) if newest else last, int(size))
        if gap:
            problem = f"{problem}{'; ' if problem else ''}WAL {gap} is missing"
        if problem:
            raise SlipwayError(
                "is not as it was written",
                obj=label,
                actual=problem,
                remedy="Do not rely on it. See the repository's disk, and take a full backup.",
                cause="damaged",
            )

    # --- restore

    def restore(self, backup: Backup, cluster: Cluster, archives: t.Sequence[str]) -> Found:
        """Restore it up to a point made now, and compare the copy with what the live database had then.

        :param archives: ids of the stanza's archives.
        :raises SlipwayError: C(damaged), C(missing), C(wal_missing), C(bad_backup), or what was wrong with the place.
        """
        around, point = self._around(backup, f"proof_{backup.manifest.id}_{secrets.token_hex(3)}")
        physical_point.await_archived(self.engine.login, point, self.backrest, archives, self.system)
        needed = int(backup.manifest.source["size"] * FACTOR)
        programs = self.programs(backup.manifest.server)
        with place(self.engine.scratch_dir, needed) as directory, place(SOCKETS, 0) as sockets:
            owned(directory, sockets)
            data = os.path.join(directory, "data")
            started = self.system.monotonic()
            self.bring_back(backup.manifest.id, data, ["--type=name", f"--target={point.name}"], f"{data}.tablespaces")
            get = self.backrest.archive_get(data)
            with Copy(data, sockets, programs, get, self.system, preload=around.before["preload"]) as copy:
                seconds = self.system.monotonic() - started
                verdict = self._compare(copy.url(cluster.superuser, self.engine.database), programs, around)
                copy.stop()
            found = [*verdict.differences, *self.pages(data, programs)]
        if found:
            raise SlipwayError(
                f"restores to something else than what was there at {point.name}",
                obj=backup.manifest.id,
                actual="; ".join(found),
                wanted="the same objects, rows and samples",
                remedy="Do not rely on it. Take a full backup, and see the disks of cluster and repository.",
                cause="bad_backup",
                evidence={"differences": found},
            )
        return Found(seconds, point, verdict.changed)

    @contextlib.contextmanager
    def tried(self, backup: Backup, cluster: Cluster, role: str) -> t.Iterator[Where]:
        """A copy as it was at the end of the backup, for programs that are tried on it."""
        needed, programs = int(backup.manifest.source["size"] * FACTOR), self.programs(backup.manifest.server)
        libraries = preload(self.engine)
        with place(self.engine.scratch_dir, needed) as directory, place(SOCKETS, 0) as sockets:
            owned(directory, sockets)
            data = os.path.join(directory, "data")
            self.bring_back(backup.manifest.id, data, ["--type=immediate"], f"{data}.tablespaces")
            # Its WAL may come from another machine, so its network is cut only when it has that.
            with Copy(data, sockets, programs, self.backrest.archive_get(data), self.system, preload=libraries) as copy:
                copy.stop()
            with Copy(data, sockets, programs, "", self.system, preload=libraries, tried=True) as copy:
                yield copy.where(cluster.superuser, self.engine.database, role)

    def bring_back(self, label: str, data: str, target: t.Sequence[str], tablespaces: str) -> None:
        """Restore into a new directory, up to a target that the server will recover to, and then be a primary."""
        action = [] if target == ["--type=default"] else ["--target-action=promote"]
        self.backrest.restore(label, data, [*target, *action], tablespaces)

    def _around(self, backup: Backup, name: str) -> tuple[Around, Point]:
        with self.cursor() as cursor:
            written, unlogged, steps = physical_facts.ask(cursor)
        before = self.facts(self.engine)
        point = physical_point.make(self.engine.login, physical_point.name_of(name), backup.manifest.id, self.system)
        return Around(before, self.facts(self.engine), written, unlogged, steps), point

    def _compare(self, url: str, programs: str, around: Around) -> physical_facts.Verdict:
        found, disordered = self.copied(url, programs)
        verdict = physical_facts.judge(around, found)
        verdict = physical_facts.settled(around, verdict, found, self.written, self.system)
        return verdict._replace(differences=[*verdict.differences, *disordered])
