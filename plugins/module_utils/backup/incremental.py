# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Incremental backups of MySQL and MariaDB: a dump that was restored, and the binary logs after it (private to the collection).

A release whose own dump would take too long leans on the newest one that was restored. So that nothing written since is lost,
it has the server close its log, copies every log since that dump into the same store, and notes this moment as a restore point.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import binlog, catalog, due
from .binlog_file import BinlogFile
from .binlog_moment import noted, reached
from .binlog_points import LogPoint, LogStore
from .binlog_restore import LogsAfter, Moment, NoWay, Roller
from .further import Further
from .keeper import Keeper, Order, Outcome
from .model import Backup, Part, Point
from .mysql import release_of
from .progress import Progress

if t.TYPE_CHECKING:
    from .mysql import MySQL
    from .prover import Copied
    from .store import Store

NAME = "incremental"


class Incremental:
    """The dumps of one target, and the logs that lead on from them; whoever calls the methods that act holds its lock.

    :param dumps: what they stand on, and what everything else is asked of.
    :param strict: no dump is good without logs that lead on from it.
    :param live: the live database can be asked; else only what is stored is known.
    :param release: the release that this is for; empty without one.
    """

    name = NAME
    alone = ""
    apart = False  # they stand on dumps

    def __init__(
        self,
        engine: MySQL,
        dumps: Keeper,
        logs: LogStore,
        *,
        store: Store,
        system: System,
        progress: Progress,
        release: str = "",
        strict: bool = False,
        live: bool = True,
    ) -> None:
        self._engine, self._dumps, self._logs, self._store = engine, dumps, logs, store
        self._system, self._progress, self._release = system, progress, release
        engine.progress = progress
        self._strict, self._live = strict, live
        self._why = ""
        self._actions: list[str] = []

    # --- what is asked for

    def knows(self, _wanted: str) -> bool:
        """Whether a backup is of this kind alone: none is, for each stands on a dump."""
        return False

    def recover(self) -> list[str]:
        """Nothing of theirs is left by a killed run that the next one would not find by itself."""
        return []

    def because(self, why: str) -> None:
        """Say why the binary logs are what is used."""
        self._why = why
        self._say(f"{NAME}: {why}")

    def hindrance(self) -> str:
        """Why the logs cannot be used, where that is so from the beginning; empty where they can."""
        known = catalog.read(self._store)
        newest = _replayed(known.backups)[-1] if _replayed(known.backups) else known.newest()
        place = _place(newest) if newest else None
        if place is None:
            return "the newest backup has no place in a binary log, so what was written since is not kept"
        if place.format.upper() != binlog.ROW:
            return f"binlog_format is {place.format}, so what was written since is not kept"
        return "" if newest in _replayed(known.backups) else "the binary logs after it were never replayed"

    def present(self, order: Order, *, check: bool = False) -> Outcome:
        """A dump; for a release, the newest that was restored and all logs since.

        :raises SlipwayError: C(no_fresh_backup), C(binlog_off), C(binlog_format), C(binlog_missing), C(binlog_other), …
        """
        if order.patience is None:
            made = self._dumps.present(order, check=check)
            return made._replace(actions=[*self._actions, *made.actions])
        known = catalog.read(self._store)
        now = self._system.wall()
        chosen = due.fresh(
            _replayed(known.backups) or known.backups, order.patience, now, self._why or "no dump is taken in a release"
        )
        self._expect_place(chosen)
        _expect_replayed(chosen)
        about = f"{chosen.manifest.id}, {now - chosen.manifest.taken:.0f} s old"
        name = f"slipway_{self._release or time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
        if check:
            self._say(f"lean on {about}, copy the binary logs since, and make the restore point {name}")
            return self._outcome(chosen, changed=True)
        point = self._lead_on(chosen, name)
        took = f", restored in {chosen.restore_seconds:.1f} s" if chosen.restore_seconds is not None else ""
        self._say(f"lean on {about}{took}; restore point {name} at {point.gtid or next(reversed(point.logs))}")
        return self._outcome(chosen, changed=True, point=point)

    def ahead(self, backup: Backup) -> Further | None:
        """See RV(Trail): to now, which the live database is asked about, or to the last moment that it was."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._system.wall()))
        if not self._live:
            known = self._compared(backup)
            return LogsAfter(known[-1], strict=self._strict) if known else None
        place = _place(backup)
        if not self._strict and (place is None or place.format.upper() != binlog.ROW):
            return None  # this server is not one for logs, and nobody has said that it should be
        try:
            return LogsAfter(self._lead_on(backup, f"proof_{stamp}", compared=True), strict=self._strict)
        except SlipwayError as error:
            return NoWay(f"proof_{stamp}", error, strict=self._strict)

    def wanting(self, backup: Backup) -> bool:
        """See RV(Trail): another machine may have made the moment known only after the dump was proven here."""
        return not self._live and not _replayed([backup]) and bool(self._compared(backup))

    def verified(self, wanted: str, by: str, max_age: float, *, check: bool = False) -> Outcome:
        """As C(Keeper) does, for dumps."""
        return self._dumps.verified(wanted, by, max_age, check=check)

    def copied(self, wanted: str, role: str) -> t.ContextManager[Copied]:
        """As C(Keeper) does, for dumps."""
        return self._dumps.copied(wanted, role)

    def absent(self, wanted: str, pinned: t.Collection[str], *, check: bool = False) -> Outcome:
        """As C(Keeper) does; the logs after a dump go with it."""
        return self._dumps.absent(wanted, pinned, check=check)

    def restored(
        self, wanted: str, into: str, *, confirm: str, safety: bool, check: bool = False, moment: Moment
    ) -> Outcome:
        """As C(Keeper) does, brought on to a moment by the logs.

        :raises SlipwayError: C(missing), C(too_early), C(binlog_missing), and as C(Keeper).
        """
        known = catalog.read(self._store)
        if moment.time and not self._covered(moment.base(known, wanted), moment):
            base = moment.base(known, wanted)
            if check:
                self._say(f"copy the live server's binary logs, and bring {base.manifest.id} on {moment.words}")
                done = self._dumps.restored(base.manifest.id, into, confirm=confirm, safety=safety, check=True)
                return done._replace(actions=[*self._actions, *done.actions])
            self._reach(base)
        roller = Roller(self._engine, self._logs.points(), self._progress, self._system)
        backup, point, rolled = roller.aim(known, wanted, moment)
        self._logs.expect_stored(backup, point)
        self._say(f"bring {backup.manifest.id} on {moment.words} by {len(point.logs)} binary logs")
        done = self._dumps.restored(
            backup.manifest.id, into, confirm=confirm, safety=safety, check=check, rolled=rolled
        )
        return done._replace(actions=[*self._actions, *done.actions], point=_told(point) if moment.name else None)

    def restored_into(self, wanted: str, _target: object, *, check: bool = False) -> t.NoReturn:
        """Never: there are no clusters.

        :raises SlipwayError: C(bad_input).
        """
        del check
        raise SlipwayError(
            "is for physical backups",
            obj="into_dir",
            actual=wanted,
            remedy="Name a database with into.",
            cause="bad_input",
        )

    def list(self) -> Outcome:
        """The dumps, and in words the restore points after them."""
        listed = self._dumps.list()
        told = [
            f"restore point {point.name} of {point.backup}, {len(point.logs)} logs"
            for point in self._logs.points()
            if point.backup in [one.manifest.id for one in listed.backups]
        ]
        return listed._replace(actions=[*listed.actions, *told])

    # --- how it is done

    def _lead_on(self, backup: Backup, name: str, *, compared: bool = False) -> LogPoint:
        """Make this moment a restore point after a dump.

        :param compared: ask, too, what the database has now.
        """
        place, database = self._expect_place(backup), self._engine.database
        with contextlib.closing(self._engine.login.connect()) as link:
            vendor = release_of(link).vendor
            binlog.expect_usable(link, vendor, database)
            moment = (reached if compared else noted)(self._engine, vendor, place, backup.manifest.facts, self._system)
            files = moment.files
            gtid = binlog.gtid_after(link, vendor, next(reversed(files)), files[next(reversed(files))])
        parts, ended = self._kept(backup, place, files, vendor)
        facts = moment.facts if compared else {}
        point = LogPoint(name, moment.at, backup.manifest.id, ended, gtid, parts, moment.schema, facts)
        self._logs.add(point)
        return point

    def _kept(
        self, backup: Backup, place: binlog.Place, files: t.Mapping[str, int], vendor: str
    ) -> tuple[dict[str, Part], float]:
        """Each log in the store, read back; and when the last change in them was."""
        earlier = [point for point in self._logs.points() if point.backup == backup.manifest.id]
        known = {name: part for point in earlier for name, part in point.logs.items()}
        stored, judge = self._logs.sizes(backup), binlog.judge(self._engine.database)
        ended, parts, copied = max([0.0, *(point.ended for point in earlier)]), {}, 0
        for name, size in files.items():
            part = known.get(name)
            if part is None or (part.plain_size, part.size) != (size, stored.get(name)):
                first = name == place.file
                file = BinlogFile(name, place.position, judge) if first else BinlogFile(name, judge=judge)
                part = self._copied(backup, name, size, vendor, file, there=name in stored)
                ended, copied = max(ended, file.ended), copied + size
            parts[name] = part
        self._say(f"copied {copied} bytes of binary logs; {len(parts)} of them lead on from {backup.manifest.id}")
        return parts, ended

    def _copied(self, backup: Backup, name: str, size: int, vendor: str, file: BinlogFile, *, there: bool) -> Part:
        if there:  # a run that was cut off had come so far
            with contextlib.suppress(SlipwayError):
                part = self._logs.measured(backup, name, file.through)
                if part.plain_size == size:
                    return part
            self._logs.forget(backup, name)
            file.rewind()
        chunks = binlog.copied(self._engine, vendor, name, size)
        part = self._logs.keep(backup, name, self._progress.through(f"copied {name}", size, chunks))
        try:
            found = self._logs.measured(backup, name, file.through)
            if found != part or file.following not in ("", binlog.following(name)):
                raise SlipwayError(
                    "is not what was written",
                    obj=f"binary log {name} in the store",
                    actual=f"{found.size} bytes, SHA-256 {found.sha256[:16]}…",
                    wanted=f"{part.size} bytes, SHA-256 {part.sha256[:16]}…, before {binlog.following(name)}",
                    remedy="Its disk or store damages data. Run it again, or choose another store.",
                    cause="damaged",
                )
        except BaseException:
            self._logs.forget(backup, name)
            raise
        return part

    def _compared(self, backup: Backup) -> t.Sequence[LogPoint]:
        """The points after a dump of which it is known what the database had then."""
        return [point for point in self._logs.points() if point.facts and point.backup == backup.manifest.id]

    def _covered(self, backup: Backup, moment: Moment) -> bool:
        """Whether what is stored leads on from a dump to a time."""
        return any(point.backup == backup.manifest.id and moment.within(point) for point in self._logs.points())

    def _reach(self, backup: Backup) -> None:
        """Copy what the live server has logged since a dump; where that cannot be had, what is stored must do."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._system.wall()))
        try:
            self._lead_on(backup, f"restore_{stamp}")
        except SlipwayError as error:
            self._say(f"the live server's logs cannot be had: {error.message}")

    def _expect_place(self, backup: Backup) -> binlog.Place:
        place = _place(backup)
        if place is None:
            raise SlipwayError(
                "has no place in a binary log, so nothing can lead on from it",
                obj=backup.manifest.id,
                remedy="Set log_bin, grant BINLOG MONITOR (MySQL: REPLICATION CLIENT), and take a new backup with the playbook"
                " backup.",
                cause="binlog_off",
            )
        binlog.expect_rows(place.format, f"the server, when {backup.manifest.id} was taken,")
        return place

    def _say(self, action: str) -> None:
        self._actions.append(action)

    def _outcome(self, backup: Backup, *, changed: bool, point: LogPoint | None = None) -> Outcome:
        made = _told(point) if point else None
        return self._dumps.list()._replace(changed=changed, actions=self._actions, backup=backup, point=made)


def _replayed(backups: t.Iterable[Backup]) -> list[Backup]:
    """Those whose logs were seen to lead on from them: that they are there says nothing of it."""
    return [backup for backup in backups if backup.last_restore is not None and backup.last_restore.logs]


def _expect_replayed(backup: Backup) -> None:
    """:raises SlipwayError: C(logs_unproven)."""
    last = backup.last_restore
    if not _replayed([backup]):
        raise SlipwayError(
            "the binary logs after it were never replayed, so nobody knows whether they lead to now",
            obj=backup.manifest.id,
            actual=(last and last.problem) or "only the dump was restored",
            wanted="logs that were replayed on the restored dump, and compared",
            remedy="Take a backup with the playbook backup, which does that; see the user's rights if it does not.",
            cause="logs_unproven",
        )


def _told(point: LogPoint) -> Point:
    """As everybody else knows points."""
    last = next(reversed(point.logs))
    return Point(point.name, point.gtid or last, last, point.at, point.backup)


def _place(backup: Backup) -> binlog.Place | None:
    found = backup.manifest.facts.get("binlog")
    return binlog.Place(**found) if found else None
