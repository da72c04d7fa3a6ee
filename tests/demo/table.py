# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table that the demo ends with."""

from __future__ import annotations

import math
import typing as t

from tests.lab.load import Result

SWITCH = 2.0  # seconds around the switch that count as "during"

HEAD = f"{'':<26}{'requests':>10}{'failed':>8}{'longest gap':>13}{'p50':>10}{'p99':>10}"


class Release(t.NamedTuple):
    """One release: what was asked for, its report, and when its playbook began and ended (seconds since the epoch)."""

    version: str
    report: dict[str, t.Any]
    started: float
    ended: float


def render(releases: t.Sequence[Release], result: Result) -> str:
    """Per release its stages, and the traffic before, during and after the switch; then the sum."""
    lines: list[str] = []
    for release in releases:
        lines += ["-" * len(HEAD), *_release(release, result)]
    total = result.window()
    lines += ["=" * len(HEAD), HEAD, _row("all together", total)]
    if not result.failed:
        lines.append(
            f"0 of {result.requests:,} requests failed: with 95 % confidence fewer than 1 in {result.requests // 3:,} would."
        )
    for cause in result.causes:
        lines.append(f"failed: {cause}")
    return "\n".join(lines)


def _release(release: Release, result: Result) -> list[str]:
    report = release.report
    before = (report["before"] or {}).get("version", "nothing")
    outcome = {"succeeded": "succeeded", "reverted": f"refused, {before} serves as before"}[report["outcome"]]
    took = release.ended - release.started
    lines = [f"{before} -> {release.version}: {outcome}; {took:.1f} s from the command to the prompt"]
    lines.append("  " + "   ".join(f"{stage['stage']} {stage['seconds']:.2f} s" for stage in report["stages"]))
    if report["switched_ms"] is not None:
        lines.append(f"  the traffic moved, read back, in {report['switched_ms']:.1f} ms")
    for failure in report["failures"]:
        lines.append(f"  {failure['machine']}: {failure['message']}")
    if release.started < _began(result):
        return [*lines, "  (no traffic yet)"]
    lines.append(HEAD)
    return lines + [_row(name, result.window(start, end)) for name, start, end in _windows(release)]


def _windows(release: Release) -> list[tuple[str, float, float]]:
    """Before, during and after the switch; one window where there was none."""
    shift = next((stage for stage in release.report["stages"] if stage["stage"] == "shift"), None)
    if shift is None:
        return [("while it was refused", release.started, release.ended)]
    switch = float(shift["started"])
    return [
        ("before the switch", release.started, switch),
        (f"during ({SWITCH:.0f} s)", switch, switch + SWITCH),
        ("after", switch + SWITCH, release.ended),
    ]


def _row(name: str, figures: t.Any) -> str:
    times = [_ms(figures.longest_gap), _ms(figures.p50), _ms(figures.p99)]
    return f"  {name:<24}{figures.requests:>10,}{figures.failed:>8,}{times[0]:>13}{times[1]:>10}{times[2]:>10}"


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1000:.1f} ms"


def _began(result: Result) -> float:
    return float(result.facts["started"]["time"])
