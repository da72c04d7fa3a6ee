# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of one target, as its store has them (private to the collection)."""

from __future__ import annotations

import calendar
import re
import time
import typing as t

from ..errors import SlipwayError
from .model import Backup, Manifest, Proof, manifest_of, proof_of, to_bytes
from .store import Store

MANIFEST = "manifest.json"
_KEY = re.compile(r"(?P<id>\d{8}T\d{6}Z-[0-9a-f]{6})\.(?P<what>.+)")
_PROOF = re.compile(r"proof-(\d+)\.json")
UNREADABLE = ("manifest_damaged", "manifest_newer")
SMALL = 64 << 20  # bytes; a manifest beyond it is not one


class Catalog(t.NamedTuple):
    """What is there.

    :param backups: whole ones, oldest first.
    :param damaged: backups whose manifest cannot be read, or is lost, and why. All that there is of them is left alone.
    :param cut_off: objects of backups that never came to have a manifest.
    """

    backups: list[Backup]
    damaged: dict[str, SlipwayError]
    cut_off: list[str]

    def newest(self) -> Backup | None:
        """The last one that nobody found to be bad."""
        good = [backup for backup in self.backups if not backup.failed]
        return good[-1] if good else None

    def named(self, wanted: str) -> Backup:
        """The one with an id, or the newest for C(latest).

        :raises SlipwayError: C(missing), or why its manifest cannot be read.
        """
        found = {backup.manifest.id: backup for backup in self.backups}
        newest = self.newest()
        if wanted == "latest" and newest is not None:
            return newest
        for name, error in self.damaged.items():
            if wanted in (name, "latest"):
                raise error
        if wanted not in found:
            raise SlipwayError(
                "no such backup",
                obj=wanted,
                actual=", ".join(found) or "none at all",
                remedy="List them with state: listed.",
                cause="missing",
            )
        return found[wanted]


def read(store: Store) -> Catalog:
    """Everything in a store; each manifest and proof is read."""
    objects: dict[str, list[str]] = {}
    for entry in store.entries():
        match = _KEY.fullmatch(entry.key)
        if match:
            objects.setdefault(match["id"], []).append(match["what"])
    backups, damaged, cut_off = [], {}, []
    for backup, names in objects.items():
        try:
            if MANIFEST in names:
                backups.append(_backup(store, backup, names))
            elif _was_whole(store, backup, names):
                damaged[backup] = _lost(backup)
            else:
                cut_off += [f"{backup}.{name}" for name in names]
        except SlipwayError as error:
            if error.cause not in UNREADABLE:
                raise
            damaged[backup] = error
    return Catalog(sorted(backups, key=lambda one: one.manifest.number), damaged, sorted(cut_off))


def taken_at(backup: str) -> float | None:
    """When a backup was begun, by its id, in seconds since the epoch; None for what is no id."""
    if not _KEY.fullmatch(f"{backup}.x"):
        return None
    try:
        return float(calendar.timegm(time.strptime(backup.partition("-")[0], "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None


def key_of(backup: str, what: str) -> str:
    """The key of an object of a backup."""
    return f"{backup}.{what}"


def after_it(backup: str) -> tuple[str, str]:
    """What the keys of a backup's binary logs begin with, and those of the points that they lead to."""
    return key_of(backup, "log-"), key_of(backup, "point-")


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Make a backup of the parts that are there."""
    store.put(key_of(manifest.id, MANIFEST), [to_bytes(manifest)])


def write_proof(store: Store, backup: Backup, proof: Proof) -> Backup:
    """Write down what a look found; the backup with it."""
    store.put(key_of(backup.manifest.id, f"proof-{len(backup.proofs) + 1}.json"), [to_bytes(proof)])
    return backup._replace(proofs=(*backup.proofs, proof))


def remove(store: Store, backup: Backup) -> None:
    """In an order in which, cut off anywhere, the rest never looks better than it is, nor as if a manifest had been lost.

    So those proofs go first that say that it is good, and last those the newest of which says that it is bad.
    """
    proofs = [key_of(backup.manifest.id, f"proof-{number}.json") for number in range(len(backup.proofs), 0, -1)]
    rest = [key_of(backup.manifest.id, MANIFEST), *(part.key for part in backup.manifest.parts.values())]
    rest += [
        entry.key for entry in store.entries() if entry.key.startswith(after_it(backup.manifest.id))
    ]  # which no manifest names
    for key in [*rest, *proofs] if backup.failed else [*proofs, *rest]:
        store.delete(key)


def _backup(store: Store, backup: str, names: t.Sequence[str]) -> Backup:
    manifest = manifest_of(_whole(store, key_of(backup, MANIFEST)), key_of(backup, MANIFEST))
    if manifest.id != backup:
        raise SlipwayError(
            "is the manifest of another backup",
            obj=key_of(backup, MANIFEST),
            actual=manifest.id,
            wanted=backup,
            remedy="Give its files their names back. None of them is used or deleted.",
            cause="manifest_damaged",
        )
    numbers = sorted(int(match[1]) for match in map(_PROOF.fullmatch, names) if match)
    keys = [key_of(backup, f"proof-{number}.json") for number in numbers]
    return Backup(manifest, tuple(proof_of(_whole(store, key), key) for key in keys))


def _was_whole(store: Store, backup: str, names: t.Sequence[str]) -> bool:
    """Whether a proof says so of what has no manifest, and does not say as well that it was bad."""
    numbers = [int(match[1]) for match in map(_PROOF.fullmatch, names) if match]
    if not numbers or len(numbers) == len(names):
        return False
    key = key_of(backup, f"proof-{max(numbers)}.json")
    try:
        return proof_of(_whole(store, key), key).ok
    except SlipwayError as error:
        if error.cause not in UNREADABLE:
            raise
        return True


def _lost(backup: str) -> SlipwayError:
    return SlipwayError(
        "has no manifest any more, though a proof says that it was whole",
        obj=backup,
        remedy=f"Bring {key_of(backup, MANIFEST)} back from another copy of the store, or restore its dump by hand; nothing of"
        " it is used or deleted.",
        cause="manifest_lost",
    )


def _whole(store: Store, key: str) -> bytes:
    content = bytearray()
    for chunk in store.get(key):
        content += chunk
        if len(content) > SMALL:
            raise SlipwayError("is too large to be one", obj=key, wanted=f"{SMALL} bytes", cause="manifest_damaged")
    return bytes(content)
