# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of a schema, in the table that Flyway keeps (private to the collection).

Source of columns and types: what Flyway 10 creates and writes; a test compares both on the same files.
"""

from __future__ import annotations

import typing as t

TABLE = "flyway_schema_history"
RUNNING = -1  # milliseconds of a row whose script has begun outside a transaction and not ended

SQL = "SQL"
UNDO_SQL = "UNDO_SQL"
BASELINE = "BASELINE"
SQL_BASELINE = "SQL_BASELINE"
SCHEMA = "SCHEMA"
DELETE = "DELETE"
BASELINE_TEXT = "<< Flyway Baseline >>"

COLUMNS = (
    "installed_rank",
    "version",
    "description",
    "type",
    "script",
    "checksum",
    "installed_by",
    "installed_on",
    "execution_time",
    "success",
)


class Row(t.NamedTuple):
    """One line of the history.

    :param version: None for a repeatable script.
    :param on: when, as the database writes it.
    :param milliseconds: RV(RUNNING) while it has not ended.
    """

    rank: int
    version: str | None
    description: str
    type: str
    script: str
    checksum: int | None
    by: str
    on: str
    milliseconds: int
    success: bool

    @property
    def running(self) -> bool:
        """Begun outside a transaction, and not known to have ended."""
        return not self.success and self.milliseconds == RUNNING


def row_of(values: t.Sequence[t.Any]) -> Row:
    """From what the database answers, in the order of RV(COLUMNS)."""
    rank, version, description, kind, script, checksum, by, on, took, success = values
    return Row(
        int(rank),
        None if version is None else str(version),
        str(description),
        str(kind),
        str(script),
        None if checksum is None else int(checksum),
        str(by),
        str(on),
        int(took),
        bool(success),
    )
