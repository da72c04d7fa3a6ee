# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run without a release looked at before it, on the one machine that does its work; controller-only (private to the
collection)."""

from __future__ import annotations

import typing as t

from .fleet import Fleet, Read


class Words(t.NamedTuple):
    """For messages.

    :param lost: what cannot be done on a machine that cannot be read.
    :param without: why it may be left out all the same; may be empty.
    :param does: what the one machine does.
    :param looked: what could not be looked at there.
    """

    lost: str
    without: str
    does: str
    looked: str


def in_the_way(fleet: Fleet, host: str, foreseen: Read | None, words: Words, *, break_glass: bool) -> list[str]:
    """All that can be known to be in its way, one sentence each.

    :param host: the machine that does the work.
    :param foreseen: the result of a preview there.
    """
    away = fleet.unreadable()
    without = f", {words.without}" if words.without else ""
    problems = [
        f"{machine}: cannot be read ({reason}), so {words.lost}. Bring it back; or leave it out with"
        f" -e slipway_break_glass=true{without}."
        for machine, reason in sorted(away.items())
        if machine != host and not break_glass
    ]
    if host in away:
        problems.append(
            f"{host}: cannot be read ({away[host]}), and it is the machine that {words.does}. Bring it back."
        )
    elif foreseen is None or not (foreseen.get("stage") or {}).get("ok"):
        said = (foreseen or {}).get("stage") or {}
        problems.append(f"{host}: {said.get('message') or f'{words.looked} could not be looked at'}")
    return problems
