# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doing something in another network namespace (private to the collection).

setns(2) moves one thread, and the threads and processes that it starts are born where it is. So a socket can be made, or a probe
sent, in the network of a container, while the rest of this process stays in its own; and nothing is left when it is killed.
"""

from __future__ import annotations

import ctypes
import os
import typing as t

from ..errors import SlipwayError

CLONE_NEWNET = 0x40000000  # linux/sched.h

T = t.TypeVar("T")


def network_of(pid: int) -> str:
    """The network namespace of a process, as a file (namespaces(7))."""
    return f"/proc/{pid}/ns/net"


def inside(namespace: str, work: t.Callable[[], T]) -> T:
    """Do it in the network of a namespace, and wait for it.

    :param namespace: its file, such as RV(network_of).
    :return: what the work returns; what it raises is raised here.
    :raises SlipwayError: C(namespace).
    """
    from concurrent.futures import ThreadPoolExecutor

    def moved() -> T:
        _enter(namespace)
        return work()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(moved).result()


def _enter(namespace: str) -> None:
    """Move the thread that calls this; it cannot be moved back without being noticed, so it ends there."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(descriptor, CLONE_NEWNET):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SlipwayError(
            "its network cannot be entered",
            obj=namespace,
            actual=error.strerror,
            remedy="Set become: true; and see that the Docker Engine is this machine's own.",
            cause="namespace",
        ) from None
