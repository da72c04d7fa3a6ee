# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures out of a result: for the whole run or a window of it, together and by kind and version."""

from __future__ import annotations

import collections
import math
import typing as t

from .records import OK, STALE

if t.TYPE_CHECKING:
    from .result import Result


class Figures(t.NamedTuple):
    """What happened in a window.

    Requests belong to the window in which they were *scheduled*, streams to the one in which they *ended*.

    :param requests: requests, the failed ones among them; a stream counts as one when it has ended.
    :param stale_idle: repeats after a kept connection died before one byte of reply (not counted in C(requests)).
    :param p50: seconds from the scheduled instant to the last byte, of successful requests without streams (of a
        kind of stream: how long it lived); C(nan) when there is none. So are C(p99) and C(max).
    :param longest_gap: the longest time in the window without a successful request being completed, its edges
        included, streams not; C(nan) for a kind of stream.
    :param causes: failures by cause.
    :param by_kind: the same for each kind.
    """

    requests: int
    failed: int
    stale_idle: int
    p50: float
    p99: float
    max: float
    longest_gap: float
    causes: dict[str, int]
    by_kind: dict[str, Figures]


class VersionFigures(t.NamedTuple):
    """When a version answered, as C(time.time()) (or monotonic, if that was asked for)."""

    requests: int
    first_scheduled: float
    first_ended: float
    last_scheduled: float
    last_ended: float


class _Bin:
    """Collects one row of figures."""

    def __init__(self) -> None:
        self.requests = 0
        self.stale = 0
        self.seconds: list[float] = []
        self.done: list[float] = []
        self.causes: collections.Counter[str] = collections.Counter()


def window(result: Result, start: float | None = None, end: float | None = None, clock: str = "wall") -> Figures:
    """The figures of C([start, end)); C(None) is the beginning or the end of the run.

    :param clock: C(wall) for times by C(time.time()), C(monotonic) for C(time.monotonic()).
    """
    shift = result.shift(clock)
    first = result.started if start is None else max(start - shift, result.started)
    last = result.ended if end is None else min(end - shift, result.ended)
    bins = _collect(result, first, last if end is not None else math.inf)
    by_kind = {}
    together = _Bin()
    for number, (kind, row) in enumerate(zip(result.kinds, bins)):
        stream = number >= result.first_stream
        by_kind[kind] = _figures(row, math.nan if stream else _longest_gap(row.done, first, last), {})
        together.requests += row.requests
        together.stale += row.stale
        together.causes += row.causes
        if not stream:
            together.seconds += row.seconds
            together.done += row.done
    return _figures(together, _longest_gap(together.done, first, last), by_kind)


def versions(result: Result, kinds: t.Collection[str] | None = None, clock: str = "wall") -> dict[str, VersionFigures]:
    """Which version answered when, in order of the first answer; C("") is unknown.

    :param kinds: only of these; C(None): every kind but the streams.
    """
    shift = result.shift(clock)
    names = result.kinds[: result.first_stream] if kinds is None else kinds
    wanted = {result.kinds.index(name) for name in names}
    found: dict[int, VersionFigures] = {}
    columns = result.columns
    for index in range(len(columns)):
        if columns.kind[index] not in wanted or columns.outcome[index] == STALE:
            continue
        begun, ended = columns.scheduled[index] + shift, columns.ended[index] + shift
        number = columns.version[index]
        old = found.get(number, VersionFigures(0, begun, ended, begun, ended))
        found[number] = VersionFigures(
            old.requests + 1,
            min(old.first_scheduled, begun),
            min(old.first_ended, ended),
            max(old.last_scheduled, begun),
            max(old.last_ended, ended),
        )
    ordered = sorted(found.items(), key=lambda item: item[1].first_ended)
    return {result.versions[number]: figures for number, figures in ordered}


def _collect(result: Result, first: float, last: float) -> list[_Bin]:
    bins = [_Bin() for _kind in result.kinds]
    columns = result.columns
    for index, scheduled in enumerate(columns.scheduled):
        ended, kind, outcome = columns.ended[index], columns.kind[index], columns.outcome[index]
        row = bins[kind]
        if outcome == OK and kind < result.first_stream and first <= ended < last:
            row.done.append(ended)
        if not first <= (ended if kind >= result.first_stream else scheduled) < last:
            continue
        if outcome == STALE:
            row.stale += 1
            continue
        row.requests += 1
        if outcome == OK:
            row.seconds.append(ended - scheduled)
        else:
            row.causes[result.outcomes[outcome]] += 1
    return bins


def _figures(row: _Bin, gap: float, by_kind: dict[str, Figures]) -> Figures:
    row.seconds.sort()
    p50, p99, top = (_percentile(row.seconds, share) for share in (0.50, 0.99, 1.0))
    failed = sum(row.causes.values())
    return Figures(row.requests, failed, row.stale, p50, p99, top, gap, dict(row.causes), by_kind)


def _percentile(ordered: list[float], share: float) -> float:
    """Nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def _longest_gap(done: list[float], first: float, last: float) -> float:
    points = [first, *sorted(done), last]
    return max(0.0, *(after - before for before, after in zip(points, points[1:])))


def table(result: Result) -> str:
    """The run for a person: one line a kind, then versions and causes of failures."""
    total = window(result)
    times = "".join(f"{name + ' ms':>9}" for name in ("p50", "p99", "max", "gap"))
    lines = [f"{'kind':<12}{'requests':>9}{'failed':>8}{'stale':>7}{times}"]
    streams = result.kinds[result.first_stream :]
    for kind, row in [*total.by_kind.items(), ("all", total)]:
        if row.requests and kind not in streams:
            times = "".join(f"{_ms(value):>9}" for value in (row.p50, row.p99, row.max, row.longest_gap))
            lines.append(f"{kind:<12}{row.requests:>9}{row.failed:>8}{row.stale_idle:>7}{times}")
    for kind in streams:
        ends = collections.Counter(session["end"] for session in result.sessions if session["kind"] == kind)
        told = ", ".join(f"{count} x {end}" for end, count in sorted(ends.items())) or "none"
        lines.append(f"{kind:<12}{total.by_kind[kind].requests:>9}{total.by_kind[kind].failed:>8}  ended: {told}")
    for name, seen in versions(result).items():
        after = seen.first_ended - result.shift("wall") - result.started
        until = seen.last_ended - result.shift("wall") - result.started
        lines.append(f"version {name or '(none)'}: {seen.requests} answers, from {after:.3f} s to {until:.3f} s")
    lines += [f"FAILED {entry['kind']}: {entry['cause']} x {entry['count']}" for entry in result.causes]
    late = result.facts["late"]
    lines.append(
        f"requests went out {late['mean'] * 1e3:.1f} ms late on average, {late['max'] * 1e3:.1f} ms at most;"
        f" {result.facts['cpu_seconds']:.2f} CPU seconds"
    )
    return "\n".join(lines)


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1e3:.1f}"
