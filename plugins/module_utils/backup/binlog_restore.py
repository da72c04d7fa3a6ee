# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump brought on to a later moment by binary logs (private to the collection).

That is done in a throw-away server, and what comes out is dumped once more for where it is wanted. A log is of all databases,
and has statements that may name any of them: on the live server one of those could change what nobody asked to be restored.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import binlog, mysql_facts
from .binlog_points import LogPoint
from .catalog import Catalog
from .compare import compare, expect_same
from .engine import Facts, Scratch
from .further import Further
from .model import DUMP, Backup
from .moments import moment_of
from .mysql_restore import fill
from .mysql_scratch import throw_away
from .pipeline import Chunks, flow
from .progress import Progress
from .prover import Prover
from .restorer import Rolled
from .scratch_place import place as scratch_place

if t.TYPE_CHECKING:
    from .mysql import MySQL
    from .mysql_scratch import Server

FACTOR = 2  # room for what the logs add, of the dump's source


class Moment(t.NamedTuple):
    """Up to when; of both at most one.

    :param name: of a restore point.
    :param time: as a person writes it, with its offset from UTC.
    """

    name: str = ""
    time: str = ""

    def __bool__(self) -> bool:
        return bool(self.name or self.time)

    @property
    def words(self) -> str:
        """Up to when, for people."""
        return f"to the restore point {self.name}" if self.name else f"to {self.time}"

    def within(self, point: LogPoint) -> bool:
        """Whether a point's logs have all up to this time."""
        return point.at >= moment_of(self.time).timestamp()

    def base(self, known: Catalog, wanted: str) -> Backup:
        """The dump to begin with: that which is named, else the newest good one before the time.

        :raises SlipwayError: C(missing), C(too_early), C(bad_input).
        """
        moment = moment_of(self.time).timestamp()
        given = [known.named(wanted)] if wanted != "latest" else known.backups
        fitting = [one for one in given if not one.failed and one.manifest.taken <= moment]
        if not fitting:
            raise SlipwayError(
                "lies before every backup that could be taken for it",
                obj=self.time,
                actual=", ".join(one.manifest.id for one in given) or "none at all",
                remedy="Choose a later moment, or an older backup.",
                cause="too_early",
            )
        return fitting[-1]


class Roller:
    """Finds what leads to a moment, and goes there.

    :param points: all that are known, oldest first.
    """

    def __init__(self, engine: MySQL, points: t.Sequence[LogPoint], progress: Progress, system: System) -> None:
        self._engine, self._points, self._progress, self._system = engine, points, progress, system

    def aim(self, known: Catalog, wanted: str, moment: Moment) -> tuple[Backup, LogPoint, Rolled]:
        """The dump to begin with, the point whose logs lead on from it, and how it is brought on.

        :raises SlipwayError: C(missing), C(too_early), C(binlog_missing), C(bad_input).
        """
        if moment.name:
            found = [point for point in self._points if point.name == moment.name]
            if not found:
                raise SlipwayError(
                    "no such restore point",
                    obj=moment.name,
                    actual=", ".join(point.name for point in self._points) or "none at all",
                    remedy="List them with the playbook backups.",
                    cause="missing",
                )
            point, backup = found[-1], known.named(found[-1].backup)
            return backup, point, self._to(point, "")
        backup = moment.base(known, wanted)
        fitting = [point for point in self._points if point.backup == backup.manifest.id and moment.within(point)]
        if not fitting:
            raise SlipwayError(
                "lies after the last binary log that there is",
                obj=moment.time,
                remedy="Choose an earlier moment, or none for the dump alone.",
                cause="binlog_missing",
            )
        stop = moment_of(moment.time).astimezone(datetime.timezone.utc)
        return backup, fitting[0], self._to(fitting[0], f"{stop:%Y-%m-%d %H:%M:%S}")

    def _to(self, point: LogPoint, stop: str) -> Rolled:
        @contextlib.contextmanager
        def rolled(backup: Backup, prover: Prover) -> t.Iterator[tuple[Chunks, Facts]]:
            manifest = backup.manifest
            size = int(manifest.source["size"]) * FACTOR
            with throw_away(self._engine, manifest.facts, size) as scratch:
                dump = manifest.parts[DUMP]
                scratch.restore(self._progress.through("restored", dump.plain_size, prover.content(backup, dump)))
                home = scratch.home()
                replay(home, backup, point, prover, stop)
                if not stop:
                    _expect_schema(home, point)
                with home.snapshot() as snapshot:  # nobody else is there, so it may be asked before it is dumped
                    facts = snapshot.completed(snapshot.facts())
                    yield snapshot.dump(), facts

        return rolled


