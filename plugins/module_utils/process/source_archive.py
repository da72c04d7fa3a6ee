# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code in an archive: a file of this machine, or a URL with its checksum (private to the collection)."""

from __future__ import annotations

import contextlib
import lzma
import os
import posixpath
import re
import shutil
import stat
import tarfile
import typing as t
import zipfile
import zlib

from ..errors import SlipwayError
from ..masking import mask
from ..side.options import invalid, number
from ..system import file_error, is_full
from .source import Source, hash_of

BLOCK = 1 << 20
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OSError, RuntimeError,
)  # fmt: skip
_CHECKSUM = re.compile(r"sha256:([0-9a-f]{64})")


class Entry(t.NamedTuple):
    """One member of an archive."""

    name: str
    kind: str  # file, directory, link or other
    executable: bool
    link: str  # where a symbolic link leads
    open: t.Callable[[], t.Any]


class ArchiveSource(Source):
    """A tar (also compressed) or a zip; C(strip) leading directories are left away.

    Modes are 0755 for what may be executed and 0644 for the rest; owners, devices and set-user-id bits in it count for
    nothing, and an entry that leads out of the release is refused.
    """

    keys = ("checksum", "path", "strip", "url")
    packed = True

    def resolve(self) -> dict[str, t.Any]:
        strip = number(self.options, "strip", 0, self.where, int, low=0)
        checksum, content, url = self._checksum(), self.content(), self.text("url")
        if url and self.text("path"):
            raise invalid(f"{self.where}.path", self.options["path"], "either path or url")
        if url and not checksum:
            raise invalid(f"{self.where}.checksum", None, "sha256:…, because what a URL serves may change")
        if not url:
            found = self.file_content()
            if checksum and found != checksum:
                raise self.not_wanted(self.text("path"), f"sha256:{found}", f"sha256:{checksum}")
            checksum = found
        about = {"content": content} if content else {}  # what the mark names, stays on the machine
        return {"kind": "archive", "sha256": checksum, "strip": strip, **about}

    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        if not self.text("url"):
            path = self.file()
            self._verified(path, resolved["sha256"])
            unpack(path, target, resolved["strip"], self.where)
            return
        partial = os.path.join(self.place.base, "downloads", f"{resolved['sha256']}.partial")
        self.place.system.make_directory(os.path.dirname(partial))
        try:
            self._download(self.text("url"), partial)
            self._verified(partial, resolved["sha256"])
            unpack(partial, target, resolved["strip"], self.where)
        finally:
            self.place.system.unlink(partial)

    def _checksum(self) -> str:
        given = self.text("checksum")
        found = _CHECKSUM.fullmatch(given)
        if given and found is None:
            raise invalid(f"{self.where}.checksum", given, "sha256: and 64 hexadecimal digits in small letters")
        return found.group(1) if found else ""

    def _verified(self, path: str, checksum: str) -> str:
        found = hash_of(path, self.where)
        if checksum and found != checksum:
            raise self.not_wanted(self.text("url") or self.text("path"), f"sha256:{found}", f"sha256:{checksum}")
        return found

    def _download(self, url: str, path: str) -> None:
        import http.client
        import urllib.request

        if not url.startswith(("http://", "https://")):
            raise invalid(f"{self.where}.url", mask(url, ()), "a URL of http or https")
        end = self.place.system.monotonic() + self.place.deadline
        try:
            with urllib.request.build_opener().open(url, timeout=30) as answer, open(path, "wb") as file:
                for block in iter(lambda: answer.read(BLOCK), b""):
                    file.write(block)
                    if self.place.system.monotonic() > end:
                        raise TimeoutError(f"not done after {self.place.deadline:g} s")
        except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
            if isinstance(error, OSError) and is_full(error):
                raise file_error(error, path) from None
            raise SlipwayError(
                "cannot be downloaded",
                obj=mask(url, ()),
                actual=str(error)[:300],
                remedy="See whether this machine reaches it: curl -I URL.",
                cause="download",
            ) from None


def unpack(path: str, target: str, strip: int, where: str) -> None:
    """Lay the files of an archive out below an empty directory.

    :raises SlipwayError: C(archive) for one that is damaged, empty, or leads out of the directory.
    """
    found = 0
    try:
        with _entries(path) as entries:
            for entry in entries:
                found += _put(entry, target, strip, path)
    except _BROKEN as error:
        if isinstance(error, OSError) and is_full(error):
            raise file_error(error, target) from None
        raise _damaged(path, f"{type(error).__name__}: {error}"[:300], "a whole tar or zip") from None
    if not found:
        raise _damaged(path, "no file", f"files more than {strip} directories deep ({where}.strip)")


@contextlib.contextmanager
def _entries(path: str) -> t.Iterator[t.Iterable[Entry]]:
    with open(path, "rb") as file:
        begins = file.read(2)  # of the last member of a tar the end may look like a zip's
    if begins == b"PK":
        with zipfile.ZipFile(path) as zipped:
            yield (_of_zip(zipped, info) for info in zipped.infolist())
    else:
        with tarfile.open(path) as archive:
            yield (_of_tar(archive, member) for member in archive)


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    mode = info.external_attr >> 16
    link = archive.read(info).decode() if stat.S_ISLNK(mode) else ""
    kind = "directory" if info.is_dir() else "link" if link else "file"
    return Entry(info.filename, kind, bool(mode & 0o111), link, lambda: archive.open(info))


def _of_tar(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    kind = (
        "directory"
        if member.isdir()
        else "link"
        if member.issym()
        else "file"
        if member.isreg() or member.islnk()
        else "other"
    )
    return Entry(member.name, kind, bool(member.mode & 0o111), member.linkname, lambda: archive.extractfile(member))


def _put(entry: Entry, target: str, strip: int, path: str) -> int:
    """Write one entry; returns the number of files that it was."""
    name = posixpath.normpath(entry.name)
    if name.startswith("/") or name.split("/", 1)[0] == "..":
        raise _damaged(path, entry.name, "paths that stay inside")
    kept = [part for part in name.split("/") if part != "."][strip:]
    if not kept or entry.kind == "other":
        return 0
    place = os.path.join(target, *kept)
    # A link of the archive itself may not carry what follows out of the release.
    if os.path.realpath(os.path.dirname(place)) != os.path.normpath(os.path.join(os.path.realpath(target), *kept[:-1])):
        raise _damaged(path, entry.name, "paths without links in them")
    if entry.kind == "directory":
        os.makedirs(place, 0o755, exist_ok=True)
        return 0
    os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)
    if entry.kind == "link":
        if _leads_out(entry.link, kept):
            raise _damaged(path, f"{entry.name} -> {entry.link}", "links that stay inside")
        os.symlink(entry.link, place)
        return 1
    with entry.open() as data, open(place, "xb") as file:
        shutil.copyfileobj(data, file)
    os.chmod(place, 0o755 if entry.executable else 0o644)
    return 1


def _leads_out(link: str, kept: t.Sequence[str]) -> bool:
    return link.startswith("/") or posixpath.normpath(
        posixpath.join(*kept[:-1], link) if kept[:-1] else link
    ).startswith("..")


def _damaged(path: str, actual: str, wanted: str) -> SlipwayError:
    return SlipwayError(
        "not a usable archive", obj=path, actual=actual, wanted=wanted, remedy="Build it again.", cause="archive"
    )
