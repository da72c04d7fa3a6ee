# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal written anew, out of what others remember (private to the collection).

Its records are those that the releases would have left here, so that every version of the collection reads them.
"""

from __future__ import annotations

import json
import os
import typing as t

from .journal import Record
from .machine import Machine

Memory = t.Mapping[str, t.Any]  # releases (oldest first), bad, frozen: as C(history.report) tells them


def rewritten(records: t.Sequence[Record], memory: Memory, release_id: str) -> list[Record]:
    """What is remembered, and after it what the release that rebuilds has written here.

    :param records: what is in the journal now; what earlier tries have left in it goes.
    """
    own = [record for record in records if record.release == release_id]
    told = [*_releases(memory), *_marks(memory), *own]
    return [record._replace(seq=number) for number, record in enumerate(told, start=1)]


def write_specifications(machine: Machine, memory: Memory) -> None:
    """The specification of each release that is kept here, for people; what is read is that of the journal."""
    for release in memory.get("releases") or ():
        directory = machine.release_directory(str(release["id"]))
        if os.path.isdir(directory):
            content = json.dumps(release["decision"], indent=1, sort_keys=True).encode() + b"\n"
            machine.system.replace_file(os.path.join(directory, "spec.json"), content)


def _releases(memory: Memory) -> t.Iterator[Record]:
    ended = {"ok": True, "cause": "", "message": "", "seconds": 0.0, "lease": {}}
    for release in memory.get("releases") or ():
        name, token, about = str(release["id"]), int(release["token"]), dict(release["about"])
        began, done = float(release["started"]), float(release.get("ended") or release["started"])
        yield Record(0, began, name, token, "decision", "decision", {"spec": dict(release["decision"])})
        for note in release.get("notes") or ():
            yield Record(0, began, name, token, "decision", "note", dict(note))
        yield Record(0, began, name, token, "decision", "end", ended)
        outcome = {"outcome": "succeeded", "diagnosis": {}, "about": about}
        yield Record(0, done, name, token, "settle", "outcome", outcome)
        yield Record(0, done, name, token, "settle", "end", ended)


def _marks(memory: Memory) -> t.Iterator[Record]:
    for identity, mark in sorted((memory.get("bad") or {}).items()):
        data = {"identity": identity, "version": str(mark.get("version") or ""), "why": str(mark.get("why") or "")}
        yield Record(0, float(mark.get("since") or 0), str(mark.get("release") or ""), 0, "", "marked_bad", data)
    frozen = memory.get("frozen")
    if frozen:
        data = {key: frozen[key] for key in ("who", "why", "until")}
        yield Record(0, float(frozen.get("since") or 0), "", 0, "", "frozen", data)