class LogsAfter(Further):
    """The way on from a dump by its binary logs, to a point of which it is known what the database had then.

    :param strict: see RV(Further).
    """

    def __init__(self, point: LogPoint, *, strict: bool) -> None:
        self.name, self.strict, self._point = point.name, strict, point
        size = sum(part.plain_size for part in point.logs.values())
        self.words = (
            f"{len(point.logs)} binary logs, {size} bytes, were replayed up to {point.name}, and it was compared"
        )

    def bring(self, backup: Backup, scratch: Scratch, prover: Prover) -> None:
        """See RV(Further)."""
        server = t.cast("Server", scratch)
        server.know_zones(zone for zone in self._point.facts["zones"] if zone not in backup.manifest.facts["zones"])
        replay(server.home(), backup, self._point, prover)
        expect_same(
            f"{backup.manifest.id} with the binary logs up to {self.name}",
            scratch.differences(dict(self._point.facts)),
            remedy="The logs do not have all that changed: see sql_log_bin, binlog filters and replication. Take a new backup.",
        )


class NoWay(Further):
    """None to a moment, for a reason."""

    def __init__(self, name: str, problem: SlipwayError, *, strict: bool) -> None:
        self.name, self.problem, self.strict = name, problem, strict

    def bring(self, backup: Backup, scratch: Scratch, prover: Prover) -> None:
        """Never."""


def replay(home: MySQL, backup: Backup, point: LogPoint, prover: Prover, stop: str = "") -> None:
    """Bring a restored copy on by the logs of a point.

    :param home: the copy.
    :param stop: the time up to which, in UTC; their end by default.
    :raises SlipwayError: C(damaged), C(missing), C(command_failed), each naming the log.
    """
    for name, part in point.logs.items():
        log = home.progress.through(f"replayed {name}", part.plain_size, prover.content(backup, part))
        try:
            _replay(home, backup.manifest.facts, name, log, stop)
        except SlipwayError as error:
            if error.cause != "command_failed":
                raise
            raise SlipwayError(
                "cannot be replayed",
                obj=f"binary log {name} after {backup.manifest.id}",
                actual=error.actual,
                remedy="It does not fit what was restored. Take a new backup now, with the playbook backup.",
                cause="command_failed",
            ) from None


def _replay(home: MySQL, facts: Facts, name: str, log: Chunks, stop: str) -> None:
    place, vendor = binlog.Place(**facts["binlog"]), str(facts["vendor"])
    words = ["--no-defaults", f"--database={home.database}"]
    words += [f"--start-position={place.position}"] if name == place.file else []
    words += [f"--stop-datetime={stop}"] if stop else []
    with scratch_place(home.scratch_dir, 0, name) as directory:
        path = os.path.join(directory, name)
        with open(path, "xb") as file:
            for chunk in log:
                file.write(chunk)
        argv = (home.program(binlog.BINLOG[vendor]), *words, path)
        statements = flow([home.tools.program(argv, {"TZ": "UTC"}, sees=[path])])
        fill(home, home.login, vendor, statements)


def _expect_schema(home: MySQL, point: LogPoint) -> None:
    """:raises SlipwayError: C(bad_backup)."""
    with contextlib.closing(home.login.connect()) as link:
        found = mysql_facts.schema_now(link)
    found = {name: made for name, made in found.items() if name in point.schema}
    expect_same(
        f"the binary log up to {point.name}",
        compare("object", point.schema, found),
        remedy="Restore the dump alone, or up to another point.",
    )
