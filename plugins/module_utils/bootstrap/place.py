# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a new site on the controller's disk; what is there is never changed (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import typing as t


def missing(directory: str, wanted: t.Mapping[str, str]) -> dict[str, str]:
    """Those of the files that are not there yet."""
    return {path: text for path, text in wanted.items() if not os.path.lexists(os.path.join(directory, path))}


def write(path: str, text: str) -> None:
    """A file that was not there, whole or not at all.

    :raises FileExistsError: somebody has made it meanwhile.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.new-{os.getpid()}"
    try:
        with open(draft, "x", encoding="utf-8") as stream:
            stream.write(text)
        os.link(draft, path)  # unlike a rename it replaces nothing
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
