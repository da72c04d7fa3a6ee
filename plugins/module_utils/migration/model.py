# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a schema's changes, the same for every tool (private to the collection)."""

from __future__ import annotations

import typing as t

VERSIONED = "versioned"
REPEATABLE = "repeatable"
BASELINE = "baseline"
UNDO = "undo"

# States of a migration. The names are Flyway's (Flyway documentation, "Info"), but for C(ahead) and C(dirty).
PENDING = "pending"
SUCCESS = "success"
OUT_OF_ORDER = "out_of_order"  # applied after one with a higher version
OUTDATED = "outdated"  # a repeatable one that was applied and has changed since; it is to be applied again
SUPERSEDED = "superseded"  # an earlier application of a repeatable one
IGNORED = "ignored"  # not applied, and below what is
ABOVE_TARGET = "above_target"
BELOW_BASELINE = "below_baseline"
AVAILABLE = "available"  # a script that undoes one that is applied
UNDONE = "undone"
DELETED = "deleted"
MISSING = "missing"  # applied, and no longer among the files
AHEAD = "ahead"  # applied by a later version of the program, and known to be compatible with this one
BACKFILLING = "backfilling"  # a backfill that was begun; the next run of its phase goes on
DIRTY = "dirty"  # begun outside a transaction, and neither finished nor failed as a whole


class Migration(t.NamedTuple):
    """One migration, and what became of it.

    :param version: empty for a repeatable one.
    :param script: the file, relative to its location; for other tools the name that people know.
    :param checksum: of the file as it is now; None where the tool has none.
    :param applied: checksum that the history has; None where it was not applied or the tool has none.
    :param transactional: of one that is not applied yet.
    :param phase: C(expand), C(contract) or C(backfill).
    """

    kind: str
    version: str
    description: str
    script: str
    state: str
    checksum: int | str | None = None
    applied: int | str | None = None
    transactional: bool = True
    phase: str = "expand"
    rank: int = 0
    installed_on: str = ""
    milliseconds: int | None = None

    @property
    def label(self) -> str:
        """What errors call it."""
        return self.script or self.version or self.description

    def told(self) -> dict[str, t.Any]:
        """For a module's result."""
        return {name: value for name, value in self._asdict().items() if value not in (None, "", 0)}


class Status(t.NamedTuple):
    """A database and the migrations of a program, as they are.

    :param current: the highest version that is applied; empty when none is.
    :param recorded: whether there is a history at all.
    :param problems: why nothing may be applied: what, on which object, and the remedy.
    :param last: number of the last line of the history, which only grows.
    :param mark: anything else that tells one state of the history from another, where a tool shows no lines of it.
    """

    current: str
    recorded: bool
    migrations: tuple[Migration, ...]
    problems: tuple[dict[str, str], ...] = ()
    last: int = 0
    mark: str = ""

    def of(self, *states: str) -> list[Migration]:
        """Those in any of these states, in order."""
        return [one for one in self.migrations if one.state in states]

    @property
    def pending(self) -> list[Migration]:
        """What is to be applied, in order: the repeatable ones last and by description, those that were applied before too."""
        found = self.of(PENDING, OUTDATED, BACKFILLING)
        repeatable = sorted((one for one in found if one.kind == REPEATABLE), key=lambda one: one.description)
        return [*(one for one in found if one.kind != REPEATABLE), *repeatable]


class Done(t.NamedTuple):
    """One migration that was applied or undone.

    :param rows: that a backfill has changed, in all its runs.
    """

    version: str
    description: str
    script: str
    checksum: int | str | None
    ms: int
    transactional: bool
    rows: int = 0


class Report(t.NamedTuple):
    """What a run did.

    :param lock_wait_ms: how long it waited for others that migrate the same database.
    """

    before: Status
    after: Status
    done: tuple[Done, ...] = ()
    lock_wait_ms: int = 0

    @property
    def changed(self) -> bool:
        """By the history, before and after; never by what was printed."""
        return history_of(self.before) != history_of(self.after)


def history_of(status: Status) -> tuple[t.Any, ...]:
    """What the history says, without anything of the files."""
    rows = [(one.rank, one.version, one.script, one.applied) for one in status.migrations if one.rank]
    return (status.recorded, status.last, status.mark, sorted(rows, key=lambda row: row[0]))
