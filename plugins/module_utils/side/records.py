# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine remembers of each release, whatever it runs on (private to the collection).

One small file a release, C(releases/<id>/<file>) in the state directory. It holds what nothing else can tell: the order of
the releases (a counter, so that no clock decides) and how each one ended.
"""

from __future__ import annotations

import json
import os
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System

SCHEMA = 1
RETAINED = "retained"  # of a release from before this machine came: it never ran here, and can be gone back to
CARRIED = ("settled", RETAINED)  # through, here or on the other machines


class Record(t.NamedTuple):
    """One release on this machine."""

    release: str
    order: int
    version: str
    identity: str
    side: str
    outcome: str  # prepared, failed, reverted, settled, retained
    services: dict[str, t.Any]  # service → what the model remembers of it


class Shelf(t.NamedTuple):
    """How a model keeps its records."""

    file: str
    to_json: t.Callable[[t.Any], t.Any]  # what a model remembers of one service
    from_json: t.Callable[[t.Any], t.Any]

    def read(self, system: System, directory: str) -> list[Record]:
        """All records below a platform's state directory, oldest first.

        :raises SlipwayError: C(schema) when a newer Slipway wrote one, C(record_damaged) when one cannot be read.
        """
        releases = os.path.join(directory, "releases")
        names = os.listdir(releases) if os.path.isdir(releases) else []
        paths = [os.path.join(releases, name, self.file) for name in names]
        found = [(path, system.read_file(path)) for path in paths]
        records = [self.decode(data, path) for path, data in found if data is not None]
        return sorted(records, key=lambda record: record.order)

    def write(self, system: System, directory: str, record: Record) -> None:
        """Write one record durably."""
        place = os.path.join(directory, "releases", record.release)
        system.make_directory(place)
        system.replace_file(os.path.join(place, self.file), self.encode(record))

    def encode(self, record: Record) -> bytes:
        """A record as JSON."""
        services = {name: self.to_json(service) for name, service in record.services.items()}
        data = {"schema": SCHEMA, **record._replace(services=services)._asdict()}
        return (json.dumps(data, sort_keys=True, indent=1) + "\n").encode()

    def decode(self, data: bytes, path: str) -> Record:
        """The reverse of C(encode)."""
        try:
            value = json.loads(data)
            if value.pop("schema") > SCHEMA:
                raise SlipwayError(
                    "written by a newer Slipway", obj=path, remedy="Update the controller's collection.", cause="schema"
                )
            record = Record(**value)
            services = {name: self.from_json(service) for name, service in record.services.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SlipwayError(
                "the record of a release is damaged",
                obj=path,
                actual=str(error),
                remedy="Remove this file; its release is then left alone and not offered for a rollback.",
                cause="record_damaged",
            ) from None
        return record._replace(services=services)


def forget_record(directory: str, release: str) -> None:
    """Remove a record; its directory goes with it (its specification cannot be rolled back to any more)."""
    shutil.rmtree(os.path.join(directory, "releases", release), ignore_errors=True)


def contradicted(release: str, names: t.Sequence[str]) -> SlipwayError:
    """The error for a release that is said to be live here, and is not what is here."""
    return SlipwayError(
        "what is here is not what the other machines say is live",
        obj=f"release {release}",
        actual=f"missing, or of another specification: {', '.join(names)}",
        remedy="Nothing was written. Find out what was started here by hand; or stop it, remove it, and deploy anew.",
        cause="contradicted",
    )


def find(records: t.Iterable[Record], release: str) -> Record | None:
    """The record of a release."""
    return next((record for record in records if record.release == release), None)


def next_order(records: t.Sequence[Record]) -> int:
    """The counter of a new record."""
    return 1 + max((record.order for record in records), default=0)


def not_brought(about: t.Mapping[str, t.Any], error: SlipwayError) -> str:
    """A warning of a release that a new machine could not get."""
    return f"{about['version']} ({about['release']}) cannot be gone back to on this machine [{error.cause}]: {error.message}"


def last_settled(records: t.Sequence[Record], *, side: str = "") -> Record | None:
    """The release that was last carried through (on a side): what is live, as far as this machine wrote down."""
    settled = [record for record in records if record.outcome == "settled" and side in ("", record.side)]
    return settled[-1] if settled else None


def kept(records: t.Sequence[Record], keep: int, current: str) -> set[str]:
    """Those that stay: the newest release of each of the newest C(keep) identities that were carried through, the
    current release, and the newest one that failed."""
    stays = {record.release for record in records if record.release == current}
    identities: set[str] = set()
    for record in reversed([item for item in records if item.outcome in CARRIED]):
        if record.identity not in identities and len(identities) < max(keep, 1):
            identities.add(record.identity)
            stays.add(record.release)
    failed = [record.release for record in records if record.outcome not in CARRIED and record.release != current]
    return stays | set(failed[-1:])
