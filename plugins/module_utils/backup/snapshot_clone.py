# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A storage's snapshot as a data directory that can be started, which is never the live one (private to the collection).

A server that is started on files of the live cluster, or of what the live one links to, destroys it. So it is refused where any
of them can be reached; and nothing below a clone is ever deleted from here, for it may be a mount of something precious.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from .physical_point import owned
from .snapshot_commands import Storage

SHOWN = 5  # links that are named


class Undone:
    """What this machine has begun and not ended; at most one thing, for it is done under the target's lock.

    :param path: the file in which it stands.
    """

    def __init__(self, path: str, system: System) -> None:
        self._path, self._system = path, system

    def read(self) -> dict[str, str]:
        """C(doing), C(id) and, for a clone, C(path); nothing where all was ended."""
        try:
            return dict(json.loads(self._system.read_file(self._path) or b"{}"))
        except ValueError:
            raise SlipwayError(
                "cannot be read, so nobody knows what a run that was cut off has left",
                obj=self._path,
                remedy="See whether the storage has a clone that nobody needs, let go of it, and remove this file.",
                cause="unreadable",
            ) from None

    def begin(self, doing: str, snapshot: str, path: str = "") -> None:
        """Write down what is about to be done."""
        self._system.make_directory(os.path.dirname(self._path))
        self._system.replace_file(
            self._path, json.dumps({"doing": doing, "id": snapshot, "path": path}).encode() + b"\n"
        )

    def ended(self) -> None:
        """Nothing is left of it, or all of it is as it was to be."""
        self._system.unlink(self._path)


class Clones:
    """The clones of one target's snapshots, one at a time."""

    def __init__(self, storage: Storage, undone: Undone) -> None:
        self._storage, self._undone = storage, undone

    @contextlib.contextmanager
    def of(self, snapshot: str, stored: str, path: str, live: str, *, stays: bool = False) -> t.Iterator[str]:
        """The data directory of a clone, as long as the context lasts.

        :param stored: what the storage calls the snapshot.
        :param path: a directory to be made.
        :param live: the live data directory.
        :param stays: it is there afterwards, where nothing went wrong.
        :raises SlipwayError: C(exists), C(not_apart), C(no_data_directory), or what went wrong with a command.
        """
        self._begin(snapshot, path)
        try:
            yield self._made(snapshot, stored, path, live)
        except BaseException:
            with contextlib.suppress(SlipwayError):  # what stopped it says more, and the next run lets go of it
                self._end(snapshot, stored, path)
            raise
        if stays:
            self._undone.ended()
        else:
            self._end(snapshot, stored, path)

    def let_go(self, snapshot: str, stored: str, path: str) -> str:
        """End what a run that was cut off has left; in words.

        It may have been cut off before there was anything, so the commands may fail where nothing is at the path.

        :raises SlipwayError: something is there still.
        """
        said = ""
        try:
            self._storage.unclone(snapshot, stored, path)
        except SlipwayError as error:
            if not _removed(path):
                raise
            said = f", though it said: {error.message}"
        if not _removed(path):
            raise _left(path)
        self._undone.ended()
        return f"let go of the clone at {path}, which a run that was cut off had left{said}"

    def _begin(self, snapshot: str, path: str) -> None:
        if os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path) or os.listdir(path)):
            raise SlipwayError(
                "is there already, and is no empty directory",
                obj=path,
                remedy="See what it is. Where it is a clone that nobody needs, let go of it.",
                cause="exists",
            )
        self._undone.begin("clone", snapshot, path)

    def _made(self, snapshot: str, stored: str, path: str, live: str) -> str:
        os.makedirs(path, 0o700, exist_ok=True)
        owned(path)
        self._storage.clone(snapshot, stored, path)
        data = os.path.join(path, self._storage.commands.data) if self._storage.commands.data else path
        if not os.path.isfile(os.path.join(data, "PG_VERSION")):
            raise SlipwayError(
                "is no data directory of PostgreSQL",
                obj=data,
                actual=", ".join(sorted(os.listdir(data))[:SHOWN]) or "empty" if os.path.isdir(data) else "not there",
                remedy="Say with slipway_database.backup.snapshot.data where it is below {path}, and see what clone does.",
                cause="no_data_directory",
            )
        expect_apart(path, data, live)
        with contextlib.suppress(
            FileNotFoundError
        ):  # it names the live server, which would keep this one from starting
            os.unlink(os.path.join(data, "postmaster.pid"))
        return data

    def _end(self, snapshot: str, stored: str, path: str) -> None:
        self._storage.unclone(snapshot, stored, path)
        if not _removed(path):
            raise _left(path)
        self._undone.ended()


def expect_apart(path: str, data: str, live: str) -> None:
    """That a server in a data directory can reach no file of the live cluster, nor of any that runs.

    :param path: where the clone is, all of it.
    :param data: the data directory in it.
    :param live: that of the live server, as this calls it.
    :raises SlipwayError: C(not_apart).
    """
    here = os.path.realpath(data)
    if not _within(here, os.path.realpath(path)):
        raise _not_apart(data, f"leads to {here}, which is not below {path}")
    there = os.path.realpath(live)
    if _within(here, there) or _within(there, here) or (os.path.exists(there) and os.path.samefile(here, there)):
        raise _not_apart(data, f"is the live cluster's own {there}, or within it")
    about = os.stat(here)
    for process in glob.glob("/proc/[0-9]*/cwd"):  # where a server works, whatever name that has there
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(process), about):
                raise _not_apart(data, f"process {process.split('/')[2]} works in it")
    astray = list(_leading_out(here, os.path.realpath(path)))
    if astray:
        more = f" and {len(astray) - SHOWN} more" if len(astray) > SHOWN else ""
        raise _not_apart(
            data,
            f"links lead out of the clone: {', '.join(astray[:SHOWN])}{more}",
            "A cluster whose WAL or tablespaces are elsewhere than in its data directory cannot be drilled this way: have all of it"
            " in one volume, without links to absolute paths, or use physical backups.",
        )


def _leading_out(data: str, root: str) -> t.Iterator[str]:
    """Links in a data directory that lead out of the clone, such as a tablespace's or the WAL's."""
    waiting = [data]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    if not _within(os.path.realpath(entry.path), root):
                        yield f"{os.path.relpath(entry.path, data)} to {os.readlink(entry.path)}"
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")


def _removed(path: str) -> bool:
    """Whether nothing is at the path any more; the empty directory that was made for it goes too."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR):
            raise
        return False
    return True


def _left(path: str) -> SlipwayError:
    return SlipwayError(
        "is still there after unclone",
        obj=path,
        wanted="nothing but an empty directory",
        remedy="Let go of the clone by hand, and correct slipway_database.backup.snapshot.unclone.",
        cause="clone_left",
    )


def _not_apart(data: str, actual: str, remedy: str = "") -> SlipwayError:
    return SlipwayError(
        "is not apart from a cluster that runs, and no server is started there",
        obj=data,
        actual=actual,
        wanted="a copy that shares no file with it",
        remedy=remedy or "See what slipway_database.backup.snapshot.clone makes: it must be a copy of its own.",
        cause="not_apart",
    )
