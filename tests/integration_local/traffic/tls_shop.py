# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform behind a proxy with TLS, and clients that open a connection for each request."""

from __future__ import annotations

import http.client
import typing as t

from .apps import App, Load
from .authority import HOST, Authority, Issued, connector
from .proxies import Proxy


class Shop:
    """A platform whose certificate is made of the secrets CHAIN and KEY."""

    def __init__(self, proxy: Proxy, blue: App, green: App) -> None:
        self.proxy = proxy
        self.port, self.plain = proxy.ports()
        self.authority = Authority()
        self.client = self.authority.client()
        self.apps = ([blue], [green])
        self.proxy.secrets = secrets(self.authority.issue(HOST))

    def params(self, *, tls: t.Mapping[str, t.Any] | None = None, **more: t.Any) -> dict[str, t.Any]:
        wanted = {"certificates": [{"chain": "CHAIN", "key": "KEY"}], "redirect_from": self.plain, **(tls or {})}
        return self.proxy.params(self.port, *self.apps, **{"tls": wanted, **more})

    def kept(self) -> list[str]:
        """What the proxy reads, sorted."""
        return sorted(path.read_text() for path in self.proxy.certificates.glob("*/*.pem"))


def secrets(issued: Issued, chain: str = "CHAIN", key: str = "KEY") -> dict[str, str]:
    return {chain: issued.chain, key: issued.key}


def redirected(port: int, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("Location") or ""


class Fresh(Load):
    """A new connection for each request."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.port, 2, connect=lambda: t.cast(t.Any, Once(shop)))


class Once:
    """Looks like a connection that is closed after each answer."""

    sock = None

    def __init__(self, shop: Shop) -> None:
        self._connect = connector(shop.port, shop.client)
        self._one = self._connect()

    def request(self, method: str, path: str) -> None:
        self._one.close()
        self._one = self._connect()
        self._one.request(method, path, headers={"Connection": "close"})

    def getresponse(self) -> http.client.HTTPResponse:
        return self._one.getresponse()

    def close(self) -> None:
        self._one.close()
