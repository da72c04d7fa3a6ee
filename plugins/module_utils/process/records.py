# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases this machine keeps, and which of them may go (private to the collection).

One small file per release, C(releases/<id>/processes.json) in the state directory, written before its processes are
defined. It holds what no manager can tell: the order of the releases (a counter, so that no clock decides) and how each one
ended.
"""

from __future__ import annotations

import json
import os
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from .spec import Scope

FILE = "processes.json"
SCHEMA = 1


class Record(t.NamedTuple):
    """One release on this machine."""

    release: str
    order: int
    version: str
    identity: str
    side: str
    outcome: str  # prepared, failed, reverted, settled
    services: dict[str, str]  # service → service whose code it runs


def read_records(system: System, scope: Scope) -> list[Record]:
    """All records, oldest first.

    :raises SlipwayError: C(schema) when a newer Slipway wrote one, C(record_damaged) when one cannot be read.
    """
    directory = os.path.join(scope.directory, "releases")
    names = os.listdir(directory) if os.path.isdir(directory) else []
    found = [
        (os.path.join(directory, name, FILE), system.read_file(os.path.join(directory, name, FILE))) for name in names
    ]
    return sorted((decode(data, path) for path, data in found if data is not None), key=lambda record: record.order)


def write_record(system: System, scope: Scope, record: Record) -> None:
    """Write one record durably."""
    directory = os.path.join(scope.directory, "releases", record.release)
    system.make_directory(directory)
    system.replace_file(os.path.join(directory, FILE), encode(record))


def forget_record(scope: Scope, release: str) -> None:
    """Remove a record; its directory goes with it (its specification cannot be rolled back to any more)."""
    shutil.rmtree(os.path.join(scope.directory, "releases", release), ignore_errors=True)


def encode(record: Record) -> bytes:
    """A record as JSON."""
    return (json.dumps({"schema": SCHEMA, **record._asdict()}, sort_keys=True, indent=1) + "\n").encode()


def decode(data: bytes, path: str) -> Record:
    """The reverse of C(encode)."""
    try:
        value = json.loads(data)
        if value.pop("schema") > SCHEMA:
            raise SlipwayError(
                "written by a newer Slipway", obj=path, remedy="Update the controller's collection.", cause="schema"
            )
        return Record(**value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SlipwayError(
            "the record of a release is damaged",
            obj=path,
            actual=str(error),
            remedy="Remove this file; its release is then not offered for a rollback.",
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


def kept(records: t.Sequence[Record], keep: int, current: str) -> set[str]:
    """Those that stay: the newest release of each of the newest ``keep`` identities that were carried through, the
    current release, and the newest one that failed."""
    stays = {record.release for record in records if record.release == current}
    identities: set[str] = set()
    for record in reversed([item for item in records if item.outcome == "settled"]):
        if record.identity not in identities and len(identities) < max(keep, 1):
            identities.add(record.identity)
            stays.add(record.release)
    failed = [record.release for record in records if record.outcome != "settled" and record.release != current]
    return stays | set(failed[-1:])
