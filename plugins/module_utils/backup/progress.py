# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long run has come, in a file that the controller looks at meanwhile (private to the collection).

A module answers when it has ended. Whoever waits an hour for a dump reads this file instead; it holds no secret, and
everybody may read it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import typing as t

from ..system import System

if t.TYPE_CHECKING:
    from .pipeline import Chunks

DIRECTORY = "/run/slipway"  # gone with a reboot, as whoever wrote it is (file-hierarchy(7))
EVERY = 1.0  # seconds between two writes
Table = t.TypeVar("Table")
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def path_of(target: str) -> str:
    """The file of one target."""
    return os.path.join(DIRECTORY, f"{target}.progress")


class Progress:
    """One run's.

    :param path: empty to write nothing.
    """

    def __init__(self, path: str, system: System) -> None:
        self._path, self._system, self._lock = path, system, threading.Lock()

    def through(self, what: str, total: int, chunks: Chunks) -> t.Iterator[bytes]:
        """The same bytes, counted.

        :param what: is done with them, for people.
        :param total: bytes that are expected, by an estimate.
        """
        size, started = 0, self._system.monotonic()
        written = started  # what the first bytes say of the rate is nothing
        for chunk in chunks:
            size += len(chunk)
            now = self._system.monotonic()
            if now - written >= EVERY:
                written = now
                self.say(f"{what}: {said(size, total, now - started)}")
            yield chunk

    def tables(self, what: str, tables: t.Sequence[Table], rows: t.Callable[[Table], int]) -> t.Iterator[Table]:
        """The same tables, each of them named as one of so many before it is looked at.

        :param what: is done with their rows, for people.
        :param rows: that are expected in one, by an estimate.
        """
        total, done = sum(map(rows, tables)), 0
        for number, table in enumerate(tables, start=1):
            self.say(f"{what}: table {number} of {len(tables)}{rows_said(done, total)}")
            yield table
            done += rows(table)

    def say(self, text: str) -> None:
        """How far it is, in words. What cannot be written is not worth failing for."""
        if not self._path:
            return
        with self._lock, contextlib.suppress(OSError):  # rows are counted beside a dump
            self._write(text)

    def end(self) -> None:
        """Nothing is under way any more."""
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _write(self, text: str) -> None:
        os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
        part = f"{self._path}.part"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        os.rename(part, self._path)


SILENT = Progress("", System())  # where nobody looks


def rows_said(done: int, total: int) -> str:
    """Rows against what is expected; nothing where that is not known."""
    if not total:
        return ""
    return f", {done} of about {total} rows, {100 * done // total} %"


def said(size: int, total: int, seconds: float) -> str:
    """Bytes against what is expected, how fast, and how long it will take at this rate."""
    rate = size / seconds if seconds > 0 else 0.0
    speed = f", {bytes_said(rate)}/s" if rate else ""
    if size >= total:  # the estimate was too low: nothing is known of what is left
        return f"{bytes_said(size)}{speed}"
    left = f", about {(total - size) / rate:.0f} s left" if rate else ""
    return f"{bytes_said(size)} of about {bytes_said(total)}, {100 * size // total} %{speed}{left}"


def bytes_said(size: float) -> str:
    """A number of bytes as people read it."""
    power = 0
    while size >= 1024 and power < len(UNITS) - 1:
        size, power = size / 1024, power + 1
    return f"{size:.0f} {UNITS[power]}" if power == 0 else f"{size:.1f} {UNITS[power]}"
