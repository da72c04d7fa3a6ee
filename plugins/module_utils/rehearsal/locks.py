# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which locks migrations held on the tables that were there, and for how long, by looking again and again (private to the
collection).

A lock of PostgreSQL is held until its transaction ends. Between two looks nobody knows when it came or went, so it counts from the
first look that saw it to the last one: it was held at least so long, and at most two gaps between looks longer.
"""

from __future__ import annotations

import typing as t

READS, WRITES = "reads and writes", "writes"
NOTHING = "other changes of the schema"
ROWS = "writes of the rows that it changes"

# What each mode keeps programs from (PostgreSQL manual, "Table-Level Locks"); those that every program takes are not here.
KEEPS_OUT = {
    "AccessExclusiveLock": READS,
    "ExclusiveLock": WRITES,
    "ShareRowExclusiveLock": WRITES,
    "ShareLock": WRITES,
    "ShareUpdateExclusiveLock": NOTHING,
    "RowExclusiveLock": ROWS,
}


class Held(t.NamedTuple):
    """A lock, as one look saw it.

    :param transaction: of whom, so that no two are taken for one.
    :param statement: what its session was at.
    """

    transaction: str
    relation: str
    mode: str
    statement: str = ""


class Lock(t.NamedTuple):
    """A lock that was held.

    :param seconds: at least.
    :param script: the migration; empty where the tool does not tell which one it is at.
    :param statement: what its session was at when it was seen first.
    """

    relation: str
    mode: str
    seconds: float
    script: str = ""
    statement: str = ""

    @property
    def keeps_out(self) -> str:
        """What, as long as it is held."""
        return KEEPS_OUT[self.mode]


class Ledger:
    """What looks have seen, in their order."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], tuple[float, Lock]] = {}
        self._closed: list[Lock] = []
        self._last: float | None = None
        self.gap = 0.0  # the longest time between two looks

    def look(self, now: float, held: t.Iterable[Held], script: str = "") -> None:
        """One look at all locks of those that migrate.

        :param script: the migration that is at work.
        """
        if self._last is not None:
            self.gap = max(self.gap, now - self._last)
        self._last = now
        seen = {(one.transaction, one.relation, one.mode): one for one in held if one.mode in KEEPS_OUT}
        for key in [key for key in self._open if key not in seen]:
            self._closed.append(self._open.pop(key)[1])
        for key, one in seen.items():
            since, lock = self._open.get(key, (now, Lock(one.relation, one.mode, 0.0, script, one.statement)))
            self._open[key] = (since, lock._replace(seconds=now - since))

    def locks(self) -> list[Lock]:
        """The longest of each migration, table and mode; the longest first."""
        longest: dict[tuple[str, str, str], Lock] = {}
        for lock in [*self._closed, *(lock for _since, lock in self._open.values())]:
            key = (lock.script, lock.relation, lock.mode)
            if key not in longest or lock.seconds > longest[key].seconds:
                longest[key] = lock
        return sorted(longest.values(), key=lambda one: one.seconds, reverse=True)
