# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts out of scripts, of what matters to a dialect, and of anything."""

from __future__ import annotations

import functools
import random
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[1] / "integration_local" / "migration" / "corpus"
LARGEST = 4000  # characters; pieces and what is looked at twice matter at any size

BLANK = (" ", "\n", "\r\n", "\t", "\r", "\f", "\u00a0", "")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(" "))


SQL = _words(
    "; ' \" ` '' \"\" -- /* */ /*! ( ) [ ] \\ \\' $$ $a$ $1 E' e' U&' slipway: # @ : . , = ${ } ${a} 1 0.5 ẞ ツ \u2028 SELECT"
    " CREATE FUNCTION OR REPLACE PROCEDURE TRIGGER BEGIN ATOMIC END CASE IF LOOP COPY FROM stdin; \\. DELIMITER // ;; DEFINER"
    " INSERT INTO t VALUES TABLE INDEX CONCURRENTLY COMMIT ROLLBACK TO NOT source .read \\d AS LANGUAGE"
)
NAMES = _words(
    "V U R B v 1 01 1.2 1_2 _ __ . .sql .SQL .conf .sql.conf / x größe before after Migrate .sh .py 9 a-b 999999999999"
)
NOTES = _words(
    "-- # /* */ slipway: slipway : phase= phase=expand phase=contract transaction=on transaction=off allow= allow=drop-table"
    " reason= , = executeInTransaction placeholderReplacement encoding shouldExecute true false UTF-8 ! ${x} SELECT 1;"
)


@functools.cache
def scripts(dialect: str) -> tuple[str, ...]:
    """Those of the corpus, which real servers were given."""
    paths = sorted((CORPUS / dialect).rglob("*.sql"))
    return tuple(path.read_bytes().decode("utf-8", "replace")[:LARGEST] for path in paths)


def composed(drawn: random.Random, words: tuple[str, ...]) -> str:
    """Words one after the other."""
    return "".join(drawn.choice(words) + drawn.choice(BLANK) for _word in range(drawn.randint(0, 40)))


def changed(drawn: random.Random, text: str, words: tuple[str, ...]) -> str:
    """The text with some parts gone, twice, elsewhere, or other ones."""
    for _change in range(drawn.randint(0, 6)):
        start = drawn.randint(0, len(text))
        end = min(len(text), start + int(drawn.expovariate(0.1)))
        part = text[start:end]
        with_it = drawn.choice(
            (part + part, "", drawn.choice(words), part + drawn.choice(words), part[::-1], character(drawn))
        )
        text = text[:start] + with_it + text[end:]
        if drawn.random() < 0.2:
            at = drawn.randint(0, len(text))
            text = text[:at] + part + text[at:]
    return text[: drawn.randint(0, len(text))] if drawn.random() < 0.1 else text


def character(drawn: random.Random) -> str:
    """Any one, but no half of a pair, which no file can have."""
    number = drawn.choice((drawn.randint(0, 127), drawn.randint(128, 0xD7FF), drawn.randint(0xE000, 0x10FFFF)))
    return chr(number)


def script(drawn: random.Random, dialect: str) -> str:
    """A script of a dialect, more or less."""
    text = drawn.choice(scripts(dialect)) if drawn.random() < 0.6 else composed(drawn, SQL)
    return changed(drawn, text, SQL)


def pieces(drawn: random.Random, text: str) -> list[str]:
    """The same text in pieces, empty ones too."""
    ends = sorted(drawn.randint(0, len(text)) for _piece in range(drawn.randint(0, 8)))
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)])]
