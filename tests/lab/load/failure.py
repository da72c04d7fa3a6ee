# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one request or stream failed: a short name that is counted, and what a person wants to know beside it."""

from __future__ import annotations

import errno


class Failed(Exception):
    """One request or stream that did not do what it should.

    :param cause: counted under this name: C(connect_refused), C(reset), C(closed), C(truncated), C(timeout),
        C(status_502), C(body), C(protocol), C(overflow), C(ws_1006), C(sse_no_bye), …
    :param detail: one line for a person.
    :param status: the HTTP status, 0 when none was read.
    """

    def __init__(self, cause: str, detail: str = "", status: int = 0) -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause = cause
        self.detail = detail
        self.status = status
        self.local_port = 0
        self.reused = False
        self.heard = False

    def on(self, local_port: int, reused: bool, heard: bool) -> Failed:
        """The same failure, with the connection it happened on.

        :param local_port: the client's port of that connection.
        :param reused: whether the connection had carried a request before.
        :param heard: whether a byte of this reply had arrived.
        """
        self.local_port, self.reused, self.heard = local_port, reused, heard
        return self

    @property
    def stale(self) -> bool:
        """Whether a kept connection died before one byte of reply: closed while the request was under way."""
        return self.reused and not self.heard and self.cause in ("reset", "closed")


def lost(error: Exception | None, heard: bool) -> Failed:
    """Names the end of a connection that still owed an answer.

    :param error: what the transport reported; C(None) is an orderly end (FIN).
    :param heard: whether a byte of the answer had arrived.
    """
    when = "in the middle of the reply" if heard else "before one byte of reply"
    if error is None:
        return Failed("truncated" if heard else "closed", f"the server ended the connection {when}")
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return Failed("reset", f"the connection was reset {when}")
    return Failed(_name(error), f"{error} {when}")


def not_connected(error: Exception) -> Failed:
    """Names a connection that could not be made."""
    if isinstance(error, TimeoutError):
        return Failed("connect_timeout", "no answer to the connection attempt")
    if isinstance(error, ConnectionRefusedError):
        return Failed("connect_refused", "nothing listens there")
    return Failed(f"connect_{_name(error)}", str(error))


def _name(error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(code or 0, type(error).__name__).lower()
