# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup goes through on its way into a store, and back (private to the collection)."""

from __future__ import annotations

import hashlib
import typing as t

from ..errors import SlipwayError
from .pipeline import Chunks, Program, flow

METHODS: t.Final[dict[str, tuple[str, ...]]] = {
    "zstd": ("zstd", "--quiet", "--stdout"),
    "gzip": ("gzip", "--stdout"),
    "none": (),
}


class Codec(t.NamedTuple):
    """Compression, then encryption.

    :param method: C(zstd), C(gzip) or C(none).
    :param level: of the method's own scale; 0 for its default.
    :param threads: for zstd.
    :param recipients: age recipients; without any, nothing is encrypted.
    :param identity: file of the age identity that decrypts.
    """

    method: str = "zstd"
    level: int = 0
    threads: int = 0
    recipients: tuple[str, ...] = ()
    identity: str = ""

    def encode(self, chunks: Chunks) -> t.Iterator[bytes]:
        """What is stored."""
        programs = []
        if self.method != "none":
            level = [f"-{self.level}"] if self.level else []
            threads = [f"--threads={self.threads}"] if self.method == "zstd" else []
            programs.append(Program((*METHODS[self.method], *threads, *level)))
        if self.recipients:
            to = [word for recipient in self.recipients for word in ("--recipient", recipient)]
            programs.append(Program(("age", "--encrypt", *to)))
        return flow(programs, chunks)

    def decode(self, chunks: Chunks) -> t.Iterator[bytes]:
        """What was given to RV(encode).

        :raises SlipwayError: C(identity_missing).
        """
        programs = []
        if self.recipients:
            if not self.identity:
                raise SlipwayError(
                    "the backup is encrypted",
                    obj="identity",
                    wanted="the file of an age identity that can decrypt it",
                    remedy="Name it with encryption.identity.",
                    cause="identity_missing",
                )
            programs.append(Program(("age", "--decrypt", "--identity", self.identity)))
        if self.method != "none":
            programs.append(Program((*METHODS[self.method], "--decompress")))
        return flow(programs, chunks)


class Counter:
    """Counts the bytes that pass through it."""

    def __init__(self) -> None:
        self.size = 0

    def through(self, chunks: Chunks) -> t.Iterator[bytes]:
        """The same bytes."""
        for chunk in chunks:
            self.size += len(chunk)
            yield chunk


class Meter(Counter):
    """Hashes it, too."""

    def __init__(self) -> None:
        super().__init__()
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what has passed, as hexadecimal digits."""
        return self._hash.hexdigest()

    def through(self, chunks: Chunks) -> t.Iterator[bytes]:
        """The same bytes."""
        for chunk in super().through(chunks):
            self._hash.update(chunk)
            yield chunk
