# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until each replica has what its primary has (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..errors import SlipwayError
from ..system import System
from .connection import Connection
from .positions import NO_REPLICA, Goal, Positions, Seen

PAUSE = (0.05, 1.0)  # seconds between two looks, at first and at most
EVERY = 10.0  # seconds between two lines about what is waited for

LAG, AWAY = "replica_lag", "replica_away"
PASSED_OVER = (AWAY, NO_REPLICA)  # at once, where that is waived
STAYS = "What was applied stays, and does the version that serves no harm."
LEAVE = (
    "while nothing reads from it, take it out of slipway_database.replicas, or go past it this once with"
    " -e \"slipway_waive_replicas='why'\", which stands in the journal and in the report"
)


class Replica(t.NamedTuple):
    """One that is asked.

    :param name: for people.
    :param open: a connection that is not made yet. Each look makes one of its own: one that hangs is seen by the time it takes.
    """

    name: str
    open: t.Callable[[], Connection]


class Reached(t.NamedTuple):
    """A replica that has all.

    :param seconds: for how long it was waited for.
    """

    name: str
    position: str
    seconds: float


class Waited(t.NamedTuple):
    """What waiting has come to.

    :param left: why each that was passed over has not got there.
    """

    reached: list[Reached]
    left: list[SlipwayError]


class Replicas:
    """All that are declared, of one database.

    :param primary: a connection to that, made when it is needed.
    """

    def __init__(
        self, positions: Positions, primary: Connection, replicas: t.Sequence[Replica], system: System
    ) -> None:
        self._positions, self._primary, self._replicas, self._system = positions, primary, replicas, system

    def look(self) -> dict[str, Seen]:
        """Whether each can be asked and is one. Nothing is written, and nothing waited for.

        :raises SlipwayError: C(NO_REPLICA), C(AWAY), about all of them; of the primary what RV(Positions.goal) raises.
        """
        goal = self._goal(settled=False)
        found: dict[str, Seen] = {}
        errors: list[SlipwayError] = []
        for replica in self._replicas:
            try:
                found[replica.name] = self._seen(replica, goal)
            except SlipwayError as error:
                errors.append(error)
        if errors:
            raise together(errors)
        return found

    def wait(self, patience: float, say: t.Callable[[str], None], *, waived: bool = False) -> Waited:
        """Until each has what was committed when this was called.

        :param patience: seconds.
        :param waived: whether those that do not get there are passed over: what is away, or none, at once.
        :raises SlipwayError: C(NO_REPLICA) at once; C(LAG), C(AWAY) when the time is over; about all that have not got there.
        """
        began = self._system.monotonic()
        deadline, told, pause = began + patience, began, PAUSE[0]
        goal = self._goal(settled=True)
        left, done = list(self._replicas), Waited([], [])
        while True:
            errors: list[SlipwayError] = []
            for replica in tuple(left):
                found = self._judged(replica, goal, patience)
                if isinstance(found, SlipwayError) and not (waived and found.cause in PASSED_OVER):
                    errors.append(found)
                    continue
                left.remove(replica)
                if isinstance(found, SlipwayError):
                    done.left.append(found)
                else:
                    seconds = round(self._system.monotonic() - began, 3)
                    done.reached.append(Reached(replica.name, found.shown, seconds))
            now = self._system.monotonic()
            if not left:
                return done
            if now >= deadline or any(error.cause == NO_REPLICA for error in errors):
                if waived:
                    return done._replace(left=[*done.left, *errors])
                raise together(errors)
            if now - told >= EVERY:
                told = now
                say("waits for replicas: " + "; ".join(f"{error.obj}: {error.actual}" for error in errors))
            self._system.sleep(min(pause, deadline - now))
            pause = min(pause * 2, PAUSE[1])

    def _goal(self, *, settled: bool) -> Goal:
        with contextlib.closing(self._primary):
            return self._positions.goal(self._primary, settled=settled)

    def _judged(self, replica: Replica, goal: Goal, patience: float) -> Seen | SlipwayError:
        """What was seen, where it has all; else why it has not."""
        try:
            seen = self._seen(replica, goal)
        except SlipwayError as error:
            return error
        return lagging(replica.name, seen, goal, patience) if seen.behind else seen

    def _seen(self, replica: Replica, goal: Goal) -> Seen:
        with contextlib.closing(replica.open()) as link:
            try:
                return self._positions.seen(link, goal)
            except SlipwayError as error:
                raise named(replica.name, error) from None


def lagging(name: str, seen: Seen, goal: Goal, patience: float) -> SlipwayError:
    """One that has not got there in time."""
    more = f", {seen.why}" if seen.why else ""
    does = seen.remedy or "See in its log why it does not follow."
    return SlipwayError(
        "has not replayed what the migrations have written",
        obj=f"replica {name}",
        actual=f"{seen.shown}, {seen.behind} behind{more}",
        wanted=f"{goal.shown} within {patience:g} s",
        remedy=f"{does} Then run it again; or allow more with slipway_migrations.replica_wait; or, {LEAVE}. {STAYS}",
        cause=LAG,
    )


def named(name: str, error: SlipwayError) -> SlipwayError:
    """What is wrong with one that could not be looked at."""
    if error.cause == NO_REPLICA:
        return SlipwayError(
            error.what,
            obj=f"replica {name}",
            actual=error.actual,
            wanted=error.wanted,
            remedy=error.remedy,
            cause=NO_REPLICA,
        )
    return SlipwayError(
        "cannot be asked how far it is",
        obj=f"replica {name}",
        actual=f"{error.what}: {error.actual}" if error.actual is not None else error.what,
        remedy=f"{error.remedy} It is the machine that migrates which asks, so let that log in there; or, {LEAVE}.".lstrip(),
        cause=AWAY,
    )


def together(errors: t.Sequence[SlipwayError]) -> SlipwayError:
    """All of them as one; the first says the cause."""
    first = errors[0]
    if len(errors) == 1:
        return first
    listed = "\n".join(f"  {number}. {error.message}" for number, error in enumerate(errors, start=1))
    return SlipwayError(
        f"{len(errors)} replicas do not follow", remedy=f"\n{listed}", cause=first.cause, evidence=first.evidence
    )
