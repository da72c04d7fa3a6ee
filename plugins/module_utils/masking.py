# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking secret values out of text that people will read (private to the collection)."""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

MASK = "********"

# The user part stops at the first colon, the password at the last @ before the path: "u:p@ss@host" is masked whole.
# Starting at "://" instead of at the scheme keeps the search linear on megabytes of letters.
_URL_PASSWORD = re.compile(r"""://[^\s/?#"'<>:@]*:([^\s/?#"'<>]+)@""")
_URL_PARAMETER = re.compile(r"""[?&](?:password|passwd|pwd)=([^\s&#"'<>]+)""", re.IGNORECASE)
_WORD = re.compile(r"\w")
_ANYWHERE = 4


def mask(text: str, secrets: t.Iterable[str]) -> str:
    """Replace every secret in a text by C(********).

    The rules, which are ours:

    - A value of four characters or more is masked wherever it stands, inside of words too.
    - A shorter one only as a whole token, that is where no letter, digit or underscore touches it: a secret C(1) must
      not turn every port number into stars. Empty values are ignored.
    - Each value is also found percent-encoded and as JSON writes it; of a value of several lines also each single line
      of four characters or more, because logs are cut by lines.
    - A password in a URL (C(scheme://user:password@host), or a C(password), C(passwd) or C(pwd) parameter of its
      query) is masked even when nobody listed it.
    - Overlapping values are masked together, so the longest match wins and no tail of it is left over.

    :param text: what is to be shown. Mask first and cut afterwards: half a secret is not found any more.
    :param secrets: plain secret values.
    """
    spans = [found.span(1) for rule in (_URL_PASSWORD, _URL_PARAMETER) for found in rule.finditer(text)]
    for value in {form for secret in secrets for form in _forms(secret)}:
        spans.extend(_occurrences(text, value))
    return _cover(text, sorted(spans))


def mask_all(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """The same value with the secrets masked in every text that it has, keys left alone."""
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, t.Mapping):
        return {key: mask_all(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_all(item, secrets) for item in value]
    return value


def _forms(secret: str) -> t.Iterator[str]:
    """The ways in which a secret is commonly written down."""
    if not secret:
        return
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield urllib.parse.quote(secret, safe="", errors="replace")
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _ANYWHERE)


def _occurrences(text: str, value: str) -> t.Iterator[tuple[int, int]]:
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        if len(value) >= _ANYWHERE or not _touched(text, start, end):
            yield start, end
        start = text.find(value, start + 1)


def _touched(text: str, start: int, end: int) -> bool:
    """Whether a word goes on before or after the place, so that it is no token of its own."""
    before = start > 0 and bool(_WORD.match(text[start - 1]))
    after = end < len(text) and bool(_WORD.match(text[end]))
    return before or after


def _cover(text: str, spans: t.Sequence[tuple[int, int]]) -> str:
    """Put one mask over each run of overlapping places; the places are sorted."""
    parts: list[str] = []
    position = 0  # all before it is written out
    covered = -1  # the end of the run that is being masked
    for start, end in spans:
        if start >= covered:
            parts.append(text[position:start])
            parts.append(MASK)
        covered = max(covered, end)
        position = covered
    parts.append(text[position:])
    return "".join(parts)
