# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether migrations may be applied, by what the lint says of them (private to the collection)."""

from __future__ import annotations

import typing as t

from ...system import System
from ..tool import Order, Tool

if t.TYPE_CHECKING:
    from .check import Linted
    from .squawk import Squawk

REFUSE, WARN, OFF = "refuse", "warn", "off"
SHOWN = 10  # warnings; the result has all of them


class Gate(t.NamedTuple):
    """What is done about findings.

    :param mode: C(refuse), C(warn) or C(off).
    :param squawk: path of the program; empty to do without, None for the one that is on the path.
    """

    mode: str
    squawk: t.Optional[str]
    system: System

    def look(self, tool: Tool, order: Order) -> Linted | None:
        """The findings; None where nothing was looked at.

        :raises SlipwayError: C(contract), C(unsafe_lock), unless this only tells how things are; as RV(check.lint).
        """
        applies = order.state in ("latest", "target")
        if self.mode == OFF or not (applies or order.state == "status"):
            return None
        sources = tool.sources(order)
        if sources is None or not sources.texts:
            return None
        from .check import expect_safe, lint

        found = lint(sources, self._second)
        if applies and self.mode == REFUSE:
            expect_safe(found, sources.comment)
        return found

    def _second(self) -> Squawk | None:
        if self.squawk == "":
            return None  # and nothing is imported for it
        from .squawk import Squawk

        return Squawk.found(self.squawk, self.system)

    def told(self, found: Linted | None, order: Order) -> dict[str, t.Any]:
        """For a module's result."""
        if found is None:
            return {"lint": [], "lint_by": [], "phases": {}}
        result: dict[str, t.Any] = {
            "lint": [one.told() for one in found.findings],
            "lint_by": list(found.by),
            "phases": dict(found.phases),
        }
        if order.state != "status" and found.standing:
            said = [f"{one.script}:{one.line}: {one.message} ({one.rule}). {one.recipe}" for one in found.standing]
            more = [f"… and {len(said) - SHOWN} more findings of the lint"] if len(said) > SHOWN else []
            result["warnings"] = said[:SHOWN] + more
        return result

    def allowed(self, found: Linted | None) -> list[str]:
        """What an annotation has allowed, for the journal."""
        return (
            [f"{one.script}:{one.line} {one.rule}: {one.overruled}" for one in found.findings if one.overruled]
            if found
            else []
        )
