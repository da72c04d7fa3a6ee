# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon of PM2 as its own command line talks to it (private to the collection).

The messages are those of PM2 5 to 7: C(lib/Daemon.js), what it exposes; C(modules/pm2-axon-rpc), a call and its reply;
C(amp), the frame: a byte with version and count of the parts, then each part behind its length (32 bits, big endian). A
start of the command line, which is a Node.js of its own, takes half a second; this takes a millisecond.
"""

from __future__ import annotations

import json
import socket
import struct
import typing as t

from ..errors import SlipwayError

CALL = 60.0  # seconds for a call
VERSION = 1  # of the frame


class Call:
    """One call, whose reply may be waited for, or not."""

    def __init__(self, path: str, method: str, argument: t.Any) -> None:
        """:raises OSError: when no daemon answers there."""
        self._method = method
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._link.settimeout(CALL)
        try:
            self._link.connect(path)
            order = {"type": "call", "method": method, "args": [argument]}
            self._link.sendall(encode([b"j:" + json.dumps(order).encode(), b"s:0"]))
        except OSError:
            self._link.close()
            raise

    def result(self) -> t.Any:
        """The first value of the reply.

        :raises SlipwayError: C(manager) when the daemon refuses, or goes away.
        """
        try:
            reply = json.loads(self._parts()[0][2:])
        except (OSError, ValueError, EOFError) as error:
            raise _refused(self._method, f"no answer: {error}") from None
        finally:
            self.close()
        if reply.get("error"):
            raise _refused(self._method, str(reply["error"]))
        return (reply.get("args") or [None])[0]

    def close(self) -> None:
        """Wait no longer; the daemon goes on with it."""
        self._link.close()

    def _parts(self) -> list[bytes]:
        count = self._read(1)[0] & 0x0F
        return [self._read(struct.unpack(">I", self._read(4))[0]) for _part in range(count)]

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = self._link.recv(size - len(data))
            if not more:
                raise EOFError("the daemon closed the connection")
            data += more
        return bytes(data)


def encode(parts: t.Sequence[bytes]) -> bytes:
    """A message of so many parts, 15 at most."""
    return bytes([VERSION << 4 | len(parts)]) + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _refused(method: str, said: str) -> SlipwayError:
    return SlipwayError(
        "PM2 refused", obj=method, actual=said[-500:], remedy="See pm2.log in its home.", cause="manager"
    )
