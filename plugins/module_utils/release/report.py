# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a release when it is over; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t


def build(
    target: t.Mapping[str, t.Any],
    history: t.Sequence[t.Mapping[str, t.Any]],
    refusal: t.Mapping[str, t.Any] | None,
    *,
    started: float,
    ended: float,
) -> dict[str, t.Any]:
    """The report of one release, plain JSON.

    :param history: the entries that the verdicts of all stages left, in their order.
    :param refusal: the verdict that stopped the release, or None when it succeeded.
    :param started: seconds since the epoch, when the run began.
    :param ended: seconds since the epoch, now.
    """
    return {
        "release": target["id"],
        "platform": target["platform"],
        "environment": target["environment"],
        "version": target["version"],
        "before": target["previous"],
        "side": target["side"],
        "outcome": "reverted" if refusal else "succeeded",
        "started": started,
        "seconds": round(ended - started, 3),
        "stages": [{key: entry[key] for key in ("stage", "ok", "seconds", "measured")} for entry in history],
        "switched_ms": _largest(history, "switched_ms"),
        "watched": _watched(history),
        "machines": len(target["machines"]),
        "failures": list(refusal["failures"]) if refusal else [],
    }


def lines(report: t.Mapping[str, t.Any]) -> list[str]:
    """The report for a terminal."""
    where = f"{report['platform']}/{report['environment']}"
    before = (report["before"] or {}).get("version") or "nothing"
    took = f"in {report['seconds']:.1f} s on {report['machines']} machines"
    if report["outcome"] == "succeeded":
        text = [f"{where}: {report['version']} is live on {report['side']} (was {before}), {took}"]
    else:
        text = [f"{where}: {report['version']} was refused, {before} serves as before, {took}"]
    text.append("  " + "  ".join(f"{stage['stage']} {stage['seconds']:.2f} s" for stage in report["stages"]))
    if report["switched_ms"] is not None:
        text.append(f"  traffic moved and read back in {report['switched_ms']:.1f} ms")
    if report["watched"]:
        watched = report["watched"]
        text.append(f"  watched: {watched['errors']} of {watched['requests']} requests failed on the new side")
    text += [f"  {failure['machine']}: {failure['message']} [{failure['cause']}]" for failure in report["failures"]]
    return text


def _measured(history: t.Sequence[t.Mapping[str, t.Any]], key: str) -> list[t.Any]:
    return [
        measured[key]
        for entry in history
        if entry["stage"] == "shift"
        for measured in entry["measured"].values()
        if measured.get(key) is not None
    ]


def _largest(history: t.Sequence[t.Mapping[str, t.Any]], key: str) -> float | None:
    values = _measured(history, key)
    return max(float(value) for value in values) if values else None


def _watched(history: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, int] | None:
    looks = [look for look in _measured(history, "watch") if "requests" in look]
    if not looks:
        return None
    return {"requests": sum(look["requests"] for look in looks), "errors": sum(look["errors"] for look in looks)}
