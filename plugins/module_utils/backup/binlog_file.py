# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a file of a binary log to its end, and knows whether it is whole (private to the collection).

Its format is that of replication (MariaDB, "Replication Protocol"; MySQL, "Binary Log Event"): after four bytes come events, each
with a header of 19 bytes that has its length, and with a checksum at its end. A file that was closed ends with an event that
names the next one.
"""

from __future__ import annotations

import re
import struct
import typing as t
import zlib

from ..errors import SlipwayError
from .pipeline import Chunks

MAGIC = b"\xfebin"
HEADER = struct.Struct("<IBIIIH")  # time, type, server, length, position of the next one, flags
QUERY, STOP, ROTATE, FORMAT, ENCRYPTED, QUERY_COMPRESSED = 2, 3, 4, 15, 164, 165
IN_USE = 0x1  # flag of a file that is being written; the checksum is that without it
CRC32 = 1
TAIL = 4  # bytes of a checksum
_ROTATED = re.compile(rb"[^\0]+\.\d{6,}")

# Says what is wrong with a statement: its database and its words.
Judge = t.Callable[[str, str], None]


class BinlogFile:
    """One file, while its bytes pass.

    :param name: for errors.
    :param start: place in it from which statements are judged, and at which an event must begin.
    :param judge: raises where a statement cannot be replayed.
    :ivar size: bytes that have passed.
    :ivar following: name of the file after it; empty where the server stopped, or was stopped.
    :ivar ended: when the last event was, seconds since the epoch.
    """

    def __init__(self, name: str, start: int = len(MAGIC), judge: Judge | None = None) -> None:
        self.name = name
        self._start, self._judge = start, judge
        self.rewind()

    def rewind(self) -> None:
        """Begin once more."""
        self.size, self.following, self.ended = 0, "", 0
        self._checksum, self._at, self._begins = CRC32, 0, False

    def through(self, chunks: Chunks) -> t.Iterator[bytes]:
        """The same bytes, whose end is only reached when the file is whole.

        :raises SlipwayError: C(damaged), C(binlog_missing), or what the judge says.
        """
        rest = bytearray()
        for chunk in chunks:
            rest += chunk
            self.size += len(chunk)
            if not self._at and len(rest) >= len(MAGIC):
                if rest[: len(MAGIC)] != MAGIC:
                    raise self._damaged("does not begin as a binary log")
                del rest[: len(MAGIC)]
                self._at = len(MAGIC)
            if self._at:
                del rest[: self._events(rest)]
            yield chunk
        self._begins = self._begins or self._at == self._start
        if rest or self._at <= len(MAGIC):
            raise self._damaged(f"ends within an event, after {self._at} bytes")
        if not self._begins:
            raise SlipwayError(
                "has no event that begins where the backup was taken",
                obj=self.name,
                actual=f"{self.size} bytes",
                wanted=f"one at {self._start}",
                remedy="It is not the file that it was. Take a new backup, with the playbook backup.",
                cause="binlog_missing",
            )

    def _events(self, data: bytearray) -> int:
        """Read the whole events that there are; how many bytes that was."""
        done = 0
        while len(data) - done >= HEADER.size:
            when, kind, _server, length, _next, flags = HEADER.unpack_from(data, done)
            if length < HEADER.size + TAIL:
                raise self._damaged(f"event at {self._at} is of {length} bytes")
            if len(data) - done < length:
                break
            self._event(kind, flags, memoryview(data)[done : done + length])
            self._begins = self._begins or self._at == self._start
            self.ended = max(self.ended, when)
            self._at += length
            done += length
        return done

    def _event(self, kind: int, flags: int, event: memoryview) -> None:
        if kind == FORMAT:
            self._checksum = event[-TAIL - 1]  # of which kind those of all others are; its own is there always
        if kind == ENCRYPTED:
            raise self._damaged("is encrypted, as only its server can read it")
        checked = kind == FORMAT or self._checksum == CRC32
        end = len(event) - (TAIL if checked else 0)
        if checked and zlib.crc32(_unused(event[:end], kind, flags)) != _number(event[end:]):
            raise self._damaged(f"the checksum of the event at {self._at} is wrong")
        self.following = ""
        if kind == ROTATE:
            name = bytes(event[HEADER.size + 8 : end])
            if not _ROTATED.fullmatch(name):
                raise self._damaged(f"event at {self._at} names no file")
            self.following = name.decode(errors="replace")
        elif kind in (QUERY, QUERY_COMPRESSED) and self._judge and self._at >= self._start:
            self._judge(*_statement(bytes(event[HEADER.size : end]), kind))

    def _damaged(self, what: str) -> SlipwayError:
        return SlipwayError(
            "is not whole",
            obj=self.name,
            actual=what,
            remedy="Nothing can be brought back by it. Take a new backup, with the playbook backup; see the server's disk.",
            cause="damaged",
        )


def _unused(event: memoryview, kind: int, flags: int) -> bytes | memoryview:
    if kind != FORMAT or not flags & IN_USE:
        return event
    plain = bytearray(event)
    struct.pack_into("<H", plain, HEADER.size - 2, flags & ~IN_USE)
    return bytes(plain)


def _number(data: memoryview) -> int:
    return int.from_bytes(data, "little")


def _statement(body: bytes, kind: int) -> tuple[str, str]:
    """Its database, and its words."""
    names, variables = body[8], int.from_bytes(body[11:13], "little")
    begin = 13 + variables
    database, text = body[begin : begin + names], body[begin + names + 1 :]
    if (
        kind == QUERY_COMPRESSED
    ):  # one byte that says how long the length after it is, then zlib (MariaDB, log_event.cc)
        text = zlib.decompress(text[1 + (text[0] & 7) :])
    return database.decode(errors="replace"), text.decode(errors="replace")
