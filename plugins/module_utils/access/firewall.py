# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of nftables: would the connection that brings them still be let in? (private to the collection)."""

from __future__ import annotations

import ipaddress
import typing as t

from ..errors import SlipwayError
from ..system import System
from .connection import Connection
from .guard import Guard, locked_out


class FirewallGuard(Guard):
    """Lets nft check the rules against the kernel (C(nft -c)), and looks whether they admit the connection.

    :param admits: what the file lets in, each with C(ports) (numbers, or ranges like C(8000-8010)), C(protocol) and
        C(from) (addresses or networks; none is everybody).
    """

    def __init__(self, system: System, admits: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        super().__init__(system)
        self.admits = admits

    def inspect(self, path: str, candidate: str | None, connection: Connection | None) -> None:
        if candidate is None:
            return
        if connection is not None and not any(admitted(rule, connection) for rule in self.admits):
            raise locked_out(
                path,
                connection,
                [f"no rule lets it in on port {connection.port}"],
                f"Add {{ports: [{connection.port}]}}, or with `from` the network of the controller.",
            )
        self.passes(["/usr/sbin/nft", "-c", "-f", candidate], path)


def admitted(rule: t.Mapping[str, t.Any], connection: Connection) -> bool:
    """Whether a rule lets a TCP connection in.

    :raises SlipwayError: C(invalid).
    """
    if (rule.get("protocol") or "tcp") != "tcp" or not any(_holds(port, connection.port) for port in rule["ports"]):
        return False
    sources = rule.get("from") or []
    return not sources or any(_is_in(connection.client, source) for source in sources)


def _holds(ports: t.Any, port: int) -> bool:
    first, _dash, last = str(ports).partition("-")
    try:
        return int(first) <= port <= int(last or first)
    except ValueError:
        raise SlipwayError(
            "not a port", obj="ports", actual=ports, wanted="a number, or a range like 8000-8010", cause="invalid"
        ) from None


def _is_in(client: str, source: t.Any) -> bool:
    try:
        return ipaddress.ip_address(client) in ipaddress.ip_network(str(source), strict=False)
    except ValueError:
        raise SlipwayError(
            "not an address", obj="from", actual=source, wanted="an IP address or a network", cause="invalid"
        ) from None
