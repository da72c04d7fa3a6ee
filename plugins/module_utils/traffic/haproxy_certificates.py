# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's certificates: a new one is put in at run time, without a reload (private to the collection).

Commands: HAProxy Management Guide 2.6, section 9.3, C(set ssl cert), C(commit ssl cert), C(show ssl cert). Connections go on
with the one that they were made with.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

from ..errors import SlipwayError
from .certificates import Certificates, Pair
from .haproxy_socket import COMMAND_BYTES, HaproxySocket
from .model import Traffic
from .tls import Tls

_SHA1 = re.compile(r"^SHA1 FingerPrint: ([0-9A-F]{40})\s*$", re.MULTILINE)


class RunningCertificates:
    """Those of one platform, in its files and in the process."""

    def __init__(self, socket: HaproxySocket, files: Certificates) -> None:
        self._socket = socket
        self._files = files
        self._due: list[Pair] = []

    def plan(self, traffic: Traffic) -> list[str]:
        """Read and check what is wanted; what C(put) will do, in words.

        :raises SlipwayError: C(certificate_…); nothing was touched.
        """
        pairs = self._files.read(traffic.tls, traffic.hosts())
        self._due = [pair for pair in pairs if pair.differs or self._runs(pair) not in ("", pair.facts.sha1)]
        return [f"{pair.told()}: {'at run time' if self._runs(pair) else 'new here'}" for pair in self._due]

    def refused(self, tls: Tls, hosts: t.Sequence[str]) -> list[str]:
        """See C(Provider.refused_certificates)."""
        return self._files.refused(tls, hosts)

    def needs_reload(self) -> bool:
        """Whether one is too long for a command at the socket."""
        return any(self._runs(pair) and not fits(pair) for pair in self._due)

    def put(self) -> None:
        """Let the process have those that are due, then keep them.

        :raises SlipwayError: C(certificate_refused); the one before is in force and kept.
        """
        for pair in self._due:
            if self._runs(pair) and fits(pair):
                self._replace(pair)
            self._files.put(pair)
        self._due = []

    def prune(self, *used: Traffic | None) -> None:
        """Forget what none of these structures names."""
        self._files.prune(*(one.tls for one in used if one))

    def seen(self, traffic: Traffic | None) -> list[dict[str, t.Any]]:
        """See C(Certificates.seen)."""
        return self._files.seen(traffic.tls if traffic else None)

    def _runs(self, pair: Pair) -> str:
        """The fingerprint of what the process has under this name; empty where it does not know it."""
        try:
            match = _SHA1.search(self._socket.ask(f"show ssl cert {pair.path}", patience=1.0))
        except SlipwayError as error:
            if error.cause in ("socket_missing", "socket_refused"):
                return ""
            raise
        return match[1] if match else ""

    def _replace(self, pair: Pair) -> None:
        said = self._socket.ask(f"set ssl cert {pair.path} <<\n{pair.pem.strip()}\n", patience=1.0)
        if "ransaction" in said:
            said = self._socket.ask(f"commit ssl cert {pair.path}", patience=1.0)
        if "Success" in said and self._runs(pair) == pair.facts.sha1:
            return
        with contextlib.suppress(SlipwayError):
            self._socket.ask(f"abort ssl cert {pair.path}")
        raise SlipwayError(
            "HAProxy does not take the certificate",
            obj=pair.path,
            actual=" ".join(said.split())[:500],
            wanted=f"that with the fingerprint {pair.facts.sha1}",
            remedy="The one before is in force. Is its key strong enough for this machine's OpenSSL?",
            cause="certificate_refused",
        )


def fits(pair: Pair) -> bool:
    """Whether a command at the socket can hold it (C(tune.bufsize))."""
    return len(pair.pem) <= 2 * COMMAND_BYTES - 500
