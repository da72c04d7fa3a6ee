# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tokens of one statement, and a cursor over them (private to the collection).

A statement has been taken out of its script by RV(split), so whatever is quoted in it ends; here it is looked at from inside.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ..splitter import INNER, LETTER, LETTER_OR_DIGIT

_PLAIN_COMMENT = r"/\*.*?(?:\*/|\Z)"
_REST = rf"""
    |(?P<word>{LETTER}{INNER}*)
    |(?P<number>\d[\w.]*)
    |(?P<other>.)
"""
_STRING = r"'(?:''|[^'])*(?:'|\Z)"
_ESCAPED = r"'(?:\\.|''|[^'\\])*(?:'|\Z)"

# PostgreSQL 4.1, MySQL 9 and SQLite's "Keywords": comments nest in the first alone, "x" is a name in the first and last alone.
_PATTERNS = {
    "postgresql": rf"""(?P<space>\s+|--[^\r\n]*)|(?P<block>/\*)
        |(?P<string>[eE]{_ESCAPED}|[bBxXnN]?{_STRING}|(?P<tag>\$(?:{LETTER}{LETTER_OR_DIGIT}*)?\$).*?(?:(?P=tag)|\Z))
        |(?P<name>"(?:""|[^"])*(?:"|\Z)){_REST}""",
    "mysql": rf"""(?P<space>\s+|\#[^\n]*|--(?=[\s\x00-\x1f]|\Z)[^\n]*|/\*M?!\d*|\*/|{_PLAIN_COMMENT})
        |(?P<string>{_ESCAPED}|"(?:\\.|""|[^"\\])*(?:"|\Z))
        |(?P<name>`(?:``|[^`])*(?:`|\Z)){_REST}""",
    "sqlite": rf"""(?P<space>\s+|--[^\n]*|{_PLAIN_COMMENT})
        |(?P<string>{_STRING})
        |(?P<name>"(?:""|[^"])*(?:"|\Z)|`(?:``|[^`])*(?:`|\Z)|\[[^\]]*(?:\]|\Z)){_REST}""",
}
_PATTERNS["mariadb"] = _PATTERNS["mysql"]
_BLOCK = re.compile(r"/\*|\*/")
_LINE = re.compile(r"\r\n|\r|\n")
USUAL = ("public", "main")  # schemas that nobody names, of PostgreSQL and SQLite
SHOWN = 200  # characters of a statement in a message


class Token(t.NamedTuple):
    """One token.

    :param kind: C(word), C(name) (quoted), C(string), C(number), C(other) (one character), or C(end).
    :param word: a word in capitals, or the one character; what a grammar is written with.
    """

    kind: str
    text: str
    word: str
    start: int
    line: int


class Name(t.NamedTuple):
    """A table's, or another thing's.

    :param shown: as it stands in the statement.
    :param parts: as the database compares them, the schema first.
    """

    shown: str
    parts: tuple[str, ...]

    def same(self, other: Name) -> bool:
        """Whether both are one for sure; a name without a schema is of the usual one."""
        mine, others = (parts[1:] if parts[0] in USUAL else parts for parts in (self.parts, other.parts))
        return mine == others

    def may_be(self, other: Name) -> bool:
        """Whether both may be one; a name without a schema may be of any."""
        return all(mine == others for mine, others in zip(self.parts[::-1], other.parts[::-1]))


def tokens(text: str, line: int, dialect: str) -> list[Token]:
    """Those of a statement, without spaces and comments.

    :param line: of its first character.
    """
    match_at, found, at = _pattern(dialect).match, [], 0
    while at < len(text):
        match = t.cast("re.Match[str]", match_at(text, at))  # any character is a token
        kind, said, start, at = match.lastgroup, match.group(), at, match.end()
        if kind in ("word", "other"):  # no line ends in them
            found.append(Token(kind, said, said.upper(), start, line))
            continue
        if kind == "block":
            at = _behind(text, at)
        elif kind != "space":
            found.append(Token("string" if kind == "tag" else str(kind), said, "", start, line))
        if said != " ":
            line += len(_LINE.findall(text, start, at))
    return found


@functools.lru_cache(maxsize=1)
def _pattern(dialect: str) -> t.Pattern[str]:
    return re.compile(_PATTERNS[dialect], re.VERBOSE | re.DOTALL)


