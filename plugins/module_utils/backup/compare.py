# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was wanted against what was found, in words (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError

SHOWN = 8  # differences of a kind that are named


def compare(
    kind: str,
    wanted: t.Mapping[str, t.Any],
    found: t.Mapping[str, t.Any],
    tell: t.Callable[[t.Any, t.Any], str] = lambda _wanted, _found: "is not the same",
) -> list[str]:
    """Each thing that is missing, was not there, or differs."""
    said = [f"{kind} {name}: is missing" for name in wanted if name not in found]
    said += [f"{kind} {name}: was not there" for name in found if name not in wanted]
    both = [name for name in wanted if name in found]
    said += [f"{kind} {name}: {tell(wanted[name], found[name])}" for name in both if wanted[name] != found[name]]
    return said if len(said) <= SHOWN else [*said[:SHOWN], f"and {len(said) - SHOWN} more of this kind"]


def expect_same(what: str, differences: t.Sequence[str], *, remedy: str) -> None:
    """That a restored copy is what was backed up.

    :param what: the backup, or the copy.
    :raises SlipwayError: C(bad_backup).
    """
    if differences:
        raise SlipwayError(
            "restores to something else than what was backed up",
            obj=what,
            actual="; ".join(differences),
            wanted="the same objects, rows and samples",
            remedy=remedy,
            cause="bad_backup",
            evidence={"differences": list(differences)},
        )


def rows_differ(wanted: t.Sequence[t.Any], found: t.Sequence[t.Any]) -> str:
    """Of a table, by its number of rows and a checksum of some of them."""
    if wanted[0] != found[0]:
        return f"{found[0]} rows, wanted {wanted[0]}"
    return f"{found[0]} rows, but not the same ones"
