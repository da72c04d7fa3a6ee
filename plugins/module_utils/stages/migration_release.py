# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release asks of its migrations, and what it writes down of them (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..migration import model
from ..migration.model import Migration, Report, Status
from ..migration.tool import Order

NOTE = "migrated"  # event of the journal: what a release has applied, and what there is of phase contract
WAIVED = "backup_waived"

# Of these there is a line in the history and no file.
GONE = (model.AHEAD, model.MISSING, model.DELETED)
# These are in force.
APPLIED = (model.SUCCESS, model.OUT_OF_ORDER, model.OUTDATED)

# What a release leaves alone, and who does it.
WAITS = {
    "contract": "the playbook contract",
    "backfill": "the playbook migrate with slipway_migrate_phase=backfill",
}

# What C(state: repaired) does about a problem, by its cause.
REPAIRS = {
    "dirty": "its line is taken back, as if it had not been begun",
    "edited": "the file is taken for what was applied",
    "missing_file": "it is noted as deleted",
}
NAMED = 5  # of what is pending, in one sentence
# Where there is nothing to do.
UNTOUCHED = {"baselined": "the history of migrations has begun already", "repaired": "nothing is to be repaired"}

Params = t.Mapping[str, t.Any]


def wanted(status: Status, order: Order) -> list[Migration]:
    """What a run would apply, as far as this can be known before it begins."""
    if order.state not in ("latest", "target"):
        return []
    return [one for one in status.pending if order.phase in ("all", one.phase)]


def expect_allowed(params: Params, status: Status, order: Order) -> None:
    """:raises SlipwayError: C(contracted) where this version needs the schema as it was; C(no_backup)."""
    gone = {key_of(one) for one in status.of(*GONE)}
    taken = [script for key, script in params["contracted"].items() if key in gone]
    if taken and order.state in ("latest", "target"):
        raise SlipwayError(
            "was applied by a later version, and this one does not have it: it needs the schema as it was before",
            obj=", ".join(sorted(taken)),
            remedy="Release a version that has it; or restore the database as it was before it, with the playbook restore.",
            cause="contracted",
        )
    names = [one.label for one in wanted(status, order)]
    if params["proven"] or params["waive"] or not (names or order.state == "undone"):
        return
    raise SlipwayError(
        "would be changed without a proven backup",
        obj="the database",
        actual=", ".join(names[:5]) + (", …" if len(names) > 5 else "") if names else "what is undone",
        wanted="slipway_database.backup, so that a backup is taken and restored before",
        remedy="Write where backups are kept: backup: {store: {path: /var/backups/slipway}}; or say why none is needed with"
        " -e slipway_waive_backup='…', which stands in the journal.",
        cause="no_backup",
    )


def key_of(one: Migration) -> str:
    """What a migration is called in every version of a program, whether its file is there or not."""
    return one.version or one.script


def noted(report: Report, order: Order, overruled: t.Sequence[str]) -> dict[str, t.Any]:
    """What the journal keeps: what was applied, and which migrations of phase contract this version has and are in force.

    Of those C(covered) a baseline says that the database had them before; nobody knows since when.
    """
    after = report.after
    undone = [one for one in after.of(model.UNDONE, model.PENDING) if one.phase == "contract"]
    kinds = (model.VERSIONED, model.REPEATABLE)
    ours = [one for one in after.migrations if one.phase == "contract" and one.state not in GONE and one.kind in kinds]
    applied = {key_of(one): one.label for one in ours if one.state in APPLIED}
    below = {key_of(one): one.label for one in ours if one.state == model.BELOW_BASELINE}
    said, made = (
        (below, {}) if after.of(model.BASELINE) else ({}, below)
    )  # by a word, or by a script that has made it all
    if order.state == "baselined":  # as tools say it that have no line of their own for it
        said, applied = {**said, **applied}, {}
    return {
        "scripts": [one.script for one in report.done],
        "current": after.current,
        "phase": order.phase,
        "lint_overruled": list(overruled),
        "ships": {key_of(one): one.label for one in ours},
        "contracted": {**made, **applied},
        "covered": said,
        "open": [key_of(one) for one in undone],
    }


def of_history(status: Status, order: Order) -> list[str]:
    """What a run would do to the history alone, for a terminal; of a run that migrates nothing."""
    if order.state == "baselined":
        begun = any(one.rank for one in status.migrations)
        return [] if begun else [f"the history of migrations begins at version {order.target or '1'}"]
    if order.state == "repaired":
        return [f"{one['obj']}: {REPAIRS[one['cause']]}" for one in status.problems if one["cause"] in REPAIRS]
    return []


def planned_actions(status: Status, order: Order) -> list[str]:
    """What a run would do, for a terminal."""
    if order.state in UNTOUCHED:
        return of_history(status, order) or [UNTOUCHED[order.state]]
    if order.state == "status":
        return left(status)
    found = wanted(status, order)
    if order.state in ("latest", "target") and not found:
        return ["no migration is pending", *_waiting(status, order)]
    return [*(f"{one.label} would be applied" for one in found), *_waiting(status, order)]


def left(status: Status) -> list[str]:
    """What is pending and who applies it, for a terminal; nothing where nothing is."""
    ready = [one.label for one in status.pending if one.phase not in WAITS]
    said = []
    if ready:
        are = "migration is" if len(ready) == 1 else "migrations are"
        named = ", ".join(ready if len(ready) <= NAMED else [*ready[:NAMED], "…"])
        said.append(f"{len(ready)} {are} pending: {named}. The playbook migrate applies what is pending.")
    said += [f"{one.label} waits for {WAITS[one.phase]}" for one in status.pending if one.phase in WAITS]
    return said + [f"! {one['obj']}: {one['what']}. {one['remedy']}" for one in status.problems]


def done_actions(report: Report, order: Order) -> list[str]:
    """What a run did."""
    if order.state in UNTOUCHED:
        return of_history(report.before, order) or [UNTOUCHED[order.state]]
    verb = "undid" if order.state == "undone" else "applied"
    said = [f"{verb} {one.script or one.version} in {one.ms} ms" for one in report.done]
    if not said and order.state in ("latest", "target"):
        said = ["no migration was pending"]
    return [*said, *_waiting(report.after, order)]


def table(status: Status) -> list[str]:
    """All migrations for a terminal, what was applied first."""
    counts = {
        "pending": len(status.pending),
        "ahead": len(status.of(model.AHEAD)),
        "dirty": len(status.of(model.DIRTY)),
    }
    told = [f"{count} {name}" for name, count in counts.items() if count] or ["nothing pending"]
    text = [f"at {status.current or 'no version'}: {', '.join(told)}"]
    for one in status.migrations:
        phase = f", waits for {WAITS[one.phase]}" if one.phase in WAITS and one in status.pending else ""
        when = f"  {one.installed_on}" if one.installed_on else ""
        text.append(f"  {one.state:<10} {one.label}{when}{phase}")
    return text + [f"  ! {one['obj']}: {one['what']}. {one['remedy']}" for one in status.problems]


def _waiting(status: Status, order: Order) -> list[str]:
    """What a run of another phase would apply."""
    if order.phase != "expand":
        return []
    return [f"{one.label} waits for {WAITS[one.phase]}" for one in status.pending if one.phase in WAITS]
