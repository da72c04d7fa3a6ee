# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a version has of the migrations of phase contract; controller-only (private to the collection)."""

from __future__ import annotations

import re
import typing as t

BASELINE = "B"  # what the key of a baseline script begins with, before its version

_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)


def has(ours: t.Mapping[str, str], key: str) -> bool:
    """Whether a migration is among those of a version, or within one of its baseline scripts, which stands for all up to it.

    :param ours: of a release's C(ships): scripts by their versions, those of baselines by C(BASELINE) and theirs.
    :param key: of one that was applied.
    """
    if key in ours:
        return True
    tops = [one[len(BASELINE) :] for one in ours if one.startswith(BASELINE)]
    numbers = _numbers(key)
    return bool(numbers) and any(numbers <= _numbers(top) for top in tops)


def _numbers(version: str) -> list[int]:
    """Of a version, without zeros at its end; nothing of what is none."""
    if not _NUMBERS.fullmatch(version):
        return []
    parts = [int(part) for part in version.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return parts
