# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that is in a directory of this machine already (private to the collection)."""

from __future__ import annotations

import os
import shutil
import stat
import typing as t

from ..errors import SlipwayError
from ..system import file_error, is_full
from .content import below, content_hash, refused
from .source import Source
from .source_archive import unpack


class DirectorySource(Source):
    """The files of a directory, C(.git) and C(exclude) left out; what it was is told by a hash of names, kinds and contents."""

    keys = ("exclude", "path")
    packed = True

    def resolve(self) -> dict[str, t.Any]:
        path, exclude, content = self.text("path", required=True), self.texts("exclude"), self.content()
        if not content:
            if not os.path.isdir(path):
                raise SlipwayError(
                    "no such directory on this machine",
                    obj=f"{self.where}.path",
                    actual=path,
                    remedy="Put it there first, or leave C(from) away for a directory of the controller.",
                    cause="source_missing",
                )
            content = self._hash(path, exclude)
        return {"kind": "directory", "content": content}

    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        handed = self.content()
        try:
            if handed:
                unpack(self.packages().expect(handed, f"{self.where}.path"), target, 0, self.where)
            else:
                self._copy(self.text("path", required=True), target)
            self._expect(resolved["content"], target)
        except SlipwayError as error:
            if handed and error.cause in ("archive", "source_changed"):  # then its name is wrong, too
                self.packages().forget(handed)
            raise

    def _expect(self, content: str, target: str) -> None:
        if self._hash(target, ()) != content:
            raise SlipwayError(
                "the directory changed while it was copied",
                obj=self.text("path"),
                remedy="Wait until whatever writes it is done, and run the release again.",
                cause="source_changed",
            )

    def _copy(self, path: str, target: str) -> None:
        try:
            for name, about in below(path, self.texts("exclude")):
                self._put(os.path.join(path, name), os.path.join(target, name), about.st_mode)
        except OSError as error:
            raise self._unreadable(error, path) from None

    def _put(self, path: str, place: str, mode: int) -> None:
        os.makedirs(place if stat.S_ISDIR(mode) else os.path.dirname(place), exist_ok=True)
        if stat.S_ISDIR(mode):
            shutil.copystat(path, place)
        elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            shutil.copy2(path, place, follow_symlinks=False)
        else:
            raise refused(f"{self.where}.path", path, "neither a file, a directory nor a link")

    def _hash(self, path: str, exclude: t.Sequence[str]) -> str:
        try:
            return content_hash(path, exclude)
        except OSError as error:
            raise self._unreadable(error, path) from None

    def _unreadable(self, error: OSError, path: str) -> SlipwayError:
        if is_full(error):
            return file_error(error, self.place.base)
        return SlipwayError(
            "cannot be copied",
            obj=error.filename or path,
            actual=error.strerror,
            remedy="Mend it, or name it in exclude.",
            cause="source_unreadable",
        )
