# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at backups, and writes down what was found (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..database.copied import Copy
from ..errors import SlipwayError
from ..system import System
from . import catalog
from .clearing import Clearing
from .codec import Codec, Meter
from .compare import expect_same
from .engine import Engine, Scratch
from .further import Further
from .model import DUMP, Backup, Part, Proof
from .store import Store

# Causes that say something about the backup, and not about the place where it was looked at.
SURE = ("damaged", "bad_backup", "missing")


class Copied(t.NamedTuple):
    """A backup, and a restored copy of it."""

    backup: Backup
    copy: Copy


class Prover:
    """The looks at the backups of one target.

    :param codec: has the identity that decrypts; how a backup is stored, it says itself.
    :param clearing: told what is written, so that the next run clears up what a cut-off one leaves of it.
    """

    def __init__(self, engine: Engine, store: Store, codec: Codec, system: System, clearing: Clearing) -> None:
        self._engine, self._store, self._codec, self._system = engine, store, codec, system
        self._progress = engine.progress
        self._clearing = clearing

    def prove(self, backup: Backup, by: str, further: Further | None = None) -> Backup:
        """Look at a backup, and write down what was found.

        :param further: where a restored copy is brought on to.
        :raises SlipwayError: what is wrong with it; C(bad_backup) when it restores to something else.
        """
        if by == "restore":
            with self.copied(backup, further=further) as copied:
                return copied.backup
        try:
            self._read(backup)
        except SlipwayError as error:
            raise self._blamed(backup, by, error) from None
        return self._write(backup, Proof(by, True, self._system.wall(), 0.0))

    @contextlib.contextmanager
    def copied(
        self, backup: Backup, role: str = "", *, compare: bool = True, further: Further | None = None
    ) -> t.Iterator[Copied]:
        """A restored copy of a backup, gone when the context ends.

        :param role: as whom to log in to it; see RV(Scratch.where).
        :param compare: look at it as RV(prove) does, and write down what was found.
        :raises SlipwayError: as RV(prove).
        """
        with contextlib.ExitStack() as stack:
            try:
                scratch, seconds = self._restored(backup, stack, compare=compare)
            except SlipwayError as error:
                stack.close()
                raise self._blamed(backup, "restore", error) from None
            if compare:
                backup = self._good(backup, seconds, scratch, further)
            yield Copied(backup, scratch.where(role))

    def _good(self, backup: Backup, seconds: float, scratch: Scratch, further: Further | None) -> Backup:
        logs = problem = ""
        if further is not None:
            further.tried(backup, scratch, self)
            problem = further.problem.message if further.problem else ""
            logs = _leads_to(further, backup)
        proof = Proof("restore", True, self._system.wall(), round(seconds, 3), problem=problem, logs=logs)
        return self._write(backup, proof)

    def _blamed(self, backup: Backup, by: str, error: SlipwayError) -> SlipwayError:
        """What is wrong: with the backup, and then that is written down, or with the place where it was looked at."""
        sure = self._damage(backup) or (error if error.cause in SURE else None)
        if sure is None:
            return error
        self._write(backup, Proof(by, False, self._system.wall(), 0.0, sure.message))
        return sure

    def _write(self, backup: Backup, proof: Proof) -> Backup:
        with self._clearing.writing(backup.manifest.id):
            return catalog.write_proof(self._store, backup, proof)

    def expect_stored(self, backup: Backup) -> None:
        """That a backup can be begun with: all of its objects are there in their sizes, and what is encrypted has a key here.

        :raises SlipwayError: C(missing), C(damaged), C(identity_missing).
        """
        sizes = {entry.key: entry.size for entry in self._store.entries()}
        for part in backup.manifest.parts.values():
            if part.key not in sizes:
                raise SlipwayError(
                    "a part of the backup is not there",
                    obj=self._store.url(part.key),
                    remedy="Choose another backup, or put the object back.",
                    cause="missing",
                )
            if sizes[part.key] != part.size:
                raise _not_as_written(self._store.url(part.key), f"{sizes[part.key]} bytes", f"{part.size} bytes")
        identity = self._codec.identity
        if backup.manifest.recipients and not os.path.isfile(identity):
            raise SlipwayError(
                "the backup is encrypted, and its key is not there",
                obj=identity or "identity",
                wanted="the file of an age identity that can decrypt it",
                remedy="Name it with encryption.identity.",
                cause="identity_missing",
            )

    def _read(self, backup: Backup) -> None:
        dump = backup.manifest.parts[DUMP]
        self._engine.check(self._progress.through("read dump", dump.plain_size, self.content(backup, dump)))
        self._read_beside(backup)

    def _read_beside(self, backup: Backup) -> None:
        for what, part in backup.manifest.parts.items():
            if what != DUMP:
                for _chunk in self.content(backup, part):
                    pass

    def _restored(self, backup: Backup, stack: contextlib.ExitStack, *, compare: bool) -> tuple[Scratch, float]:
        """A copy that lives as long as a stack, and the seconds that the restore took."""
        manifest, dump = backup.manifest, backup.manifest.parts[DUMP]
        self._read_beside(backup)  # no restore looks at it
        place = self._engine.scratch(manifest.server, manifest.facts, int(manifest.source["size"]))
        scratch, started = stack.enter_context(place), self._system.monotonic()
        scratch.restore(self._progress.through("restored", dump.plain_size, self.content(backup, dump)))
        seconds = self._system.monotonic() - started
        if compare:
            found = scratch.differences(manifest.facts)
            remedy = "Do not rely on it. Take another one, and keep this one for inspection."
            expect_same(manifest.id, found, remedy=remedy)
        return scratch, seconds

    def content(self, backup: Backup, part: Part) -> t.Iterator[bytes]:
        """The plain bytes of a part, whose end is only reached when what is stored is what was written."""
        manifest = backup.manifest
        codec = self._codec._replace(method=manifest.compression, recipients=tuple(manifest.recipients))
        meter = Meter()
        yield from codec.decode(self._checked(part, meter))

    def _damage(self, backup: Backup) -> SlipwayError | None:
        """What is wrong with its stored bytes: a program that reads damaged ones says something else, and earlier."""
        try:
            for part in backup.manifest.parts.values():
                for _chunk in self._checked(part, Meter()):
                    pass
        except SlipwayError as error:
            return error if error.cause in SURE else None
        return None

    def _checked(self, part: Part, meter: Meter) -> t.Iterator[bytes]:
        yield from meter.through(self._store.get(part.key))
        if (meter.size, meter.sha256) != (part.size, part.sha256):
            found = f"{meter.size} bytes, SHA-256 {meter.sha256[:16]}…"
            raise _not_as_written(self._store.url(part.key), found, f"{part.size} bytes, SHA-256 {part.sha256[:16]}…")


def _leads_to(further: Further, backup: Backup) -> str:
    """The moment that a dump was seen to lead to; the one before where it was the place that kept it from another one."""
    if further.problem is None:
        return further.name
    sure = further.problem.cause in (*SURE, "command_failed")
    return "" if sure or backup.last_restore is None else backup.last_restore.logs


def _not_as_written(url: str, found: str, wanted: str) -> SlipwayError:
    return SlipwayError(
        "is not what was written",
        obj=url,
        actual=found,
        wanted=wanted,
        remedy="Its disk or store damages data. Do not rely on this backup; take another one elsewhere.",
        cause="damaged",
    )
