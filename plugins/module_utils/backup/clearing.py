# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs that were cut off have left in a store, and nothing of what another machine writes there now (private to the
collection).

The lock of a target is of one machine, and a store may be of several. So each machine notes for itself which backup it is about to
write to; what of that is unfinished when the note is found is nobody's. Of all else nobody here knows, and it is let go of only at
an age at which every store drops what is unfinished.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..system import System
from . import catalog
from .store import Leftover, Store

SAFE = (
    7 * 86400.0
)  # seconds; the stores' own age for that (Azure Storage, "Put Block"; Google Cloud Storage, "Resumable uploads")


class Clearing:
    """The unfinished objects of one target; whoever calls its methods holds the target's lock.

    :param note: the file for the ids of backups that are written to; empty where nobody would read it.
    """

    def __init__(self, store: Store, system: System, note: str) -> None:
        self._store, self._system, self._note = store, system, note

    @contextlib.contextmanager
    def writing(self, *backups: str) -> t.Iterator[None]:
        """While objects of backups are written or deleted. What fails may have left some, as what is killed does."""
        before = self._own()
        self._write([*before, *backups])
        yield
        self._write(before)

    def clear(self, known: catalog.Catalog, pinned: t.Collection[str]) -> list[str]:
        """Let go of what was cut off; what was done, in words.

        :param pinned: ids of backups that had a manifest, since something leans on them.
        """
        own = self._own()

        def dead(left: Leftover) -> bool:
            return left.dead or self._dead(left.key, own, left.began)

        done = [
            f"removed {name}, which a killed backup left" for name in self._store.leftovers(remove=True, which=dead)
        ]
        for key in known.cut_off:
            if key.partition(".")[0] in pinned:
                done.append(f"left {key} alone: its manifest is lost, and a release was made on that backup")
            elif self._dead(key, own):
                self._store.delete(key)
                done.append(f"removed {key}, of a backup that was cut off before its manifest")
            else:
                done.append(f"left {key} alone: another machine may be writing that backup")
        self._write([])
        return done

    def _own(self) -> list[str]:
        """The backups that this machine was cut off at."""
        return (self._system.read_file(self._note) or b"").decode().split() if self._note else []

    def _write(self, backups: t.Sequence[str]) -> None:
        if self._note and backups:
            self._system.make_directory(os.path.dirname(self._note))
            self._system.replace_file(self._note, "\n".join(backups).encode())
        elif self._note:
            self._system.unlink(self._note)

    def _dead(self, key: str, own: t.Collection[str], began: float | None = None) -> bool:
        """Whether nobody writes to it any more.

        :param own: backups that this machine was cut off at.
        :param began: when the object was begun, as far as the store knows.
        """
        backup = key.partition(".")[0]
        if backup in own:
            return True
        known = [moment for moment in (began, catalog.taken_at(backup)) if moment is not None]
        return bool(known) and self._system.wall() - max(known) > SAFE
