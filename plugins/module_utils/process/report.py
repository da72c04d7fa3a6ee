# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of what was found, decided and done with processes (private to the collection)."""

from __future__ import annotations

import typing as t

from ..side import report
from ..system import System
from .manager import Ended, Found


class Report(report.Report):
    """What a state found, decided and did."""

    items_are = "processes"

    def __init__(self, system: System, secrets: t.Iterable[str]) -> None:
        super().__init__(system, secrets)
        self.sources: dict[str, dict[str, t.Any]] = {}
        self.built: dict[str, dict[str, t.Any]] = {}  # what is to be handed on

    def ended(self, item: Found, how: Ended) -> None:
        """Tell how a process was stopped."""
        self.about(item.name, action="stop", killed=how.killed, left=how.left)
        if how.killed:
            self.warnings.append(f"{item.name} did not end within {item.labels.grace:g} s after SIGTERM and was killed")
        if how.left:
            names = ", ".join(how.left)
            self.warnings.append(f"{item.name} left processes behind ({names}), ended with it")

    def result(self) -> dict[str, t.Any]:
        """What the module returns."""
        return {**super().result(), "sources": self.sources, **({"built": self.built} if self.built else {})}
