# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite: copied by its own backup API in one read transaction, never as a file that lives (private to the collection)."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import typing as t
import urllib.parse

from ..database.copied import Copy
from ..errors import SlipwayError
from ..system import System
from . import sqlite_facts
from .engine import Engine, Facts, Scratch, Snapshot, Source, taken
from .local import file_error
from .pipeline import CHUNK, Chunks
from .scratch_place import place

WAIT = 60.0  # seconds for a lock of another program
SCHEME = "sqlite:///"


class SQLite(Engine):
    """See RV(Engine).

    :param url: a path, or C(sqlite:///) before one (four slashes make it an absolute one, as in SQLAlchemy's URLs).
    :param scratch_dir: where copies are kept while they are read.
    """

    name = "sqlite"
    format = "file"
    floor = 512  # the smallest page (SQLite, "Database File Format", 1.3.2)

    def __init__(self, url: str, system: System, *, scratch_dir: str) -> None:
        path = url[len(SCHEME) :] if url.startswith(SCHEME) else url
        self.path = os.path.realpath(path)
        self.scratch_dir = scratch_dir
        self._system = system

    @property
    def database(self) -> str:
        return self.path

    def inspect(self, *, readable: bool = False) -> Source:
        if not os.path.isfile(self.path):
            raise SlipwayError(
                "is not there",
                obj=self.path,
                wanted="a database file",
                remedy="Correct url: a path, or sqlite:// and the path.",
                cause="unreachable",
            )
        with _opened(self.path) as link, _told(self.path):
            (pages,), (size,) = (
                link.execute("PRAGMA page_count").fetchone(),
                link.execute("PRAGMA page_size").fetchone(),
            )
        if readable:
            _expect_pages(self.path, pages)
        version = sqlite3.sqlite_version
        return Source(version, version, pages * size, {"host": "this machine", "database": self.path})

    def named(self, ending: str, of: str = "") -> str:
        return (of or self.path) + ending

    def exists(self, name: str) -> bool:
        return os.path.lexists(name)

    @contextlib.contextmanager
    def snapshot(self) -> t.Iterator[Snapshot]:
        with place(self.scratch_dir, os.path.getsize(self.path)) as directory:
            copy = os.path.join(directory, "copy")
            with _opened(self.path) as link, _told(self.path), contextlib.closing(sqlite3.connect(copy)) as target:
                link.execute("BEGIN")
                link.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the moment
                _expect_pages(self.path, link.execute("PRAGMA page_count").fetchone()[0])
                link.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")  # one file, whatever the source has beside its own
            yield _Copy(copy)

    def check(self, dump: Chunks) -> None:
        with place(self.scratch_dir, 0) as directory:
            copy = os.path.join(directory, "copy")
            _write(copy, dump)
            _expect_sound(copy)

    @contextlib.contextmanager
    def scratch(self, server: str, facts: Facts, size: int) -> t.Iterator[Scratch]:
        with place(self.scratch_dir, size) as directory:
            yield _Restored(os.path.join(directory, "restored"))

    def restore_beside(self, dump: Chunks, facts: Facts, name: str) -> list[str]:
        _write(name, dump)
        return _Restored(name).differences(facts)

    def give_name(self, new: str, name: str) -> None:
        try:
            os.link(new, name)  # a rename would replace what is there
        except FileExistsError:
            raise taken(name) from None
        except OSError as error:
            raise file_error(error, name) from None
        self._system.unlink(new)
        self._system.fsync_directory(os.path.dirname(os.path.abspath(name)))

    def discard(self, name: str) -> None:
        for beside in ("", "-journal"):
            self._system.unlink(name + beside)

    def take_the_place(self, new: str, kept: str) -> list[str]:
        users = _users(self.path, self._system)
        if users:
            raise SlipwayError(
                "is still open",
                obj=self.path,
                actual=", ".join(users),
                wanted="no program that has it open",
                remedy="Stop these programs: they would go on writing to the replaced file.",
                cause="in_use",
            )
        with _opened(self.path, "rw") as link, _told(self.path):
            link.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it into the file that is kept
            link.execute("BEGIN EXCLUSIVE")
            advanced = sqlite_facts.advance(new, sqlite_facts.given_out(link))
            about = os.stat(self.path)
            os.chown(new, about.st_uid, about.st_gid)
            os.chmod(new, stat.S_IMODE(about.st_mode))
            os.link(self.path, kept)
        for beside in ("-wal", "-shm"):  # of the replaced file: another one's would be read into the new
            self._system.unlink(self.path + beside)
        self._system.rename(new, self.path)
        self._system.fsync_directory(os.path.dirname(self.path))
        return advanced


