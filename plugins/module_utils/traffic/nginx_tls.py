# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directives by which nginx listens, in plain HTTP or by TLS (private to the collection).

Pure functions. nginx takes one certificate a server, so each host whose certificate is not the first has a server.
"""

from __future__ import annotations

import typing as t

from .certificates import Pair
from .listening import EVERY, addresses
from .model import Traffic
from .tls import CIPHERS, CURVES, MINIMUMS, Tls, covers


def server_names(traffic: Traffic, pairs: t.Sequence[Pair]) -> list[str]:
    """Whatever needs a server of its own: hosts of routes, names of certificates, and the empty one for all others."""
    names = {route.host for route in traffic.routes} | {name for pair in pairs[1:] for name in pair.facts.hosts}
    return sorted(names | {""})


def listens(traffic: Traffic, *, default: bool = False, first: bool = False) -> list[str]:
    """Where clients connect to.

    :param first: of all servers that listen there; what concerns the socket is said once.
    """
    tls = traffic.tls
    words = f"{' ssl' if tls else ''}{' http2' if tls and tls.http2 else ''}{' default_server' if default else ''}"
    return _listens(traffic.bind, traffic.listen, words, first)


def plain_listens(traffic: Traffic, tls: Tls, *, default: bool = False) -> list[str]:
    """Where plain HTTP is redirected from; the default server is the first there."""
    return _listens(traffic.bind, tls.redirect_from, " default_server" if default else "", default)


def ends_tls(traffic: Traffic, pairs: t.Sequence[Pair], host: str) -> list[str]:
    """How a server for this host ends TLS; nothing where it does not."""
    tls = traffic.tls
    if tls is None:
        return []
    own = next((pair for pair in pairs if host and any(_is_for(name, host) for name in pair.facts.hosts)), pairs[0])
    return [
        f"    ssl_certificate {own.path};",
        f"    ssl_certificate_key {own.path};",
        f"    ssl_protocols {' '.join(MINIMUMS[MINIMUMS.index(tls.minimum) :])};",
        f"    ssl_ciphers {CIPHERS};",
        "    ssl_prefer_server_ciphers off;",
        f"    ssl_ecdh_curve {':'.join(CURVES)};",
        "    ssl_session_tickets off;",
        "    ssl_session_timeout 1d;",
        "    ssl_session_cache shared:slipway:5m;",
        *([f"    {hsts(tls)}"] if tls.hsts else []),
    ]


def hsts(tls: Tls) -> str:
    """The header that keeps browsers to HTTPS."""
    return f"add_header Strict-Transport-Security max-age={tls.hsts} always;"


def _is_for(name: str, host: str) -> bool:
    return name == host or covers(name, host)


def _listens(bind: str, port: int, words: str, first: bool) -> list[str]:
    return [
        f"    listen {address}:{port}{' ipv6only=off' if first and address == EVERY else ''}{words};"
        for address in addresses(bind)
    ]
