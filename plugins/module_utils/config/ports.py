# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of a machine that the two sides of a service are published on (private to the collection)."""

from __future__ import annotations

import typing as t
import zlib

FIRST, SLOT, SLOTS = 20000, 20, 500
SIDE = 10  # ports of one side; replicas are at most 9


class Slot(t.NamedTuple):
    """The ports of one service: ten for each side."""

    service: str
    base: int

    def ports(self, replicas: int) -> dict[str, list[int]]:
        """One port a replica for each side."""
        sides = {"blue": self.base, "green": self.base + SIDE}
        return {side: list(range(first, first + replicas)) for side, first in sides.items()}

    def overlaps(self, other: Slot) -> bool:
        """Whether the two could ever want the same port."""
        return abs(self.base - other.base) < SLOT

    def holds(self, port: int) -> bool:
        """Whether the port is one of these."""
        return self.base <= port < self.base + SLOT


def slot_for(platform: str, environment: str, service: str, publish_from: int | None) -> Slot:
    """The slot of a service. It follows from the names alone, so every run finds the same one without remembering."""
    if publish_from is not None:
        return Slot(service, publish_from)
    number = zlib.crc32(f"{platform}/{environment}/{service}".encode()) % SLOTS
    return Slot(service, FIRST + SLOT * number)


def free_base(slot: Slot, others: t.Sequence[Slot]) -> int:
    """The next base after this slot's that overlaps none of the others, to propose for C(publish_from)."""
    start = (slot.base - FIRST) // SLOT + 1
    bases = (FIRST + SLOT * ((start + step) % SLOTS) for step in range(SLOTS))
    return next(base for base in bases if not any(Slot("", base).overlaps(other) for other in others))
