# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases this machine keeps, and which of them may go (private to the collection).

One small file per release, C(releases/<id>/containers.json), written before its containers are made. It holds what
the engine cannot tell: the order of the releases (a counter, so that no clock decides), how each one ended, and its
containers and images after a C(docker system prune).
"""

from __future__ import annotations

import json
import os
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from .spec import Scope

FILE = "containers.json"
SCHEMA = 1


class ServiceRecord(t.NamedTuple):
    """What one service of a release ran with."""

    image: str  # the reference that was asked for
    image_id: str
    kept: str  # the tag that keeps it here
    pulled: bool  # Slipway brought the reference here, so Slipway may take it away
    assets: str  # key of its directory of assets, empty without any
    containers: list[str]


class Record(t.NamedTuple):
    """One release on this machine."""

    release: str
    order: int
    version: str
    identity: str
    side: str
    outcome: str  # prepared, failed, reverted, settled
    services: dict[str, ServiceRecord]

    @property
    def containers(self) -> set[str]:
        """The names of all its containers."""
        return {name for service in self.services.values() for name in service.containers}


class Pruning(t.NamedTuple):
    """What is beyond the retention."""

    records: list[Record]
    containers: list[str]  # names
    tags: list[str]
    references: list[str]  # pulled by Slipway, named by no record that stays


def read_records(system: System, scope: Scope) -> list[Record]:
    """All records, oldest first.

    :raises SlipwayError: C(schema) when a newer Slipway wrote one, C(record_damaged) when one cannot be read.
    """
    directory = os.path.join(scope.directory, "releases")
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    records = []
    for name in names:
        path = os.path.join(directory, name, FILE)
        data = system.read_file(path)
        if data is not None:
            records.append(decode(data, path))
    return sorted(records, key=lambda record: record.order)


def write_record(system: System, scope: Scope, record: Record) -> None:
    """Write one record durably."""
    directory = os.path.join(scope.directory, "releases", record.release)
    system.make_directory(directory)
    system.replace_file(os.path.join(directory, FILE), encode(record))


def forget_record(system: System, scope: Scope, record: Record) -> None:
    """Remove a record; its directory goes with it (its specification cannot be rolled back to any more)."""
    directory = os.path.join(scope.directory, "releases", record.release)
    shutil.rmtree(directory, ignore_errors=True)


def encode(record: Record) -> bytes:
    """A record as JSON."""
    data = {**record._asdict(), "services": {name: service._asdict() for name, service in record.services.items()}}
    return (json.dumps({"schema": SCHEMA, **data}, sort_keys=True, indent=1) + "\n").encode()


def decode(data: bytes, path: str) -> Record:
    """The reverse of C(encode)."""
    try:
        value = json.loads(data)
        if value.pop("schema") > SCHEMA:
            raise SlipwayError(
                "written by a newer Slipway", obj=path, remedy="Update the controller's collection.", cause="schema"
            )
        services = {name: ServiceRecord(**service) for name, service in value.pop("services").items()}
        return Record(services=services, **value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SlipwayError(
            "the record of a release is damaged",
            obj=path,
            actual=str(error),
            remedy="Remove this file; its containers are then left alone and not offered for a rollback.",
            cause="record_damaged",
        ) from None


def find(records: t.Iterable[Record], release: str) -> Record | None:
    """The record of a release."""
    return next((record for record in records if record.release == release), None)


def next_order(records: t.Sequence[Record]) -> int:
    """The counter of a new record."""
    return 1 + max((record.order for record in records), default=0)


def last_settled(records: t.Sequence[Record], *, side: str = "") -> Record | None:
    """The release that was last carried through (on a side): what is live, as far as this machine wrote down."""
    settled = [record for record in records if record.outcome == "settled" and side in ("", record.side)]
    return settled[-1] if settled else None


def owner(records: t.Sequence[Record], container: str) -> Record | None:
    """The newest release that a container belongs to (a rollback takes over the containers of an older one)."""
    return next((record for record in reversed(records) if container in record.containers), None)


def prune(records: t.Sequence[Record], keep: int, current: str) -> Pruning:
    """What goes when ``keep`` releases stay beside nothing else.

    Kept are the newest release of each of the newest ``keep`` identities that were carried through, the current
    release, and the newest one that failed. The containers, tags and references that a kept release names stay.
    """
    kept: dict[str, Record] = {}
    identities: set[str] = set()
    for record in reversed([item for item in records if item.outcome == "settled"]):
        if record.identity not in identities and len(identities) < max(keep, 1):
            identities.add(record.identity)
            kept[record.release] = record
    failed = [record for record in records if record.outcome != "settled" and record.release != current]
    for record in failed[-1:]:
        kept[record.release] = record
    for record in records:
        if record.release == current:
            kept[record.release] = record
    gone = [record for record in records if record.release not in kept]
    stays = [service for record in kept.values() for service in record.services.values()]
    leaves = [service for record in gone for service in record.services.values()]
    names = {name for service in stays for name in service.containers}
    return Pruning(
        records=gone,
        containers=sorted({name for service in leaves for name in service.containers} - names),
        tags=sorted({service.kept for service in leaves} - {service.kept for service in stays}),
        references=sorted({s.image for s in leaves if s.pulled} - {s.image for s in stays}),
    )
