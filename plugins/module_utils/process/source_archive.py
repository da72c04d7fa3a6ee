# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code in an archive: a file of this machine, or a URL with its checksum (private to the collection)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import shutil
import stat
import tarfile
import typing as t
import zipfile

from ..errors import SlipwayError
from ..masking import mask
from .options import invalid, number
from .source import Source

BLOCK = 1 << 20
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

    def resolve(self) -> dict[str, t.Any]:
        strip = number(self.options, "strip", 0, self.where, int, low=0)
        checksum = self._checksum()
        if self.text("url"):
            if self.text("path"):
                raise invalid(f"{self.where}.path", self.options["path"], "either path or url")
            if not checksum:
                raise invalid(f"{self.where}.checksum", None, "sha256:…, because what a URL serves may change")
        else:
            checksum = self._verified(self.text("path", required=True), checksum)
        return {"kind": "archive", "sha256": checksum, "strip": strip}

    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        path = self.text("path")
        if path:
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
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as stream:
                for block in iter(lambda: stream.read(BLOCK), b""):
                    digest.update(block)
        except OSError as error:
            remedy = "Copy it there first, or give url and checksum."
            raise SlipwayError(
                f"cannot be read ({error.strerror})", obj=path, remedy=remedy, cause="source_missing"
            ) from None
        if checksum and digest.hexdigest() != checksum:
            raise SlipwayError(
                "not the archive that was asked for",
                obj=self.text("url") or path,
                actual=f"sha256:{digest.hexdigest()}",
                wanted=f"sha256:{checksum}",
                remedy="Find out who changed it; correct checksum if that was meant.",
                cause="checksum",
            )
        return digest.hexdigest()

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
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, OSError, RuntimeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}"[:300], "a whole tar or zip") from None
    if not found:
        raise _damaged(path, "no file", f"files more than {strip} directories deep ({where}.strip)")


@contextlib.contextmanager
def _entries(path: str) -> t.Iterator[t.Iterable[Entry]]:
    if zipfile.is_zipfile(path):
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
