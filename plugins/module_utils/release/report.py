# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a release when it is over; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from .verdict import Failure, Verdict

SHOWN = 10  # migrations; the report has all of them


class Stage(t.NamedTuple):
    """One stage that ran: the verdict, and the registered result of every machine."""

    verdict: Verdict
    results: t.Mapping[str, t.Mapping[str, t.Any] | None]

    def measured(self, key: str) -> list[t.Any]:
        """What the machines measured under a key."""
        return [result[key] for result in self.results.values() if result and result.get(key) is not None]


def build(
    target: t.Mapping[str, t.Any], stages: t.Sequence[Stage], *, refused: bool, started: float, ended: float
) -> dict[str, t.Any]:
    """The report of one release, plain JSON.

    :param stages: those that ran, in their order.
    :param started: seconds since the epoch, when the run began.
    :param ended: seconds since the epoch, now.
    """
    switched = [float(value) for stage in stages for value in stage.measured("switched_ms")]
    watches = [look for stage in stages for look in stage.measured("watch") if look and "requests" in look]
    drains = [drain for stage in stages for drain in stage.measured("drain") if drain]
    return {
        "release": target["id"],
        "platform": target["platform"],
        "environment": target["environment"],
        "version": target["version"],
        "before": target["previous"],
        "side": target["side"],
        "outcome": "reverted" if refused else "succeeded",
        "started": started,
        "seconds": round(ended - started, 3),
        "stages": [
            {
                "stage": stage.verdict.stage,
                "ok": stage.verdict.ok,
                "started": min(
                    (result["stage"]["started"] for result in stage.results.values() if result), default=0.0
                ),
                "seconds": round(stage.verdict.seconds, 3),
                "timings": {
                    m: result["timings"] for m, result in stage.results.items() if result and result.get("timings")
                },
            }
            for stage in stages
        ],
        "backup": _backup(stages),
        "rehearsed": _rehearsed(stages),
        "migrations": _migrations(stages),
        "switched_ms": max(switched) if switched else None,
        "watched": {key: sum(look[key] for look in watches) for key in ("requests", "errors")} if watches else None,
        "drained": all(drain["empty"] for drain in drains) if drains else None,
        "machines": len(target["machines"]),
        "failures": [failure._asdict() for stage in stages for failure in stage.verdict.failures],
    }


def _backup(stages: t.Sequence[Stage]) -> dict[str, t.Any] | None:
    """What the release leans on, or why on nothing; None where it has no stage for that."""
    waived, backups, points, whys = (
        [found for stage in stages for found in stage.measured(key)]
        for key in ("waived", "backup", "restore_point", "why")
    )
    if waived:
        return {"waived": waived[0]}
    if not backups:
        return None
    keys = ("id", "taken", "verified_by", "seconds", "restore_seconds", "size", "plain_size")
    return {
        **{key: backups[-1][key] for key in keys},  # as the stage left it that proved it
        "restore_point": points[0]["name"] if points else None,
        "why": whys[0] if whys else "",
    }


def _rehearsed(stages: t.Sequence[Stage]) -> list[str]:
    """What was found on a restored copy, in words; nothing where the release has no stage for that."""
    said = [found for stage in stages if stage.verdict.stage == "rehearse" for found in stage.measured("actions")]
    return [word for words in said for word in words]


def _migrations(stages: t.Sequence[Stage]) -> dict[str, t.Any] | None:
    """What was applied to the schema; None where the release has no stage for that, or it did not come to its end."""
    applied, before, after = (
        [found for stage in stages if stage.verdict.stage == "migrate" for found in stage.measured(key)]
        for key in ("applied", "current_before", "current_after")
    )
    if not applied:
        return None
    keys = ("version", "script", "ms")
    return {"applied": [{key: one[key] for key in keys} for one in applied[0]], "before": before[0], "after": after[0]}


def lines(report: t.Mapping[str, t.Any]) -> list[str]:
    """The report for a terminal."""
    where = f"{report['platform']}/{report['environment']}"
    before = (report["before"] or {}).get("version")
    took = f"in {report['seconds']:.1f} s on {report['machines']} machines"
    if report["outcome"] == "succeeded":
        text = [f"{where}: {report['version']} is live on {report['side']} (was {before or 'nothing'}), {took}"]
    else:
        kept = f"{before} serves as before" if before else "nothing was live before"
        text = [f"{where}: {report['version']} was refused, {kept}, {took}"]
    text.append("  " + "  ".join(f"{stage['stage']} {stage['seconds']:.2f} s" for stage in report["stages"]))
    if report["backup"]:
        text.append(f"  {_of_backup(report['backup'], report['started'])}")
    text += [f"  rehearsed: {'; '.join(report['rehearsed'])}"] if report["rehearsed"] else []
    if report["migrations"] and report["migrations"]["applied"]:
        text.append(f"  {_of_migrations(report['migrations'])}")
    if report["switched_ms"] is not None:
        text.append(f"  traffic moved and read back in {report['switched_ms']:.1f} ms")
    if report["watched"]:
        watched = report["watched"]
        text.append(f"  watched: {watched['errors']} of {watched['requests']} requests failed on the new side")
    text += [f"  {line}" for failure in report["failures"] for line in Failure(**failure).lines]
    return text


def _of_migrations(migrations: t.Mapping[str, t.Any]) -> str:
    applied = [f"{one['script'] or one['version']} in {one['ms']} ms" for one in migrations["applied"]]
    shown = applied if len(applied) <= SHOWN else [*applied[: SHOWN - 1], f"… and {len(applied) - SHOWN + 1} more"]
    was = f" (was {migrations['before'] or 'nothing'})" if migrations["before"] != migrations["after"] else ""
    return f"migrated: {', '.join(shown)}; the schema is at {migrations['after'] or '?'}{was}"


def _of_backup(backup: t.Mapping[str, t.Any], started: float) -> str:
    if "waived" in backup:
        return f"no backup: waived, because {backup['waived']}"
    age = started - backup["taken"]
    when = f", {age / 3600:.1f} h before" if age > 0 else ""
    point = f"; undone by the restore point {backup['restore_point']}" if backup["restore_point"] else ""
    why = f" ({backup['why']})" if backup["why"] else ""
    took = backup["restore_seconds"]
    proof = "not proven" if took is None else f"restored in {took:.1f} s and compared"
    return f"backup {backup['id']}{when}: {proof}{point}{why}"


def foreseen(target: t.Mapping[str, t.Any], stages: t.Sequence[Stage]) -> list[str]:
    """What a preview has found, for a terminal: what each stage would do on each machine."""
    before = (target["previous"] or {}).get("version") or "nothing"
    text = [
        f"{target['platform']}/{target['environment']}: {target['version']} would be live on {target['side']} "
        f"(now {before}). This was a preview: nothing was touched, and no answer of the new version is foreseen."
    ]
    for stage in stages:
        for machine, result in sorted(stage.results.items()):
            text += [f"  {stage.verdict.stage} on {machine}: {action}" for action in (result or {}).get("actions", [])]
    return text
