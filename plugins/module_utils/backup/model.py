# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept about a backup, and how it is written down (private to the collection).

A manifest is written last, so a backup without one was cut off. What was found out about a backup afterwards (that it
restores, or does not) stands in proofs beside it, numbered, the last of which counts: no object is ever written over.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from ..errors import SlipwayError

SCHEMA = 1
DUMP = "dump"  # the part that is the database
STRENGTH = ("none", "read", "restore")  # of a proof, weakest first


class Part(t.NamedTuple):
    """One object of a backup.

    :param size: of what is stored, in bytes.
    :param sha256: of what is stored.
    :param plain_size: before compression and encryption, in bytes.
    """

    key: str
    size: int
    sha256: str
    plain_size: int


class Manifest(t.NamedTuple):
    """A backup that is whole.

    :param number: one more than the newest backup of its target had; tells the order also after a clock went back.
    :param taken: when its snapshot was taken, seconds since the epoch.
    :param seconds: that the dump took.
    :param source: C(host), C(database), C(size) in bytes.
    :param server: version.
    :param client: version of the program that wrote it.
    :param position: LSN, or GTID, of the snapshot; empty where there is none.
    :param facts: what a restored copy must have, by the engine's own words.
    :param parts: C(dump), and what the engine keeps beside it.
    """

    id: str
    number: int
    engine: str
    format: str
    taken: float
    seconds: float
    source: dict[str, t.Any]
    server: str
    client: str
    position: str
    compression: str
    recipients: list[str]
    facts: dict[str, t.Any]
    parts: dict[str, Part]

    @property
    def size(self) -> int:
        """Bytes in the store."""
        return sum(part.size for part in self.parts.values())


class Proof(t.NamedTuple):
    """What one look at a backup found.

    :param by: C(read) or C(restore).
    :param ok: whether it is good.
    :param at: seconds since the epoch.
    :param seconds: that the restore took, without the look at what it restored; 0 for C(read).
    :param problem: why it is not good.
    :param changed: what was written to while the backup was taken, so that it was read only.
    :param logs: the restore point up to which binary logs were replayed on the restored copy, and compared; empty where none
        were, and C(problem) says why where they could not be.
    """

    by: str
    ok: bool
    at: float
    seconds: float
    problem: str = ""
    changed: t.Sequence[str] = ()
    logs: str = ""


class Point(t.NamedTuple):
    """A moment of a cluster that it can be brought back to, by a physical backup and the WAL up to there, or by a snapshot.

    :param name: of a snapshot its id.
    :param lsn: of the record in the WAL, and C(segment), the file of the WAL that has it; empty for a snapshot.
    :param at: seconds since the epoch.
    :param backup: id of the newest backup then.
    """

    name: str
    lsn: str
    segment: str
    at: float
    backup: str


class Backup(t.NamedTuple):
    """A backup of a target, as its store has it."""

    manifest: Manifest
    proofs: tuple[Proof, ...] = ()

    @property
    def verified_by(self) -> str:
        """The strongest proof since the last one that failed."""
        best = "none"
        for proof in self.proofs:
            best = max(best, proof.by, key=STRENGTH.index) if proof.ok else "none"
        return best

    @property
    def failed(self) -> bool:
        """Whether the last look found it bad."""
        return bool(self.proofs) and not self.proofs[-1].ok

    @property
    def last_restore(self) -> Proof | None:
        """The last one, if it was good."""
        tried = [proof for proof in self.proofs if proof.by == "restore"]
        return tried[-1] if tried and tried[-1].ok else None

    @property
    def restore_seconds(self) -> float | None:
        """How long the last restore took."""
        took = [proof.seconds for proof in self.proofs if proof.ok and proof.by == "restore"]
        return took[-1] if took else None


def to_bytes(record: Manifest | Proof | Point) -> bytes:
    """A record with the checksum of itself."""
    content = record._asdict()
    if isinstance(record, Manifest):
        content["parts"] = {name: part._asdict() for name, part in record.parts.items()}
    return sealed(content)


def sealed(content: t.Mapping[str, t.Any]) -> bytes:
    """What can be written as JSON, with the checksum of itself."""
    return json.dumps({"schema": SCHEMA, "sha256": _digest(content), "content": content}, indent=1).encode() + b"\n"


def manifest_of(data: bytes, key: str) -> Manifest:
    """A manifest as it was written.

    :raises SlipwayError: C(manifest_damaged), C(manifest_newer).
    """
    content = opened(data, key)
    content["parts"] = {name: Part(**part) for name, part in content["parts"].items()}
    return Manifest(**content)


def proof_of(data: bytes, key: str) -> Proof:
    """A proof as it was written; raises as RV(manifest_of)."""
    found = opened(data, key)
    return Proof(**{**found, "changed": tuple(found.get("changed", ()))})


def point_of(data: bytes, key: str) -> Point:
    """A restore point as it was written; raises as RV(manifest_of)."""
    return Point(**opened(data, key))


def opened(data: bytes, key: str) -> dict[str, t.Any]:
    """What was given to RV(sealed); raises as RV(manifest_of)."""
    try:
        record = json.loads(data)
        newer = record["schema"] > SCHEMA
        whole = newer or record["sha256"] == _digest(record["content"])
    except (ValueError, KeyError, TypeError):
        newer = whole = False
    if newer:
        raise SlipwayError(
            "was written by a newer Slipway",
            obj=key,
            actual=f"schema {record['schema']}",
            wanted=f"at most {SCHEMA}",
            remedy="Use that version of the collection, or a newer one.",
            cause="manifest_newer",
        )
    if not whole:
        raise SlipwayError(
            "is damaged",
            obj=key,
            remedy="The backup may still be good: its dump can be restored by hand without it. It is neither used nor deleted;"
            " remove its files when nobody needs them.",
            cause="manifest_damaged",
        )
    return t.cast("dict[str, t.Any]", record["content"])


def _digest(content: t.Mapping[str, t.Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
