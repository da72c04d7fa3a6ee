# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine says of itself before a release: room, memory, time, ports (private to the collection).

Only facts, read from /proc and two system calls in some milliseconds; what is enough is judged on the controller.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import typing as t
from types import MappingProxyType

from ..errors import SlipwayError
from ..system import System

ANSWER = 10.0  # seconds that a program may take to say its version
LISTEN = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h, as /proc/net/tcp prints it
NTP_PHASE_LIMIT = 16_000_000  # microseconds; the kernel's largest maxerror, reached when nothing disciplines the clock


class Listener(t.NamedTuple):
    """A listening TCP socket; C(address) is in the usual notation, C(inode) names the socket in /proc/<pid>/fd."""

    address: str
    port: int
    inode: int


def gather(
    system: System,
    *,
    directories: t.Mapping[str, str],
    ports: t.Iterable[int] = (),
    containers: t.Mapping[str, str] = MappingProxyType({}),
    programs: t.Iterable[str] = (),
    users: t.Iterable[str] = (),
    proc: str = "/proc",
) -> dict[str, t.Any]:
    """All facts of this machine.

    :param directories: name → path; for each the file system it is on, or would be on.
    :param ports: TCP ports that ought to be free; those that are not are reported with their process.
    :param containers: name → id of running containers, or the unit of a process; the memory that their processes hold is under
        C(memory).
    :param programs: that ought to be there; their versions, empty for one that is not, are under C(programs).
    :param users: that ought to be there; whether they are is under C(users).
    :returns: beside these C(disk), C(time), C(ports), C(python), C(uid), C(platform), C(reboot).
    """
    return {
        "disk": {name: disk(path) for name, path in directories.items()},
        "memory": {**parse_meminfo(_read(f"{proc}/meminfo")), "containers": memory_of(containers, proc)},
        "time": {"wall": system.wall(), "synchronized": synchronized(clock_error())},
        "ports": ports_in_use(ports, proc),
        "programs": {name: version_of(system, name) for name in programs},
        "users": {name: user_exists(name) for name in users},
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "uid": os.geteuid(),
        "platform": _platform(),
        "reboot": reboot_wanted(),
    }


# Disk and memory ----------------------------------------------------------------------------------------------


