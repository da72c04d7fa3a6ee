# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a script apart into statements, whatever the dialect (private to the collection).

A library (sqlparse, sqlglot, pglast) would have to be on the managed host, which has Python and a driver and nothing else; and none
of them knows DELIMITER and the data of COPY, or reads a file in pieces.
"""

from __future__ import annotations

import abc
import re
import typing as t

from ..errors import SlipwayError
from .conf import NOTE

SQL, COPY = "sql", "copy"
WORDS = 40  # that are kept of a statement, enough to tell what it is
# What a name begins with, and what else is in it: letters, all beyond ASCII. By what they are not: that compiles far faster.
LETTER = r"[^\x00-@\[-^`{-\x7f]"
LETTER_OR_DIGIT = r"[^\x00-/:-@\[-^`{-\x7f]"
INNER = r"[^\x00-\#%-/:-@\[-^`{-\x7f]"  # and a dollar sign


class Statement(t.NamedTuple):
    """One statement, without its delimiter and the comments around it, otherwise as it stands in the file.

    :param line: of its first character.
    :param kind: C(sql), or C(copy) for PostgreSQL's C(COPY … FROM stdin).
    :param words: its first words in capitals, without what is quoted; for RV(split.transactional).
    :param data: lines for C(copy), with their ends; to be read once, and before the next statement is asked for.
    """

    text: str
    line: int
    kind: str = SQL
    words: tuple[str, ...] = ()
    data: t.Iterable[str] = ()


class Splitter(abc.ABC):
    """Reads tokens from the beginning of a text to its end, and no more of it at a time than it must.

    A token that reaches to the end of what has been read may go on, so more is read and it is looked at again.
    """

    nested: t.ClassVar[bool] = False  # comments in comments
    # What one statement may not be in a transaction, and what begins or ends one; both match its words.
    alone: t.ClassVar[t.Pattern[str]]
    control: t.ClassVar[t.Pattern[str]]
    # One token: C(space), C(comment), C(block), C(word), C(delimiter), C(other), and what the dialect has besides. A C(word) may be
    # several with nothing between them that matters, and spaces may stand behind a group: fewer to look at.
    _pattern: t.Pattern[str]
    _ahead = 0  # characters behind a token that may make another one of it, beside the next

    def __init__(self, pieces: t.Iterable[str], where: str) -> None:
        self._pieces = iter(pieces)
        self._where = where
        self._text = ""
        self._begin = 0  # of the statement; nothing before it is needed any more
        self._line = 1  # of the beginning
        self._start = 0  # of the token
        self._at = 0  # behind it
        self._solid = 0  # behind the last token that is no space or comment
        self._match: t.Any = None
        self._ended = False
        self._words: list[str] = []
        self._any = False  # whether there was a statement before

    # What a dialect may add -----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _reset(self) -> None:
        """Before a statement."""

    def _directive(self, kind: str) -> bool:
        """Whether the first token of a statement was a command to the client, which has been carried out."""
        return False

    @abc.abstractmethod
    def _take(self, kind: str) -> None:
        """A token of a statement, of the dialect's own kinds."""

    @abc.abstractmethod
    def _read(self, words: t.Sequence[str]) -> None:
        """Words of a statement that follow each other, in capitals."""

    def _closed(self) -> bool:
        """Whether a delimiter here ends the statement."""
        return True

    @abc.abstractmethod
    def _expect_closed(self) -> None:
        """At the end of the text, in a statement."""

    def _made(self, text: str, line: int) -> Statement:
        """The statement whose delimiter has just been read."""
        return Statement(text, line, SQL, tuple(self._words))

    # Statements -----------------------------------------------------------------------------------------------

    def statements(self) -> t.Iterator[Statement]:
        """One after the other.

        :raises SlipwayError: C(bad_input) for what does not end, with the line where it begins, and for commands to a client.
        """
        while kind := self._skip():
            yield self._statement(kind)
            self._any = True

    def _skip(self) -> str:
        """Go to the next statement; the kind of its first token, and nothing when there is none."""
        while True:
            kind = self._next()
            if kind == "":
                return ""
            if kind == "block":
                self._comment()
            elif kind == "comment":
                self._note()
            elif kind not in ("space", "delimiter") and not self._directive(kind):
                self._leave(self._start)
                return kind
            self._leave(self._at)

    def _statement(self, kind: str) -> Statement:
        """
        :param kind: of its first token, which has been read.
        """
        line, self._words = self._line, []
        self._reset()
        while True:
            if kind == "" or (kind == "delimiter" and self._closed()):
                if kind == "":
                    self._expect_closed()
                text = self._text[self._begin : self._solid]
                self._leave(self._at)
                return self._made(text, line)
            if kind == "block":
                self._comment()
            elif kind == "comment":
                self._note()
            elif kind == "word":
                words = _WORD.findall(self._match["word"].upper())
                self._words += words[: WORDS - len(self._words)]
                self._read(words)
                self._solid = self._match.end("word")
            elif kind != "space":
                spaces = self._match.end() - self._match.end(kind)
                self._take(kind)
                self._solid = self._at - spaces
            kind = self._next()

    # Tokens ---------------------------------------------------------------------------------------------------

    def _next(self) -> str:
        """The kind of the next token; empty at the end."""
        match: t.Any = self._pattern.match(self._text, self._at)
        while (match is None or match.end() + self._ahead >= len(self._text)) and self._more():
            match = self._pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._match, self._start, self._at = match, self._at, match.end()
        kind: str = match.lastgroup
        return kind

    def _until(self, ends: t.Pattern[str], what: str) -> None:
        """Go behind the first match of a pattern that has C(end); the others are skipped."""
        while True:
            match = ends.search(self._text, self._at)
            if match is not None and (match.end() < len(self._text) or self._ended):
                self._at = match.end()
                if match["end"] is not None:
                    return
            elif not self._more() and match is None:
                raise self._unended(what, self._line_at(self._start))

    def _comment(self) -> None:
        depth = 1
        while depth:
            self._until(_NESTED if self.nested else _PLAIN, "a comment")
            depth += -1 if self._text.startswith("*/", self._at - 2) else 1

    def _note(self) -> None:
        if "\r" in self._match.group().rstrip("\r"):
            raise SlipwayError(
                "lines end with CR alone, which does not end a comment for the server, so that it would swallow what follows",
                obj=f"{self._where}:{self._line_at(self._start)}",
                remedy="Let lines end with LF.",
                cause="bad_input",
            )
        if (self._any or self._start > self._begin) and NOTE.match(self._match.group()):
            raise SlipwayError(
                "an annotation below the beginning of the first statement",
                obj=f"{self._where}:{self._line_at(self._start)}",
                remedy="Move it to the top of the file.",
                cause="bad_input",
            )

    # Text -----------------------------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Read as much again as there is, so that what is looked at twice is never more than the whole."""
        if self._ended:
            return False
        wanted, found = max(1, len(self._text) - self._begin), 0
        pieces = [self._text[self._begin :]]
        for piece in self._pieces:
            pieces.append(piece)
            found += len(piece)
            if found >= wanted:
                break
        else:
            self._ended = True
        if not found:
            return False
        self._text = "".join(pieces)
        self._start, self._at, self._solid = (
            max(0, offset - self._begin) for offset in (self._start, self._at, self._solid)
        )
        self._begin = 0
        return True

    def _leave(self, offset: int) -> None:
        """Nothing before it is needed any more."""
        self._line = self._line_at(offset)
        self._begin = offset

    def _line_at(self, offset: int) -> int:
        within = offset > self._begin and self._text.startswith("\r\n", offset - 1)  # the two are one end
        return self._line + len(_END.findall(self._text, self._begin, offset)) - within

    def _unended(self, what: str, line: int) -> SlipwayError:
        return SlipwayError(
            f"{what} begins here and does not end", obj=f"{self._where}:{line}", remedy="End it.", cause="bad_input"
        )

    def _line_end(self) -> int:
        """Of the line that the token ends on."""
        while True:
            end = self._text.find("\n", self._at)
            if end >= 0:
                return end
            if not self._more():
                return len(self._text)

    def _foreign(self, client: str) -> SlipwayError:
        """A command to a client, at the token."""
        end = self._line_end()
        return SlipwayError(
            f"a command of {client}, which no server knows",
            obj=f"{self._where}:{self._line_at(self._start)}",
            actual=self._text[self._start : end].split(maxsplit=1)[0],
            remedy="Write it as SQL, or take it away.",
            cause="bad_input",
        )


_END = re.compile(r"\r\n|\r|\n")
_WORD = re.compile(rf"(?!\s){LETTER}{INNER}*")
_PLAIN = re.compile(r"(?P<end>\*/)")
_NESTED = re.compile(r"(?P<end>\*/|/\*)")


def quoted(mark: str, escapes: bool = False) -> t.Pattern[str]:
    """Finds the end of what is quoted: the mark alone, not two of them, nor one behind a backslash if those escape."""
    end = re.escape(mark)
    return re.compile((r"\\.|" if escapes else "") + f"{end}{end}|(?P<end>{end})", re.DOTALL)
