# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compact records of a run: 16 bytes a request, kept in memory and written beside the result.

A C(.rec) file is the records and nothing else, in the order in which they were completed, each C(<dfBBH):

- C(scheduled), float64: when it was due, seconds of CLOCK_MONOTONIC (a stream: when its opening began);
- C(seconds), float32: from C(scheduled) to its end (of a stream: how long it lived);
- C(kind), C(outcome), uint8, C(version), uint16: indices into C(kinds), C(outcomes) and C(versions) of the JSON file.

Outcome 0 is C(ok), 1 is C(stale_idle) (not a request: the first of two attempts, the second has its own record),
all others are failures. Version 0 is unknown.
"""

from __future__ import annotations

import struct
import typing as t

LAYOUT = "<dfBBH"
OK, STALE = 0, 1

_RECORD = struct.Struct(LAYOUT)
SIZE = _RECORD.size


class Names:
    """A growing table of names, each with its number; when it is full, further ones share the last, C(other)."""

    def __init__(self, first: t.Sequence[str], limit: int) -> None:
        self.names = list(first)
        self._limit = limit
        self._numbers = {name: number for number, name in enumerate(first)}

    def number(self, name: str) -> int:
        """The number of a name, a new one if need be."""
        number = self._numbers.get(name)
        if number is None:
            if len(self.names) >= self._limit - 1:
                name = "other"
            number = self._numbers.setdefault(name, len(self.names))
            if number == len(self.names):
                self.names.append(name)
        return number


class Records:
    """Appends records and holds the tables that their numbers point into."""

    def __init__(self, kinds: t.Sequence[str]) -> None:
        self.kinds = list(kinds)
        self.outcomes = Names(["ok", "stale_idle"], 256)
        self.versions = Names([""], 65536)
        self.data = bytearray()

    def add(self, scheduled: float, ended: float, kind: int, outcome: int, version: str) -> None:
        """Appends one.

        :param scheduled: monotonic seconds, as C(ended).
        :param outcome: C(OK), C(STALE) or a number of C(outcomes).
        """
        self.data += _RECORD.pack(scheduled, ended - scheduled, kind, outcome, self.versions.number(version))


class Columns:
    """The records of a C(.rec) file as columns: C(scheduled), C(ended), C(kind), C(outcome), C(version).

    :raises ValueError: the length is not a multiple of 16.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) % SIZE:
            raise ValueError(f"{len(data)} bytes are not whole records of {SIZE}.")
        self.scheduled: list[float] = []
        self.ended: list[float] = []
        self.kind = data[12::SIZE]
        self.outcome = data[13::SIZE]
        self.version: list[int] = []
        for scheduled, seconds, _kind, _outcome, version in _RECORD.iter_unpack(data):
            self.scheduled.append(scheduled)
            self.ended.append(scheduled + seconds)
            self.version.append(version)

    def __len__(self) -> int:
        return len(self.scheduled)
