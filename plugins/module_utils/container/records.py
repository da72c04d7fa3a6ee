# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases this machine keeps, and which of them may go (private to the collection).

One small file per release, C(releases/<id>/containers.json), written before its containers are made. It holds what
the engine cannot tell: the order of the releases (a counter, so that no clock decides), how each one ended, and its
containers and images after a C(docker system prune).
"""

from __future__ import annotations

import typing as t

from ..side import records
from ..side.records import Record


class ServiceRecord(t.NamedTuple):
    """What one service of a release ran with."""

    image: str  # the reference that was asked for
    image_id: str
    kept: str  # the tag that keeps it here
    pulled: bool  # Slipway brought the reference here, so Slipway may take it away
    assets: str  # key of its directory of assets, empty without any
    containers: list[str]


SHELF = records.Shelf("containers.json", ServiceRecord._asdict, lambda about: ServiceRecord(**about))


class Pruning(t.NamedTuple):
    """What is beyond the retention."""

    records: list[Record]
    containers: list[str]  # names
    tags: list[str]
    references: list[str]  # pulled by Slipway, named by no record that stays


def containers_of(record: Record) -> set[str]:
    """The names of all containers of a release."""
    return {name for service in record.services.values() for name in service.containers}


def owner(known: t.Sequence[Record], container: str) -> Record | None:
    """The newest release that a container belongs to (a rollback takes over the containers of an older one)."""
    return next((record for record in reversed(known) if container in containers_of(record)), None)


def prune(known: t.Sequence[Record], keep: int, current: str) -> Pruning:
    """What goes when C(keep) releases stay; the containers, tags and references that a kept release names stay."""
    kept = records.kept(known, keep, current)
    gone = [record for record in known if record.release not in kept]
    stays = [service for record in known if record.release in kept for service in record.services.values()]
    leaves = [service for record in gone for service in record.services.values()]
    names = {name for service in stays for name in service.containers}
    return Pruning(
        records=gone,
        containers=sorted({name for service in leaves for name in service.containers} - names),
        tags=sorted({service.kept for service in leaves} - {service.kept for service in stays}),
        references=sorted({s.image for s in leaves if s.pulled} - {s.image for s in stays}),
    )
