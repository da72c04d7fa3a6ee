# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished run, read from the files that it wrote."""

from __future__ import annotations

import functools
import json
import os
import typing as t

from . import report
from .recorder import FORMAT
from .records import LAYOUT, Columns


class Result:
    """A run that has ended.

    C(requests) and C(failed) count everything; C(failures) and C(sessions) tell the first 1000 one by one (see
    RV(Recorder) for their members); C(facts) is the whole JSON file.

    :param path: the JSON file; the records lie beside it.
    :raises ValueError: another format.
    """

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as stream:
            facts: dict[str, t.Any] = json.load(stream)
        if facts["format"] != FORMAT or facts["records"]["layout"] != LAYOUT:
            raise ValueError(f"{path}: format {facts['format']} {facts['records']['layout']}, wanted {FORMAT} {LAYOUT}")
        self.facts = facts
        self.requests: int = facts["requests"]
        self.failed: int = facts["failed"]
        self.stale_idle: int = facts["stale_idle"]
        self.causes: list[dict[str, t.Any]] = facts["causes"]
        self.failures: list[dict[str, t.Any]] = facts["failures"]
        self.sessions: list[dict[str, t.Any]] = facts["sessions"]
        self.kinds: list[str] = facts["kinds"]
        self.outcomes: list[str] = facts["outcomes"]
        self.versions: list[str] = facts["versions"]
        self.started: float = facts["started"]["monotonic"]
        self.ended: float = facts["ended"]["monotonic"]
        self.first_stream = len(facts["profile"]["requests"])
        self._records = os.path.join(os.path.dirname(path), facts["records"]["file"])

    @functools.cached_property
    def columns(self) -> Columns:
        """The records."""
        with open(self._records, "rb") as stream:
            return Columns(stream.read())

    @property
    def by_kind(self) -> dict[str, report.Figures]:
        """The figures of each kind over the whole run."""
        return self.window().by_kind

    @property
    def by_version(self) -> dict[str, report.VersionFigures]:
        """Which version answered when (wall clock)."""
        return report.versions(self)

    def window(self, start: float | None = None, end: float | None = None, clock: str = "wall") -> report.Figures:
        """See RV(report.window)."""
        return report.window(self, start, end, clock)

    def shift(self, clock: str) -> float:
        """What to add to the monotonic times of the records to have them on C(clock): C(wall) or C(monotonic)."""
        if clock not in ("wall", "monotonic"):
            raise ValueError(f"clock {clock!r}: wanted wall or monotonic")
        began = self.facts["started"]
        return float(began["time"] - began["monotonic"]) if clock == "wall" else 0.0
