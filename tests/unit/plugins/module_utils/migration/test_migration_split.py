# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts taken apart into statements, as every dialect has it."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import split
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration.splitting import (
    ANYTHING,
    SIZES,
    SOME,
    check_control,
    outcome,
    pieces,
)
from hypothesis import given

DIALECTS = ("postgresql", "mysql", "sqlite")


@pytest.mark.parametrize("dialect", DIALECTS)
@SOME
@given(ANYTHING, SIZES)
def test_any_text_is_split_or_refused(dialect, text, size):
    found = outcome(text, dialect, 10_000)
    assert outcome(text, dialect, size) == found
    if isinstance(found, tuple) or any(one[4] for one in found):
        return
    given_lines = text.split("\n")
    for statement, number, *_rest in found:
        assert statement.split("\n")[0] in given_lines[number - 1]
    if dialect != "mysql":  # which may have had another delimiter
        again = "\n;".join(one[0] for one in found)
        assert [one[0] for one in outcome(again, dialect, size)] == [one[0] for one in found]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_line_that_ends_with_crlf_is_one_line(dialect, size):
    found = split(pieces("-- a\r\n\r\nb /* c\r\n */ -- d\r\n; e\r\n;", size), dialect, "x.sql")
    assert [(one.text, one.line) for one in found] == [("b", 3), ("e", 5)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[(text, True) for text in ("begin", "COMMIT", "ROLLBACK", "-- a\ncommit")],
        *[(text, False) for text in ("SAVEPOINT a", "ROLLBACK TO SAVEPOINT a", "SELECT 1")],
    ],
)
def test_what_begins_or_ends_a_transaction_everywhere(dialect, text, expected):
    check_control(dialect, text, expected)
