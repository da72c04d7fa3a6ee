# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the load goes: this machine, or a lab machine behind one of its own bridges; anything else is refused."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import ssl
import struct
import typing as t
import urllib.parse

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

SYS_NET = "/sys/class/net"
IF_INET6 = "/proc/net/if_inet6"
SIOCGIFADDR, SIOCGIFNETMASK = 0x8915, 0x891B  # netdevice(7)


class TargetRefused(ValueError):
    """The address is not one that this generator may send load to."""


class Target(t.NamedTuple):
    """A checked target: C(authority) goes into C(Host), connections go to C(address) (resolved once, never again).

    By TLS when there is a C(client), and the certificate must be good for C(name), which the C(Host) is too then.
    """

    url: str
    authority: str
    address: str
    port: int
    client: t.Optional[ssl.SSLContext] = None
    name: t.Optional[str] = None

    def headers(self, *more: t.Mapping[str, str]) -> dict[str, str]:
        """The headers of a request; later ones replace earlier ones, whatever their case."""
        merged = {"Host": self.authority, "User-Agent": "slipway-load"}
        for headers in more:
            merged.update({name.title(): value for name, value in headers.items()})
        return merged


def check(url: str, authority: str = "", name: str = "") -> Target:
    """Resolves and checks a base URL.

    :param url: C(http://host[:port]) or C(https://host[:port]) without a path.
    :param authority: a file with the certificate of who issues that of an HTTPS target.
    :param name: the host that an HTTPS target's certificate must be good for; that of the URL by default.
    :raises TargetRefused: not HTTP, not resolvable, or an address that leaves this machine.
    """
    parts = urllib.parse.urlsplit(url)
    known = parts.scheme in ("http", "https")
    if not known or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        raise TargetRefused(f"{url}: wanted http://ADDRESS[:PORT] or https://ADDRESS[:PORT] and nothing behind it.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        answers = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetRefused(f"{url}: {parts.hostname} cannot be resolved ({error}).") from error
    address = str(answers[0][4][0])
    networks = bridge_networks()
    if not is_local(ipaddress.ip_address(address), networks):
        lab = ", ".join(str(network) for network in networks) or "none"
        raise TargetRefused(
            f"{url}: {address} is neither an address of this machine nor in the private network of one of its own"
            f" bridges ({lab}). The load generator talks only to this machine and its lab."
        )
    if parts.scheme == "http":
        return Target(f"http://{parts.netloc}", parts.netloc, address, port)
    client = ssl.create_default_context(cafile=authority or None)
    client.set_alpn_protocols(["http/1.1"])
    host = f"{name}:{port}" if name and parts.port else name or parts.netloc
    return Target(f"https://{parts.netloc}", host, address, port, client, name or parts.hostname)


def is_local(address: Address, networks: t.Sequence[Network]) -> bool:
    """Whether an address is this machine's own, or a private one in one of C(networks)."""
    if address.is_unspecified or address.is_multicast:
        return False
    if address.is_loopback or _is_own(address):
        return True
    # fe80::/10 is on every link: it does not say through which interface it is reached.
    return address.is_private and not address.is_link_local and any(address in network for network in networks)


def bridge_networks(sys_net: str = SYS_NET) -> list[Network]:
    """The networks of this machine's bridges that have no hardware port (Docker's; not one that joins the LAN)."""
    found: list[Network] = []
    for name in sorted(os.listdir(sys_net)):
        if os.path.isdir(f"{sys_net}/{name}/bridge") and not _has_hardware(f"{sys_net}/{name}/brif", sys_net):
            found += _networks_of(name)
    return found


def _has_hardware(ports: str, sys_net: str) -> bool:
    return any(os.path.exists(f"{sys_net}/{port}/device") for port in os.listdir(ports))


def _networks_of(name: str) -> list[Network]:
    found: list[Network] = []
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        try:
            address = socket.inet_ntoa(fcntl.ioctl(query, SIOCGIFADDR, request)[20:24])
            mask = socket.inet_ntoa(fcntl.ioctl(query, SIOCGIFNETMASK, request)[20:24])
        except OSError:  # a bridge without an IPv4 address
            pass
        else:
            found.append(ipaddress.ip_network(f"{address}/{mask}", strict=False))
    if os.path.exists(IF_INET6):
        with open(IF_INET6, encoding="ascii") as stream:
            for line in stream:
                digits, _index, prefix, _scope, _flags, device = line.split()
                if device == name:
                    address6 = (int(digits, 16).to_bytes(16, "big"), int(prefix, 16))
                    found.append(ipaddress.ip_network(address6, strict=False))
    return found


def _is_own(address: Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
