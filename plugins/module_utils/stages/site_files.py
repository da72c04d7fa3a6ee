# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the site on a machine, for as long as a module works with them (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import io
import os
import shutil
import tempfile
import time
import typing as t
import zipfile

from ..errors import SlipwayError

PREFIX = "slipway-files-"
STALE = 86400.0  # seconds after which those of a killed module are taken away


class Files(t.NamedTuple):
    """Where they are, and what people call that place."""

    directory: str
    name: str

    def renamed(self, value: t.Any) -> t.Any:
        """A result in the words of people: the site's directory instead of the one on this machine."""
        if isinstance(value, str):
            return value.replace(self.directory, self.name)
        if isinstance(value, dict):
            return {self.renamed(key): self.renamed(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.renamed(item) for item in value]
        return value


@contextlib.contextmanager
def unpacked(packed: t.Mapping[str, t.Any]) -> t.Iterator[Files]:
    """A directory that is this user's alone and is gone afterwards, with the files in it.

    :param packed: C(name), and C(content) as the controller's side made it.
    :raises SlipwayError: C(bad_input) where it is no such archive, C(no_space).
    """
    sweep()
    directory = tempfile.mkdtemp(prefix=PREFIX)
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        _unpack(packed, directory)
        yield Files(directory, str(packed["name"]).rstrip("/"))
    finally:
        os.close(held)
        shutil.rmtree(directory, ignore_errors=True)


def _unpack(packed: t.Mapping[str, t.Any], directory: str) -> None:
    before = os.umask(0o077)
    try:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed["content"], validate=True))) as archive:
            archive.extractall(directory)
    except (ValueError, zipfile.BadZipFile) as error:
        raise SlipwayError(
            "cannot be unpacked",
            obj=str(packed["name"]),
            actual=str(error),
            wanted="files that the action plugin has packed",
            remedy="Name a directory of the controller with path.",
            cause="bad_input",
        ) from None
    except OSError as error:
        raise SlipwayError(
            "no room for the files",
            obj=directory,
            actual=str(error.strerror),
            remedy="Free some space there.",
            cause="no_space",
        ) from None
    finally:
        os.umask(before)


def sweep() -> None:
    """Take away what modules that were killed have left, long ago; nothing that is in use."""
    parent = tempfile.gettempdir()
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            about = os.lstat(path)
            if name.startswith(PREFIX) and about.st_uid == os.geteuid() and time.time() - about.st_mtime > STALE:
                held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
                finally:
                    os.close(held)
