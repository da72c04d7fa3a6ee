# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is given texts, and what must hold whatever they are."""

from __future__ import annotations

import functools
import itertools
import random
import re
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration import names
from ansible_collections.slipway.deploy.plugins.module_utils.migration.checksum import checksum
from ansible_collections.slipway.deploy.plugins.module_utils.migration.conf import read_conf, read_notes
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import split
from ansible_collections.slipway.deploy.plugins.module_utils.migration.splitter import COPY

from . import texts

Draw = t.Callable[[random.Random], str]
Expect = t.Callable[[str, random.Random], None]
Outcome = t.TypeVar("Outcome")

ENDS = re.compile(r"\r\n|\r|\n")
APART = "~~~~"  # a delimiter of MySQL that is in none of our words


class BrokenError(Exception):
    """Something that must hold and does not."""


class Piece(t.NamedTuple):
    """A statement, with its data where it is a COPY."""

    text: str
    line: int
    data: str | None


def hold(holds: bool, what: str, *about: object) -> None:
    """:raises BrokenError: unless it holds."""
    if not holds:
        raise BrokenError(": ".join([what, *map(repr, about)]))


def answered(ask: t.Callable[[], Outcome]) -> Outcome | str:
    """The answer, or the refusal in words; whatever else is raised is a failure."""
    try:
        return ask()
    except SlipwayError as error:
        hold(error.cause == "bad_input", "refused without its cause", error.cause)
        return error.message


# Statements ---------------------------------------------------------------------------------------------------


def statements(pieces: t.Iterable[str], dialect: str) -> list[Piece]:
    """All of a text."""
    found = split(pieces, dialect, "V1__x.sql")
    return [Piece(one.text, one.line, "".join(one.data) if one.kind == COPY else None) for one in found]


def expect_statements(text: str, drawn: random.Random, dialect: str) -> None:
    """The same in whatever pieces; each stands in the text where it says; nothing but comments is left out; and comments between
    them change nothing."""
    found = answered(lambda: statements([text], dialect))
    again = answered(lambda: statements(texts.pieces(drawn, text), dialect))
    hold(found == again, "other statements in other pieces", found, again)
    if isinstance(found, str):
        return
    at = 0
    for one in found:
        starts = [place.start() for place in re.compile(f"(?={re.escape(one.text)})").finditer(text, at)]
        starts = [start for start in starts if line_of(text, start) == one.line]
        hold(bool(starts and one.text), "a statement that is not on its line of the text", one)
        if "delimiter" not in text.lower():  # of which depends how what follows is read
            starts = [start for start in starts if begins(text, at, start, one.text, dialect)][-1:]
        hold(bool(starts), "more than comments before a statement", text[at:], one)
        start = starts[0]
        at = start + len(one.text)
        if one.data is not None:  # behind the line that ends them
            at = text.index("\\.", text.index(one.data, at) + len(one.data)) + 2
    spread = commented(found, drawn, dialect)
    if spread is not None:
        again = answered(lambda: statements([spread], dialect))
        same = isinstance(again, list) and [(one.text, one.data) for one in again] == [
            (one.text, one.data) for one in found
        ]
        hold(same, "other statements with comments between them", found, again)


def begins(text: str, at: int, start: int, statement: str, dialect: str) -> bool:
    """Whether a statement begins at a place, and nothing but comments is before it."""
    first = answered(lambda: [one.text for one in itertools.islice(split([text[start:]], dialect, "x"), 1)])
    return first == [statement] and answered(lambda: statements([text[at:start]], dialect)) == []


def line_of(text: str, at: int) -> int:
    """Counted as editors do."""
    return 1 + len(ENDS.findall(text, 0, at))


