# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments as a person writes them (private to the collection)."""

from __future__ import annotations

import datetime
import re

from ..errors import SlipwayError

# ISO 8601, with an offset: without one it would be the server's own idea of local time.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d(?::?\d\d)?)")


def moment_of(text: str) -> datetime.datetime:
    """A moment as a person writes it, with its offset from UTC.

    :raises SlipwayError: C(bad_input).
    """
    if not _TIME.fullmatch(text):
        raise _bad(text, "such as 2026-11-24 03:15:00+00:00, with its offset from UTC")
    text = re.sub(r"Z$", "+00:00", text.replace("T", " "))
    text = (
        re.sub(r"([+-]\d\d)(\d\d)?$", lambda found: f"{found[1]}:{found[2] or '00'}", text) if text[-3] != ":" else text
    )
    try:
        # Python 3.9 reads fractions of three or six digits only.
        return datetime.datetime.fromisoformat(re.sub(r"\.(\d+)", lambda found: f".{found[1]:0<6}", text))
    except ValueError as error:
        raise _bad(text, str(error)) from None


def _bad(found: str, wanted: str) -> SlipwayError:
    return SlipwayError(
        "cannot be used", obj="target_time", actual=found, wanted=wanted, remedy="Correct it.", cause="bad_input"
    )
