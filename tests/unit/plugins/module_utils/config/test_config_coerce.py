# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import math

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config import coerce
from hypothesis import given
from hypothesis import strategies as st

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@pytest.mark.parametrize(
    "kind, value, wanted",
    [
        ("string", "1.10", "1.10"),
        ("scalar", 8080, "8080"),
        ("scalar", 0.5, "0.5"),
        ("scalar", True, "true"),
        ("scalar", "", ""),
        ("boolean", "true", True),
        ("boolean", "Yes", True),
        ("boolean", " off ", False),
        ("boolean", 0, False),
        ("integer", "3", 3),
        ("integer", -1, -1),
        ("number", "0.02", 0.02),
        ("number", 1, 1.0),
        ("duration", 10, 10.0),
        ("duration", "0.5", 0.5),
        ("duration", "500ms", 0.5),
        ("duration", "1h30m", 5400.0),
        ("duration", "2H", 7200.0),
        ("duration", "1.5s", 1.5),
        ("size", 1024, 1024),
        ("size", "512", 512),
        ("size", "256m", 256 * 2**20),
        ("size", "1.5g", 3 * 2**29),
        ("size", "1GiB", 2**30),
        ("size", "2 kb", 2048),
        ("command", "python -m 'shop worker'", ["python", "-m", "shop worker"]),
        ("command", ["sleep", 5], ["sleep", "5"]),
        ("any", {"a": [1, None, {"b": True}]}, {"a": [1, None, {"b": True}]}),
    ],
)
def test_each_form_a_user_writes_becomes_the_value_an_engine_takes(kind, value, wanted):
    found = coerce.COERCIONS[kind](value)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    "kind, value",
    [
        ("string", 1.10),
        ("string", True),
        ("string", ["a"]),
        ("string", datetime.date(2026, 1, 2)),
        ("scalar", {"a": 1}),
        ("scalar", None),
        ("scalar", math.nan),
        ("boolean", "maybe"),
        ("boolean", 2),
        ("boolean", 1.0),
        ("integer", True),
        ("integer", 2.0),
        ("integer", "2.0"),
        ("integer", "two"),
        ("integer", "9" * 5000),
        ("number", "nan"),
        ("number", math.inf),
        ("number", True),
        ("duration", "5x"),
        ("duration", "m5"),
        ("duration", "-5s"),
        ("duration", -1),
        ("duration", ""),
        ("duration", True),
        ("duration", "1h 30m extra"),
        ("duration", None),
        ("duration", "9" * 400),
        ("size", -1),
        ("size", "1.5"),
        ("size", "1.5b"),
        ("size", "ten"),
        ("size", True),
        ("size", 1.5),
        ("size", "9" * 400 + ".5t"),
        ("command", ""),
        ("command", []),
        ("command", "it's"),
        ("command", {"a": 1}),
        ("any", datetime.date(2026, 1, 2)),
        ("any", {"a": math.inf}),
    ],
)
def test_whatever_has_no_rule_is_refused_and_says_what_is_wanted(kind, value):
    with pytest.raises(coerce.MismatchError) as refused:
        coerce.COERCIONS[kind](value)
    assert refused.value.wanted


@given(st.dictionaries(st.sampled_from(list(UNITS)), st.integers(0, 10_000), min_size=1))
def test_a_duration_is_the_sum_of_its_parts(parts):
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS if unit in parts)
    assert coerce.duration(text) == sum(amount * UNITS[unit] for unit, amount in parts.items())


@given(st.integers(0, 10**9))
def test_a_duration_in_milliseconds_is_a_thousandth_of_seconds(amount):
    assert coerce.duration(f"{amount}ms") == pytest.approx(amount / 1000)


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "m", "g", "t"]), st.sampled_from(["", "b", "ib", "B", "iB"]))
def test_a_size_is_exact_in_powers_of_1024(amount, unit, suffix):
    power = ["", "k", "m", "g", "t"].index(unit)
    assert coerce.size(f"{amount}{unit}{suffix}") == amount * 1024**power


@given(st.floats(0, 1e6), st.sampled_from("kmgt"))
def test_a_size_with_a_fraction_is_right_to_a_byte(amount, unit):
    power = " kmgt".index(unit)
    assert abs(coerce.size(f"{amount:.3f}{unit}") - float(f"{amount:.3f}") * 1024**power) <= 1


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text()), st.binary()))
def test_no_input_whatever_breaks_a_parser(value):
    for kind, convert in coerce.COERCIONS.items():
        try:
            found = convert(value)
        except coerce.MismatchError:
            continue
        if kind == "duration":
            assert isinstance(found, float) and 0 <= found < math.inf
        if kind == "size":
            assert isinstance(found, int) and found >= 0


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_a_list_of_words_stays_the_same_words(words):
    assert coerce.command(words) == words
