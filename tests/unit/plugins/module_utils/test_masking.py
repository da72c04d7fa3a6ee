# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret survives masking, and nothing else is touched."""

from __future__ import annotations

import json
import string
import urllib.parse

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.masking import MASK, mask
from hypothesis import given
from hypothesis import strategies as st

# Without the star: the mask itself is made of it.
letters = st.characters(exclude_characters="*", exclude_categories=["Cs"])
texts = st.text(letters, max_size=60)
secrets = st.text(letters, min_size=4, max_size=12)
harmless = st.text(string.ascii_letters + string.digits + " .,-_\n", max_size=80)


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("token hunter2 leaked", ["hunter2"], f"token {MASK} leaked"),
        ("xhunter2x", ["hunter2"], f"x{MASK}x"),
        ("longer-secret", ["longer", "longer-secret"], MASK),
        ("abcdef", ["abcd", "cdef"], MASK),
        ("longer-secret-tail", ["longer-secret-tail", "secret"], MASK),
        ("abababab", ["abab"], MASK),
        ("port 11, code 1.", ["1"], f"port 11, code {MASK}."),
        ("pin=123;1234", ["123"], f"pin={MASK};1234"),
        ("a_1", ["1"], "a_1"),
        ("anything", [""], "anything"),
        ("postgres://shop:s3cret@db/shop", [], f"postgres://shop:{MASK}@db/shop"),
        ("redis://:s3cret@cache:6379/0", [], f"redis://:{MASK}@cache:6379/0"),
        ("mysql://u:p@ss@db/x", [], f"mysql://u:{MASK}@db/x"),
        ("postgresql://db/shop?user=u&password=s3cret&x=1", [], f"postgresql://db/shop?user=u&password={MASK}&x=1"),
        ("http://host:8080/a@b?c=d:e@f", [], "http://host:8080/a@b?c=d:e@f"),
        ('{"key": "say \\"hi\\""}', ['say "hi"'], f'{{"key": "{MASK}"}}'),
        ("?q=p%40ss%2Fword", ["p@ss/word"], f"?q={MASK}"),
        ("log: BBBBBB", ["AAAAAA\nBBBBBB\n"], f"log: {MASK}"),
    ],
)
def test_masks_what_is_secret_and_no_more(text: str, values: list[str], wanted: str) -> None:
    assert mask(text, values) == wanted


@given(st.lists(st.one_of(texts, secrets), max_size=6), st.lists(secrets, min_size=1, max_size=4), st.data())
def test_no_secret_survives_wherever_it_stands(parts: list[str], values: list[str], data: st.DataObject) -> None:
    planted = data.draw(st.permutations(parts + values))
    shown = mask("".join(planted), values)
    assert not [value for value in values if value in shown]


@given(texts, secrets, texts)
def test_no_secret_survives_in_another_spelling(before: str, secret: str, after: str) -> None:
    for spelling in (json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe="")):
        assert spelling not in mask(before + spelling + after, [secret])


@given(harmless, st.lists(secrets, max_size=4))
def test_text_without_secrets_is_left_alone(text: str, values: list[str]) -> None:
    absent = [value for value in values if not any(part in text for part in (value, *value.splitlines()))]
    assert mask(text, absent) == text


@given(harmless, st.text(string.ascii_letters, min_size=1, max_size=3))
def test_a_short_secret_survives_only_inside_of_words(text: str, secret: str) -> None:
    shown = mask(f"{text} {secret} x{secret}", [secret])
    assert f" {secret} " not in shown
    assert shown.endswith(f"x{secret}")


@given(st.text(string.ascii_letters + string.digits + "!$%-_.@", min_size=1, max_size=20))
def test_a_password_in_a_url_needs_no_listing(password: str) -> None:
    assert mask(f"see postgres://user:{password}@host/db for", []) == f"see postgres://user:{MASK}@host/db for"


def test_a_megabyte_of_letters_takes_no_time_to_speak_of() -> None:
    text = "a" * 1_000_000 + "://" * 1000
    assert mask(text, []) == text