def disk(path: str) -> dict[str, t.Any]:
    """The file system of a path, or of its nearest parent that exists.

    :returns: C(path) looked at, C(free) and C(total) in bytes (what root keeps for itself is not free), C(inodes_free)
        in percent, None on file systems that make inodes as needed.
    """
    while not os.path.exists(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    return {
        "path": path,
        "free": found.f_bavail * found.f_frsize,
        "total": found.f_blocks * found.f_frsize,
        "inodes_free": round(100 * found.f_favail / found.f_files, 1) if found.f_files else None,
    }


def parse_meminfo(text: str) -> dict[str, t.Any]:
    """C(available) and C(total) in bytes out of /proc/meminfo (proc(5)); None where a line is missing."""
    names = {"MemAvailable": "available", "MemTotal": "total"}
    found: dict[str, t.Any] = dict.fromkeys(names.values())
    for line in text.splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if name in names and words[1:] == ["kB"] and _is_number(words[0]):
            found[names[name]] = int(words[0]) * 1024
    return found


def memory_of(containers: t.Mapping[str, str], proc: str = "/proc") -> dict[str, int]:
    """The anonymous memory of all processes of each container, in bytes.

    What another replica of the same program would need too; pages of files are shared, and given up under pressure.
    A process belongs to the container whose id its control group's path contains (cgroups(7), /proc/<pid>/cgroup).

    :param containers: name → full id, or unit.
    """
    used = dict.fromkeys(containers, 0)
    for pid in filter(_is_number, os.listdir(proc)) if containers else ():
        groups = _read(f"{proc}/{pid}/cgroup")
        name = next((name for name, identity in containers.items() if identity in groups), None)
        if name is not None:
            used[name] += parse_anonymous(_read(f"{proc}/{pid}/status"))
    return used


def parse_anonymous(text: str) -> int:
    """C(RssAnon) in bytes out of /proc/<pid>/status (proc(5)); 0 for a process that has none, or has ended."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "RssAnon:" and words[2] == "kB" and _is_number(words[1]):
            return int(words[1]) * 1024
    return 0


# Time ---------------------------------------------------------------------------------------------------------


def clock_error() -> int | None:
    """The kernel's estimate of its clock's largest error in microseconds (adjtimex(2)), None where it may not be asked.

    Every daemon that disciplines the clock (timesyncd, chrony, ntpd) maintains it, so none of them needs to be asked.
    """
    import ctypes

    class Timex(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("rest", ctypes.c_byte * 512),
        )

    timex = Timex()  # modes 0: read only
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None or adjtimex(ctypes.byref(timex)) < 0:
        return None
    return int(timex.maxerror)


def synchronized(error: int | None) -> bool | None:
    """Whether something disciplines the clock, None when that is not known (the rule is that of timedatectl(1))."""
    return None if error is None else error < NTP_PHASE_LIMIT


# Ports --------------------------------------------------------------------------------------------------------


def ports_in_use(ports: t.Iterable[int], proc: str = "/proc") -> list[dict[str, t.Any]]:
    """Those of the ports that something listens on.

    :returns: one entry a socket: C(port), C(address), C(pid) and C(process); the last two are 0 and empty when the
        process is out of sight (no permission, or another namespace).
    """
    wanted = set(ports)
    if not wanted:
        return []
    listeners = parse_tcp(_read(f"{proc}/net/tcp")) + parse_tcp(_read(f"{proc}/net/tcp6"))
    found = [listener for listener in listeners if listener.port in wanted]
    owners = _owners({listener.inode for listener in found}, proc) if found else {}
    entries = []
    for listener in sorted(set(found), key=lambda listener: (listener.port, listener.address)):
        pid = owners.get(listener.inode, 0)
        process = _read(f"{proc}/{pid}/comm").strip() if pid else ""
        entries.append({"port": listener.port, "address": listener.address, "pid": pid, "process": process})
    return entries


def parse_tcp(text: str) -> list[Listener]:
    """The listening sockets of /proc/net/tcp or /proc/net/tcp6 (proc(5)); what is no such line is passed over."""
    listeners = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 10 or words[3] != LISTEN or not _is_number(words[9]):
            continue
        address, _colon, port = words[1].partition(":")
        with contextlib.suppress(ValueError):
            listeners.append(Listener(parse_address(address), int(port, 16), int(words[9])))
    return listeners


def parse_address(text: str) -> str:
    """An address as the kernel prints it there: 32-bit words in the machine's own byte order.

    :raises ValueError: when it is neither 4 nor 16 bytes.
    """
    raw = bytes.fromhex(text)
    if len(raw) not in (4, 16):
        raise ValueError("an address has 4 or 16 bytes")
    if sys.byteorder == "little":
        raw = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _owners(inodes: set[int], proc: str) -> dict[int, int]:
    """The process of each socket, found by its open files."""
    links = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, int] = {}
    for pid in filter(_is_number, os.listdir(proc)):
        with contextlib.suppress(OSError):  # it has ended, or is not ours to look at
            for fd in os.listdir(f"{proc}/{pid}/fd"):
                with contextlib.suppress(OSError):
                    inode = links.get(os.readlink(f"{proc}/{pid}/fd/{fd}"))
                    if inode is not None:
                        owners.setdefault(inode, int(pid))
        if len(owners) == len(inodes):
            break
    return owners


# The machine --------------------------------------------------------------------------------------------------


def version_of(system: System, program: str) -> str:
    """The first number that a program says of itself when it is asked for its version; empty where it is missing."""
    try:
        done = system.run([program, "--version"], timeout=ANSWER)
    except SlipwayError:
        return ""
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found.group() if done.rc == 0 and found else ""


def user_exists(name: str) -> bool:
    """Whether this machine knows the user."""
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def parse_os_release(text: str) -> dict[str, str]:
    """C(ID) and C(VERSION_ID) out of /etc/os-release (os-release(5)); empty where they are missing."""
    found = {"ID": "", "VERSION_ID": ""}
    for line in text.splitlines():
        name, _sign, value = line.partition("=")
        if name in found:
            found[name] = value.strip().strip("\"'")
    return found


def reboot_wanted(root: str = "/") -> list[str]:
    """Why the machine wants to be rebooted; empty where it does not.

    By the file that Debian's and Ubuntu's packages leave, or because the modules of the kernel that runs are gone.
    """
    reasons = []
    if os.path.exists(f"{root}run/reboot-required"):
        packages = sorted(set(_read(f"{root}run/reboot-required.pkgs").split()))
        reasons.append(f"updated: {', '.join(packages)}" if packages else "an update asks for it")
    modules = f"{root}lib/modules"
    kernels = os.listdir(modules) if os.path.isdir(modules) else []
    if kernels and os.uname().release not in kernels:
        reasons.append(f"kernel {os.uname().release} runs, installed is {', '.join(sorted(kernels))}")
    return reasons


def _platform() -> dict[str, str]:
    about = parse_os_release(_read("/etc/os-release"))
    kernel = os.uname()
    return {
        "system": kernel.sysname,
        "machine": kernel.machine,
        "kernel": kernel.release,
        "distribution": about["ID"],
        "version": about["VERSION_ID"],
    }


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
