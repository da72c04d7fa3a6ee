# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script that failed, said with file, line and the database's words (private to the collection)."""

from __future__ import annotations

from ..errors import SlipwayError
from .refused import DENIED, LATE, LOCK, LOST, OTHER, RefusedError
from .scripts import Script

EXCERPT = 200  # characters of a statement


def failed(script: Script, line: int, statement: str, refused: RefusedError, *, changed: str) -> SlipwayError:
    """The error of a migration.

    :param line: of the file, at which the statement begins; 0 where it is about the script as a whole.
    :param changed: what of the script is in the database now.
    """
    at = line + _lines_before(statement, refused.position)
    what, remedy, cause = _SAYING[refused.cause]
    return SlipwayError(
        what,
        obj=f"{script.name.script} line {at}" if line else script.name.script,
        actual=refused.said,
        remedy=f"{remedy} In force is {changed}.",
        cause=cause,
        evidence={
            "script": script.name.script,
            "line": at,
            "code": refused.code,
            "statement": _excerpt(statement),
            "transactional": script.transactional,
        },
    )


_SAYING = {
    LOCK: (
        "waited too long for a lock, each time it was tried",
        "Another session holds what it needs; see pg_stat_activity or SHOW PROCESSLIST, and run again.",
        "lock_timeout",
    ),
    LATE: (
        "was ended before it was done",
        "It took longer than statement_timeout or timeout allow, or somebody ended it; run again.",
        "timeout",
    ),
    LOST: ("the connection was lost", "See the server's log, then run again.", "connection_lost"),
    DENIED: ("was refused by the database", "Give the user the right that it names; run again.", "denied"),
    OTHER: ("was refused by the database", "Correct it and run again.", "migration_failed"),
}


def _lines_before(statement: str, position: int) -> int:
    return statement[: position - 1].count("\n") if position > 0 else 0


def _excerpt(statement: str) -> str:
    text = " ".join(statement.split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
