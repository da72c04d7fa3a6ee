# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL dumps in directory format, written and restored by several jobs (private to the collection).

Several jobs need files, and a store takes one stream. So pg_dump writes into a directory, whose files become one tar; to be
restored, that is unpacked. Whether a dump is such a tar, its first bytes say, whatever the option says by now.

The tar begins with the number of bytes of all files, as a comment that other programs pass over. Each member after it is
one header and its content: names are short, and a size beyond 8 GiB stands in the header too (GNU tar manual, "Basic Tar
Format"). No header of another kind is read, for that may be as large as it claims, or give a member another name.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tarfile
import typing as t

from ..errors import SlipwayError
from .local import file_error
from .pipeline import CHUNK, Chunks, Program, flow
from .scratch_place import place

if t.TYPE_CHECKING:
    from .postgresql import PostgreSQL

FORMAT = "directory"
MOST = 8  # jobs, unless more are asked for: each is a connection
BLOCK = tarfile.BLOCKSIZE
TOC = "toc.dat"

_NAME = re.compile(r"(?:toc|blob_[0-9]+|[0-9]+)\.dat|blobs(?:_[0-9]+)?\.toc")
_COMMENT = re.compile(rb"[0-9]+ comment=([0-9]+) bytes\n\0+")


def processors() -> int:
    """Jobs by default: the processors that this process may use."""
    return min(len(os.sched_getaffinity(0)), MOST)


# --- to the store


def dump(run: t.Callable[..., t.Iterator[bytes]], jobs: int, where: str) -> t.Iterator[bytes]:
    """A dump as one tar.

    :param run: runs pg_dump with options, and a directory that it writes in.
    :param where: a directory that nobody else uses.
    """
    directory = os.path.join(where, "dump")
    for _output in run(
        "--format=directory", f"--jobs={jobs}", "--compress=0", "--no-sync", f"--file={directory}", shares=[where]
    ):
        pass
    yield from packed(directory)


def packed(directory: str) -> t.Iterator[bytes]:
    """The files of a dump as one tar, alike for alike files. Each is removed once it has been read, to make room."""
    sizes = {name: os.lstat(os.path.join(directory, name)).st_size for name in sorted(os.listdir(directory))}
    for name in sizes:
        if not _NAME.fullmatch(name):
            raise SlipwayError(
                "has a file that no restore would take",
                obj="pg_dump",
                actual=name,
                wanted=f"{TOC}, NUMBER.dat, blob_NUMBER.dat and blobs.toc",
                remedy="This version of the collection does not know this pg_dump's format; leave out format: directory.",
                cause="command_failed",
            )
    yield tarfile.TarInfo.create_pax_global_header({"comment": f"{sum(sizes.values())} bytes"})
    for name, size in sizes.items():
        yield header(name, size)
        yield from _emptied(os.path.join(directory, name), size)
        yield bytes(-size % BLOCK)
    yield bytes(2 * BLOCK)


def header(name: str, size: int) -> bytes:
    """What stands before a file in the tar; the same for every user and at every time."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.GNU_FORMAT)


def _emptied(path: str, size: int) -> t.Iterator[bytes]:
    try:
        with open(path, "rb", buffering=0) as stream:
            while size:
                chunk = stream.read(min(CHUNK, size))
                if not chunk:
                    raise SlipwayError("became shorter", obj=path, remedy="Keep other programs out of it.", cause="io")
                size -= len(chunk)
                yield chunk
        os.unlink(path)
    except OSError as error:
        raise file_error(error, path) from None


# --- from the store


def restore(
    start: t.Callable[..., Program], stored: Chunks, scratch_dir: str, options: t.Sequence[str] = (), *, beside: int = 0
) -> None:
    """Let pg_restore read a dump to its end, in whichever format it is.

    :param start: makes a pg_restore with more options, which reads from its standard input unless it is told otherwise.
    :param options: for a directory only.
    :param beside: bytes that must be free in the scratch directory when the dump is unpacked there.
    :raises SlipwayError: C(damaged), C(no_space), C(command_failed), …
    """
    begin, chunks = _begun(stored)
    if begin[257:262] != b"ustar":  # tar(5); else it is C(PGDMP), or something that pg_restore has the words for
        for _output in flow([start(reads=True)], chunks):
            pass
        return
    with unpacked(chunks, scratch_dir, beside) as directory:
        for _output in flow([start(*options, "--format=directory", directory, shares=[directory])]):
            pass


def in_jobs(engine: PostgreSQL) -> list[str]:
    """Options of a restore into a server."""
    return [f"--jobs={engine.jobs}"]


def _begun(chunks: Chunks) -> tuple[bytes, Chunks]:
    """The first bytes, and all of them."""
    begin, rest = b"", iter(chunks)
    while len(begin) < BLOCK:
        chunk = next(rest, None)
        if chunk is None:
            break
        begin += chunk
    return begin, itertools.chain([begin], rest)


@contextlib.contextmanager
def unpacked(chunks: Chunks, scratch_dir: str, beside: int = 0) -> t.Iterator[str]:
    """A directory with the files of a dump, gone when the context ends.

    :raises SlipwayError: C(damaged) for whatever :func:`packed` does not make; C(no_space).
    """
    source = _Source(chunks)
    total = _total(source)
    with place(scratch_dir, total + beside, "an unpacked dump") as directory:
        _unpack(source, directory, total)
        yield directory


def _total(source: _Source) -> int:
    """Bytes of all files, as the comment says."""
    first = _parsed(source.exactly(BLOCK))
    comment = _COMMENT.fullmatch(source.exactly(BLOCK))
    if first.type != tarfile.XGLTYPE or first.size > BLOCK or comment is None:
        raise _damaged("does not begin with its size")
    return int(comment[1])


def _unpack(source: _Source, directory: str, left: int) -> None:
    names: set[str] = set()
    while True:
        block = source.exactly(BLOCK)
        if not any(block):
            break
        member = _parsed(block)
        if member.type != tarfile.REGTYPE or not _NAME.fullmatch(member.name):
            raise _damaged(f"has a member that is no file of a dump: {member.name!r}")
        if member.name in names or not 0 <= member.size <= left:
            raise _damaged(f"has more of {member.name} than a dump has")
        names.add(member.name)
        left -= member.size
        _write(source, os.path.join(directory, member.name), member.size)
        source.nothing(-member.size % BLOCK)
    source.nothing(BLOCK)
    # Only at their end the chunks may say that they are the wrong ones.
    if len(source.some(1)) or left or TOC not in names:
        raise _damaged("does not end where its dump does")


def _write(source: _Source, path: str, size: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:
            while size:
                part = source.some(size)
                if not len(part):
                    raise _damaged("ends too early")
                size -= len(part)
                stream.write(part)
    except OSError as error:
        raise file_error(error, path) from None


def _parsed(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise _damaged(f"has a header that is none: {error}") from None


def _damaged(actual: str) -> SlipwayError:
    return SlipwayError(
        "is not what a dump in directory format is stored as",
        obj="dump",
        actual=actual,
        wanted="the files of pg_dump in a tar",
        remedy="Do not rely on this backup; take another one.",
        cause="damaged",
    )


class _Source:
    """Chunks, taken by a number of bytes."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def some(self, most: int) -> memoryview:
        """At least one byte, unless they are at their end."""
        while not len(self._rest):
            chunk = next(self._chunks, None)
            if chunk is None:
                return memoryview(b"")
            self._rest = memoryview(chunk)
        taken, self._rest = self._rest[:most], self._rest[most:]
        return taken

    def exactly(self, size: int) -> bytes:
        """So many; of a few only, for they are kept."""
        found = b""
        while len(found) < size:
            part = self.some(size - len(found))
            if not len(part):
                raise _damaged("ends too early")
            found += part
        return found

    def nothing(self, size: int) -> None:
        """So many, all of them zero."""
        if any(self.exactly(size)):
            raise _damaged("has something between its files")
