# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place of its own for the demo on this machine: in it the demo is root, and what it writes and starts ends with it.

A mount namespace, in which the directories that Slipway knows are the demo's own, and a process namespace, which takes every
process with it when it ends (mount_namespaces(7), pid_namespaces(7)). Who is not root is it inside of a user namespace
(user_namespaces(7)); nothing of the machine itself is ever changed.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import typing as t
from pathlib import Path

# Flags of mount(2), include/uapi/linux/mount.h.
MS_BIND, MS_REC = 4096, 16384
OWN = ("/etc", "/run")  # of which everything is seen but what the demo has itself there
HIDDEN = ("haproxy", "slipway", "supervisor")  # how that begins
EMPTY = ("/var/log",)

WAYS: tuple[tuple[str, ...], ...] = ((), ("--user", "--map-root-user"))


class NoNamespaceError(Exception):
    """This machine lets nobody have one; the message says why."""


def is_root() -> bool:
    """Whether it may have them without a user namespace."""
    return os.geteuid() == 0


def enter() -> list[str]:
    """The command that runs another one in a namespace.

    :raises NoNamespaceError: with what unshare(1) said.
    """
    said = ""
    for way in WAYS if is_root() else WAYS[1:]:
        argv = ["unshare", *way, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        try:
            done = subprocess.run(
                [*argv, "mount", "-t", "tmpfs", "none", EMPTY[0]], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise NoNamespaceError("unshare is missing (package util-linux)") from None
        if done.returncode == 0:
            return argv
        said = done.stderr.strip()
    raise NoNamespaceError(said)


def make_own(directory: Path) -> None:
    """Inside: an empty file system in memory at a directory, and one over each of those that Slipway knows."""
    mount("tmpfs", str(directory), kind="tmpfs")
    for path in EMPTY:
        mount("tmpfs", path, kind="tmpfs")
    for path in OWN:
        real = directory / "real" / path.strip("/")
        real.mkdir(parents=True)
        mount(path, str(real), MS_BIND | MS_REC)
        mount("tmpfs", path, kind="tmpfs", options="mode=755")
        for entry in os.scandir(real):
            if not entry.name.startswith(HIDDEN):  # what is seen there is the machine's own, and would be written to
                _show(entry, os.path.join(path, entry.name))


def _show(entry: os.DirEntry[str], place: str) -> None:
    """What is there, at its own path: relative links are to lead where they did."""
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), place)
    elif entry.is_dir():
        os.mkdir(place)
        mount(entry.path, place, MS_BIND | MS_REC)
    else:
        os.symlink(entry.path, place)


def mount(source: str, target: str, flags: int = 0, *, kind: str = "", options: str = "") -> None:
    """mount(2).

    :raises OSError: it is refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    words: list[t.Any] = [source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None]
    if libc.mount(words[0], words[1], words[2], ctypes.c_ulong(words[3]), words[4]):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
