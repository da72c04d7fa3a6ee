# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The append-only journal of one machine, and the space kept back for it (private to the collection).

One line is one record: C({"crc":"0a1b2c3d",<rest>}), where the CRC-32 is that of the bytes C({<rest>}). This frame and
the key C(v) (schema version) never change, so that any version can tell a newer journal from a damaged one.
Each record is fsynced before C(append) returns; so after a crash at most the last line can be bad.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
import zlib

from ..errors import SlipwayError
from ..system import System, file_error

SCHEMA = 1
RESERVE_BYTES = 256 * 1024
COMPACT_ABOVE = 1024 * 1024

_FRAME = len('{"crc":"00000000",')


class Record(t.NamedTuple):
    """One event. C(wall) is seconds since the epoch, for people; order is C(seq) alone."""

    seq: int
    wall: float
    release: str
    token: int
    stage: str
    event: str
    data: dict[str, t.Any]


class Parsed(t.NamedTuple):
    """A journal without damage: its records, and how many bytes they take (what follows is a torn tail)."""

    records: list[Record]
    size: int


class Repair(t.NamedTuple):
    """What a repair does: C(done) is its C(repaired) record's data (C(kept_aside), C(gaps), C(lines_lost))."""

    damaged: bytes
    records: list[Record]
    done: dict[str, t.Any]


class NewerSchemaError(Exception):
    """A whole record of a schema that this version does not know."""


def encode(record: Record) -> bytes:
    """The line of a record, newline included."""
    rest = json.dumps({"v": SCHEMA, **record._asdict()}, sort_keys=True, separators=(",", ":")).encode("ascii")
    return b'{"crc":"%08x",%s\n' % (zlib.crc32(rest), rest[1:])


def decode(line: bytes) -> Record:
    """The record of a line (without its newline).

    :raises ValueError: with the reason, when the line is cut or altered.
    :raises NewerSchemaError: when it is whole, and newer than this code.
    """
    rest = b"{" + line[_FRAME:]
    if line[:_FRAME] != b'{"crc":"%08x",' % zlib.crc32(rest):
        raise ValueError("the checksum does not match")
    fields = json.loads(rest)
    version = fields.pop("v", None)
    if not isinstance(version, int):
        raise ValueError("the schema version is missing")
    if version > SCHEMA:
        raise NewerSchemaError(str(version))
    try:
        return Record(**fields)
    except TypeError:
        raise ValueError("the fields are not those of a record") from None


def parse(content: bytes, path: str) -> Parsed:
    """Read a whole journal; a last line that is cut or bad is left out (it was never acknowledged).

    :raises SlipwayError: C(journal_damaged) naming the line, C(journal_newer).
    """
    records: list[Record] = []
    size = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if number == len(lines):
            break  # what follows the last newline: nothing, or the beginning of a line
        try:
            record = decode(line)
        except NewerSchemaError as newer:
            raise _newer(path, number, str(newer)) from None
        except ValueError as error:
            if size + len(line) + 1 == len(content):
                break  # its bytes may reach the disk in any order, the newline first
            raise _damaged(path, number, str(error)) from None
        records.append(record)
        size += len(line) + 1
    _check_sequence(records, path)
    return Parsed(records, size)


def _check_sequence(records: list[Record], path: str) -> None:
    allowed = _known_gaps(records)
    before = 0
    for number, record in enumerate(records, 1):
        if record.seq != before + 1 and (before, record.seq) not in allowed:
            raise _damaged(path, number, f"sequence number {record.seq} follows {before}")
        before = record.seq


def _known_gaps(records: list[Record]) -> set[tuple[int, int]]:
    """Where numbers may be missing: at the cut of a compaction, and where a repair found no good line."""
    gaps = {(0, record.seq) for record in records[:1] if record.event == "compacted"}
    for record in records:
        if record.event == "repaired":
            gaps.update((int(before), int(after)) for before, after in record.data["gaps"])
    return gaps


def salvage(content: bytes, path: str) -> tuple[list[Record], int]:
    """Every good line of a damaged journal, in ascending order of their numbers, and how many lines were not kept.

    :raises SlipwayError: C(journal_newer); what a newer version wrote is for that version to repair.
    """
    records: list[Record] = []
    lost = 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line:
            continue
        try:
            record = decode(line)
        except NewerSchemaError as newer:
            raise _newer(path, number, str(newer)) from None
        except ValueError:
            lost += 1
            continue
        if not records or record.seq > records[-1].seq:
            records.append(record)
        else:
            lost += 1
    return records, lost


def _damaged(path: str, line: int, why: str) -> SlipwayError:
    return SlipwayError(
        f"the journal is damaged at line {line}: {why}",
        obj=path,
        remedy="Nothing was changed. Repair it with the module slipway.deploy.release_state, state=journal_repaired: "
        "the damaged file is kept aside, and so is every good line.",
        cause="journal_damaged",
        evidence={"line": line, "why": why},
    )


def _newer(path: str, line: int, version: str) -> SlipwayError:
    return SlipwayError(
        f"the journal was written by a newer version of the collection (line {line})",
        obj=path,
        actual=version,
        wanted=str(SCHEMA),
        remedy="Upgrade slipway.deploy on the controller to the version that wrote it, or a later one.",
        cause="journal_newer",
    )


@contextlib.contextmanager
def file_errors(path: str) -> t.Iterator[None]:
    """Turn an C(OSError) of a primitive (open, fsync and rename are not wrapped by System) into a SlipwayError."""
    try:
        yield
    except OSError as error:
        raise file_error(error, path) from error


