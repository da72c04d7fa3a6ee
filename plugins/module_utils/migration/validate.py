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
        if one.state in _REASONS:
            what, remedy, cause = _REASONS[one.state]
            found.append(Problem(what, one.label, remedy, cause))
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


# State to what is wrong with it, the remedy, and the cause.
_REASONS = {
    model.MISSING: (
        "was applied, and its file is no longer there",
        "Bring the file back; or state: repaired, which notes it as deleted.",
        "missing_file",
    ),
    model.IGNORED: (
        "is not applied, and later ones are",
        "Give it a version above all that are applied, or allow it with out_of_order: true.",
        "out_of_order",
    ),
    model.DIRTY: (
        "was begun outside a transaction and did not end well, so that a part of it may be there",
        "See what of it is in the database, finish or remove that by hand, then state: repaired (the playbook migrate with"
        " slipway_migrate_repair) and run again.",
        "dirty",
    ),
}
