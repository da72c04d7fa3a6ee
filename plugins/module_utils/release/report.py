# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a release when it is over; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from .verdict import Failure, Verdict, revision

SHOWN_CODE = 20  # characters; the report has all of them
SHOWN = 10  # migrations; the report has all of them


class Stage(t.NamedTuple):
    """One stage that ran: the verdict, and the registered result of every machine."""

    verdict: Verdict
    results: t.Mapping[str, t.Mapping[str, t.Any] | None]

    def measured(self, key: str) -> list[t.Any]:
        """What the machines measured under a key."""
        return [result[key] for result in self.results.values() if result and result.get(key) is not None]


class Batch(t.NamedTuple):
    """One batch of a rolling release: C(number), C(of), C(machines), and what its stages left on every machine."""

    about: t.Mapping[str, t.Any]
    prepare: Stage
    shift: Stage


def build(
    target: t.Mapping[str, t.Any],
    stages: t.Sequence[Stage],
    *,
    refused: bool,
    started: float,
    ended: float,
    batches: t.Sequence[Batch] = (),
) -> dict[str, t.Any]:
    """The report of one release, plain JSON.

    :param stages: those that ran, in their order; of those that a rolling release repeats, the last.
    :param started: seconds since the epoch, when the run began.
    :param ended: seconds since the epoch, now.
    """
    switched = [float(value) for stage in stages for value in stage.measured("switched_ms")]
    watched = [batch.shift for batch in batches] or stages
    watches = [look for stage in watched for look in stage.measured("watch") if look and "requests" in look]
    drains = [drain for stage in stages for drain in stage.measured("drain") if drain]
    return {
        "release": target["id"],
        "platform": target["platform"],
        "environment": target["environment"],
        "version": target["version"],
        "before": target["previous"],
        "side": target["side"],
        "outcome": "reverted" if refused else "succeeded",
        "emergency": (target.get("about") or {}).get("emergency"),
        "started": started,
        "seconds": round(ended - started, 3),
        "stages": [_stage(stage) for stage in stages],
        "code": _code(stages),
        "backup": _backup(stages),
        "rehearsed": _rehearsed(stages),
        "migrations": _migrations(stages),
        "replicas": _replicas(target, stages),
        "switched_ms": max(switched) if switched else None,
        "watched": {key: sum(look[key] for look in watches) for key in ("requests", "errors")} if watches else None,
        "drained": all(drain["empty"] for drain in drains) if drains else None,
        "batches": [_batch(batch) for batch in batches],
        "interrupted": _interrupted(target, stages),
        "handed_over": _handed_over(stages),
        "machines": len(target["machines"]),
        "failures": [failure._asdict() for stage in stages for failure in stage.verdict.failures],
    }


def _stage(stage: Stage) -> dict[str, t.Any]:
    """How it went, and what took how long on which machine."""
    results = {machine: result for machine, result in stage.results.items() if result}
    return {
        "stage": stage.verdict.stage,
        "ok": stage.verdict.ok,
        "started": min((result["stage"]["started"] for result in results.values()), default=0.0),
        "seconds": round(stage.verdict.seconds, 3),
        "timings": {machine: result["timings"] for machine, result in results.items() if result.get("timings")},
    }


def _batch(batch: Batch) -> dict[str, t.Any]:
    """What moved, and when."""
    switched = [float(value) for value in batch.shift.measured("switched_ms")]
    watches = [look for look in batch.shift.measured("watch") if look]
    begun = [result["stage"]["started"] for result in batch.shift.results.values() if result]
    return {
        **{key: batch.about[key] for key in ("number", "of", "machines")},
        "ok": batch.shift.verdict.ok,
        "prepare_seconds": round(batch.prepare.verdict.seconds, 3),
        "moved": min(begun, default=0.0),
        "switched_ms": max(switched, default=None),
        "watched": {key: sum(look[key] for look in watches) for key in ("requests", "errors")} if watches else None,
    }


