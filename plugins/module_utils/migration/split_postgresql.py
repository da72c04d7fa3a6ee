# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of PostgreSQL (private to the collection).

Source: PostgreSQL manual, 4.1 "Lexical Structure", and what psql takes for the end of a statement (C(psqlscan.l)): a semicolon
outside of parentheses and of the body of a C(BEGIN ATOMIC) routine. Strings are those of C(standard_conforming_strings), the
default since 9.1.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import SlipwayError
from .splitter import COPY, INNER, LETTER, LETTER_OR_DIGIT, SQL, Splitter, Statement, quoted

_WORD = rf"(?!\s){LETTER}(?:{INNER}+|(?<![eE])|(?!'))"  # not the E of E'…'
_MARK = r"!#%&*+,.:<=>?@\[\]^`{|}~"  # nothing begins or ends with one of these
# What is frequent comes first.
_TOKENS = re.compile(
    rf"""
    (?P<word>{_WORD}(?:[\t-\r\ {_MARK}]+{_WORD})*)\s*
    |(?P<open>\()\s*
    |(?P<close>\))\s*
    |(?P<delimiter>;)
    |(?P<space>\s+)
    |(?P<string>')
    |(?P<name>")
    |(?P<comment>--[^\r\n]*)
    |(?P<block>/\*)
    |(?P<escaped>[eE]')
    |(?P<dollar>\$(?:{LETTER}{LETTER_OR_DIGIT}*)?\$)
    |(?P<client>\\)
    |(?P<other>\d[\w.]*|\$\d+|\$(?:{LETTER}{LETTER_OR_DIGIT}*)?\Z|[{_MARK}]+|.)\s*
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING, _ESCAPED, _NAME = quoted("'"), quoted("'", escapes=True), quoted('"')
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*'")
_GAP = re.compile(r"(?:\s|-(?=\Z)|--[^\r\n]*)*\Z")
_REST = re.compile(r"[ \t\f\v]*(?:--[^\r\n]*)?(?:\r?\n|\Z)")
_ATOMIC = re.compile(r"BEGIN\s+ATOMIC\b", re.IGNORECASE)
_ROUTINE = re.compile(r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b")


class Rows:
    """The data of a COPY, read once."""

    def __init__(self, rows: t.Iterator[str]) -> None:
        self._rows = rows
        self._begun = False

    def __iter__(self) -> t.Iterator[str]:
        if self._begun:
            raise RuntimeError("the data of a COPY can be read once; split the script again")
        self._begun = True
        return self._rows


class PostgreSQLSplitter(Splitter):
    """See RV(Splitter)."""

    nested = True
    alone = re.compile(
        r"(?:CREATE|DROP) (?:DATABASE|TABLESPACE|SUBSCRIPTION)\b|ALTER DATABASE .*\bSET TABLESPACE\b"
        r"|ALTER SUBSCRIPTION .*\b(?:REFRESH|SET|ADD|DROP) PUBLICATION\b"
        r"|ALTER SYSTEM\b|(?:CREATE(?: UNIQUE)?|DROP) INDEX CONCURRENTLY\b|ALTER TABLE .*\bDETACH PARTITION .*\bCONCURRENTLY\b"
        r"|REINDEX\b(?:.*\bCONCURRENTLY\b|(?: VERBOSE| TABLESPACE \w+)* (?:SCHEMA|DATABASE|SYSTEM)\b)"
        r"|VACUUM\b|DISCARD ALL\b|CLUSTER(?: VERBOSE)?$|(?:COMMIT|ROLLBACK) PREPARED\b"
    )
    control = re.compile(
        r"(?:BEGIN|START TRANSACTION|COMMIT|END|ABORT|PREPARE TRANSACTION|ROLLBACK)\b(?! PREPARED)"
        r"(?!(?: WORK| TRANSACTION)? TO\b)"
    )

    _pattern = _TOKENS

    def statements(self) -> t.Iterator[Statement]:
        for statement in super().statements():
            yield statement
            for _row in self._rows or ():
                pass  # nobody read the data

    def _reset(self) -> None:
        self._parentheses = 0
        self._blocks = 0
        self._last = ""
        self._copies = False
        self._opened: tuple[str, int] = ("", 0)  # what is open, and where in the statement it begins
        self._rows: t.Iterator[str] | None = None

    def _read(self, words: t.Sequence[str]) -> None:
        for word in words:
            if self._blocks:
                self._blocks += {"CASE": 1, "END": -1}.get(word, 0)
            elif word == "ATOMIC" and self._last == "BEGIN" and _ROUTINE.match(" ".join(self._words[:4])):
                self._blocks = 1
                begins = _ATOMIC.search(self._text, self._start, self._at)
                self._open("the body of a routine", begins.start() if begins else self._start)
            elif word == "STDIN" and self._last == "FROM" and self._words[0] == "COPY" and not self._parentheses:
                self._copies = True
            self._last = word

    def _take(self, kind: str) -> None:
        if kind == "string":
            self._until(_STRING, "a string")
        elif kind == "escaped":
            self._until(_ESCAPED, "a string")
            self._continue()
        elif kind == "name":
            self._until(_NAME, "a quoted name")
        elif kind == "dollar":
            self._until(re.compile(f"(?P<end>{re.escape(self._match.group())})"), f"a string in {self._match.group()}")
        elif kind == "client":
            raise self._foreign("psql")
        elif kind == "open":
            self._parentheses += 1
            if self._parentheses == 1 and not self._blocks:
                self._open("a parenthesis", self._start)
        elif kind == "close":
            self._parentheses = max(0, self._parentheses - 1)

    def _open(self, what: str, at: int) -> None:
        self._opened = (what, at - self._begin)

    def _continue(self) -> None:
        """A string on the next line continues the one before, and its backslashes still escape."""
        while True:
            while not self._ended and _GAP.match(self._text, self._at):
                self._more()
            match = _CONTINUED.match(self._text, self._at)
            if match is None:
                return
            self._at = match.end()
            self._until(_ESCAPED, "a string")

    def _closed(self) -> bool:
        return not self._parentheses and not self._blocks

    def _expect_closed(self) -> None:
        if not self._closed():
            what, offset = self._opened
            raise self._unended(what, self._line_at(self._begin + offset))
        if self._copies:
            raise self._unended("COPY … FROM stdin", self._line)

    def _made(self, text: str, line: int) -> Statement:
        if not self._copies:
            return Statement(text, line, SQL, tuple(self._words))
        self._rows = self._data(line)
        self._line_end()
        rest = _REST.match(self._text, self._at)
        if rest is None:
            raise SlipwayError(
                "something stands behind COPY … FROM stdin on the same line",
                obj=f"{self._where}:{self._line_at(self._at)}",
                wanted="the data, from the next line to one of only \\.",
                remedy="Begin a new line.",
                cause="bad_input",
            )
        self._at = rest.end()
        self._leave(self._at)
        return Statement(text, line, COPY, tuple(self._words), Rows(self._rows))

    def _data(self, line: int) -> t.Iterator[str]:
        while True:
            end = self._text.find("\n", self._at) + 1
            if not end and self._more():
                continue
            row = self._text[self._at : end or len(self._text)]
            self._at += len(row)
            self._begin, self._line = self._at, self._line + row.endswith("\n")
            if row.rstrip("\r\n") == "\\.":
                return
            if not row:
                raise self._unended("the data of COPY … FROM stdin", line)
            yield row
