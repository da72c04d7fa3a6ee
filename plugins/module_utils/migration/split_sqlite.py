# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of SQLite (private to the collection).

Source: SQLite, "SQL Language: Keywords and Comments", and C(sqlite3_complete): a trigger ends with C(; END ;) and everything else
with a semicolon.
"""

from __future__ import annotations

import re
import typing as t

from .splitter import INNER, LETTER, Splitter, quoted

_QUOTES = {mark: quoted(mark) for mark in ("'", '"', "`")}
_BRACKET = re.compile(r"(?P<end>\])")
_TRIGGER = re.compile(r"(?:EXPLAIN )?CREATE (?:TEMP |TEMPORARY )?TRIGGER\b")


class SQLiteSplitter(Splitter):
    """See RV(Splitter)."""

    alone = re.compile(
        r"VACUUM\b|(?:ATTACH|DETACH)\b|PRAGMA (?:\w+ )?(?:FOREIGN_KEYS|JOURNAL_MODE|SYNCHRONOUS|AUTO_VACUUM|PAGE_SIZE|ENCODING)\b"
    )
    control = re.compile(r"(?:BEGIN|COMMIT|END|ROLLBACK)\b(?!(?: TRANSACTION)? TO\b)")

    _pattern = re.compile(
        rf"""
        (?P<space>\s+)
        |(?P<comment>--[^\n]*)
        |(?P<block>/\*)
        |(?P<delimiter>;)
        |(?P<word>{LETTER}{INNER}*)
        |(?P<quote>['"`])
        |(?P<bracket>\[)
        |(?P<other>\d[\w$]*|[@:$\#][\w$]+|.)
        """,
        re.VERBOSE | re.DOTALL,
    )

    def _reset(self) -> None:
        self._trigger = False
        self._tail = ""  # of a trigger: behind a semicolon, or behind an END behind one

    def _directive(self, kind: str) -> bool:
        if kind == "other" and self._match.group() == ".":
            raise self._foreign("sqlite3")
        return False

    def _read(self, words: t.Sequence[str]) -> None:
        (word,) = words  # each is a token
        self._tail = "end" if self._tail == ";" and word == "END" else ""
        if len(self._words) <= 4 and _TRIGGER.fullmatch(" ".join(self._words)):
            self._trigger = True

    def _take(self, kind: str) -> None:
        if kind != "delimiter":
            self._tail = ""
        if kind == "quote":
            self._until(_QUOTES[self._match.group()], f"what is quoted with {self._match.group()}")
        elif kind == "bracket":
            self._until(_BRACKET, "a name in brackets")

    def _closed(self) -> bool:
        if not self._trigger or self._tail == "end":
            return True
        self._tail = ";"
        self._solid = self._at
        return False

    def _expect_closed(self) -> None:
        if self._trigger and self._tail != "end":
            raise self._unended("a trigger", self._line)