class Reserve:
    """Disk space kept back, so that what ends or reverts a release never fails for space."""

    def __init__(self, system: System, directory: str) -> None:
        self._system = system
        self.path = os.path.join(directory, "journal.reserve")

    def ensure(self) -> None:
        """Make the reserve if it is not there.

        Random bytes through C(write(2)) rather than C(posix_fallocate(3)): they take their room on file systems that
        compress or that only pretend to preallocate, too.

        :raises SlipwayError: C(no_space): a new release must not begin.
        """
        if os.path.exists(self.path):
            return
        try:
            with file_errors(self.path):
                self._system.replace_file(self.path, os.urandom(RESERVE_BYTES))
        except SlipwayError as error:
            if error.cause != "no_space":
                raise
            raise SlipwayError(
                f"no room for the journal's reserve of {RESERVE_BYTES // 1024} KiB",
                obj=self.path,
                remedy="Free disk space on this machine; a release begins only when its revert cannot fail for space.",
                cause="no_space",
            ) from None

    def guard(self, write: t.Callable[[], None]) -> None:
        """Run a durable write; when the disk is full, give the reserve up and run it once more."""
        try:
            write()
        except SlipwayError as error:
            if error.cause != "no_space" or not os.path.exists(self.path):
                raise
            with file_errors(self.path):
                self._system.unlink(self.path)
            write()


class Journal:
    """The file. One object lives as long as the machine's flock is held; readers take a fresh one."""

    def __init__(self, system: System, directory: str, reserve: Reserve) -> None:
        self._system = system
        self._directory = directory
        self._reserve = reserve
        self._parsed: Parsed | None = None
        self.path = os.path.join(directory, "journal.jsonl")

    @property
    def records(self) -> list[Record]:
        """All records; a torn tail is not among them, and is not touched by reading.

        :raises SlipwayError: C(journal_damaged), C(journal_newer), C(permission).
        """
        if self._parsed is None:
            self._parsed = parse(self._system.read_file(self.path) or b"", self.path)
        return self._parsed.records

    def append(
        self, event: str, *, release: str = "", token: int = 0, stage: str = "", data: dict[str, t.Any] | None = None
    ) -> Record:
        """Add one record durably; on any error the file is as it was.

        :raises SlipwayError: C(no_space) when the reserve is gone too, C(io), and what reading raises.
        """
        seq = self.records[-1].seq + 1 if self.records else 1
        record = Record(seq, round(self._system.wall(), 3), release, token, stage, event, data or {})
        line = encode(record)
        self._reserve.guard(lambda: self._write(line))
        parsed = t.cast(Parsed, self._parsed)
        parsed.records.append(decode(line[:-1]))  # as a reader will see it, not as the caller may go on to change it
        self._parsed = Parsed(parsed.records, parsed.size + len(line))
        return record

    def _write(self, line: bytes) -> None:
        with file_errors(self.path):
            fd = self._system.open_fd(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                if t.cast(Parsed, self._parsed).size == 0:
                    # The name first: whoever finds a record in the file may rely on the name being durable.
                    self._system.fsync_directory(self._directory)
                self._close_tail(fd)
                self._write_or_undo(fd, line)
            finally:
                os.close(fd)

    def _close_tail(self, fd: int) -> None:
        """Cut what follows the last good line: it was never acknowledged to anybody."""
        size = t.cast(Parsed, self._parsed).size
        if os.fstat(fd).st_size != size:
            self._system.truncate_fd(fd, size)

    def _write_or_undo(self, fd: int, line: bytes) -> None:
        try:
            self._system.write_all(fd, line, self.path)
            self._system.fsync_fd(fd)
        except BaseException:
            # Should this fail as well, the next append cuts the tail by the size that it knows to be good.
            with contextlib.suppress(OSError):
                self._close_tail(fd)
            raise

    def plan_repair(self) -> Repair | None:
        """How the file would be repaired: every good line kept, the damaged file aside; None when there is no damage.

        :raises SlipwayError: C(journal_newer), C(permission).
        """
        content = self._system.read_file(self.path) or b""
        try:
            parse(content, self.path)
            return None
        except SlipwayError as error:
            if error.cause != "journal_damaged":
                raise
        good, lost = salvage(content, self.path)
        # Named by its content: a repair that was itself interrupted keeps one copy, not two.
        aside = f"{self.path}.damaged-{zlib.crc32(content):08x}"
        done = {"kept_aside": aside, "gaps": _gaps_of(good), "lines_lost": lost}
        last = good[-1].seq if good else 0
        good.append(Record(last + 1, round(self._system.wall(), 3), "", 0, "", "repaired", done))
        return Repair(content, good, done)

    def repair(self, plan: Repair) -> None:
        """Carry a planned repair out; interrupted anywhere, it can be done again."""
        self._reserve.guard(lambda: self._put(plan.done["kept_aside"], plan.damaged))
        self._reserve.guard(lambda: self.rewrite(plan.records))

    def rewrite(self, records: list[Record]) -> None:
        """Put other records in place of all, atomically."""
        content = b"".join(encode(record) for record in records)
        self._put(self.path, content)
        self._parsed = parse(content, self.path)

    def _put(self, path: str, content: bytes) -> None:
        with file_errors(path):
            self._system.replace_file(path, content)

    @property
    def size(self) -> int:
        """Bytes of the good records."""
        return len(self.records) and t.cast(Parsed, self._parsed).size


def _gaps_of(records: list[Record]) -> list[list[int]]:
    before = 0
    gaps = []
    for record in records:
        if record.seq != before + 1:
            gaps.append([before, record.seq])
        before = record.seq
    return gaps
