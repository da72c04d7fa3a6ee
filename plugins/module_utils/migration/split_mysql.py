# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of MySQL and MariaDB (private to the collection).

Source: MySQL reference manual, 9 "Language Structure" and 4.5.1 "mysql Client Commands"; and Flyway's way to write a stored program
without DELIMITER: its body is C(BEGIN … END), and semicolons in it do not end it. Backslashes escape, as they do without
NO_BACKSLASH_ESCAPES.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import SlipwayError
from .splitter import INNER, LETTER, Splitter, quoted

_QUOTES = {"'": quoted("'", escapes=True), '"': quoted('"', escapes=True), "`": quoted("`")}
_STORED = re.compile(
    r"CREATE (?:OR REPLACE )?(?:DEFINER (?:\S+ ){0,2}?)?(?:AGGREGATE )?(?:PROCEDURE|FUNCTION|TRIGGER|EVENT|PACKAGE)\b"
)
_LOOPS = ("IF", "LOOP", "REPEAT", "WHILE", "FOR")  # END IF ends no BEGIN
SEMICOLON = ";"


class MySQLSplitter(Splitter):
    """See RV(Splitter)."""

    # What commits the transaction it is in (manual, 13.3.3 "Statements That Cause an Implicit Commit").
    alone = re.compile(
        r"(?:CREATE|DROP)\b(?!(?: OR REPLACE)? TEMPORARY\b)|ANALYZE (?:LOCAL |NO_WRITE_TO_BINLOG )?TABLE|SET PASSWORD"
        r"|(?:ALTER|RENAME|TRUNCATE|GRANT|REVOKE|CHECK|OPTIMIZE|REPAIR|CACHE|FLUSH|RESET|INSTALL|UNINSTALL|LOCK|UNLOCK|CHANGE|STOP)\b"
        r"|LOAD INDEX|START (?:SLAVE|REPLICA)\b|BEGIN NOT ATOMIC"
    )
    control = re.compile(
        r"(?:BEGIN\b(?! NOT ATOMIC)|START TRANSACTION|COMMIT|ROLLBACK\b(?!(?: WORK)? TO\b)|XA\b"
        r"|SET (?:SESSION |LOCAL )?AUTOCOMMIT)\b"
    )

    def __init__(self, pieces: t.Iterable[str], where: str) -> None:
        super().__init__(pieces, where)
        self._delimit(SEMICOLON)
        self._reset()

    def _reset(self) -> None:
        self._blocks = 0
        self._block = 0  # where in the statement the outermost begins
        self._ending = False  # behind an END, whose meaning depends on the next word
        self._stored = False
        self._code: int | None = None  # where in the statement a /*! begins that is open

    def _delimit(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._ahead = max(len(delimiter), len("M!"))
        mark = re.escape(delimiter)
        # One of letters is a word of its own; any other may stand right behind a word, as in END$$.
        whole, rest = (r"(?![\w$])", "") if delimiter[0].isalnum() else ("", f"(?!{mark})")
        self._pattern = re.compile(
            rf"""
            (?P<space>\s+)
            |(?P<delimiter>{mark}{whole})
            |(?P<comment>(?:\#|--(?=[\s\x00-\x1f]|\Z))[^\n]*)
            |(?P<code>/\*M?!\d*)
            |(?P<block>/\*)
            |(?P<end>\*/)
            |(?P<part>(?:@|\.\s*){LETTER}(?:{rest}{INNER})*)
            |(?P<word>{LETTER}(?:{rest}{INNER})*)
            |(?P<quote>['"`])
            |(?P<client>\\)
            |(?P<other>\d(?:{rest}[\w$])*|\.\s*\Z|.)
            """,
            re.VERBOSE | re.DOTALL,
        )

    def _directive(self, kind: str) -> bool:
        word = self._match.group().upper()
        if kind == "word" and word == "SOURCE":
            raise self._foreign("mysql")
        if kind != "word" or word != "DELIMITER":
            return False
        line = self._line_end()
        found = self._text[self._at : line].split()
        if not found or "\\" in found[0]:
            raise SlipwayError(
                "DELIMITER needs a delimiter, without a backslash",
                obj=f"{self._where}:{self._line_at(self._start)}",
                actual=" ".join(found),
                remedy="Name one, such as //.",
                cause="bad_input",
            )
        self._at = line
        self._delimit(found[0])
        return True

    def _read(self, words: t.Sequence[str]) -> None:
        (word,) = words  # each is a token
        if self._ending:
            self._ending = False
            self._blocks -= word not in _LOOPS
            if word == "CASE":
                return
        if not self._stored and word in ("BEGIN", "CASE", "ATOMIC"):
            first = " ".join(self._words[:10])
            self._stored = _STORED.match(first) is not None or first == "BEGIN NOT ATOMIC"
        if self._stored and word in ("BEGIN", "CASE", "ATOMIC"):
            if not self._blocks:
                self._block = self._start - self._begin
            self._blocks += 1
        elif word == "END" and self._blocks:
            self._ending = True

    def _take(self, kind: str) -> None:
        self._settle()
        if kind == "quote":
            self._until(_QUOTES[self._match.group()], f"what is quoted with {self._match.group()}")
        elif kind == "client":
            raise self._foreign("mysql")
        elif kind == "code":
            self._code = self._start - self._begin
        elif kind == "other" and self._match.group().startswith("."):
            self._at = self._start + 1  # and no name behind it
        elif kind == "end":
            if self._code is None:
                self._at = self._start + 1  # an asterisk, and a comment may follow
            self._code = None

    def _settle(self) -> None:
        """An END without a word behind it."""
        self._blocks -= self._ending
        self._ending = False

    def _closed(self) -> bool:
        self._settle()
        return self._code is None and (not self._blocks or self._delimiter != SEMICOLON)

    def _expect_closed(self) -> None:
        if self._code is not None:
            raise self._unended("a comment with a statement in it", self._line_at(self._begin + self._code))
        if not self._closed():
            raise self._unended("a block", self._line_at(self._begin + self._block))
