# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database refuses, and why, where that decides what to do (private to the collection)."""

from __future__ import annotations

from ..errors import SlipwayError

# Why a statement was not carried out, where that decides what to do; also the causes of errors.
LOCK = "lock_timeout"  # the same may work later
LATE = "timeout"  # it took longer than it may
DENIED = "denied"
LOST = "connection_lost"
OTHER = "question_failed"

_SAYING = {
    LOCK: ("waited too long for a lock", "See who holds it, and run again."),
    LATE: ("took longer than it may", "Allow more, or see what it waits for."),
    DENIED: ("does not let this user do that", "Give the user the right that it names, or use the owner instead."),
    LOST: ("the connection was lost", "See the server's log, then run again."),
    OTHER: ("does not do what it is asked for", "See what it says; what is in force, state: status tells."),
}


class RefusedError(SlipwayError):
    """A statement that the database did not carry out.

    :param said: the database's own words.
    :param code: the database's own code.
    :param cause: C(LOCK), C(LATE), C(DENIED), C(LOST), or C(OTHER) where nobody can say more of it.
    :param position: 1-based character of the statement, where the database says one.
    """

    def __init__(self, said: str, code: str = "", cause: str = OTHER, *, position: int = 0) -> None:
        what, remedy = _SAYING[cause]
        super().__init__(what, obj="the database", actual=said, remedy=remedy, cause=cause, evidence={"code": code})
        self.said = said
        self.code = code
        self.position = position
        self.of_last = False  # whether it was the last statement of a script that was sent with what concludes it

    @property
    def lock(self) -> bool:
        """Whether the same may work later."""
        return self.cause == LOCK
