# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release can wait for a backup of its own, or leans on the last scheduled one (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .model import STRENGTH, Backup

ASSUMED = 10 * 2**20  # bytes a second of dump and restore together, where no earlier run tells; slow on purpose


class Patience(t.NamedTuple):
    """How long a release waits for a backup, and what it takes instead of one that would take longer.

    :param seconds: that taking and restoring one may take.
    :param max_age: seconds that a scheduled one, restored, may be old.
    """

    seconds: float
    max_age: float


class Forecast(t.NamedTuple):
    """How long a backup and its restore will take.

    :param seconds: both together.
    :param basis: what that is concluded from, in words.
    """

    seconds: float
    basis: str


def forecast(backups: t.Sequence[Backup], size: int) -> Forecast:
    """What the newest backup that was restored took, at the size that the database has now.

    :param size: estimated bytes of the database.
    """
    for backup in reversed(backups):
        took, then = backup.restore_seconds, backup.manifest.source.get("size") or 0
        if took is not None and then > 0:
            whole = (backup.manifest.seconds + took) * max(1.0, size / then)
            return Forecast(whole, f"by what {backup.manifest.id} took, at {_mib(then)} then and {_mib(size)} now")
    return Forecast(size / ASSUMED, f"for {_mib(size)}, at {ASSUMED // 2**20} MiB/s, since none was restored yet")


def instead(backups: t.Sequence[Backup], expected: Forecast, patience: Patience, now: float) -> Backup | None:
    """The scheduled backup to lean on, where one of the release's own would take too long; None to take one.

    :param now: seconds since the epoch.
    :raises SlipwayError: C(no_fresh_backup): one would take too long, and none is fresh enough.
    """
    if expected.seconds <= patience.seconds:
        return None
    why = (
        f"a new one would take about {expected.seconds:.0f} s ({expected.basis}), which is longer than "
        f"the {patience.seconds:.0f} s that a release waits for one"
    )
    return fresh(backups, patience, now, why)


def fresh(backups: t.Sequence[Backup], patience: Patience, now: float, why: str) -> Backup:
    """The newest backup that was restored, which a release can lean on.

    :param why: none is taken now, in words.
    :raises SlipwayError: C(no_fresh_backup).
    """
    restored = [backup for backup in backups if backup.verified_by == "restore"]
    newest = restored[-1] if restored else None
    if newest is not None and 0 <= now - newest.manifest.taken <= patience.max_age:
        return newest
    found = f"{newest.manifest.id}, {_hours(now - newest.manifest.taken)} old" if newest else "none that was restored"
    raise SlipwayError(
        f"no fresh backup, and {why}",
        obj=backups[-1].manifest.source.get("database", "database") if backups else "database",
        actual=found,
        wanted=f"one that was restored, at most {_hours(patience.max_age)} old",
        remedy="Take one now with the playbook backup, and see why its timer did not; or raise "
        "slipway_database.backup.in_release_max; or release without, with -e slipway_waive_backup=REASON.",
        cause="no_fresh_backup",
    )


def proven_lately(backup: Backup, by: str, max_age: float, now: float) -> str:
    """That a backup was proven at least so strongly and not too long ago, in words; empty where it is to be proven again.

    :param max_age: seconds; 0 to prove it in any case.
    :param now: seconds since the epoch.
    """
    strong = [proof for proof in backup.proofs if STRENGTH.index(proof.by) >= STRENGTH.index(by)]
    good = STRENGTH.index(backup.verified_by) >= STRENGTH.index(by)
    # One from the future says that a clock went back: how old it is nobody knows.
    if not (max_age and good and strong and 0 <= now - strong[-1].at <= max_age):
        return ""
    return f"{backup.manifest.id} was verified by {strong[-1].by} {now - strong[-1].at:.0f} s ago"


def predicted_too_long(expected: Forecast, chosen: Backup, now: float) -> str:
    """Why a scheduled backup is enough, for people."""
    age = _hours(now - chosen.manifest.taken)
    return f"a new one would take about {expected.seconds:.0f} s ({expected.basis}): {chosen.manifest.id} is fresh, {age} old"


def _mib(size: int) -> str:
    return f"{max(1, size // 2**20)} MiB"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
