# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of what was found, decided and done on a side, whatever it runs on (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..masking import mask_all
from ..system import System
from .handover import Handover

T = t.TypeVar("T", bound="Report")


class Report:
    """What a state found, decided and did. Each model names what its sides are made of."""

    items_are: str  # the name of the result that has facts about each: containers, processes

    def __init__(self, system: System, secrets: t.Iterable[str]) -> None:
        self.system = system
        self.secrets = [value for value in secrets if value]
        self.actions: list[str] = []
        self.warnings: list[str] = []
        self.timings: dict[str, float] = {}
        self.items: dict[str, dict[str, t.Any]] = {}
        self.before: dict[str, t.Any] = {}
        self.after: dict[str, t.Any] = {}
        self.said = ""  # the most of it in a few words, where a state has some
        self.handover: Handover | None = None  # of a state that stops or starts workers

    @contextlib.contextmanager
    def timed(self, name: str) -> t.Iterator[None]:
        """Add the milliseconds of a block under a name."""
        began = self.system.monotonic()
        try:
            yield
        finally:
            spent = (self.system.monotonic() - began) * 1000
            self.timings[name] = round(self.timings.get(name, 0.0) + spent, 1)

    @property
    def gaps(self) -> dict[str, dict[str, t.Any]]:
        """Singleton to the time in which there was no instance of it."""
        return self.handover.gaps if self.handover else {}

    def about(self, item: str, **facts: t.Any) -> None:
        """Add facts about one container or process."""
        self.items.setdefault(item, {}).update(facts)

    def clean(self, value: t.Any) -> t.Any:
        """The same value with every secret masked."""
        return mask_all(value, self.secrets)

    def followed_by(self, later: T) -> T:
        """The report of what came after this, with the actions and warnings of both."""
        later.actions[:0], later.warnings[:0] = self.actions, self.warnings
        return later

    def result(self) -> dict[str, t.Any]:
        """What the module returns."""
        return {
            "changed": bool(self.actions),
            "actions": self.actions,
            self.items_are: self.items,
            "timings": self.timings,
            "warnings": self.warnings,
            "diff": {"before": self.before, "after": self.after},
            **({"said": self.said} if self.said else {}),
            **({"handed_over": self.gaps} if self.gaps else {}),
        }
