# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy is what accepts a connection and keeps it (private to the collection).

Connecting and naming what went wrong with a socket is here too, for the kinds that build on it.
"""

from __future__ import annotations

import errno
import socket
import typing as t

from ..errors import SlipwayError
from .model import Probe, Success

# Docker's user-land proxy accepts on a published port although nothing listens inside, and hangs up a moment later.
_HOLD = 0.2
_GREETING = 200  # bytes of what it says first


class TcpProbe(Probe):
    """Connects; a connection that the other end drops at once is a failure, silence or a greeting is a success."""

    def attempt(self, timeout: float) -> Success:
        end = self.system.monotonic() + timeout
        place = f"{self.target.host}:{self.target.port}"
        with connect(self.target.host, self.target.port, lambda: end - self.system.monotonic()) as connection:
            connection.settimeout(max(0.001, min(_HOLD, end - self.system.monotonic())))
            try:
                greeting = connection.recv(_GREETING)
            except socket.timeout:  # its own class until Python 3.10
                return Success({"address": place})
            except OSError as error:
                raise failure(error, place, "listening") from None
        if not greeting:
            raise empty(place, "accepted the connection and closed it at once")
        return Success({"address": place, "greeting": self.clean(greeting)})


def connect(host: str, port: int, left: t.Callable[[], float]) -> socket.socket:
    """Connect to the first address of a host that takes the connection.

    :param left: says how many seconds are left for all addresses together.
    :raises SlipwayError: C(dns), C(refused), C(timeout), C(unreachable).
    """
    place = f"{host}:{port}"
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise SlipwayError(
            f"the name {host} cannot be resolved ({error})",
            cause="dns",
            remedy="Correct the name, or make this machine's resolver or /etc/hosts know it.",
        ) from None
    problem: OSError = socket.timeout()
    for family, kind, protocol, _name, address in addresses:
        seconds = left()
        if seconds <= 0:
            break
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(seconds)
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            problem = error
    raise failure(problem, place, "connecting")


def failure(error: OSError, place: str, phase: str) -> SlipwayError:
    """Name the cause of a failed socket operation.

    :param phase: what was being done, a present participle ("connecting").
    """
    evidence = {"address": place, "phase": phase}
    if isinstance(error, (socket.timeout, TimeoutError)):
        return SlipwayError(
            f"{place} gave no answer in time while {phase}",
            cause="timeout",
            remedy=_TIMEOUT_REMEDY["connecting" if phase == "connecting" else "later"],
            evidence=evidence,
        )
    if isinstance(error, ConnectionRefusedError):
        return SlipwayError(
            f"nothing listens on {place} (connection refused)",
            cause="refused",
            remedy="See whether the program runs and which address and port it listens on.",
            evidence=evidence,
        )
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return SlipwayError(
            f"{place} reset the connection while {phase}",
            cause="reset",
            remedy="The program dropped the connection, or only a proxy in front of it listens: see its logs.",
            evidence=evidence,
        )
    reason = error.strerror or errno.errorcode.get(error.errno or 0, str(error))
    return SlipwayError(
        f"{place} cannot be reached while {phase} ({reason})",
        cause="unreachable",
        remedy="Check the address, the route to it and the firewalls between.",
        evidence=evidence,
    )


def empty(place: str, what: str) -> SlipwayError:
    """The other end hung up without a word."""
    return SlipwayError(
        f"{place} {what}",
        cause="empty",
        remedy="The program closes the connection, or only a proxy in front of it listens: see its logs.",
        evidence={"address": place},
    )


_TIMEOUT_REMEDY = {
    "connecting": "A firewall drops the packets, or the program no longer accepts connections.",
    "later": "The program accepts connections but does not answer: see its logs, or raise timeout.",
}
