# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of Traefik's dynamic configuration by which it ends TLS for one platform (private to the collection).

Pure functions. Fields: Traefik 3's file provider (Traefik documentation, "TLS", "Routers"). Traefik chooses a certificate by the
names in it, from those of all platforms; and options by the host of a route's rule. A route without a host goes by the options
C(default), which all share, so what a platform asks for beyond those is refused there.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import SlipwayError
from .certificates import Pair
from .model import Traffic
from .tls import ACME_PATH, CIPHERS, MINIMUMS, Tls

Tree = dict[str, t.Any]

_CURVES = ["X25519", "CurveP256", "CurveP384"]
# Names of Go, in which those of ChaCha20 end otherwise (crypto/tls, "Constants").
_GO = (
    ("-", "_"),
    ("_AES128_", "_AES_128_"),
    ("_AES256_", "_AES_256_"),
    ("ECDSA_", "ECDSA_WITH_"),
    ("RSA_", "RSA_WITH_"),
)


def expect_possible(traffic: Traffic) -> None:
    """:raises SlipwayError: C(no_tls) for what Traefik has no way to do for this platform alone."""
    tls = traffic.tls
    if tls is None or (tls.minimum == MINIMUMS[0] and tls.http2) or all(route.host for route in traffic.routes):
        return
    what = f"minimum: {tls.minimum}" if tls.minimum != MINIMUMS[0] else "http2: false"
    raise SlipwayError(
        "Traefik takes this by the host of a route, and one has none",
        obj=f"slipway_traffic.tls.{what}",
        actual=next(f"path {route.path} without a host" for route in traffic.routes if not route.host),
        wanted="a host for each route",
        remedy="Name the hosts in slipway_traffic.routes; or leave it out, and write tls.options.default into Traefik's own"
        " configuration.",
        cause="no_tls",
    )


def part(traffic: Traffic, name: str, pairs: t.Sequence[Pair]) -> Tree:
    """The certificates and how TLS is spoken; nothing where it is not.

    :param name: what all parts of the platform begin with.
    """
    tls = traffic.tls
    if tls is None:
        return {}
    options = {
        "minVersion": "Version" + tls.minimum.replace("v", "").replace(".", ""),
        "cipherSuites": ciphers(),
        "curvePreferences": _CURVES,
        "alpnProtocols": [*(["h2"] if tls.http2 else []), "http/1.1"],
    }
    certificates = [{"certFile": pair.own_path, "keyFile": pair.own_path} for pair in pairs]
    return {"tls": {"certificates": certificates, "options": {name: options}}}


def of_router(traffic: Traffic, name: str, host: str) -> Tree:
    """How a router ends TLS whose route has this host; nothing where it does not."""
    if traffic.tls is None:
        return {}
    return {"tls": {"options": f"{name}@file"} if host else {}}


def everything(traffic: Traffic) -> tuple[str, str]:
    """A rule for whatever clients of a platform ask, and a host of it: by TLS its hosts, where each route has one."""
    hosts = traffic.hosts()
    if traffic.tls is None or not all(route.host for route in traffic.routes) or not hosts:
        return "PathPrefix(`/`)", ""
    return " || ".join(f"Host(`{host}`)" for host in hosts), hosts[0]


def middlewares(traffic: Traffic, name: str) -> Tree:
    """Those of routers that end TLS, and of those in plain HTTP that lead there."""
    found: Tree = {}
    if traffic.tls and traffic.tls.redirect_from:
        found[f"{name}..redirect"] = {"redirectRegex": redirect(traffic.listen)}
    if traffic.tls and traffic.tls.hsts:
        header = {"Strict-Transport-Security": f"max-age={traffic.tls.hsts}"}
        found[f"{name}..hsts"] = {"headers": {"customResponseHeaders": header}}
    return found


def hsts(traffic: Traffic, name: str) -> list[str]:
    """The name of the middleware that keeps browsers to HTTPS."""
    return [f"{name}..hsts"] if traffic.tls and traffic.tls.hsts else []


def redirect(listen: int) -> Tree:
    """From plain HTTP to the same path by HTTPS."""
    port = "" if listen == 443 else f":{listen}"
    pattern = r"^http://(\[[^\]]+\]|[^/:]+)(?::\d+)?/(.*)$"
    return {"regex": pattern, "replacement": f"https://${{1}}{port}/${{2}}", "permanent": True}


def plain_routers(tls: Tls, name: str, entry_point: str, checks: t.Mapping[str, str]) -> Tree:
    """Plain HTTP leads to HTTPS, but for what those ask for who cannot follow: an ACME server, and checks from outside.

    :param entry_point: of plain HTTP.
    :param checks: the rules of what checks ask for, and the service of each.
    """
    wanted: list[Tree] = []
    if tls.acme_port:
        wanted.append({"rule": f"PathPrefix(`{ACME_PATH}`)", "service": f"{name}..acme"})
    wanted += [{"rule": rule, "service": service} for rule, service in checks.items()]
    wanted.append({"rule": "PathPrefix(`/`)", "service": "noop@internal", "middlewares": [f"{name}..redirect"]})
    return {
        f"{name}..plain.{number}": {**router, "entryPoints": [entry_point], "priority": 100_000 - number}
        for number, router in enumerate(wanted)
    }


def acme_service(tls: Tls | None, name: str) -> Tree:
    """Where an ACME server's question goes."""
    if tls is None or not tls.acme_port or not tls.redirect_from:
        return {}
    return {f"{name}..acme": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{tls.acme_port}"}]}}}


def ciphers() -> list[str]:
    """The same list as for all proxies, in Go's names."""
    return [_of_go(suite) for suite in CIPHERS.split(":")]


def _of_go(suite: str) -> str:
    for old, new in _GO:
        suite = suite.replace(old, new)
    return "TLS_" + re.sub(r"POLY1305$", "POLY1305_SHA256", suite)
