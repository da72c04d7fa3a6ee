# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that was cut off has left of snapshots and clones (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..errors import SlipwayError
from . import catalog, retention
from .model import Backup
from .snapshot_clone import Clones, Undone
from .snapshot_commands import Storage
from .store import Store


class Left:
    """What is left of one target's; whoever calls RV(clear) holds its lock.

    :param undone: what that run had begun.
    """

    def __init__(self, storage: Storage, store: Store, undone: Undone, clones: Clones) -> None:
        self._storage, self._store, self._undone, self._clones = storage, store, undone, clones

    def clear(self) -> list[str]:
        """Put an end to it; what was done, in words.

        :raises SlipwayError: what could not be let go of.
        """
        left = self._undone.read()
        if not left:
            return []
        name, there = left["id"], self._storage.there()
        if left["doing"] == "clone":
            return [self._clones.let_go(name, there.get(name, ""), left["path"])]
        known = {one.manifest.id: one for one in catalog.read(self._store).backups}
        done = []
        if left["doing"] == "create" and name not in known:
            done += self._unmade(name, there)
        elif left["doing"] == "remove" and name in known:
            done += self._half_removed(known[name], there)
        self._undone.ended()
        return done

    def _unmade(self, name: str, there: t.Mapping[str, str]) -> list[str]:
        """Remove a snapshot that has no manifest; also where it is not listed, for that may be why it has none."""
        try:
            self._storage.remove(name, there.get(name, ""))
        except SlipwayError:
            if name in there:
                raise
            return []  # it was never made
        return [f"removed the snapshot {name}, which was cut off before its manifest"]

    def _half_removed(self, backup: Backup, there: t.Mapping[str, str]) -> list[str]:
        """Remove what was to be removed, unless it is the last proven one by now. The command may be at it still."""
        name = backup.manifest.id
        if name in there:
            if name in retention.protected(
                [one for one in catalog.read(self._store).backups if one.manifest.id in there], ()
            ):
                return []
            with contextlib.suppress(SlipwayError):
                self._storage.remove(name, there[name])
            if name in self._storage.there():
                return []
        catalog.remove(self._store, backup)
        return [f"removed {name}, which a run that was cut off was about to remove"]
