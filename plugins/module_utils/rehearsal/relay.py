# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One port in a network that leads nowhere else: to the socket of a restored copy (private to the collection).

A unix socket is a file, so it can be connected to from any network. Programs want a host and a port.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

from .namespace import inside

HOST = "127.0.0.1"
BACKLOG = 128
CHUNK = 1 << 16  # bytes


@contextlib.contextmanager
def relayed(namespace: str, socket_file: str, port: int = 0) -> t.Iterator[int]:
    """Let connections to C(127.0.0.1) in a network namespace lead to a unix socket, while the context lasts.

    :param namespace: its file, such as C(/proc/PID/ns/net).
    :param port: there; 0 for any that is free.
    :return: the port.
    :raises SlipwayError: C(namespace) where it cannot be entered.
    """
    listener = inside(namespace, lambda: _listening(port))
    relay = _Relay(listener, socket_file)
    try:
        yield int(listener.getsockname()[1])
    finally:
        relay.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(BACKLOG)
    return listener


class _Relay:
    """A thread that accepts, and two for each connection, one a direction."""

    def __init__(self, listener: socket.socket, socket_file: str) -> None:
        self._listener, self._socket_file = listener, socket_file
        self._guard = threading.Lock()
        self._open: set[socket.socket] | None = set()  # None once it is closed
        self._accepts = threading.Thread(target=self._accept, daemon=True)
        self._accepts.start()

    def close(self) -> None:
        """End every connection."""
        with self._guard:
            ends, self._open = self._open or set(), None
        _shut(self._listener)
        self._accepts.join()
        self._listener.close()
        for end in ends:
            _shut(end)  # its pump sees the end, and closes it

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
            except OSError:  # closed
                return
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                far.connect(self._socket_file)
            except OSError:  # the copy is gone, and the program sees that
                near.close()
                far.close()
                continue
            self._join(near, far)

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        with self._guard:
            if self._open is None:
                near.close()
                far.close()
                return
            self._open.update((near, far))
        left = [near, far]  # the pump that ends last closes both
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, target, left), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, left: list[socket.socket]) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(CHUNK)
                if not data:
                    break
                target.sendall(data)
        with contextlib.suppress(OSError):  # the other direction may go on
            target.shutdown(socket.SHUT_WR)
        with self._guard:
            left.remove(source)
            if left:
                return
            if self._open is not None:
                self._open.difference_update((source, target))
        source.close()
        target.close()


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
