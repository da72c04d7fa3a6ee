# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts and their statements, for the tests of each dialect: made by a grammar, and what came of splitting one."""

from __future__ import annotations

import contextlib
import re

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import (
    controls,
    expect_uncontrolled,
    split,
    transactional,
)
from hypothesis import settings
from hypothesis import strategies as st

SOME = settings(max_examples=50)
SIZES = st.sampled_from([1, 2, 3, 7, 10_000])


def pieces(text, size=10_000):
    return [text[start : start + size] for start in range(0, len(text), size)]


def texts(text, dialect, size=10_000):
    return [one.text for one in split(pieces(text, size), dialect, "x.sql")]


def outcome(text, dialect, size=10_000):
    cut = pieces(text, size) if isinstance(text, str) else text
    try:
        return [(*one[:4], list(one.data)) for one in split(cut, dialect, "x.sql")]
    except SlipwayError as error:
        return error.obj, error.what


def one(text, dialect):
    """Its only statement."""
    (statement,) = split([text], dialect, "x.sql")
    return statement


# What each dialect is asked ------------------------------------------------------------------------------------


def check_ends(dialect, text, expected, size):
    assert texts(text, dialect, size) == expected


def check_cuts(dialect, text):
    whole = outcome(text, dialect)
    assert isinstance(whole, list)
    assert [outcome([text[:at], text[at:]], dialect) for at in range(len(text) + 1)] == [whole] * (len(text) + 1)


def check_refused(dialect, text, number, what, size):
    with pytest.raises(SlipwayError, match=re.escape(what)) as caught:
        list(split(pieces(text, size), dialect, "x.sql"))
    assert (caught.value.obj, caught.value.cause) == (f"x.sql:{number}", "bad_input")


def check_held(dialect, text, expected):
    assert transactional(one(text, dialect), dialect) is expected


def check_control(dialect, text, expected):
    statement = one(text, dialect)
    assert controls(statement, dialect) is expected
    with (
        contextlib.nullcontext()
        if not expected
        else pytest.raises(SlipwayError, match="begins or ends a transaction") as caught
    ):
        expect_uncontrolled(statement, dialect, "x.sql")
    assert not expected or caught.value.obj == f"x.sql:{statement.line}"


# Made by a grammar --------------------------------------------------------------------------------------------

NASTY = st.text("';\"$`\\/*-#\n ab()[]|", max_size=8)
WORDS = st.sampled_from(["SELECT", "a", "1", "x_1", "été", "e", "U", "+", "<=", "1.5", "END", "BEGIN", "CASE"])
BETWEEN = st.sampled_from(["", " ", "\n", "\r\n\t", "/* ; */", "-- ';\n", " -- $$ \n\n"])


def string(payload):
    return "'" + payload.replace("'", "''") + "'"


def escaped(payload):
    return payload.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')


def comment(payload):
    return "/*" + payload.replace("*", "").replace("/", "") + "*/"


def line(payload):
    return "-- " + payload.replace("\n", "") + "\n"


def named(mark):
    """A name in such marks, which are doubled in it."""
    return NASTY.map(lambda text: mark + text.replace(mark, mark * 2) + mark)


@st.composite
def scripts(draw, dialect, parts, delimiters=(";",)):
    """A script and its statements."""
    bodies = draw(st.lists(st.lists(parts, max_size=5), max_size=4))
    statements = ["SELECT " + " , ".join([*body, "last"]) for body in bodies]
    end = draw(st.sampled_from(delimiters))
    if end != ";":
        statements = [one.replace(end, "") if end in ("|", "//", "$$") else one for one in statements]
        statements = [one for one in statements if texts(f"{one};", dialect) == [one]]
    text = "" if end == ";" else f"DELIMITER {end}\n"
    for one in statements:
        text += f"{draw(BETWEEN)}{one} {end}" + ("\n" if end != ";" else "") + draw(BETWEEN)
    return text, statements


# Anything at all ----------------------------------------------------------------------------------------------

TOKENS = [
    "'",
    '"',
    "$$",
    "$a$",
    "`",
    "[",
    "]",
    "/*",
    "*/",
    "--",
    "#",
    "\n",
    ";",
    "\\",
    " ",
    "(",
    ")",
    "E'",
    "a",
    "BEGIN",
    "END",
    "CASE",
]
TOKENS += [
    "CREATE TRIGGER t",
    "CREATE PROCEDURE p",
    "CREATE FUNCTION f",
    "ATOMIC",
    "DELIMITER //\n",
    "//",
    "/*!",
    "-",
    "COPY a FROM stdin",
]
ANYTHING = st.lists(st.sampled_from(TOKENS), max_size=14).map(" ".join) | st.lists(
    st.sampled_from(TOKENS), max_size=14
).map("".join)
