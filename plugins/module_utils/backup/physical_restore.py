# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster brought back to a moment, in a directory of its own beside the live one (private to the collection).

The live cluster need not run for it, and is not touched. It is never replaced: a physical restore takes all databases of a cluster
back at once, which is for a person to decide.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import typing as t

from ..errors import SlipwayError
from .model import Backup, Point
from .moments import moment_of
from .physical_copy import Copy
from .physical_looks import preload
from .physical_point import owned
from .physical_prover import PhysicalProver
from .postgresql_scratch import OWNER
from .scratch_place import place
from .scratch_server import SOCKETS

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


class Aim(t.NamedTuple):
    """Where to, and up to when.

    :param options: of pgBackRest.
    :param words: up to when, for people.
    """

    into: str
    options: list[str]
    words: str


class Target(t.NamedTuple):
    """What a person asks for; at most one of the last three.

    :param into: the new data directory.
    """

    into: str
    time: str = ""
    name: str = ""
    lsn: str = ""

    def choose(self, known: t.Sequence[Backup], points: t.Sequence[Point], wanted: str) -> tuple[Backup, Aim]:
        """The backup to begin with: for C(latest) the newest one that ended before the moment.

        :raises SlipwayError: C(bad_input), C(missing), C(too_early).
        """
        if sum(bool(one) for one in (self.time, self.name, self.lsn)) > 1:
            raise _bad("target_time, target_name and target_lsn", "more than one", "one of them")
        good = [one for one in known if not one.failed]
        if wanted != "latest":
            good = [one for one in known if one.manifest.id == wanted]
        if not good:
            raise SlipwayError(
                "no such backup",
                obj=wanted,
                actual=", ".join(one.manifest.id for one in known) or "none at all",
                remedy="List them with state: listed.",
                cause="missing",
            )
        fitting, options, words = self._fitting(good, points)
        if not fitting:
            raise SlipwayError(
                "lies before the end of every backup that could be taken for it",
                obj=self.time or self.name or self.lsn,
                actual=", ".join(one.manifest.id for one in good),
                remedy="Choose a later moment, or an older backup.",
                cause="too_early",
            )
        return fitting[-1], Aim(self.into, options, words)

    def _fitting(self, good: list[Backup], points: t.Sequence[Point]) -> tuple[list[Backup], list[str], str]:
        if self.time:
            moment = moment_of(self.time)
            fitting = [one for one in good if one.manifest.taken <= moment.timestamp()]
            stamp = moment.isoformat(" ", "microseconds")
            return fitting, ["--type=time", f"--target={stamp}"], f"as it was at {stamp}"
        if self.name:
            lsn = next((number_of(point.lsn) for point in points if point.name == self.name), None)
            fitting = [one for one in good if lsn is None or number_of(one.manifest.position or "0/0") <= lsn]
            return fitting, ["--type=name", f"--target={self.name}"], f"as it was at the restore point {self.name}"
        if self.lsn:
            if not _LSN.fullmatch(self.lsn):
                raise _bad("target_lsn", self.lsn, "such as 0/1A2B3C4")
            fitting = [one for one in good if number_of(one.manifest.position or "0/0") <= number_of(self.lsn)]
            return fitting, ["--type=lsn", f"--target={self.lsn}"], f"as it was at {self.lsn}"
        return good, ["--type=default"], "as far as its WAL goes"


def number_of(lsn: str) -> int:
    """Bytes since the beginning of the WAL (PostgreSQL manual, C(pg_lsn))."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def restore_into(backup: Backup, aim: Aim, prover: PhysicalProver) -> list[str]:
    """Restore, see that it comes up where it should, and stop it; what was done, in words.

    :raises SlipwayError: C(exists), C(no_space), …; nothing is left of it then.
    """
    tablespaces, programs = f"{aim.into}.tablespaces", prover.programs(backup.manifest.server)
    made = _make_room(backup, aim.into, tablespaces)
    started = prover.system.monotonic()
    try:
        prover.bring_back(backup.manifest.id, aim.into, aim.options, tablespaces)
        with place(SOCKETS, 0) as sockets:
            owned(sockets)
            get = prover.backrest.archive_get(aim.into)
            with Copy(
                aim.into, sockets, programs, get, prover.system, preload=preload(prover.engine), durable=True
            ) as copy:
                reached, seconds = copy.recovered_to(), prover.system.monotonic() - started
                copy.stop()
    except BaseException:
        for directory in made:
            shutil.rmtree(directory, ignore_errors=True)
        raise
    with contextlib.suppress(OSError):  # where there are tablespaces, it stays
        os.rmdir(tablespaces)
    return [
        f"{aim.into} has come up in {seconds:.1f} s, {reached or 'at the end of its WAL'}; it is stopped again",
        *how_to_start(aim.into, programs),
    ]


def how_to_start(data: str, programs: str) -> list[str]:
    """What a person needs to know of a cluster that is left stopped."""
    start = shlex.join(["sudo", "-u", OWNER, os.path.join(programs, "pg_ctl"), "-D", data, "-o", "-p 5433", "start"])
    told = [f"start it with: {start}; it archives no WAL (archive_mode = off), and its subscriptions and jobs run then"]
    if not os.path.exists(os.path.join(data, "postgresql.conf")):
        told.append(
            "the live cluster has its configuration elsewhere: add -c config_file=PATH, with another port and data directory"
        )
    return told


def _make_room(backup: Backup, into: str, tablespaces: str) -> list[str]:
    """New directories for a cluster.

    :raises SlipwayError: C(bad_input), C(exists), C(no_space).
    """
    parent = os.path.dirname(into.rstrip("/"))
    if not os.path.isabs(into) or not os.path.isdir(parent):
        raise _bad("into_dir", into, "an absolute path in a directory that is there")
    for directory in (into, tablespaces):
        if os.path.lexists(directory) and (not os.path.isdir(directory) or os.listdir(directory)):
            raise SlipwayError(
                "is there already, and is not empty",
                obj=directory,
                remedy="Choose another directory. Where a run that was cut off has left it, remove it.",
                cause="exists",
            )
    free, needed = shutil.disk_usage(parent).free, int(backup.manifest.source["size"])
    if free < needed:
        raise SlipwayError(
            "has no room for the cluster",
            obj=parent,
            actual=f"{free} bytes free",
            wanted=f"{needed} bytes",
            remedy="Choose a directory with more room.",
            cause="no_space",
        )
    for directory in (into, tablespaces):
        os.makedirs(directory, 0o700, exist_ok=True)
        owned(directory)
    return [into, tablespaces]


def _bad(what: str, found: str, wanted: str) -> SlipwayError:
    return SlipwayError(
        "cannot be used", obj=what, actual=found, wanted=wanted, remedy="Correct it.", cause="bad_input"
    )
