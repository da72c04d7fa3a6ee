# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why nothing may be applied as it is: everything at once (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from . import model
from .model import Migration, Status


class Problem(t.NamedTuple):
    """One reason."""

    what: str
    obj: str
    remedy: str
    cause: str
    actual: str = ""
    wanted: str = ""

    def told(self) -> dict[str, str]:
        """For a module's result."""
        return {name: value for name, value in self._asdict().items() if value}


def problems_of(migrations: t.Sequence[Migration]) -> list[Problem]:
    """In the order of the migrations."""
    found = []
    for one in migrations:
        reason = _REASONS.get(one.state)
        if reason is not None:
            found.append(reason(one))
        elif one.state in (model.SUCCESS, model.OUT_OF_ORDER) and _edited(one):
            found.append(
                Problem(
                    "was changed after it had been applied",
                    one.label,
                    "Take the change back and write it into a new migration; or, where the database is as the file says now,"
                    " state: repaired.",
                    "edited",
                    str(one.checksum),
                    str(one.applied),
                )
            )
    return found


def expect_none(status: Status, obj: str) -> None:
    """:raises SlipwayError: by the first problem's cause, with all of them as evidence."""
    if not status.problems:
        return
    first, rest = status.problems[0], len(status.problems) - 1
    raise SlipwayError(
        first["what"] + (f" (and {rest} more problems)" if rest else ""),
        obj=f"{first['obj']} in {obj}",
        actual=first.get("actual"),
        wanted=first.get("wanted"),
        remedy=first["remedy"],
        cause=first["cause"],
        evidence={"problems": list(status.problems)},
    )


def _edited(one: Migration) -> bool:
    return one.kind == model.VERSIONED and None not in (one.checksum, one.applied) and one.checksum != one.applied


def _missing(one: Migration) -> Problem:
    return Problem(
        "was applied, and its file is no longer there",
        one.label,
        "Bring the file back; or state: repaired, which notes it as deleted.",
        "missing_file",
    )


def _ignored(one: Migration) -> Problem:
    return Problem(
        "is not applied, and later ones are",
        one.label,
        "Give it a version above all that are applied, or allow it with out_of_order: true.",
        "out_of_order",
    )


def _dirty(one: Migration) -> Problem:
    return Problem(
        "was begun outside a transaction and did not end well, so that a part of it may be there",
        one.label,
        "See what of it is in the database, finish or remove that by hand, then state: repaired and run again.",
        "dirty",
    )


_REASONS: dict[str, t.Callable[[Migration], Problem]] = {
    model.MISSING: _missing,
    model.IGNORED: _ignored,
    model.DIRTY: _dirty,
}
