# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of binary logs, and the restore points that they lead to, beside the dump that they begin at (private to the collection).

A log is an object C(ID.log-NAME), a point one C(ID.point-N.json) that names its logs and comes last. ID is that of the dump, so
whatever lets go of that lets go of them: alone they are worth nothing. They are compressed and encrypted as the dump is.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import SlipwayError
from . import catalog
from .codec import Codec, Counter, Meter
from .model import Backup, Part, opened, sealed
from .pipeline import Chunks
from .store import Store

_POINT = re.compile(r"(?P<id>\d{8}T\d{6}Z-[0-9a-f]{6})\.point-(?P<number>\d+)\.json")


class LogPoint(t.NamedTuple):
    """A moment of a database that a dump and the logs after it lead to: the end of the last log.

    :param at: seconds since the epoch.
    :param backup: id of the dump.
    :param ended: when the last change in the logs was, seconds since the epoch; 0 where there is none.
    :param gtid: the moment by the server's own words.
    :param logs: in their order.
    :param schema: objects of the database then, as far as nobody changed them at that moment.
    :param facts: all that the database had then, where it was asked; see RV(mysql_facts.differences).
    """

    name: str
    at: float
    backup: str
    ended: float
    gtid: str
    logs: dict[str, Part]
    schema: dict[str, str]
    facts: t.Mapping[str, t.Any] = {}


class LogStore:
    """The logs and points of one target.

    :param codec: has the recipients' identity; how a log is stored, its dump says.
    """

    def __init__(self, store: Store, codec: Codec) -> None:
        self._store, self._codec = store, codec

    def points(self) -> list[LogPoint]:
        """All that are known, oldest first; those that cannot be read are no points.

        :raises SlipwayError: of the store.
        """
        found = []
        for entry in self._store.entries():
            if _POINT.fullmatch(entry.key):
                try:
                    found.append(_read(b"".join(self._store.get(entry.key)), entry.key))
                except SlipwayError as error:
                    if error.cause not in catalog.UNREADABLE:
                        raise
        return sorted(found, key=lambda point: point.at)

    def sizes(self, backup: Backup) -> dict[str, int]:
        """The logs after a dump that are there whole, by name, with what is stored of each."""
        begins, _point = catalog.after_it(backup.manifest.id)
        return {entry.key[len(begins) :]: entry.size for entry in self._store.entries() if entry.key.startswith(begins)}

    def expect_stored(self, backup: Backup, point: LogPoint) -> None:
        """That the logs of a point are there in their sizes, before anything is touched.

        :raises SlipwayError: C(missing).
        """
        there = self.sizes(backup)
        lost = [name for name, part in point.logs.items() if there.get(name) != part.size]
        if lost:
            raise SlipwayError(
                "is not there as it was stored, so nothing leads to the restore point",
                obj=", ".join(self._store.url(point.logs[name].key) for name in lost),
                remedy="Choose another point or the dump alone, or put the object back.",
                cause="missing",
            )

    def keep(self, backup: Backup, name: str, chunks: Chunks) -> Part:
        """Store a log; nothing is kept when the chunks raise."""
        key, plain, stored = catalog.key_of(backup.manifest.id, f"log-{name}"), Counter(), Meter()
        self._store.put(key, stored.through(self._of(backup).encode(plain.through(chunks))))
        return Part(key, stored.size, stored.sha256, plain.size)

    def measured(self, backup: Backup, name: str, through: t.Callable[[Chunks], Chunks]) -> Part:
        """What is stored of a log, read to its end.

        :param through: what its plain bytes pass.
        """
        key, plain, stored = catalog.key_of(backup.manifest.id, f"log-{name}"), Counter(), Meter()
        for _chunk in through(plain.through(self._of(backup).decode(stored.through(self._store.get(key))))):
            pass
        return Part(key, stored.size, stored.sha256, plain.size)

    def forget(self, backup: Backup, name: str) -> None:
        """Let go of a log that no point has."""
        self._store.delete(catalog.key_of(backup.manifest.id, f"log-{name}"))

    def add(self, point: LogPoint) -> None:
        """Write a point down, when all of its logs are there."""
        _log, begins = catalog.after_it(point.backup)
        numbers = [
            int(match["number"])
            for match in (_POINT.fullmatch(entry.key) for entry in self._store.entries())
            if match and match[0].startswith(begins)
        ]
        content = {**point._asdict(), "logs": {name: part._asdict() for name, part in point.logs.items()}}
        self._store.put(f"{begins}{max(numbers or [0]) + 1}.json", [sealed(content)])

    def _of(self, backup: Backup) -> Codec:
        manifest = backup.manifest
        return self._codec._replace(method=manifest.compression, recipients=tuple(manifest.recipients))


def _read(data: bytes, key: str) -> LogPoint:
    content = opened(data, key)
    return LogPoint(**{**content, "logs": {name: Part(**part) for name, part in content["logs"].items()}})
