# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How clients connect by TLS: certificates by name, redirect, HSTS, protocols (private to the collection).

Pure. Names only: what a certificate is, and its key, is the business of C(certificates.py).
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from ..errors import SlipwayError

# Mozilla, Server Side TLS, guidelines 5.7, "intermediate" (https://wiki.mozilla.org/Security/Server_Side_TLS), less the
# three suites with DHE, which want parameters of their own and which no client needs that knows one of the others.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
CIPHER_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
CURVES = ("X25519", "prime256v1", "secp384r1")

MINIMUMS = ("TLSv1.2", "TLSv1.3")
ACME_PATH = "/.well-known/acme-challenge/"  # RFC 8555, section 8.3
LONGEST_HSTS = 2 * 366 * 86400

_FILE = re.compile(r"/[^\0-\x20'\"\\]*[^\0-\x20'\"\\/]")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


class Source(t.NamedTuple):
    """Where a certificate's chain and its key come from: the name of a secret, or a file of the balancer (begins with /).

    ``hosts`` are names that it must be good for.
    """

    chain: str
    key: str
    hosts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its file is called, the same whatever it contains."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", self.chain).strip("-")[-40:]
        return f"{readable}-{hashlib.sha256(f'{self.chain} {self.key}'.encode()).hexdigest()[:6]}"


class Tls(t.NamedTuple):
    """What is wanted of a proxy that ends TLS.

    The first of the ``certificates`` is what a client gets whose name none of them has. ``redirect_from`` is the port on
    which plain HTTP is answered with a redirect, 0 for none; ``hsts`` seconds, 0 for none. What an ACME client must be
    asked for goes to ``acme_port`` of loopback, 0 for none.
    """

    certificates: tuple[Source, ...]
    redirect_from: int
    hsts: int
    http2: bool
    minimum: str
    acme_port: int = 0

    def options(self) -> dict[str, t.Any]:
        """In the form of the module's options."""
        certificates = [{**one._asdict(), "hosts": list(one.hosts)} for one in self.certificates]
        return {**self._asdict(), "certificates": certificates}


def build_tls(value: t.Mapping[str, t.Any] | None) -> Tls | None:
    """Validate the option C(tls) of the module.

    :raises SlipwayError: C(invalid), naming the key.
    """
    if not value:
        return None
    certificates = tuple(
        _source(one, f"tls.certificates[{index}]") for index, one in enumerate(value.get("certificates") or [])
    )
    if not certificates:
        raise _invalid("tls.certificates", [], "at least one")
    if len({one.name for one in certificates}) != len(certificates):
        raise _invalid("tls.certificates", [one.chain for one in certificates], "each once")
    minimum = value.get("minimum", MINIMUMS[0])
    if minimum not in MINIMUMS:
        raise _invalid("tls.minimum", minimum, " or ".join(MINIMUMS))
    return Tls(
        certificates,
        redirect_from=_whole(value.get("redirect_from", 80), "tls.redirect_from", 65535),
        hsts=_whole(value.get("hsts", 0), "tls.hsts", LONGEST_HSTS),
        http2=bool(value.get("http2", True)),
        minimum=minimum,
        acme_port=_whole(value.get("acme_port", 0), "tls.acme_port", 65535),
    )


def covers(pattern: str, host: str) -> bool:
    """Whether a name of a certificate is good for a host (RFC 9525, section 6.3: a wildcard is one whole label)."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:] and bool(host.partition(".")[0])
    return pattern == host


def is_file(place: str) -> bool:
    """Whether a part of a C(Source) is a file of the balancer, not the name of a secret."""
    return place.startswith("/")


def _source(value: t.Mapping[str, t.Any], where: str) -> Source:
    parts = {part: str(value.get(part) or "") for part in ("chain", "key")}
    for part, place in parts.items():
        if not (_FILE if is_file(place) else _SECRET).fullmatch(place):
            raise _invalid(f"{where}.{part}", place, "the name of a secret, or the absolute path of a file")
    hosts = tuple(str(host).lower() for host in value.get("hosts") or ())
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise _invalid(f"{where}.hosts", host, "the name of a host")
    return Source(parts["chain"], parts["key"], hosts)


def _whole(value: object, where: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or not 0 <= value <= most:
        raise _invalid(where, value, f"a whole number, 0 to {most}")
    return int(value)


def _invalid(where: str, actual: object, wanted: object) -> SlipwayError:
    return SlipwayError("invalid value", obj=where, actual=actual, wanted=wanted, cause="invalid")
