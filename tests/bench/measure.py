# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Median and spread, and the rows of the table."""

from __future__ import annotations

import statistics
import typing as t


class Row(t.NamedTuple):
    """One figure of the table."""

    what: str
    value: str
    how: str = ""


def spread(values: t.Sequence[float], unit: str, digits: int = 2) -> str:
    """``median (smallest to largest, n)``."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f}, n={len(values)})"


def table(rows: t.Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | median (smallest to largest) | how it was measured |", "|---|---|---|"]
    lines += [f"| {row.what} | {row.value} | {row.how} |" for row in rows]
    return "\n".join(lines)
