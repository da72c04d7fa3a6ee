# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait for others, and how often to try again (private to the collection)."""

from __future__ import annotations

import random
import typing as t

from ..system import System
from .refused import RefusedError

Answer = t.TypeVar("Answer")

FIRST_PAUSE = 0.1  # seconds before a script is tried again that waited too long for a lock; doubled each time
LONGEST_PAUSE = 10.0


class Patience(t.NamedTuple):
    """How long to wait, in seconds.

    :param lock: for others who migrate the same schema.
    :param retry: for a script that the program in use keeps from its locks, tried again and again.
    """

    lock: float = 60.0
    retry: float = 60.0


def pauses(system: System, patience: Patience, deadline: float | None) -> t.Iterator[bool]:
    """True after each pause, as long as there is patience; longer each time, and never for two at the same moment."""
    end = system.monotonic() + patience.retry
    end = end if deadline is None else min(end, deadline)
    pause = FIRST_PAUSE
    while system.monotonic() < end:
        system.sleep(min(pause * _jitter(), max(0.0, end - system.monotonic())))
        yield True
        pause = min(pause * 2, LONGEST_PAUSE)


def patiently(work: t.Callable[[], Answer], tries: t.Iterator[bool]) -> Answer:
    """Do it, and again after each pause while somebody else keeps it from its locks.

    :param tries: see RV(pauses).
    :raises RefusedError: of the last try.
    """
    while True:
        try:
            return work()
        except RefusedError as refused:
            if not refused.lock or not next(tries, False):
                raise


def _jitter() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311  # no secret
