# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What failed on a side, so that one bad replica does not hide the others (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from ..errors import SlipwayError
from .checks import Check, Verdict, wrong_answer
from .report import Report


class Failures(abc.ABC):
    """Collects failures, and raises the first with the evidence of all."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._found: dict[str, SlipwayError] = {}

    def note(self, item: str, error: SlipwayError) -> None:
        """The first failure of a replica is the one that counts."""
        self._found.setdefault(item, error)

    def judge(self, checks: t.Sequence[Check], verdicts: t.Sequence[Verdict]) -> None:
        """Note every wrong answer."""
        for check, verdict in zip(checks, verdicts):
            if not check.once:
                self._report.about(check.item, healthy=verdict.healthy, ready_s=round(verdict.seconds, 3))
            if not verdict.healthy:
                self.note(check.item, wrong_answer(check, verdict))

    def raise_if_any(self) -> None:
        """Keep what failed for inspection, and raise the first failure.

        :raises SlipwayError: cause, message, evidence and last log lines of each are in its evidence, by the model's name
            for them.
        """
        if not self._found:
            return
        evidence = self._inspected(self._found)
        name, first = next(iter(self._found.items()))
        raise SlipwayError(
            self._report.clean(first.what),
            obj=first.obj or name,
            actual=self._report.clean(first.actual),
            wanted=first.wanted,
            remedy=first.remedy or self._remedy(name),
            cause=first.cause,
            evidence=self._report.clean(
                {**first.evidence, self._report.items_are: evidence, "timings": self._report.timings}
            ),
        )

    @abc.abstractmethod
    def _inspected(self, failed: t.Mapping[str, SlipwayError]) -> dict[str, dict[str, t.Any]]:
        """What is known of each, which may be stopped by that."""

    @abc.abstractmethod
    def _remedy(self, name: str) -> str:
        """How a person sees the log of one."""


def what_failed(error: SlipwayError) -> dict[str, t.Any]:
    """A failure as evidence."""
    return {"cause": error.cause, "message": error.message, "evidence": error.evidence}
