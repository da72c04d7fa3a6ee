# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the engines on a machine; sent there as it is, so it stands alone (private to the collection)."""

from __future__ import annotations

import compileall
import fcntl
import io
import os
import shutil
import zipfile

PACKAGE = "slipway"  # what they are imported as
KEPT = 5  # engines: of several controllers, and of collections before the newest


def install(content: bytes, target: str) -> None:
    """Unpack and compile an archive of sources, unless they are there already, whole.

    One installs at a time, and what is whole is left alone: a stage that runs may still import from it. Everything is on
    disk before it has its name, so a machine that loses power here is a machine without engines.

    :param target: their directory; beside it the others, of which the oldest are removed.
    :raises PermissionError: the directory of all engines belongs to another user, who could change what is run.
    """
    parent = os.path.dirname(target)
    os.makedirs(os.path.dirname(parent), 0o755, exist_ok=True)
    os.umask(0o077)
    os.makedirs(parent, exist_ok=True)
    if os.stat(parent).st_uid != os.geteuid():
        raise PermissionError(f"{parent} belongs to another user")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        fcntl.flock(os.open(f"{parent}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW), fcntl.LOCK_EX)  # until this ends
        if is_whole(archive, target):
            return
        part = f"{target}.part"
        shutil.rmtree(part, ignore_errors=True)
        archive.extractall(part)
        compileall.compile_dir(part, quiet=1)
        to_disk(part)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(part, target)
        prune(parent)


def is_whole(archive: zipfile.ZipFile, target: str) -> bool:
    """Whether a directory has every file of an archive as it is there."""
    for name in archive.namelist():
        try:
            with open(os.path.join(target, name), "rb") as stream:
                if stream.read() != archive.read(name):
                    return False
        except OSError:
            return False
    return True


def to_disk(directory: str) -> None:
    """Flush all files and directories below one."""
    for place, _directories, files in os.walk(directory):
        for name in [*files, "."]:
            descriptor = os.open(os.path.join(place, name), os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def prune(parent: str) -> None:
    """Remove all but the engines installed last."""
    found = sorted((os.path.join(parent, name) for name in os.listdir(parent)), key=os.path.getmtime)
    for old in found[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
