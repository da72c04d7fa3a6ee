# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rehearsal allows (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .locks import READS, ROWS, WRITES, Lock
from .watch import Measures
from .witness import BROKEN, Finding

SHOWN = 5  # of several findings
GUIDE = "Do it in steps that hold no lock for long (docs: Changing a schema without downtime)"


class Budget(t.NamedTuple):
    """Seconds.

    :param max_lock: for which one lock may keep reads or writes from a table that has rows.
    :param max_duration: that all migrations together may take.
    """

    max_lock: float
    max_duration: float


def too_long(measures: Measures, budget: Budget, recipes: t.Mapping[str, str]) -> list[SlipwayError]:
    """The locks that hold programs up for longer than is allowed, each as an error.

    :param recipes: the safe way to do what a migration does, by its script, where one is known.
    """
    over = [lock for lock in measures.locks if lock.keeps_out in (READS, WRITES) and _over(lock, measures, budget)]
    return [_held_up(lock, measures, budget, recipes.get(lock.script, "")) for lock in over]


def rows_held(measures: Measures, budget: Budget) -> list[str]:
    """Transactions that change rows for longer than that, in words: only who wants those rows waits."""
    return [
        f"{lock.script or 'a migration'} changes rows of {lock.relation} in one transaction of {lock.seconds:.2f} s, and who wants"
        f" to change the same ones waits so long: {lock.statement}"
        for lock in measures.locks
        if lock.keeps_out == ROWS and _over(lock, measures, budget)
    ]


def too_slow(seconds: float, budget: Budget, *, ended: bool) -> SlipwayError:
    """All of them took too long.

    :param ended: whether they came to their end.
    """
    return SlipwayError(
        "take too long on a restored copy of the database"
        if ended
        else "were ended on a restored copy of the database",
        obj="the pending migrations",
        actual=f"{seconds:.1f} s" if ended else f"not done after {seconds:.1f} s",
        wanted=f"at most {budget.max_duration:g} s",
        remedy="Move what changes data into a backfill, or allow more with slipway_migrations.rehearse.max_duration, knowingly."
        " The live database was not touched.",
        cause="rehearsal_slow",
    )


def broken(findings: t.Sequence[Finding]) -> SlipwayError:
    """What the migrations break of the version that is live."""
    said = [one.words() for one in findings if one.kind == BROKEN]
    more = f" (and {len(said) - SHOWN} more)" if len(said) > SHOWN else ""
    return SlipwayError(
        "cannot live with the migrated schema, and it still runs while they are applied",
        obj="the live version",
        actual="; ".join(said[:SHOWN]) + more,
        wanted="the same answers as before, on old and on new connections",
        remedy="Change the schema so that both versions live with it, and take the rest away in a later contract migration"
        " (docs: Changing a schema without downtime). The live database was not touched.",
        cause="old_version_broken",
        evidence={"findings": [one._asdict() for one in findings]},
    )


def failed(error: SlipwayError) -> SlipwayError:
    """A migration that fails on real data."""
    return SlipwayError(
        f"fails on a restored copy of the database: {error.what}",
        obj=error.obj,
        actual=error.actual,
        wanted=error.wanted,
        remedy="Correct it; it would fail on the live database, which was not touched.",
        cause="rehearsal_failed",
        evidence={**error.evidence, "cause": error.cause},
    )


def _over(lock: Lock, measures: Measures, budget: Budget) -> bool:
    table = measures.tables.get(lock.relation)
    return table is not None and table.size > 0 and lock.seconds > budget.max_lock


def _held_up(lock: Lock, measures: Measures, budget: Budget, recipe: str) -> SlipwayError:
    size = measures.tables[lock.relation].size
    anew = ", written anew" if lock.relation in [table.name for table in measures.rewritten] else ""
    return SlipwayError(
        f"keeps {lock.keeps_out} from {lock.relation} ({size} bytes{anew}) for too long",
        obj=lock.script or "a migration",
        actual=f"{lock.seconds:.2f} s in {lock.mode}; seen first at: {lock.statement}",
        wanted=f"at most {budget.max_lock:g} s",
        remedy=f"{recipe or GUIDE}, or allow more with slipway_migrations.rehearse.max_lock, knowingly. The live database was not"
        " touched.",
        cause="rehearsal_lock",
        evidence={"lock": {**lock._asdict(), "keeps_out": lock.keeps_out}},
    )
