# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a directory of code holds: its hash, and one file of it that travels (private to the collection).

The controller packs, a machine unpacks, and both hash: what arrived is what was packed.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import os
import stat
import tarfile
import typing as t

from ..errors import SlipwayError

BLOCK = 1 << 20
ALWAYS = (".git",)


def content_hash(root: str, exclude: t.Sequence[str] = ()) -> str:
    """A hash of all names, kinds, executable bits, link targets and contents below a directory.

    :param exclude: what is left out, see :func:`left_out`; C(.git) always is.
    :raises OSError: something in it cannot be read.
    """
    total = hashlib.sha256()
    for name, about in below(root, exclude):
        if stat.S_ISDIR(about.st_mode):
            total.update(f"{name}/\0".encode("utf-8", "surrogateescape"))
            continue
        path = os.path.join(root, name)
        said = f"{name}\0{stat.S_IFMT(about.st_mode)}\0{about.st_mode & 0o111 != 0}\0"
        total.update(said.encode("utf-8", "surrogateescape"))
        if stat.S_ISLNK(about.st_mode):
            total.update(os.readlink(path).encode("utf-8", "surrogateescape"))
        elif stat.S_ISREG(about.st_mode):
            total.update(file_hash(path).digest())
    return total.hexdigest()


def file_hash(path: str) -> t.Any:
    """The SHA-256 of a file's bytes, as C(hashlib) has it.

    :raises OSError: it cannot be read.
    """
    found = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            found.update(block)
    return found


def below(
    root: str, exclude: t.Sequence[str] = (), always: t.Sequence[str] = ALWAYS
) -> t.Iterator[tuple[str, os.stat_result]]:
    """Every file, link and directory below a directory, by its path from there, always in the same order.

    :raises OSError: a directory cannot be read.
    """
    for directory, directories, files in os.walk(root, onerror=_stop):
        place = os.path.relpath(directory, root)
        directories[:] = sorted(name for name in directories if not left_out(_join(place, name), exclude, always))
        links = [name for name in directories if os.path.islink(os.path.join(directory, name))]
        for name in sorted([*files, *links]):
            path = _join(place, name)
            if not left_out(path, exclude, always):
                yield path, os.lstat(os.path.join(root, path))
        yield place, os.lstat(directory)


def left_out(path: str, exclude: t.Sequence[str], always: t.Sequence[str] = ALWAYS) -> bool:
    """Whether a path is not wanted.

    :param exclude: names (C(node_modules), C(*.pyc)) at any depth, or paths from the top (C(docs/build)).
    """
    name = os.path.basename(path)
    for pattern in (*always, *(item.strip("/") for item in exclude)):
        if fnmatch.fnmatchcase(path if "/" in pattern else name, pattern):
            return True
    return False


def pack(root: str, exclude: t.Sequence[str], stream: t.BinaryIO, where: str) -> None:
    """A compressed tar of a directory: the same files, the same tar, whoever owns them and whenever they were written.

    :param where: how messages call the source.
    :raises SlipwayError: C(source_refused) for what is neither file, directory nor a link that stays inside.
    :raises OSError: something cannot be read, or written.
    """
    zipped = gzip.GzipFile(fileobj=stream, mode="wb", filename="", mtime=0, compresslevel=6)
    with zipped, tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, about in below(root, exclude):
            path, info = os.path.join(root, name), tarfile.TarInfo(name)
            info.mode = 0o755 if about.st_mode & 0o111 else 0o644
            if stat.S_ISREG(about.st_mode):
                info.size = about.st_size
                with open(path, "rb") as file:
                    archive.addfile(info, file)
                continue
            if stat.S_ISDIR(about.st_mode):
                info.type = tarfile.DIRTYPE
            else:
                info.type, info.linkname = tarfile.SYMTYPE, _link(root, path, about, where)
            archive.addfile(info)


def _link(root: str, path: str, about: os.stat_result, where: str) -> str:
    """Where a link leads, if it stays inside.

    :raises SlipwayError: C(source_refused).
    """
    if not stat.S_ISLNK(about.st_mode):
        raise refused(where, path, "neither a file, a directory nor a link")
    target, real = os.readlink(path), os.path.realpath(root)
    if os.path.isabs(target) or os.path.commonpath([os.path.realpath(path), real]) != real:
        raise refused(where, f"{path} -> {target}", "a link that leads out of the directory")
    return target


def refused(where: str, actual: str, what: str) -> SlipwayError:
    """The error for what is in a directory and cannot go on."""
    remedy = "Take it away, or name it in exclude."
    return SlipwayError(f"{what} cannot be released", obj=where, actual=actual, remedy=remedy, cause="source_refused")


def _join(place: str, name: str) -> str:
    return name if place == "." else os.path.join(place, name)


def _stop(error: OSError) -> t.NoReturn:
    raise error
