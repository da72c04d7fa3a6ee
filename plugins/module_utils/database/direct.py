# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a connection leads to the server itself, or to a pooler that lends the server's out (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError

ASKED = 4  # times that each of two connections is asked who serves it


def expect_own(one: t.Callable[[], int], other: t.Callable[[], int], where: t.Mapping[str, str]) -> None:
    """Two connections that are open at once are served by one each, always the same, unless something lends out the server's in
    turn.

    :param one: asks a connection without an open transaction by what number the server knows it, as RV(other) does another one.
    :raises SlipwayError: C(pooled).
    """
    # Whoever asks twice in a row gets the next one, or the same one as the other, whichever way they are lent out.
    seen = [(one(), one(), other(), other()) for _time in range(ASKED)]
    first, _again, second, _last = seen[0]
    if first == second or any(turn != (first, first, second, second) for turn in seen):
        told_of = sorted({number for turn in seen for number in turn})
        raise pooled(where, f"two connections, by turns number {', '.join(map(str, told_of))} of the server")


def pooled(where: t.Mapping[str, str], actual: str) -> SlipwayError:
    """Refuses a pooler."""
    return SlipwayError(
        "reaches the server by way of a pooler that lends out connections for a transaction each",
        obj=f"{where['database']} on {where['host']}",
        actual=actual,
        wanted="one for each",
        remedy="Name the server itself, with slipway_database.direct_url, or for migrations alone with"
        " slipway_migrations.admin_url. Behind a pooler a lock of a session means nothing, and what is set hits whoever gets the"
        " connection next.",
        cause="pooled",
    )
