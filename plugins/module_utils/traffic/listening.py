# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a platform's clients connect to (private to the collection).

Several are one text with commas, each as it stands before a port: C(*), C(192.0.2.1), C([2001:db8::1]).
"""

from __future__ import annotations

import ipaddress

from ..errors import SlipwayError

EVERY_IPV4 = "*"
EVERY = "[::]"  # IPv4 too, with each of the proxies


def addresses(bind: str) -> list[str]:
    """The single ones."""
    return bind.split(",")


def canonical(value: object) -> str:
    """The addresses as they are kept, whatever spaces, brackets or zeros somebody wrote.

    :raises SlipwayError: C(invalid).
    """
    found = [_canonical(one.strip(), value) for one in str(value).split(",")]
    ipv4 = [one for one in found if not one.startswith("[")]
    if len(set(found)) != len(found) or (EVERY in found and len(found) > 1) or (EVERY_IPV4 in ipv4 and len(ipv4) > 1):
        raise _invalid(value, "each once, and none that another one holds", ":: is every address of IPv4 and IPv6.")
    return ",".join(found)


def asked_at(bind: str) -> str:
    """An address at which this machine itself reaches who listens there."""
    first = addresses(bind)[0]
    return "127.0.0.1" if first in (EVERY_IPV4, EVERY, "0.0.0.0") else first.strip("[]")


def overlaps(one: str, other: str) -> bool:
    """Whether any of the addresses takes the place of another one: equal, or one of them means all."""
    return any(_overlap(first, second) for first in addresses(one) for second in addresses(other))


def _overlap(one: str, other: str) -> bool:
    everything = {"*", "", "0.0.0.0", "::", "[::]"}
    return one in everything or other in everything or one.strip("[]") == other.strip("[]")


def _canonical(one: str, whole: object) -> str:
    if one == EVERY_IPV4:
        return one
    try:
        address = ipaddress.ip_address(one.strip("[]"))
    except ValueError:
        raise _invalid(whole, "* or IP addresses with commas between them") from None
    return f"[{address}]" if address.version == 6 else str(address)


def _invalid(actual: object, wanted: str, remedy: str = "") -> SlipwayError:
    return SlipwayError("invalid value", obj="bind", actual=actual, wanted=wanted, remedy=remedy, cause="invalid")
