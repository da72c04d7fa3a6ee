# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fresh the backups of a target are, in a file that others read without asking the store (private to the collection)."""

from __future__ import annotations

import json
import os
import typing as t

from ..system import System
from .model import Backup

METRICS = {
    "last_run_timestamp_seconds": "When a backup or a drill was last run.",
    "last_run_success": "Whether that went well.",
    "restored_timestamp_seconds": "When the newest backup that was restored was taken.",
    "drilled_timestamp_seconds": "When a backup was last restored.",
    "restore_seconds": "How long that took.",
    "stored_bytes": "Size of the newest backup in its store.",
    "count": "How many backups there are.",
    "damaged": "How many there are whose manifest cannot be read.",
}


class Freshness(t.NamedTuple):
    """What was known when a run ended.

    :param ran: seconds since the epoch.
    :param problem: why the run failed; empty where it went well.
    :param newest: id of the newest backup that was restored, and C(taken), when it was taken; empty and 0 where none was.
    :param damaged: what is said of each backup whose manifest cannot be read.
    :param drilled: when a backup was last restored, and C(restore_seconds), how long that took.
    """

    ran: float
    problem: str
    newest: str = ""
    taken: float = 0.0
    drilled: float = 0.0
    restore_seconds: float = 0.0
    stored_bytes: int = 0
    backups: int = 0
    damaged: t.Sequence[str] = ()


def of(backups: t.Sequence[Backup], now: float, problem: str = "", damaged: t.Sequence[str] = ()) -> Freshness:
    """What the backups of a target say."""
    restored = [backup for backup in backups if backup.verified_by == "restore"]
    drills = [proof for backup in backups for proof in backup.proofs if proof.ok and proof.by == "restore"]
    last = max(drills, key=lambda proof: proof.at, default=None)
    return Freshness(
        now,
        problem,
        newest=restored[-1].manifest.id if restored else "",
        taken=restored[-1].manifest.taken if restored else 0.0,
        drilled=last.at if last else 0.0,
        restore_seconds=last.seconds if last else 0.0,
        stored_bytes=backups[-1].manifest.size if backups else 0,
        backups=len(backups),
        damaged=tuple(damaged),
    )


def path_of(state: str, name: str) -> str:
    """The file of a target, in the directory of the state of all backups."""
    return os.path.join(state, f"{name}.freshness.json")


def read(system: System, state: str, name: str) -> Freshness | None:
    """What the last run wrote; None where nothing was run, or nothing readable is there."""
    content = system.read_file(path_of(state, name))
    try:
        return Freshness(**json.loads(content)) if content else None
    except (ValueError, TypeError):
        return None


def write(system: System, state: str, name: str, known: Freshness) -> None:
    """Write it down for C(status) and for monitoring."""
    system.replace_file(path_of(state, name), json.dumps(known._asdict()).encode() + b"\n")


def metrics(known: Freshness, platform: str, environment: str) -> str:
    """The same for the textfile collector of Prometheus' node exporter (Prometheus, "Exposition formats")."""
    values = {
        "last_run_timestamp_seconds": known.ran,
        "last_run_success": 0 if known.problem else 1,
        "restored_timestamp_seconds": known.taken,
        "drilled_timestamp_seconds": known.drilled,
        "restore_seconds": known.restore_seconds,
        "stored_bytes": known.stored_bytes,
        "count": known.backups,
        "damaged": len(known.damaged),
    }
    labels = f'{{platform="{platform}",environment="{environment}"}}'
    lines = []
    for name, value in values.items():
        full = f"slipway_backup_{name}"
        lines += [f"# HELP {full} {METRICS[name]}", f"# TYPE {full} gauge", f"{full}{labels} {value}"]
    return "\n".join(lines) + "\n"


def said(known: Freshness | None, now: float) -> str:
    """One line for a terminal."""
    if known is None:
        return "no backup was ever taken here"
    text = f"none of {known.backups} backups was restored"
    if known.newest:
        age = (now - known.taken) / 3600
        text = f"backup {known.newest}, {age:.1f} h old, restored in {known.restore_seconds:.1f} s"
    problems = [f"! the last run failed: {known.problem}"] if known.problem else []
    return "; ".join([text, *problems, *(f"! {damage}" for damage in known.damaged)])
