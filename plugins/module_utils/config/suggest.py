# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a user may have meant (private to the collection)."""

from __future__ import annotations

import difflib
import typing as t

from .option import Option


def closest(name: str, known: t.Iterable[str]) -> str | None:
    """The known name that is written most like this one, if any is near enough."""
    by_form = {_form(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(_form(name), list(by_form), n=1, cutoff=0.6)
    return by_form[found[0]] if found else None


def closest_option(name: str, options: t.Sequence[Option]) -> str | None:
    """The option a user may have meant: one of this level, or the very same name one level further down."""
    for option in options:
        if any(inner.name == name for inner in option.options):
            return f"{option.name}.{name}"
    return closest(name, [option.name for option in options])


def _form(name: str) -> str:
    return name.lower().replace("-", "_")