class _Copy(Snapshot):
    """A copy that nobody writes to."""

    def __init__(self, path: str) -> None:
        self._path = path

    def dump(self) -> t.Iterator[bytes]:
        with open(self._path, "rb") as stream:
            while True:
                chunk = stream.read(CHUNK)
                if not chunk:
                    return
                yield chunk

    def beside(self) -> dict[str, t.Iterator[bytes]]:
        return {}

    def facts(self) -> Facts:
        with _opened(self._path) as link, _told(self._path):
            return sqlite_facts.of(link)

    def cancel(self) -> None:
        """Its questions are short."""


class _Restored(Scratch):
    """A file that was restored."""

    def __init__(self, path: str) -> None:
        self._path = path

    def restore(self, dump: Chunks) -> None:
        _write(self._path, dump)

    def differences(self, facts: Facts) -> list[str]:
        _expect_sound(self._path)
        with _opened(self._path) as link, _told(self._path):
            return sqlite_facts.differences(link, facts)

    def where(self, role: str = "") -> Copy:
        return Copy(SQLite.name, self._path)


@contextlib.contextmanager
def _opened(path: str, mode: str = "ro") -> t.Iterator[sqlite3.Connection]:
    with _told(path):
        link = sqlite3.connect(
            f"file:{urllib.parse.quote(path)}?mode={mode}",
            uri=True,
            timeout=WAIT,
            isolation_level=None,
            check_same_thread=False,
        )
    link.text_factory = sqlite_facts.text
    with contextlib.closing(link):
        yield link


@contextlib.contextmanager
def _told(path: str) -> t.Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if "unable to open" in str(error) and os.path.exists(path) and not os.access(path, os.R_OK):
            raise file_error(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), path) from None
        cause = "no_space" if "full" in str(error) else "busy" if "locked" in str(error) else "not_a_database"
        raise SlipwayError(
            "cannot be read as a database of SQLite",
            obj=path,
            actual=str(error),
            remedy="See its file; a lock must end within a minute.",
            cause=cause,
        ) from None


def _expect_pages(path: str, pages: int) -> None:
    """SQLite takes a file without a byte for a database, and its copy gets a header: it would look like a good backup."""
    if not pages:
        raise SlipwayError(
            "has not a single page",
            obj=path,
            actual="0 bytes",
            wanted="a database, which has a header even without tables",
            remedy="Look whether it was emptied, or url names another file than the program uses.",
            cause="not_a_database",
        )


def _expect_sound(path: str) -> None:
    """By C(PRAGMA integrity_check)."""
    with _opened(path) as link, _told(path):
        found = [str(row[0]) for row in link.execute("PRAGMA integrity_check(5)").fetchall()]
    if found != ["ok"]:
        raise SlipwayError(
            "is not sound",
            obj=path,
            actual="; ".join(found),
            wanted="ok by PRAGMA integrity_check",
            remedy="Look whether the live database is: the backup is a copy of it, page by page.",
            cause="bad_backup",
        )


def _write(path: str, chunks: Chunks) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    view = view[stream.write(view) :]
            os.fsync(descriptor)
    except FileNotFoundError as error:
        raise SlipwayError("cannot be made", obj=path, actual=error.strerror, cause="io") from None
    except OSError as error:
        raise file_error(error, path) from None


def _users(path: str, system: System) -> list[str]:
    """Processes of this machine that have a file open (proc(5), /proc/PID/fd)."""
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            with contextlib.suppress(OSError):
                links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
                if path in links:
                    program = (system.read_file(f"/proc/{pid}/comm") or b"?").decode(errors="replace").strip()
                    found.append(f"process {pid} ({program})")
    return found
