# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pending migrations tried on a restored copy of the database: measured, and judged (private to the collection)."""

from __future__ import annotations

import typing as t

from ..database.copied import Copy
from ..errors import SlipwayError
from ..system import System
from . import budget as budgets
from .budget import Budget
from .watch import Measures, watch
from .witness import BROKEN, UNABLE, Finding, MakeWitness

# Causes that say something of a migration; all others that it could not even be tried.
OF_MIGRATIONS = ("migration_failed", "denied", "lock_timeout", "timeout", "connection_lost", "dirty")
MOST = 100  # locks and tables that are told

Begun = t.Callable[[str], None]
Applied = t.Sequence[t.Mapping[str, t.Any]]


class Attempt(t.NamedTuple):
    """The migrations that are tried.

    :param pending: what people call them, in order.
    :param apply: applies them to the copy, tells which one is at work, and returns each with C(script), C(version) and C(ms).
    :param recipes: the safe way to do what a migration does, by its script, where one is known.
    """

    pending: t.Sequence[str]
    apply: t.Callable[[Begun], Applied]
    recipes: t.Mapping[str, str] = {}


class Result(t.NamedTuple):
    """What was found.

    :param seconds: for all of them.
    :param old: of the version that is live.
    :param problems: why a release must not go on; nothing where it may.
    """

    pending: t.Sequence[str]
    applied: Applied = ()
    seconds: float = 0.0
    measures: Measures = Measures()
    old: t.Sequence[Finding] = ()
    problems: t.Sequence[SlipwayError] = ()
    warnings: t.Sequence[str] = ()

    def told(self) -> dict[str, t.Any]:
        """For a module's result, and shorter for a journal."""
        gap = self.measures.gap
        return {
            "pending": list(self.pending),
            "applied": [dict(one) for one in self.applied],
            "seconds": round(self.seconds, 3),
            "locks": [
                {**one._asdict(), "seconds": round(one.seconds, 3), "keeps_out": one.keeps_out}
                for one in self.measures.locks[:MOST]
            ],
            "locks_measured": gap is not None,
            "resolution": None if gap is None else round(gap, 3),
            "rewritten": [{"table": one.name, "bytes": one.size} for one in self.measures.rewritten[:MOST]],
            "old_version": [one._asdict() for one in self.old],
        }

    def raised(self) -> None:
        """:raises SlipwayError: the first of the problems, with all of them and what was measured as its evidence."""
        if self.problems:
            first = self.problems[0]
            if len(self.problems) > 1:
                first.evidence["also"] = [one.message for one in self.problems[1:]]
            first.evidence["rehearsal"] = self.told()
            raise first


class Trial:
    """One rehearsal.

    :param copy: of the database; nobody else uses it.
    :param witness: makes what speaks for the live version.
    """

    def __init__(self, copy: Copy, budget: Budget, witness: MakeWitness, system: System) -> None:
        self._copy, self._budget, self._witness, self._system = copy, budget, witness, system

    def run(self, attempt: Attempt) -> Result:
        """Try them, once.

        :raises SlipwayError: they could not be tried at all.
        """
        if not attempt.pending:
            return Result(())
        with self._witness(self._copy) as witness:
            unable = witness.warm()
            failure: SlipwayError | None = None
            applied: Applied = ()
            started = self._system.monotonic()
            with watch(self._copy, self._system) as seen:
                try:
                    applied = attempt.apply(seen.begun)
                except SlipwayError as error:
                    if error.cause not in OF_MIGRATIONS:
                        raise
                    failure = error
                seconds = self._system.monotonic() - started
            old = [*unable, *([] if failure else witness.judge())]
        measures = seen.measures()
        problems = self._problems(failure, seconds, measures, old, attempt.recipes)
        return Result(attempt.pending, applied, seconds, measures, old, problems, self._warnings(measures, old))

    def _problems(
        self,
        failure: SlipwayError | None,
        seconds: float,
        measures: Measures,
        old: t.Sequence[Finding],
        recipes: t.Mapping[str, str],
    ) -> list[SlipwayError]:
        late = failure is not None and failure.cause == "timeout" and seconds >= self._budget.max_duration
        found = [budgets.failed(failure)] if failure is not None and not late else []
        if any(one.kind == BROKEN for one in old):
            found.append(budgets.broken(old))
        found += budgets.too_long(measures, self._budget, recipes)
        if late or seconds > self._budget.max_duration:
            found.append(budgets.too_slow(seconds, self._budget, ended=failure is None))
        return found

    def _warnings(self, measures: Measures, old: t.Sequence[Finding]) -> list[str]:
        said = [one.words() for one in old if one.kind == UNABLE]
        if self._copy.reaches:
            said.append(f"the copy's server could reach {self._copy.reaches}")
        return [*said, *budgets.rows_held(measures, self._budget)]
