# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes of a proxy run, and who listens on a port: /proc, read once per question (private to the collection).

Formats: C(proc(5)), C(/proc/[pid]/stat), C(/proc/net/tcp).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import typing as t

from ..errors import SlipwayError


class Process(t.NamedTuple):
    """A running process: its command's name and its arguments."""

    pid: int
    parent: int
    command: str
    argv: tuple[str, ...]


class Listener(t.NamedTuple):
    """A listening TCP socket and the process that has it, as far as this user may see."""

    address: str
    port: int
    process: Process | None


class Processes:
    """The processes of this machine."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root

    def named(self, command: str) -> list[Process]:
        """All processes with this command name."""
        return [process for process in self._all() if process.command == command]

    def retired(self, worker: int, command: str) -> list[int]:
        """Workers of the same master that a reload has retired and that still have connections to end."""
        processes = {process.pid: process for process in self.named(command)}
        current = processes.get(worker)
        if current is None or current.parent not in processes:
            return []
        return sorted(pid for pid, one in processes.items() if one.parent == current.parent and pid != worker)

    def children(self, parent: int) -> list[Process]:
        """The processes that this one has started."""
        return [process for process in self._all() if process.parent == parent]

    def listeners(self, port: int) -> list[Listener]:
        """Who listens on a TCP port."""
        found = []
        for name in ("net/tcp", "net/tcp6"):
            for address, inode in parse_listening(self._read(name), port):
                found.append(Listener(address, port, self._holder(inode)))
        return found

    def connections(self, address: str, port: int) -> int:
        """How many TCP connections to there are open (state 01, C(ESTABLISHED))."""
        wanted = str(ipaddress.ip_address(address))
        found = 0
        for name in ("net/tcp", "net/tcp6"):
            for line in self._read(name).splitlines()[1:]:
                fields = line.split()
                if len(fields) < 4 or fields[3] != "01":
                    continue
                remote, _colon, number = fields[2].rpartition(":")
                with contextlib.suppress(ValueError):
                    found += int(number, 16) == port and _address(remote).replace("::ffff:", "") == wanted
        return found

    def directory(self, pid: int) -> str:
        """The working directory of a process, or C(/) when it may not be seen."""
        try:
            return os.readlink(f"{self._root}/{pid}/cwd")
        except OSError:
            return "/"

    def environment(self, pid: int) -> dict[str, str]:
        """What a process was started with, as far as this user may see."""
        pairs = (pair.partition("=") for pair in self._read(f"{pid}/environ").split("\0") if "=" in pair)
        return {name: value for name, _equals, value in pairs}

    def _all(self) -> t.Iterator[Process]:
        for entry in os.listdir(self._root):
            if entry.isdecimal():
                process = self._process(entry)
                if process is not None:
                    yield process

    def _process(self, entry: str) -> Process | None:
        stat = self._read(f"{entry}/stat")
        if ")" not in stat:
            return None  # ended meanwhile
        command = stat[stat.index("(") + 1 : stat.rindex(")")]
        state, parent = stat[stat.rindex(")") + 1 :].split()[:2]
        if state == "Z":
            return None
        argv = tuple(part for part in self._read(f"{entry}/cmdline").split("\0") if part)
        return Process(int(entry), int(parent), command, argv)

    def _holder(self, inode: str) -> Process | None:
        wanted = f"socket:[{inode}]"
        for entry in os.listdir(self._root):
            if not entry.isdecimal():
                continue
            with contextlib.suppress(OSError):
                for fd in os.listdir(f"{self._root}/{entry}/fd"):
                    with contextlib.suppress(OSError):
                        if os.readlink(f"{self._root}/{entry}/fd/{fd}") == wanted:
                            return self._process(entry)
        return None

    def _read(self, name: str) -> str:
        try:
            with open(f"{self._root}/{name}", encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return ""


def parse_listening(text: str, port: int) -> list[tuple[str, str]]:
    """Address and inode of each socket of C(/proc/net/tcp) or C(tcp6) that listens (state 0A) on a port."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != "0A":
            continue
        address, _colon, number = fields[1].rpartition(":")
        with contextlib.suppress(ValueError):
            if int(number, 16) == port:
                found.append((_address(address), fields[9]))
    return found


def listen_taken(bind: str, port: int, who: str) -> SlipwayError:
    """C(listen_taken): somebody else listens there."""
    return SlipwayError(
        "the address to listen on is taken",
        obj=f"listen {bind}:{port}",
        actual=who,
        wanted="a free address",
        remedy="Choose another port, or bind each to an address of its own.",
        cause="listen_taken",
    )


def _address(text: str) -> str:
    """The kernel prints 32-bit words in the machine's own byte order (little endian on all that Docker runs on)."""
    raw = bytes.fromhex(text)
    words = [raw[index : index + 4][::-1] for index in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))
