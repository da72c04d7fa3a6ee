# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a connection string nobody may read (private to the collection)."""

from __future__ import annotations

import re
import urllib.parse

MYSQL = ("mysql", "mariadb")  # one engine by both names


def secrets_of(kind: str, url: str) -> set[str]:
    """All of it, the password of a URI, and what follows C(password=).

    :param kind: the engine's name; the path of a SQLite file is no secret.
    """
    if kind == "sqlite":
        return set()
    if kind in MYSQL:
        words = set(re.findall(r"://[^:/?#]*:([^/?#]+)@", url))
        return {url, *words, *(urllib.parse.unquote(word) for word in words)}
    found = re.findall(r"""://[^:@/?#]*:([^\s?#]+)@|password=('(?:[^'\\]|\\.)*'|[^\s&]+)""", url)
    words = {form for pair in found for one in pair if one for form in (one, urllib.parse.unquote(one), one.strip("'"))}
    return {url, *words}
