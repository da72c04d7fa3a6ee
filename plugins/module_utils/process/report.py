# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of what was found, decided and done (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..masking import mask_all
from ..system import System
from .manager import Ended, Found


class Report:
    """What a state found, decided and did."""

    def __init__(self, system: System, secrets: t.Iterable[str]) -> None:
        self.system = system
        self.secrets = [value for value in secrets if value]
        self.actions: list[str] = []
        self.warnings: list[str] = []
        self.timings: dict[str, float] = {}
        self.processes: dict[str, dict[str, t.Any]] = {}
        self.sources: dict[str, dict[str, t.Any]] = {}
        self.before: dict[str, t.Any] = {}
        self.after: dict[str, t.Any] = {}

    @contextlib.contextmanager
    def timed(self, name: str) -> t.Iterator[None]:
        """Add the milliseconds of a block under a name."""
        began = self.system.monotonic()
        try:
            yield
        finally:
            spent = (self.system.monotonic() - began) * 1000
            self.timings[name] = round(self.timings.get(name, 0.0) + spent, 1)

    def about(self, process: str, **facts: t.Any) -> None:
        """Add facts about one process."""
        self.processes.setdefault(process, {}).update(facts)

    def ended(self, item: Found, how: Ended) -> None:
        """Tell how a process was stopped."""
        self.about(item.name, action="stop", killed=how.killed, left=how.left)
        if how.killed:
            self.warnings.append(f"{item.name} did not end within {item.labels.grace:g} s after SIGTERM and was killed")
        if how.left:
            names = ", ".join(how.left)
            self.warnings.append(f"{item.name} left processes behind ({names}), ended with it")

    def clean(self, value: t.Any) -> t.Any:
        """The same value with every secret masked."""
        return mask_all(value, self.secrets)

    def result(self) -> dict[str, t.Any]:
        """What the module returns."""
        return {
            "changed": bool(self.actions),
            "actions": self.actions,
            "processes": self.processes,
            "sources": self.sources,
            "timings": self.timings,
            "warnings": self.warnings,
            "diff": {"before": self.before, "after": self.after},
        }
