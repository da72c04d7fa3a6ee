# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""That the live side's workers are paused for maintenance, as this machine remembers it (private to the collection).

What comes back after a reboot does not tell alone: a hand-over that was cut off leaves the same behind. So it is a file of its own,
written before the first worker stops and gone when they work again, or when a release has given the work to its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ..errors import SlipwayError
from ..system import System

FILE = "workers_paused.json"


class Scope(t.Protocol):
    """One platform in one environment on this machine."""

    @property
    def directory(self) -> str:
        """Of its state."""


class Held(t.NamedTuple):
    """A pause.

    :param since: seconds since the epoch, by the machine's clock.
    :param ending: whether they were being started again, so that whoever finds this goes on with that.
    """

    since: float
    ending: bool = False

    def seconds(self, system: System) -> float:
        """For how long, by now."""
        return round(max(0.0, system.wall() - self.since), 1)


def read_held(system: System, scope: Scope) -> Held | None:
    """The pause; None where there is none.

    :raises SlipwayError: C(record_damaged).
    """
    path = os.path.join(scope.directory, FILE)
    data = system.read_file(path)
    if data is None:
        return None
    try:
        found = json.loads(data)
        return Held(float(found["since"]), bool(found["ending"]))
    except (ValueError, KeyError, TypeError) as error:
        raise SlipwayError(
            "what says since when the workers are paused is damaged",
            obj=path,
            actual=str(error),
            remedy="Remove this file, and start the workers of the live side.",
            cause="record_damaged",
        ) from None


def write_held(system: System, scope: Scope, held: Held) -> None:
    """Durably, before anything is done about it."""
    system.make_directory(scope.directory)
    system.replace_file(os.path.join(scope.directory, FILE), (json.dumps(held._asdict()) + "\n").encode())


def forget_held(system: System, scope: Scope) -> None:
    """There is none any more."""
    with contextlib.suppress(FileNotFoundError):
        system.unlink(os.path.join(scope.directory, FILE))
        system.fsync_directory(scope.directory)
