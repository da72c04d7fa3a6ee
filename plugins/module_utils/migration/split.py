# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a script's text to its statements, and what they do to a transaction (private to the collection)."""

from __future__ import annotations

import functools
import re
import typing as t

from ..errors import SlipwayError
from .splitter import Splitter, Statement

ENUM_SINCE = 12  # PostgreSQL adds a value to an enumeration within a transaction
_ENUM = re.compile(r"ALTER TYPE .*\bADD VALUE\b")


def split(pieces: t.Iterable[str], dialect: str, where: str) -> t.Iterator[Statement]:
    """One statement after the other; of the text no more is held than the statement at hand.

    :param pieces: of the text, in any size, its placeholders replaced.
    :param where: the file, for errors.
    :raises SlipwayError: C(bad_input) with file and line: a string, comment, name, block or COPY that does not end; a command to a
        client (C(\\connect), C(.read), C(source)); an annotation that is not at the top.
    """
    return _of(dialect)(pieces, where).statements()


def transactional(statement: Statement, dialect: str, server: int = ENUM_SINCE) -> bool:
    """Whether a transaction can hold it: neither refused there nor, as MySQL's DDL, the silent end of what was done before.

    :param server: major version; only PostgreSQL's matters.
    """
    words = " ".join(statement.words)
    if dialect == "postgresql" and server < ENUM_SINCE and _ENUM.match(words):
        return False
    return _of(dialect).alone.match(words) is None


def controls(statement: Statement, dialect: str) -> bool:
    """Whether it begins or ends a transaction; savepoints do not."""
    return _of(dialect).control.match(" ".join(statement.words)) is not None


def expect_uncontrolled(statement: Statement, dialect: str, where: str) -> None:
    """For a script that runs in a transaction of ours.

    :raises SlipwayError: C(bad_input) for a statement that begins or ends one.
    """
    if controls(statement, dialect):
        raise SlipwayError(
            "begins or ends a transaction, in a script that is run in one together with its line in the history",
            obj=f"{where}:{statement.line}",
            actual=" ".join(statement.words[:3]),
            remedy="Take it away; or, if the script must have transactions of its own, write -- slipway: transaction=off above it.",
            cause="bad_input",
        )


@functools.lru_cache(maxsize=1)
def _of(dialect: str) -> type[Splitter]:
    """Only that one is imported: what it knows takes longer to compile than most scripts to be read."""
    if dialect == "postgresql":
        from .split_postgresql import PostgreSQLSplitter

        return PostgreSQLSplitter
    if dialect == "sqlite":
        from .split_sqlite import SQLiteSplitter

        return SQLiteSplitter
    from .split_mysql import MySQLSplitter

    return MySQLSplitter
