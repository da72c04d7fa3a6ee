# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found out about physical backups (private to the collection).

pgBackRest has no place for it, so it is kept beside the state of the target: C(LABEL.proof-N.json) for the looks at a backup, the
last of which counts, and C(LABEL.point-N.json) for the restore points that were made when it was the newest one.
"""

from __future__ import annotations

import re

from ..errors import SlipwayError
from ..system import System
from .local import LocalStore
from .model import Backup, Point, Proof, point_of, proof_of, to_bytes
from .pgbackrest_info import LABEL

_KEY = re.compile(rf"({LABEL.pattern})\.(proof|point)-(\d+)\.json")


class Records:
    """The proofs and points of one target.

    :param path: their directory.
    """

    def __init__(self, path: str, system: System) -> None:
        self._store = LocalStore(path, system)

    def with_proofs(self, backup: Backup) -> Backup:
        """A backup with what was found out about it, after what pgBackRest says."""
        found = self._keys(backup.manifest.id, "proof")
        proofs = [proof_of(b"".join(self._store.get(key)), key) for key in found]
        return backup._replace(proofs=(*backup.proofs, *proofs))

    def points(self) -> list[Point]:
        """All that are known, oldest first; those that cannot be read are no points."""
        found = []
        for key in self._keys("", "point"):
            try:
                found.append(point_of(b"".join(self._store.get(key)), key))
            except SlipwayError as error:
                if error.cause not in ("manifest_damaged", "manifest_newer"):
                    raise
        return sorted(found, key=lambda point: point.at)

    def add(self, label: str, record: Proof | Point) -> None:
        """Write one down, durably."""
        kind = "proof" if isinstance(record, Proof) else "point"
        numbers = [int(match[3]) for match in map(_KEY.fullmatch, self._keys(label, kind)) if match]
        self._store.leftovers(remove=True)
        self._store.put(f"{label}.{kind}-{max(numbers or [0]) + 1}.json", [to_bytes(record)])

    def forget(self, there: list[str]) -> None:
        """Let go of what is about backups that are no longer there."""
        for entry in self._store.entries():
            match = _KEY.fullmatch(entry.key)
            if match and match[1] not in there:
                self._store.delete(entry.key)

    def _keys(self, label: str, kind: str) -> list[str]:
        matches = [match for match in (_KEY.fullmatch(entry.key) for entry in self._store.entries()) if match]
        fitting = [match for match in matches if match[2] == kind and label in ("", match[1])]
        return [match[0] for match in sorted(fitting, key=lambda match: (match[1], int(match[3])))]
