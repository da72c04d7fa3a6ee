# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup restored for good: as a new database, or in the place of the live one (private to the collection).

Either way the copy is made and compared under a name that nobody else has, and only then gets its own, so nobody ever meets half
of one. The name stands in a note as long as the copy has it: what a killed run has left is known by that, and dropped.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
import typing as t

from ..errors import SlipwayError
from ..system import System
from .compare import expect_same
from .engine import Engine, Facts, taken
from .model import DUMP, Backup
from .pipeline import Chunks
from .progress import Progress
from .prover import Prover

# Makes of a backup what is restored: a dump and its facts, for as long as the context lasts.
Rolled = t.Callable[[Backup, Prover], "t.ContextManager[tuple[Chunks, Facts]]"]


class Restorer:
    """The restores of one target; whoever calls its methods holds the target's lock.

    :param note: the file for the name of a copy that is not finished; empty where nobody would read it.
    """

    def __init__(self, engine: Engine, prover: Prover, system: System, progress: Progress, note: str) -> None:
        self._engine, self._prover, self._system, self._progress = engine, prover, system, progress
        self._note = note

    def recover(self) -> list[str]:
        """Put right what a killed run has left; what was done, in words."""
        done = self._engine.recover()  # first: it may need the copy
        left = (self._system.read_file(self._note) or b"").decode() if self._note else ""
        if left and self._engine.exists(left):
            self._engine.discard(left)
            done.append(f"dropped {left}, which a restore that was cut off had left")
        if left:
            self._system.unlink(self._note)
        return done

    def expect_free(self, name: str) -> None:
        """:raises SlipwayError: C(exists)."""
        if self._engine.exists(name):
            raise taken(name)

    def beside(self, backup: Backup, into: str, rolled: Rolled | None = None) -> list[str]:
        """As a new database; what was done, in words.

        :param rolled: makes of the backup what is restored; by default that is the backup itself.
        """
        with self._copy(backup, into, rolled) as (copy, seconds):
            self._engine.give_name(copy, into)
        return [f"restored {backup.manifest.id} into {into} in {seconds:.1f} s, and compared it"]

    def over(self, backup: Backup, rolled: Rolled | None = None) -> list[str]:
        """In the place of the live database; what was done, in words."""
        live = self._engine.database
        kept = self._engine.named(f"_replaced_{time.strftime('%Y%m%d_%H%M%S', time.gmtime(self._system.wall()))}")
        with self._copy(backup, live, rolled) as (copy, seconds):
            done = self._engine.take_the_place(copy, kept)
        return [
            f"restored {backup.manifest.id} into {copy} in {seconds:.1f} s, and compared it",
            *done,
            f"{live} is the restored one now; the replaced one is {kept}, drop it when nobody needs it",
        ]

    @contextlib.contextmanager
    def _copy(self, backup: Backup, of: str, rolled: Rolled | None) -> t.Iterator[tuple[str, float]]:
        """A copy under a name of its own, and the seconds that it took. When this ends it has another name, or is gone."""
        name = self._engine.named(f"_new_{secrets.token_hex(4)}", of)
        if self._note:
            self._system.make_directory(os.path.dirname(self._note))
            self._system.replace_file(self._note, name.encode())
        try:
            yield name, self._fill(backup, name, rolled or self._itself)
        except BaseException:
            with contextlib.suppress(SlipwayError):  # what stopped it says more; the next run puts it right
                self._engine.recover()
                self._engine.discard(name)
                self._forget()
            raise
        self._forget()

    def _fill(self, backup: Backup, name: str, rolled: Rolled) -> float:
        started = self._system.monotonic()
        with rolled(backup, self._prover) as (dump, facts):
            found = self._engine.restore_beside(dump, facts, name)
        expect_same(name, found, remedy="The copy is dropped. Choose another backup.")
        return self._system.monotonic() - started

    @contextlib.contextmanager
    def _itself(self, backup: Backup, prover: Prover) -> t.Iterator[tuple[Chunks, Facts]]:
        part = backup.manifest.parts[DUMP]
        yield self._progress.through("restored", part.plain_size, prover.content(backup, part)), backup.manifest.facts

    def _forget(self) -> None:
        if self._note:
            self._system.unlink(self._note)
