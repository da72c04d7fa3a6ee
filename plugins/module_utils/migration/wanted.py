# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be carried out, by what is there (private to the collection)."""

from __future__ import annotations

from ..errors import SlipwayError
from . import model
from .model import Migration, Status
from .names import Version
from .tool import Order


def wanted(order: Order, status: Status) -> list[Migration]:
    """In order; of what is pending not that of the other phases.

    :raises SlipwayError: C(no_undo), C(backfill_pending).
    """
    if order.state == "undone":
        return _undoing(order, status)
    found = [one for one in status.pending if order.phase in ("all", one.phase)]
    if order.state != "status":
        _expect_filled(found, status)
    return found


def _expect_filled(found: list[Migration], status: Status) -> None:
    """What contracts may need all that was to be filled before it."""
    left = [one for one in status.pending if one.phase == "backfill" and one not in found]
    for one in found:
        before = [other.label for other in left if one.phase == "contract" and _below(other, one)]
        if before:
            raise SlipwayError(
                "comes after a backfill that is not done",
                obj=one.label,
                actual=", ".join(before),
                remedy="Run it with phase: backfill first; nothing was applied.",
                cause="backfill_pending",
            )


def _below(lower: Migration, upper: Migration) -> bool:
    return bool(lower.version and upper.version) and Version(lower.version) < Version(upper.version)


def _undoing(order: Order, status: Status) -> list[Migration]:
    """The scripts that undo what is above the target, or the last one alone: the newest first."""
    applied = [one for one in status.of(model.SUCCESS, model.OUT_OF_ORDER) if one.kind == model.VERSIONED]
    applied.sort(key=lambda one: Version(one.version), reverse=True)
    if order.target:
        above = Version(order.target)
        applied = [one for one in applied if Version(one.version) > above]
    else:
        applied = applied[:1]
    undo = {Version(one.version): one for one in status.of(model.AVAILABLE)}
    without = [one.label for one in applied if Version(one.version) not in undo]
    if without:
        raise SlipwayError(
            "cannot be undone: there is no script for it",
            obj=", ".join(without),
            wanted="a file whose name begins with U and the same version",
            remedy="Write it, or undo by hand; nothing was undone.",
            cause="no_undo",
        )
    return [undo[Version(one.version)] for one in applied]
