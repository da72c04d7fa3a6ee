# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that loses power: record what an engine does to its files, then replay every prefix of it as a crash.

    system = CrashSystem(str(tmp_path / "live"))
    system.make_directory(system.root + "/state")
    ...the engine at work on system...
    system.acknowledge("the release is granted")     # somebody was told; it must survive from here on
    for crash in system.crashes():
        directory = crash.build(str(tmp_path / "replayed"))
        ...look at the files as the next boot finds them; crash.acknowledged says what had been told...

What a crash may leave, per file with changes after its last fsync: the old content, all of it, half of the last write,
the last write as zeros (size grown, blocks not), or its last half without the first. Names: any prefix of the
creations, renames and unlinks since their directory's last fsync. This is what POSIX allows of an ordered file system,
and more than ext4 does.
"""

from __future__ import annotations

import errno
import os
import shutil
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.system import System


class ManualSystem(System):
    """A machine whose clocks and boot id are in the test's hand; sleeping moves the clocks and takes no time."""

    def __init__(self) -> None:
        self.boot = "boot-1"
        self.up = 1000.0  # seconds since boot
        self.time = 1_800_000_000.0  # the wall clock

    def boot_id(self) -> str:
        return self.boot

    def boottime(self) -> float:
        return self.up

    def monotonic(self) -> float:
        return self.up

    def wall(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pass_time(max(0.0, seconds))

    def fsync_fd(self, fd: int) -> None:
        """Nothing here loses power but in a replay, so nothing waits for the real disk."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass on every clock."""
        self.up += seconds
        self.time += seconds

    def reboot(self, down: float = 5.0) -> None:
        """Another boot: a new id, and the clock of the boot begins anew."""
        self.boot = f"boot-{int(self.boot.rpartition('-')[2]) + 1}"
        self.up = 1.0
        self.time += down


class FullDisk(ManualSystem):
    """A disk with so many bytes left; unlinking and truncating give them back."""

    def __init__(self, free: int) -> None:
        super().__init__()
        self.free = free

    def write_fd(self, fd: int, data: bytes) -> int:
        room = min(len(data), self.free)
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.free -= room
        return super().write_fd(fd, data[:room])  # short first, as write(2) on a disk that is filling up

    def truncate_fd(self, fd: int, size: int) -> None:
        self.free += max(0, os.fstat(fd).st_size - size)
        super().truncate_fd(fd, size)

    def rename(self, source: str, target: str) -> None:
        self.free += _size(target)
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self.free += _size(path)
        super().unlink(path)


def _size(path: str) -> int:
    return os.stat(path).st_size if os.path.exists(path) else 0


# Recording --------------------------------------------------------------------------------------------------------


class CrashSystem(ManualSystem):
    """Does everything for real below C(root), and keeps the list of it; what is there already counts as durable."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root
        self.operations: list[tuple[t.Any, ...]] = []
        self._inodes: dict[int, int] = {}  # the kernel's number (reused after unlink) → ours (never reused)
        self._inode_count = 0
        os.makedirs(root, exist_ok=True)
        self._start = _Disk()
        for directory, _directories, files in os.walk(root):
            self._start.directories.add(self._relative(directory))
            for name in files:
                path = os.path.join(directory, name)
                inode = self._new_inode(os.stat(path).st_ino)
                with open(path, "rb") as stream:
                    self._start.content[inode] = stream.read()
                self._start.names[self._relative(path)] = inode

    def acknowledge(self, fact: t.Any) -> None:
        """From here on somebody relies on a fact."""
        self.operations.append(("acknowledge", fact))

    def crashes(self) -> t.Iterator[Crash]:
        """Every state in which a crash at any instant could leave the disk, each with what was acknowledged by then."""
        disk = self._start.copy()
        acknowledged: list[t.Any] = []
        yield from _states(disk, 0, acknowledged)
        for number, operation in enumerate(self.operations, 1):
            if operation[0] == "acknowledge":
                acknowledged = [*acknowledged, operation[1]]
            else:
                disk.apply(operation)
            yield from _states(disk, number, acknowledged)

    # The primitives ---------------------------------------------------------------------------------------------

    def open_fd(self, path: str, flags: int, mode: int = 0o600) -> int:
        existed = os.path.exists(path)
        fd = super().open_fd(path, flags, mode)
        if not existed:
            inode = self._new_inode(os.fstat(fd).st_ino)
            self.operations.append(("create", self._relative(path), inode))
        elif flags & os.O_TRUNC:
            self.operations.append(("truncate", self._inode(fd), 0))
        return fd

    def write_fd(self, fd: int, data: bytes) -> int:
        written = super().write_fd(fd, data)
        end = os.lseek(fd, 0, os.SEEK_CUR)  # also where O_APPEND wrote to
        self.operations.append(("write", self._inode(fd), end - written, data[:written]))
        return written

    def truncate_fd(self, fd: int, size: int) -> None:
        super().truncate_fd(fd, size)
        self.operations.append(("truncate", self._inode(fd), size))

    def fsync_fd(self, fd: int) -> None:
        super().fsync_fd(fd)
        path = os.readlink(f"/proc/self/fd/{fd}")
        if os.path.isdir(path):
            self.operations.append(("fsync_directory", self._relative(path)))
        else:
            self.operations.append(("fsync", self._inode(fd)))

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self.operations.append(("rename", self._relative(source), self._relative(target)))

    def unlink(self, path: str) -> None:
        existed = os.path.exists(path)
        super().unlink(path)
        if existed:
            self.operations.append(("unlink", self._relative(path)))

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        super().make_directory(path, mode=mode)
        relative = self._relative(path)
        while relative not in ("", "."):  # System makes directories durable one by one
            self.operations.append(("directory", relative))
            relative = os.path.dirname(relative)

    # Numbers ----------------------------------------------------------------------------------------------------

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.root)

    def _new_inode(self, number: int) -> int:
        self._inode_count += 1
        self._inodes[number] = self._inode_count
        return self._inode_count

    def _inode(self, fd: int) -> int:
        return self._inodes[os.fstat(fd).st_ino]


# Replaying --------------------------------------------------------------------------------------------------------

DATA = ("lost", "whole", "torn", "zeros", "headless")  # what became of the writes that were not fsynced


class Crash:
    """One state that a crash can leave."""

    def __init__(
        self, prefix: int, choice: str, files: dict[str, bytes], directories: set[str], told: list[t.Any]
    ) -> None:
        self.prefix = prefix  # so many operations had been done
        self.choice = choice
        self.files = files
        self.directories = directories
        self.acknowledged = told

    def __repr__(self) -> str:
        return f"crash after operation {self.prefix} ({self.choice})"

    def build(self, directory: str) -> str:
        """Write the state into a directory (emptied first), and return that directory."""
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        for name in sorted(self.directories):
            os.makedirs(os.path.join(directory, name), mode=0o700, exist_ok=True)
        for name, content in self.files.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "wb") as stream:
                stream.write(content)
        return directory


class _Disk:
    """Durable content and names, and what is pending on top of each."""

    def __init__(self) -> None:
        self.directories: set[str] = set()
        self.content: dict[int, bytes] = {}  # durable
        self.writes: dict[int, list[tuple[t.Any, ...]]] = {}  # pending, by inode
        self.names: dict[str, int] = {}  # durable
        self.changes: list[tuple[t.Any, ...]] = []  # pending, in order

    def copy(self) -> _Disk:
        other = _Disk()
        other.directories = set(self.directories)
        other.content = dict(self.content)
        other.writes = {inode: list(writes) for inode, writes in self.writes.items()}
        other.names = dict(self.names)
        other.changes = list(self.changes)
        return other

    def apply(self, operation: tuple[t.Any, ...]) -> None:
        kind = operation[0]
        if kind == "directory":
            self.directories.add(operation[1])
        elif kind in ("write", "truncate"):
            self.writes.setdefault(operation[1], []).append(operation)
        elif kind == "fsync":
            self.content[operation[1]] = self.data(operation[1], "whole")
            self.writes.pop(operation[1], None)
        elif kind == "fsync_directory":
            here = [change for change in self.changes if os.path.dirname(change[1]) == _plain(operation[1])]
            for change in here:
                _change(self.names, change)
                self.changes.remove(change)
        else:
            self.changes.append(operation)

    def data(self, inode: int, choice: str) -> bytes:
        """A file's content, its pending writes lost, done, or the last of them mangled."""
        content = self.content.get(inode, b"")
        pending = self.writes.get(inode, [])
        if choice == "lost":
            return content
        for index, operation in enumerate(pending):
            if operation[0] == "truncate":
                content = content[: operation[2]].ljust(operation[2], b"\0")
                continue
            _kind, _inode, offset, data = operation
            data = _mangled(data, choice) if index == len(pending) - 1 else data
            content = content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]
        return content


def _plain(directory: str) -> str:
    return "" if directory == "." else directory


def _mangled(data: bytes, choice: str) -> bytes:
    half = len(data) // 2
    return {
        "whole": data,
        "torn": data[:half],
        "zeros": b"\0" * len(data),
        "headless": b"\0" * half + data[half:],
    }[choice]


def _change(names: dict[str, int], change: tuple[t.Any, ...]) -> None:
    if change[0] == "create":
        names[change[1]] = change[2]
    elif change[0] == "unlink":
        names.pop(change[1], None)
    elif change[1] in names:
        names[change[2]] = names.pop(change[1])


def _states(disk: _Disk, prefix: int, told: list[t.Any]) -> t.Iterator[Crash]:
    seen = set()
    for count in range(len(disk.changes) + 1):
        names = dict(disk.names)
        for change in disk.changes[:count]:
            _change(names, change)
        for choice in DATA if disk.writes else DATA[:1]:
            files = {name: disk.data(inode, choice) for name, inode in names.items()}
            key = tuple(sorted(files.items()))
            if key not in seen:
                seen.add(key)
                yield Crash(prefix, f"{choice}, {count} names", files, set(disk.directories), told)
