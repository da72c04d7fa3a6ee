# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that leads nowhere (private to the collection)."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import typing as t

from .namespace import CLONE_NEWNET

SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h
IFREQ = "16sh22x"  # struct ifreq (netdevice(7))


@contextlib.contextmanager
def own_network() -> t.Iterator[str]:
    """A network namespace with a loopback device and nothing else, as a file; gone with the last process in it.

    :return: its file; empty where this process may not make one.
    """
    descriptor = _made()
    try:
        yield f"/proc/{os.getpid()}/fd/{descriptor}" if descriptor is not None else ""
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _made() -> int | None:
    """By a thread of its own, which stays there and ends: all others keep their network (unshare(2))."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_unshared).result()


def _unshared() -> int | None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, SIOCSIFFLAGS, struct.pack(IFREQ, b"lo", IFF_UP))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
