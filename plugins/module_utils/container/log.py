# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers wrote, line by line with the time of each (private to the collection)."""

from __future__ import annotations

import re
import typing as t
from collections import deque

LONGEST = 8192  # characters of a line that are shown
_CONTROL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?")  # ECMA-48, and what sets a title


class Line(t.NamedTuple):
    """One line. C(stamp) is RFC 3339 in UTC with nanoseconds, as the engine wrote it, so that stamps sort by time."""

    stamp: str
    text: str


class Reading(t.NamedTuple):
    """What was read of one container."""

    lines: list[Line]
    last: str  # the stamp of the last line that was looked at, whether it fits or not; where the next reading goes on


def read(
    chunks: t.Iterable[bytes], *, after: str = "", last: int = 0, first: int = 0, clean: t.Callable[[str], str | None]
) -> Reading:
    """Lines of a container, oldest first.

    :param chunks: of C(Engine.log).
    :param after: the stamp of a line; only later ones.
    :param last: so many at most, the last ones; 0 for all.
    :param first: so many at most are looked at, the first ones; 0 for all.
    :param clean: the text as it may be shown; None for a line that is not wanted.
    """
    found: deque[Line] = deque(maxlen=last or None)
    seen, stamp = 0, after
    for line in _stamped(chunks):
        if line.stamp <= after:
            continue
        seen, stamp = seen + 1, line.stamp
        text = clean(line.text)
        if text is not None:
            found.append(Line(line.stamp, text))
        if seen == first:
            break
    return Reading(list(found), stamp)


def _stamped(chunks: t.Iterable[bytes]) -> t.Iterator[Line]:
    """Whole lines out of the pieces in which they come."""
    left = b""
    for chunk in chunks:
        *whole, left = (left + chunk).split(b"\n")
        yield from map(_line, whole)
    if left:
        yield _line(left)


def _line(data: bytes) -> Line:
    stamp, _space, text = data.decode("utf-8", "replace").partition(" ")
    return Line(stamp, text)


def shown(text: str) -> str:
    """A line without what would move the cursor of a terminal, or colour it."""
    plain = _CONTROL.sub("", text.rstrip("\r"))[:LONGEST]
    return "".join(
        letter if letter.isprintable() or letter == "\t" else "\N{REPLACEMENT CHARACTER}" for letter in plain
    )
