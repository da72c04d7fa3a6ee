# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups stay (private to the collection). Pure: the same history and the same clock give the same answer."""

from __future__ import annotations

import datetime
import typing as t

from .model import Backup

DAY = 86400.0


class Policy(t.NamedTuple):
    """A backup stays when any of these keeps it; with none of them set, or above 0, all stay.

    :param last: the newest so many.
    :param days: those younger than so many days.
    :param daily: the newest of each of the last so many days that have one (UTC); so too the others, by ISO week, month
        and year.
    """

    last: int = 0
    days: float = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


PERIODS: t.Final[dict[str, str]] = {"daily": "%Y-%m-%d", "weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}


class Verdict(t.NamedTuple):
    """What becomes of a backup, and why."""

    backup: Backup
    stays: bool
    why: str


def judge(backups: t.Sequence[Backup], policy: Policy, now: float, pinned: t.Collection[str] = ()) -> list[Verdict]:
    """What becomes of each backup.

    One that was found bad keeps no other one from its place: it counts for nothing, and goes once it is beyond the policy
    on its own. The newest verified one, and each that is pinned, stays under every policy.

    :param backups: oldest first.
    :param now: seconds since the epoch.
    :param pinned: ids that something else needs, such as a release that may still be rolled back to.
    """
    reasons = protected(backups, pinned)
    policy = policy._replace(**{name: 0 for name, number in policy._asdict().items() if not (number or 0) > 0})
    if not any(policy):
        return [Verdict(one, True, reasons.get(one.manifest.id, "no retention is set")) for one in backups]
    good = [one for one in reversed(backups) if not one.failed]
    for number, one in enumerate(good[: policy.last], start=1):
        reasons.setdefault(one.manifest.id, f"number {number} of the newest {policy.last}")
    for one in backups:
        if policy.days and now - one.manifest.taken < policy.days * DAY:
            reasons.setdefault(one.manifest.id, f"younger than {policy.days:g} days")
    for name, form in PERIODS.items():
        for period, one in _newest_of_each(good, form, getattr(policy, name)):
            reasons.setdefault(one.manifest.id, f"the {name} one of {period}")
    return [
        Verdict(one, one.manifest.id in reasons, reasons.get(one.manifest.id, _beyond(one, now))) for one in backups
    ]


def protected(backups: t.Sequence[Backup], pinned: t.Collection[str]) -> dict[str, str]:
    """Ids of those that stay under every policy, and why."""
    reasons = {one.manifest.id: "pinned" for one in backups if one.manifest.id in pinned}
    for strength in ("restore", "read"):
        proven = [one for one in backups if one.verified_by == strength]
        if proven:
            reasons.setdefault(proven[-1].manifest.id, f"the last one verified by {strength}")
    return reasons


def _newest_of_each(newest_first: t.Sequence[Backup], form: str, wanted: int) -> list[tuple[str, Backup]]:
    found: dict[str, Backup] = {}
    for one in newest_first:
        moment = datetime.datetime.fromtimestamp(one.manifest.taken, datetime.timezone.utc)
        found.setdefault(moment.strftime(form), one)
    return sorted(found.items(), reverse=True)[:wanted]


def _beyond(backup: Backup, now: float) -> str:
    found = "found to be bad, " if backup.failed else ""
    return f"{found}beyond the retention, {(now - backup.manifest.taken) / DAY:.1f} days old"