def _interrupted(target: t.Mapping[str, t.Any], stages: t.Sequence[Stage]) -> float | None:
    """For how many seconds nobody was let in, by the balancers' own clocks; without any by the controller's."""
    if not target.get("interrupts"):
        return None
    closed = [max(found) for stage in stages if (found := stage.measured("closed_seconds"))]
    if closed:
        return round(float(sum(closed)), 1)
    ran = {stage.verdict.stage: stage.measured("stage") for stage in stages}
    until = ran.get("resume") or ran.get("prepare")
    if not ran.get("pause") or not until:
        return None
    seconds = max(one["ended"] for one in until) - min(one["started"] for one in ran["pause"])
    return round(float(seconds), 1)


def _handed_over(stages: t.Sequence[Stage]) -> dict[str, dict[str, t.Any]]:
    """Singleton to the machine that has it, and for how many seconds there was no instance: the last that was measured."""
    return {
        service: {**gap, "machine": machine}
        for stage in stages
        for machine, result in sorted(stage.results.items())
        for service, gap in sorted(((result or {}).get("handed_over") or {}).items())
    }


def _code(stages: t.Sequence[Stage]) -> dict[str, str]:
    """The commit, checksum or hash that each service's code was made of; nothing where it is in images."""
    found = [sources for stage in stages for sources in stage.measured("sources")]
    return {service: revision(source) for sources in found for service, source in sorted(sources.items())}


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


def _replicas(target: t.Mapping[str, t.Any], stages: t.Sequence[Stage]) -> dict[str, t.Any] | None:
    """Why replicas need not follow, and which of them do not; None where nobody has said so."""
    why = (target.get("replicas") or {}).get("waive")
    over = [found for stage in stages if stage.verdict.stage == "replicas" for found in stage.measured("passed_over")]
    return {"waived": why, "passed_over": [one for names in over for one in names]} if why else None


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
    if report["emergency"]:
        text.append(f"  emergency: {report['emergency']['why']}, although {'; '.join(report['emergency']['frozen'])}")
    if report["code"]:
        text.append("  code: " + ", ".join(f"{name} {code[:SHOWN_CODE]}" for name, code in report["code"].items()))
    if report["backup"]:
        text.append(f"  {_of_backup(report['backup'], report['started'])}")
    text += [f"  rehearsed: {'; '.join(report['rehearsed'])}"] if report["rehearsed"] else []
    if report["migrations"] and report["migrations"]["applied"]:
        text.append(f"  {_of_migrations(report['migrations'])}")
    if report["replicas"]:
        over = "".join(f"; {one}" for one in report["replicas"]["passed_over"])
        text.append(f"  replicas: waived, because {report['replicas']['waived']}{over}")
    text += [f"  {_of_batch(batch)}" for batch in report["batches"]]
    if report["interrupted"] is not None:
        text.append(f"  interrupted for {report['interrupted']:.1f} s")
    text += [f"  {_of_handover(name, gap)}" for name, gap in report["handed_over"].items()]
    if report["switched_ms"] is not None and not report["batches"]:
        text.append(f"  traffic moved and read back in {report['switched_ms']:.1f} ms")
    if report["watched"]:
        watched = report["watched"]
        text.append(f"  watched: {watched['errors']} of {watched['requests']} requests failed on the new side")
    text += [f"  {line}" for failure in report["failures"] for line in Failure(**failure).lines]
    return text


def _of_batch(batch: t.Mapping[str, t.Any]) -> str:
    when = time.strftime("%H:%M:%S UTC", time.gmtime(batch["moved"]))
    took = f", in {batch['switched_ms']:.1f} ms" if batch["switched_ms"] is not None else ""
    watched = batch["watched"]
    judged = f"; {watched['errors']} of {watched['requests']} requests failed" if watched else ""
    verb = "moved" if batch["ok"] else "failed"
    names = ", ".join(batch["machines"])
    prepared = f"prepared in {batch['prepare_seconds']:.1f} s"
    return f"batch {batch['number']} of {batch['of']} ({names}): {prepared}, {verb} at {when}{took}{judged}"


def _of_handover(name: str, gap: t.Mapping[str, t.Any]) -> str:
    most = "" if gap["exact"] else "at most "
    return f"{name} on {gap['machine']}: no instance for {most}{gap['seconds']:.3f} s"


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
