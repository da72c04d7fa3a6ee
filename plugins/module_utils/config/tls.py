# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the schema alone cannot say about TLS and the addresses of the balancer (private to the collection)."""

from __future__ import annotations

import ipaddress
import typing as t

from .findings import Findings
from .suggest import closest

_PATH = "slipway_traffic"
_EVERY = "::"
PLAIN, TLS = 80, 443
# Of loopback, where certbot answers what an ACME server asks, or what passes it on to the balancer where certbot does.
ACME_PORT = 8402
ACME_LIVE = "/etc/letsencrypt/live"  # certbot's
SAME_NAMES = 5  # Let's Encrypt, "Rate Limits": certificates for the same names in a week


def complete_listening(
    traffic: dict[str, t.Any], name: str, proxies: t.Sequence[str], secrets: t.Collection[str], findings: Findings
) -> None:
    """Fill in the port, and check ports, addresses and the names of secrets.

    :param name: of the platform in its environment.
    :param secrets: names of all that are written.
    """
    tls = traffic.get("tls")
    traffic.setdefault("listen", TLS if tls else PLAIN)
    traffic["bind"] = _addresses(traffic["bind"], findings)
    if tls is None:
        return
    tls["hsts"] = int(tls["hsts"])
    if tls["redirect_from"] == traffic["listen"]:
        findings.problem(
            f"{_PATH}.listen",
            "the port from which plain HTTP is redirected",
            found=str(traffic["listen"]),
            remedy=f"Leave it out (then it is {TLS}), or give {_PATH}.tls.redirect_from another port, or 0.",
        )
    certificates = tls.setdefault("certificates", [])
    for index, certificate in enumerate(certificates):
        for part in ("chain", "key"):
            _check_secret(certificate.get(part), f"{_PATH}.tls.certificates[{index}].{part}", secrets, findings)
    _of_acme(traffic, name, proxies, findings)


def _of_acme(traffic: dict[str, t.Any], name: str, proxies: t.Sequence[str], findings: Findings) -> None:
    """The certificate that certbot gets is a file like another."""
    tls = traffic["tls"]
    acme = tls.pop("acme", None)
    path = f"{_PATH}.tls"
    if acme is None:
        if not tls["certificates"] and not findings.about(path):
            findings.problem(path, "has neither certificates nor acme", remedy="Say which certificate clients get.")
        return
    if len(proxies) > SAME_NAMES and "letsencrypt.org" in acme.get("directory", ""):
        findings.warnings.append(
            f"{path}.acme: each of {len(proxies)} balancers gets a certificate of its own, and Let's Encrypt gives {SAME_NAMES} a"
            " week for the same names: provision some of them a week later, or name another directory."
        )
    if tls["redirect_from"] != PLAIN:
        findings.problem(
            f"{path}.redirect_from",
            "an ACME server asks on port 80 (RFC 8555, section 8.3)",
            found=str(tls["redirect_from"]),
            wanted=str(PLAIN),
        )
    live = f"{ACME_LIVE}/slipway-{name}"
    own = {"chain": f"{live}/fullchain.pem", "key": f"{live}/privkey.pem", "hosts": acme.get("hosts", [])}
    tls.update(certificates=[own, *tls["certificates"]], acme_port=ACME_PORT)


def check_by_host(traffic: t.Mapping[str, t.Any], findings: Findings) -> None:
    """Traefik has options of TLS for hosts alone; those of a route without one are all platforms'."""
    tls = traffic.get("tls")
    if tls is None or traffic["provider"] != "traefik":
        return
    hostless = next((index for index, route in enumerate(traffic["routes"]) if not route.get("host")), None)
    for name, usual in (("minimum", "TLSv1.2"), ("http2", True)):
        if hostless is not None and tls[name] != usual:
            findings.problem(
                f"{_PATH}.tls.{name}",
                f"Traefik takes it by the host of a route, and {_PATH}.routes[{hostless}] has none",
                found=str(tls[name]).lower() if name == "http2" else tls[name],
                wanted="a host for each route",
                remedy="Name the hosts; or leave it out, and write tls.options.default into Traefik's own configuration.",
            )


def tls_secrets(traffic: t.Mapping[str, t.Any] | None) -> set[str]:
    """The names of the secrets that certificates are made of."""
    certificates = ((traffic or {}).get("tls") or {}).get("certificates") or []
    places = {one.get(part) for one in certificates for part in ("chain", "key")}
    return {place for place in places if place and not place.startswith("/")}


def _check_secret(place: str | None, path: str, secrets: t.Collection[str], findings: Findings) -> None:
    if not place or place.startswith("/") or place in secrets:
        return
    guess = closest(place, secrets)
    findings.problem(
        path,
        f"there is no secret {place}" + (f", did you mean {guess}?" if guess else ""),
        remedy="" if guess else f"Add {place} to slipway_secrets, or name a file of the balancer (/…).",
    )


def _addresses(text: str, findings: Findings) -> str:
    """The same with commas alone; one that is written twice, or is part of another one, is a mistake."""
    found = []
    for one in (part.strip() for part in text.split(",")):
        try:
            found.append(one if one == "*" else str(ipaddress.ip_address(one)))
        except ValueError:
            findings.problem(f"{_PATH}.bind", "cannot be used", found=one, wanted="* or an IP address")
    everything = _EVERY if _EVERY in found else "*" if "*" in found else ""
    held = [one for one in found if one != everything and everything and (everything == _EVERY or ":" not in one)]
    if held or len(set(found)) != len(found):
        what = f"{everything} holds {held[0]} already" if held else "an address is written twice"
        findings.problem(f"{_PATH}.bind", what, found=text, remedy="Write each address once.")
    return ",".join(found) or text
