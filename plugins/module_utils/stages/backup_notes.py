# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal of a machine has of the backups that releases were made on (private to the collection)."""

from __future__ import annotations

import typing as t

from ..database.secrets import MYSQL
from ..errors import SlipwayError
from ..state.machine import Machine

NOTE, WAIVED = "backup", "backup_waived"  # in the journal: what a release leans on, or that it leans on nothing

Params = dict[str, t.Any]


def pins(machine: Machine, keep: int) -> list[str]:
    """The backups that the releases kept for a rollback were made on, and those of unfinished ones; and their restore points, of
    which some are snapshots."""
    journal = machine.read().journal
    kept = [release for release in journal.releases if release.outcome == "succeeded"][-keep:] if keep else []
    notes = [note for release in (*kept, *journal.unfinished) for note in release.notes if note["name"] == NOTE]
    points = [note["restore_point"]["name"] for note in notes if note.get("restore_point")]
    return list(dict.fromkeys([*(note["id"] for note in notes), *points]))


def resolved(params: Params, machine: Machine | None) -> Params:
    """The parameters with the backup, and for a cluster of its own the restore point, of a release that is named instead.

    :raises SlipwayError: C(missing) where that release has no backup, C(whole_cluster) where it is one that cannot be
        restored as is asked for.
    """
    wanted = params["id"]
    note = note_of(machine, wanted) if machine and wanted and wanted != "latest" else {}
    if not note:
        return params
    point = (note.get("restore_point") or {}).get("name")
    logged = params["engine"] in MYSQL  # a dump leads there, with the logs after it
    if params["state"] == "restored" and point and not params["into_dir"] and not logged:
        raise SlipwayError(
            "leant on a backup of a whole cluster and has no dump of its own",
            obj=f"release {wanted}",
            actual=f"{note['id']}, and the restore point {point}",
            wanted="into_dir, a directory for a cluster beside the live one, or the id of a dump",
            remedy="Restore the cluster as it was just before that release, with the playbook restore and"
            f" -e slipway_backup={wanted} -e slipway_restore_dir=DIRECTORY, and put it in the live one's place by hand"
            " (docs: In the place of the live cluster). Or name a dump that the playbook backups shows: what was"
            " written since is lost then.",
            cause="whole_cluster",
        )
    aimed = any(params[f"target_{what}"] for what in ("time", "name", "lsn"))
    at_point = {"target_name": point} if (params["into_dir"] or logged) and not aimed else {}
    return {**params, **at_point, "id": str(note["id"])}


def note_of(machine: Machine, wanted: str) -> dict[str, t.Any]:
    """What is noted of the backup of a release, by its id or version; empty where there is no such release.

    :raises SlipwayError: C(missing).
    """
    named = [
        release for release in machine.read().journal.releases if wanted in (release.id, release.about.get("version"))
    ]
    for release in reversed(named):
        for note in reversed(release.notes):
            if note["name"] == NOTE:
                return dict(note)
    if not named:
        return {}
    waived = [note["why"] for note in named[-1].notes if note["name"] == WAIVED]
    raise SlipwayError(
        "has no backup",
        obj=f"release {named[-1].id}",
        actual=f"waived, because {waived[-1]}" if waived else "none in its journal",
        remedy="Name another backup by its id; the playbook backups shows all, with their ages.",
        cause="missing",
    )
