# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proxy without checks and counters of its own needs: a gate that asks the servers, an access log that names the side.

Private to the collection.
"""

from __future__ import annotations

import http.client
import os
import ssl
import typing as t

from ..errors import SlipwayError
from ..system import System
from .model import Counters, Plan, Server, Traffic, side_of

PROBE_INTERVAL = 0.2

Get = t.Callable[..., tuple[int, bytes]]
Sums = dict[tuple[str, str], tuple[int, int]]  # by (service, side): requests and those answered with 5xx


def http_get(
    address: str, port: int, path: str, headers: t.Mapping[str, str], *, timeout: float, tls: bool = False
) -> tuple[int, bytes]:
    """One GET without a proxy between, no redirect followed: status and the first bytes of the body.

    :param tls: of this machine itself, whose certificates are good for other names than its address: they are not verified.
    """
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, port, timeout=timeout, context=context)
    try:
        connection.request("GET", path, headers={**headers, "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(4096)
    finally:
        connection.close()


def gate(system: System, get: Get, plan: Plan, seconds: float) -> None:
    """Ask the servers themselves until all that are to get traffic are healthy.

    :raises SlipwayError: C(gate).
    """
    deadline = system.monotonic() + seconds
    while True:
        ill = _ill(get, plan.traffic, plan.gated)
        if not ill:
            return
        left = deadline - system.monotonic()
        if left <= 0:
            raise SlipwayError(
                "these servers are not healthy, so they get no traffic",
                obj=", ".join(sorted(ill)),
                actual="; ".join(sorted(set(ill.values()))),
                wanted=f"the check's status within {seconds:g} s",
                remedy="Is the port reachable from this machine, and does the check's path answer with a status wanted?",
                cause="gate",
                evidence={"servers": dict(ill)},
            )
        system.sleep(min(PROBE_INTERVAL, left))


def _ill(get: Get, traffic: Traffic, servers: t.Sequence[Server]) -> dict[str, str]:
    """What is wrong with those that are not healthy by the check of their service."""
    checks = {service.name: service.health for service in traffic.services}
    ill = {}
    for server in servers:
        health = checks[server.service]
        try:
            status, _body = get(server.address, server.port, health.path, dict(health.headers), timeout=health.timeout)
        except (OSError, http.client.HTTPException) as error:
            ill[f"{server.service}/{server.name}"] = str(error) or type(error).__name__
            continue
        if health.status and status not in health.status:
            ill[f"{server.service}/{server.name}"] = f"status {status}"
    return ill


class SideLog:
    """Counts what an access log says of each side, from the first look on."""

    def __init__(self, path: str, parse: t.Callable[[str], Sums]) -> None:
        self.path = path
        self._parse = parse
        self._at: tuple[int, int] | None = None  # inode and offset up to which it was read
        self._sums: Sums = {}

    def counters(self, plan: Plan) -> dict[str, Counters]:
        """By service, of the sides that are watched."""
        self._read()
        counters: dict[str, Counters] = {}
        for service, side in sorted({(key[0], side_of(key[1])) for key in plan.rising()}):
            requests, errors = self._sums.get((service, side), (0, 0))
            seen = counters.get(service, Counters(0, 0, {"5xx": 0}))
            total = seen.errors + errors
            counters[service] = Counters(seen.requests + requests, total, {"5xx": total})
        return counters

    def _read(self) -> None:
        """Count what was logged since the last look; the first look only finds the end of the log."""
        try:
            with open(self.path, "rb") as stream:
                inode, size = os.fstat(stream.fileno()).st_ino, os.fstat(stream.fileno()).st_size
                if self._at is None:
                    self._at = (inode, size)
                    return
                offset = self._at[1] if self._at[0] == inode and self._at[1] <= size else 0  # rotated
                stream.seek(offset)
                data = stream.read()
        except FileNotFoundError:
            self._at = self._at or (0, 0)
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._at = (inode, offset + len(whole))
        for key, (requests, errors) in self._parse(whole.decode(errors="replace")).items():
            known = self._sums.get(key, (0, 0))
            self._sums[key] = (known[0] + requests, known[1] + errors)
