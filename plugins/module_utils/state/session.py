# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of one machine's state directory, as whoever holds its flock has them (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from .history import JournalView, compacted, summarize
from .journal import COMPACT_ABOVE, Journal, Reserve, file_errors
from .lease import Lease, Lock, ReleaseToken, encode_lock, resolve


class MachineView(t.NamedTuple):
    """What is written on a machine: its lock and its journal."""

    lock: Lock
    journal: JournalView
    remaining: float  # seconds that the lease still lives; zero or less when there is none, or it has lapsed


class Session:
    """The files while the flock is held (or for one look at them)."""

    def __init__(self, system: System, directory: str) -> None:
        self.system = system
        self.directory = directory
        self._lock_path = os.path.join(directory, "lock.json")
        self.reserve = Reserve(system, directory)
        self.journal = Journal(system, directory, self.reserve)

    def lock(self) -> Lock:
        return resolve(self.system.read_file(self._lock_path), self.journal.records)

    def view(self) -> MachineView:
        lock = self.lock()
        remaining = lock.lease.remaining(self.system.boot_id(), self.system.boottime()) if lock.lease else 0.0
        return MachineView(lock, summarize(self.journal.records), remaining)

    def lease_for(self, release: ReleaseToken, duration: float) -> Lease:
        now = self.system.boottime()
        return Lease(release.token, release.id, release.holder, self.system.boot_id(), now, now + duration)

    def write_lock(self, lease: Lease | None) -> None:
        self.put(self._lock_path, encode_lock(self.lock().fence, lease))

    def put(self, path: str, content: bytes) -> None:
        def write() -> None:
            with file_errors(path):
                self.system.replace_file(path, content)

        self.reserve.guard(write)

    def drop_lease(self, event: str, release: ReleaseToken) -> None:
        self.journal.append(event, release=release.id, token=release.token)
        self.write_lock(None)

    def mark_bad(self, identity: str, *, version: str, why: str, release: str) -> bool:
        if identity in summarize(self.journal.records).bad:
            return False
        data = {"identity": identity, "version": version, "why": why}
        self.journal.append("marked_bad", release=release, data=data)
        return True

    def compact(self) -> None:
        """Drop the oldest releases from a journal that has grown large, if there is room for the shorter one."""
        if self.journal.size <= COMPACT_ABOVE:
            return
        shorter = compacted(self.journal.records)
        if len(shorter) < len(self.journal.records):
            with contextlib.suppress(SlipwayError):  # the long one is as good
                self.journal.rewrite(shorter)


def release_directory(directory: str, release_id: str) -> str:
    """C(releases/<id>) of a state directory."""
    return os.path.join(directory, "releases", release_id)
