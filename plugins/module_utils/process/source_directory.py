# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that is in a directory of this machine already (private to the collection)."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import typing as t

from ..errors import SlipwayError
from .source import Source

BLOCK = 1 << 20


class DirectorySource(Source):
    """A copy of a directory, C(.git) left out; what it was is told by a hash of names, kinds and contents."""

    keys = ("path",)

    def resolve(self) -> dict[str, t.Any]:
        path = self.text("path", required=True)
        if not os.path.isdir(path):
            raise SlipwayError(
                "no such directory on this machine",
                obj=f"{self.where}.path",
                actual=path,
                remedy="Copy it there first, with ansible.posix.synchronize or ansible.builtin.copy.",
                cause="source_missing",
            )
        return {"kind": "directory", "content": content_hash(path)}

    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        path = self.text("path", required=True)
        try:
            shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
        except (OSError, shutil.Error) as error:
            raise SlipwayError(
                "cannot be copied", obj=path, actual=str(error)[:300], cause="source_unreadable"
            ) from None
        found = content_hash(target)
        if found != resolved["content"]:
            raise SlipwayError(
                "the directory changed while it was copied",
                obj=path,
                remedy="Wait until whatever writes it is done, and run the release again.",
                cause="source_changed",
            )


def content_hash(root: str) -> str:
    """A hash of all names, kinds, executable bits, link targets and contents below a directory."""
    total = hashlib.sha256()
    for directory, directories, files in os.walk(root):
        directories[:] = sorted(name for name in directories if name != ".git")
        links = [name for name in directories if os.path.islink(os.path.join(directory, name))]
        for name in sorted([*files, *links]):
            path = os.path.join(directory, name)
            about = os.lstat(path)
            said = f"{os.path.relpath(path, root)}\0{stat.S_IFMT(about.st_mode)}\0{about.st_mode & 0o111 != 0}\0"
            total.update(said.encode("utf-8", "surrogateescape"))
            if stat.S_ISLNK(about.st_mode):
                total.update(os.readlink(path).encode("utf-8", "surrogateescape"))
            elif stat.S_ISREG(about.st_mode):
                total.update(_file_hash(path))
        total.update(f"{os.path.relpath(directory, root)}/\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _file_hash(path: str) -> bytes:
    found = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            found.update(block)
    return found.digest()