def commented(found: t.Sequence[Piece], drawn: random.Random, dialect: str) -> str | None:
    """The statements with comments between them; None where a statement has what would end it."""
    parts = []
    if dialect == "mysql":
        if any(APART[0] in one.text for one in found):
            return None
        parts.append(f"DELIMITER {APART}\n")
    for one in found:
        parts.append(drawn.choice(("", " ", "\n", "-- c;\n", "/* c; */", "/* ' */\n")))
        parts.append(one.text + (APART if dialect == "mysql" else ";"))
        if one.data is not None:
            parts.append("\n" + one.data + "\\.\n")
        parts.append(drawn.choice(("\n", " -- c\n", "/* c */\n")))
    return "".join(parts)


# Names, placeholders, notes -----------------------------------------------------------------------------------


def expect_name(text: str, drawn: random.Random) -> None:
    """A name, none, or a refusal that says how it should be; what it says can be ordered and is read again as the same."""
    found = answered(lambda: names.parse(text))
    if not isinstance(found, names.FileName):
        return
    hold(found.script == text and len(found.description) <= names.LONGEST["description"], "another script", found)
    hold((found.version is None) == (found.kind == names.REPEATABLE), "a version where none belongs", found)
    other = names.FileName(drawn.choice(list(names.KINDS.values())), names.Version("1.5"), "x", "V1.5__x.sql")
    ordered = sorted([names.order(found), names.order(other)])
    hold(len(ordered) == 2, "no order", found)
    if found.version is not None:
        hold(names.Version(str(found.version)) == found.version, "another version when it is read again", found)


def expect_placeholders(text: str, drawn: random.Random) -> None:
    """The same in whatever pieces, or refused at the same line, of which more or less is shown then; without what a placeholder
    begins with the text itself."""
    prefix, suffix = drawn.choice((("${", "}"), ("#[", "]#"), ("__", "__"), ("aab", "b"), ("$$", "$")))
    placeholders = Placeholders({"a": "${a}", "b": "", "Größe": "9"}, prefix=prefix, suffix=suffix)
    found, again = (
        answered(lambda given=given: ["".join(placeholders.replace(given, "V1__x.sql"))])  # type: ignore[misc]
        for given in ([text], texts.pieces(drawn, text))
    )
    same = found == again or (isinstance(found, str) and isinstance(again, str) and place(found) == place(again))
    hold(same, "another text in other pieces", found, again)
    hold(prefix in text or found == [text], "a text that was changed without a placeholder", found)


def place(refusal: str) -> str:
    """What it is about: file and line."""
    return refusal.partition(": ")[0]


def expect_notes(text: str, drawn: random.Random) -> None:
    """Annotations and settings are read or refused, the same in whatever pieces; a checksum is the same for all line ends."""
    for read in (read_notes, read_conf):
        found = answered(lambda read=read: read([text], "x"))  # type: ignore[misc]
        again = answered(lambda read=read: read(texts.pieces(drawn, text), "x"))  # type: ignore[misc]
        hold(found == again, "other notes in other pieces", found, again)
    hold(checksum([text]) == checksum(texts.pieces(drawn, ENDS.sub("\r\n", text))), "another checksum")


def of(dialect: str) -> tuple[Draw, Expect]:
    """The statements of a dialect."""
    return functools.partial(texts.script, dialect=dialect), functools.partial(expect_statements, dialect=dialect)


TARGETS: dict[str, tuple[Draw, Expect]] = {
    "postgresql": of("postgresql"),
    "mysql": of("mysql"),
    "sqlite": of("sqlite"),
    "names": (
        lambda drawn: texts.changed(drawn, "".join(drawn.choices(texts.NAMES, k=drawn.randint(0, 7))), texts.NAMES),
        expect_name,
    ),
    "placeholders": (
        lambda drawn: texts.changed(drawn, texts.composed(drawn, texts.SQL), texts.SQL),
        expect_placeholders,
    ),
    "notes": (lambda drawn: texts.changed(drawn, texts.composed(drawn, texts.NOTES), texts.NOTES), expect_notes),
}
