# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines a rolling release takes together; controller-only (private to the collection)."""

from __future__ import annotations

import itertools
import typing as t


def batches(machines: t.Mapping[str, str], rolling: t.Mapping[str, t.Any]) -> list[list[str]]:
    """Every machine exactly once, in batches of at most as many as C(slipway_rolling) allows, and never none.

    :param machines: those that carry services, each with its zone (empty: it is in none).
    :param rolling: C(batch) and C(max_surge) (a count, or a share that is rounded up); where that is 0, C(max_unavailable)
        in its place (a share is rounded down); C(order).
    """
    by_zone = rolling["order"] == "zones"
    ordered = sorted(machines, key=lambda machine: (machines[machine] if by_zone else "", machine))
    most = _most(rolling, len(machines))
    groups = itertools.groupby(ordered, key=lambda machine: machines[machine] if by_zone else "")
    found = []
    for _zone, members in groups:
        here = list(members)
        found += [here[start : start + most] for start in range(0, len(here), most)]
    return found


def stops_first(rolling: t.Mapping[str, t.Any]) -> bool:
    """Whether the old version of a batch stops before the new one starts, because no machine may run both."""
    return str(rolling["max_surge"]).rstrip("%") == "0"


def _most(rolling: t.Mapping[str, t.Any], machines: int) -> int:
    """As many as a batch may have."""
    wanted = rolling.get("batch")
    if not stops_first(rolling):
        return min(_count(wanted or "1", machines), _count(rolling["max_surge"], machines))
    most = _count(rolling.get("max_unavailable") or "1", machines, up=False)
    return min(most, _count(wanted, machines)) if wanted else most


def _count(amount: str, machines: int, *, up: bool = True) -> int:
    if not amount.endswith("%"):
        return int(amount)
    share = machines * int(amount[:-1])
    return max(1, -(-share // 100) if up else share // 100)
