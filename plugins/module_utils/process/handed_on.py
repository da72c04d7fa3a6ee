# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one machine has built, as one file that other machines lay out at the same path (private to the collection).

Unlike the code of a controller it is taken as it is: with its modes, with the times that compiled Python knows its sources
by, and with links that lead out of it, as those of a virtual environment to its interpreter do.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import typing as t
import zlib

from ..errors import SlipwayError
from ..system import file_error, is_full
from .content import below

LEVEL = 3  # of the compression: nine tenths of what the highest saves, in a third of its time
_BROKEN = (tarfile.TarError, zlib.error, EOFError, ValueError, OSError)


def pack_built(root: str, stream: t.BinaryIO, where: str) -> None:
    """A compressed tar of a directory: the same files, the same tar, whoever owns them.

    :param where: how messages call it.
    :raises SlipwayError: C(source_refused) for what is neither file, directory nor link.
    :raises OSError: something cannot be read, or written.
    """
    zipped = gzip.GzipFile(fileobj=stream, mode="wb", filename="", mtime=0, compresslevel=LEVEL)
    with zipped, tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, about in below(root, always=()):
            path, info = os.path.join(root, name), tarfile.TarInfo(name)
            info.mode, info.mtime = about.st_mode & 0o777, int(about.st_mtime)
            if stat.S_ISREG(about.st_mode):
                info.size = about.st_size
                with open(path, "rb") as file:
                    archive.addfile(info, file)
                continue
            if stat.S_ISLNK(about.st_mode):
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            elif stat.S_ISDIR(about.st_mode):
                info.type = tarfile.DIRTYPE
            else:
                raise SlipwayError(
                    "neither a file, a directory nor a link can be handed on",
                    obj=where,
                    actual=path,
                    remedy="Let the last step of build remove it.",
                    cause="source_refused",
                )
            archive.addfile(info)


def unpack_built(path: str, target: str) -> None:
    """Lay out what :func:`pack_built` has packed, below an empty directory.

    :raises SlipwayError: C(archive) for one that is damaged; C(no_space).
    """
    directories = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                place = _place(target, member.name)
                if member.isdir():
                    os.makedirs(place, exist_ok=True)
                    directories.append((place, member.mode & 0o777))
                elif member.issym():
                    os.makedirs(os.path.dirname(place), exist_ok=True)
                    os.symlink(member.linkname, place)
                else:
                    _put(archive, member, place)
        for place, mode in reversed(directories):
            os.chmod(place, mode)
    except _BROKEN as error:
        if isinstance(error, OSError) and is_full(error):
            raise file_error(error, target) from None
        raise SlipwayError(
            "not a usable archive",
            obj=path,
            actual=f"{type(error).__name__}: {error}"[:300],
            wanted="what another machine has built, whole",
            remedy="Run the release again, it is built anew.",
            cause="archive",
        ) from None


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, place: str) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    data = archive.extractfile(member)
    if data is None:
        raise ValueError(f"{member.name} is neither a file, a directory nor a link")
    with data, open(place, "xb") as file:
        shutil.copyfileobj(data, file, 1 << 20)
    os.chmod(place, member.mode & 0o777)
    os.utime(place, (member.mtime, member.mtime))


def _place(target: str, name: str) -> str:
    """Where an entry belongs: inside, and neither through a link nor in place of one."""
    root = os.path.realpath(target)
    place = os.path.normpath(os.path.join(root, name))
    parent = os.path.dirname(place)
    if name.startswith("/") or ".." in name.split("/") or os.path.realpath(parent) != parent or os.path.islink(place):
        raise ValueError(f"{name} leads out of the directory, or through a link")
    return place