def _behind(text: str, at: int) -> int:
    """The end of a comment, those in it included."""
    depth = 1
    while depth:
        match = _BLOCK.search(text, at)
        if match is None:
            return len(text)
        at = match.end()
        depth += 1 if match.group() == "/*" else -1
    return at


def unquoted(token: Token, dialect: str) -> str:
    """What is in a string, or a name as the database compares it."""
    text = token.text
    if token.kind == "string":
        if text.startswith("$"):
            mark = text.index("$", 1) + 1
            return text[mark:-mark]
        text = text[text.index(text[-1]) :]
        return text[1:-1].replace(text[-1] * 2, text[-1])
    if token.kind == "name":
        text = text[1:-1] if text[0] == "[" else text[1:-1].replace(text[-1] * 2, text[-1])
        return text if dialect == "postgresql" else text.lower()
    return text.lower()


class Cursor:
    """Reads tokens from the first to the last."""

    def __init__(self, tokens_: t.Sequence[Token], dialect: str, line: int = 1) -> None:
        self.tokens = tokens_
        self.dialect = dialect
        self.at = 0
        self._end = Token("end", "", "", 0, tokens_[-1].line if tokens_ else line)

    def peek(self, ahead: int = 0) -> Token:
        """The token here, or some further on; C(end) behind the last."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else self._end

    def next(self) -> Token:
        """The token here; go on."""
        token = self.peek()
        self.at += 1
        return token

    @property
    def line(self) -> int:
        """Of the token here."""
        return self.peek().line

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.tokens)

    def sees(self, *words: str) -> bool:
        """Whether these words follow."""
        return tuple(one.word for one in self.tokens[self.at : self.at + len(words)]) == words

    def take(self, *words: str) -> bool:
        """Go behind these words if they follow."""
        found = self.sees(*words)
        self.at += len(words) if found else 0
        return found

    def any_of(self, *words: str) -> str:
        """Go behind one of these words; which it was, or empty."""
        word = self.peek().word
        if word not in words:
            return ""
        self.at += 1
        return word

    def skip(self, *words: str) -> None:
        """Go behind as many of these words as follow, in any order."""
        while self.any_of(*words):
            pass

    def name(self) -> Name | None:
        """A name with or without a schema; None where there is none."""
        shown, parts = "", []
        while self.peek().kind in ("word", "name") or (self.peek().kind == "string" and self.dialect == "sqlite"):
            token = self.next()
            shown += token.text
            parts.append(unquoted(token, self.dialect))
            if self.peek().word != ".":
                return Name(shown, tuple(parts))
            shown += self.next().text
        return Name(shown.rstrip("."), tuple(parts)) if parts else None

    def names(self) -> list[Name]:
        """One or more, with commas between; what stands behind a name in parentheses is skipped, and a star, too."""
        found: list[Name] = []
        while True:
            self.take("ONLY")
            name = self.name()
            if name is None:
                return found
            found.append(name)
            self.group()
            self.take("*")
            if not self.take(","):
                return found

    def group(self) -> Cursor | None:
        """What stands in parentheses here; None where there are none."""
        if self.peek().word != "(":
            return None
        first, depth = self.at + 1, 0
        while not self.ended:
            depth += {"(": 1, ")": -1}.get(self.next().word, 0)
            if not depth:
                break
        return Cursor(self.tokens[first : self.at - (not depth)], self.dialect, self.line)

    def parts(self) -> list[Cursor]:
        """The rest, at its commas taken apart."""
        found: list[Cursor] = []
        first, depth = self.at, 0
        for at in range(self.at, len(self.tokens)):
            word = self.tokens[at].word
            depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(word, 0)
            if word == "," and not depth:
                found.append(Cursor(self.tokens[first:at], self.dialect))
                first = at + 1
        return [*found, Cursor(self.tokens[first:], self.dialect)]

    def flat(self) -> list[str]:
        """The words of the rest, outside of parentheses."""
        found, depth = [], 0
        for token in self.tokens[self.at :]:
            depth += {"(": 1, ")": -1}.get(token.word, 0)
            if not depth:
                found.append(token.word)
        return found

    def shown(self, last: int | None = None) -> str:
        """The rest, up to a token, on one line."""
        text, end = "", None
        for token in self.tokens[self.at : last]:
            text += ("" if end in (None, token.start) else " ") + token.text
            end = token.start + len(token.text)
        return text if len(text) <= SHOWN else text[:SHOWN] + "…"
