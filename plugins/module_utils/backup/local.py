# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a directory of the machine that takes them (private to the collection)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from .pipeline import CHUNK, Chunks
from .store import Entry, Leftover, Store, every

PARTIAL = ".partial"


class LocalStore(Store):
    """One file an object, 0600 in a directory that is 0700.

    :param path: the directory; made when it is not there.
    """

    def __init__(self, path: str, system: System) -> None:
        self._path = path
        self._system = system

    def entries(self) -> list[Entry]:
        found = []
        for name in self._names():
            path = self._file(name)
            if not name.endswith(PARTIAL) and os.path.isfile(path):
                found.append(Entry(name, os.path.getsize(path)))
        return found

    def put(self, key: str, chunks: Chunks) -> int:
        self._system.make_directory(self._path)
        path = self._file(key)
        if os.path.lexists(path):
            raise SlipwayError("is there already", obj=path, remedy="Give the backup another name.", cause="exists")
        partial, fd = self._partial(path)
        try:
            size = 0
            for chunk in chunks:
                self._system.write_all(fd, chunk, path)
                size += len(chunk)
            self._system.fsync_fd(fd)
        except BaseException as error:
            os.close(fd)
            self._system.unlink(partial)
            if isinstance(error, OSError):
                raise file_error(error, path) from None
            raise
        os.close(fd)
        self._system.rename(partial, path)
        self._system.fsync_directory(self._path)
        return size

    def get(self, key: str) -> t.Iterator[bytes]:
        try:
            with open(self._file(key), "rb", buffering=0) as stream:
                while True:
                    chunk = stream.read(CHUNK)
                    if not chunk:
                        return
                    yield chunk
        except OSError as error:
            raise file_error(error, self._file(key)) from None

    def delete(self, key: str) -> None:
        try:
            self._system.unlink(self._file(key))
            self._system.fsync_directory(self._path)
        except FileNotFoundError:  # not even the directory is there
            return
        except OSError as error:
            raise file_error(error, self._file(key)) from None

    def leftovers(self, *, remove: bool, which: t.Callable[[Leftover], bool] = every) -> list[str]:
        """A writer has the flock of its file as long as it lives, on every machine that has the directory (nfs(5))."""
        left = []
        for name in self._names():
            if name.endswith(PARTIAL):
                with self._unlocked(self._file(name)) as dead:
                    key = name[: -len(PARTIAL)].rpartition(".")[0]
                    if dead is not None and which(Leftover(key, dead=dead)):
                        left.append(name)
                        if remove:
                            self._system.unlink(self._file(name))
        return left

    @contextlib.contextmanager
    def _unlocked(self, path: str) -> t.Iterator[bool | None]:
        """Whether nobody writes a file; None where it is gone by now, or cannot be asked."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            yield _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)

    def url(self, key: str) -> str:
        return self._file(key)

    def room(self) -> int | None:
        place = self._path
        while not os.path.isdir(place):
            place = os.path.dirname(place) or "/"
        return shutil.disk_usage(place).free

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._path))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise file_error(error, self._path) from None

    def _file(self, key: str) -> str:
        return os.path.join(self._path, key)

    def _partial(self, path: str) -> tuple[str, int]:
        """A new file, which is ours by its flock before anything is in it."""
        while True:
            partial = f"{path}.{secrets.token_hex(3)}{PARTIAL}"  # what a killed run left must not be in the way
            try:
                fd = self._system.open_fd(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as error:
                raise file_error(error, path) from None
            _locked(fd, fcntl.LOCK_EX)
            if os.path.exists(partial):  # else another one took it for a dead one before
                return partial, fd
            os.close(fd)


def _locked(descriptor: int, how: int) -> bool:
    """Whether a file is locked by this now; without locks on its disk, no file is known to be nobody's."""
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        return False
    return True


def file_error(error: OSError, path: str) -> SlipwayError:
    """What the operating system says of a file, in words."""
    if isinstance(error, FileNotFoundError):
        return SlipwayError("is not there", obj=path, remedy="List the backups with state: listed.", cause="missing")
    if isinstance(error, FileExistsError):
        return SlipwayError(
            "another backup writes it now", obj=path, remedy="Wait until that one has ended.", cause="busy"
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SlipwayError("no space left", obj=path, remedy="Free disk space on this machine.", cause="no_space")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SlipwayError(
            "not permitted",
            obj=path,
            actual=error.strerror,
            remedy="Connect as root or set become: true, or choose another directory.",
            cause="permission",
        )
    return SlipwayError("cannot be used", obj=path, actual=error.strerror, remedy="See the disk.", cause="io")
