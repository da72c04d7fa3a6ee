# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network: a subnet of its own, addresses, partitions, and the kernel's limit on the number of machines."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import typing as t
from pathlib import Path

from .engine import LabError, docker, inspect, run

if t.TYPE_CHECKING:
    from .machines import Lab

_CHAIN = "SLIPWAY-LAB"


class Network(t.NamedTuple):
    """Where the machines live. The gateway is the controller as the machines see it."""

    name: str
    subnet: str
    gateway: str
    mtu: int

    @property
    def registry_address(self) -> str:
        return str(ipaddress.ip_network(self.subnet)[2])

    def free_addresses(self, taken: set[str]) -> t.Iterator[str]:
        """Addresses that no machine has, from .10 on."""
        return (str(one) for one in list(ipaddress.ip_network(self.subnet).hosts())[9:] if str(one) not in taken)


def ensure(lab: str, label: str) -> Network:
    """The network of a lab; created when missing.

    The subnet is given, not chosen by the engine: only then can a machine keep its address.

    :raises LabError: no subnet is free.
    """
    name = f"slipway-{lab}"
    found = inspect("network", name)
    if found is None:
        _create(name, lab, label)
        found = inspect("network", name)
    assert found is not None
    config = found["IPAM"]["Config"][0]
    return Network(name, config["Subnet"], config["Gateway"], int(found["Options"]["com.docker.network.driver.mtu"]))


def remove(lab: str) -> None:
    if inspect("network", f"slipway-{lab}") is not None:
        docker("network", "rm", f"slipway-{lab}")


def _create(name: str, lab: str, label: str) -> None:
    routes = _routes()
    start = int.from_bytes(hashlib.sha256(lab.encode()).digest()[:2], "big")
    refused = ""
    for attempt in range(40):
        number = (start + attempt * 257) % (40 * 250)
        subnet = ipaddress.ip_network(f"10.{200 + number // 250}.{number % 250}.0/24")
        if any(subnet.overlaps(route) for route in routes):
            continue
        argv = ["docker", "network", "create", "--label", label, "--subnet", str(subnet), "--gateway", str(subnet[1])]
        done = run([*argv, "--opt", f"com.docker.network.driver.mtu={_mtu()}", name], check=False, timeout=60)
        refused = done.stderr.strip()
        if not done.returncode:
            return
        if "overlap" not in refused.lower():
            break
    raise LabError(f"the network {name} cannot be created: {refused or 'every subnet tried is in use'}")


def _routes() -> list[ipaddress.IPv4Network]:
    """The networks this machine reaches already (VPNs too); the lab must not shadow them. /proc/net/route, proc(5)."""
    found = []
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        _interface, destination, _gateway, *_rest = line.split()
        mask = _address(line.split()[7])
        if mask != "0.0.0.0":
            found.append(ipaddress.IPv4Network(f"{_address(destination)}/{mask}", strict=False))
    return found


def _address(text: str) -> str:
    return str(ipaddress.IPv4Address(bytes.fromhex(text)[::-1]))


def _mtu() -> int:
    """The packet size of the way out: behind a tunnel, the usual 1500 makes downloads inside machines hang."""
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        interface, destination = line.split()[:2]
        if destination == "00000000":
            return min(1500, int(Path(f"/sys/class/net/{interface}/mtu").read_text(encoding="ascii")))
    return 1500


def partition(lab: Lab, name: str, of: str) -> None:
    """See :meth:`Lab.partition`. Dropped in the raw table: before connection tracking and before published ports.

    Both ways: what a machine still says would arrive, though it hears nothing any more.
    """
    if of not in ("controller", "everyone"):
        raise LabError(f"partition of {of!r}: wanted controller or everyone")
    source, target = (f"{way} {lab.network.gateway}" if of == "controller" else "" for way in ("-s", "-d"))
    script = (
        f"command -v iptables >/dev/null || exit 127; "
        f"iptables -w -t raw -N {_CHAIN} 2>/dev/null || iptables -w -t raw -F {_CHAIN}; "
        f"iptables -w -t raw -A {_CHAIN} -i eth0 {source} -j DROP && "
        f"iptables -w -t raw -A {_CHAIN} -o eth0 {target} -j DROP && "
        f"for way in PREROUTING OUTPUT; do iptables -w -t raw -C $way -j {_CHAIN} 2>/dev/null || "
        f"iptables -w -t raw -I $way -j {_CHAIN} || exit 1; done"
    )
    done = lab.exec(name, ["sh", "-c", script], check=False)
    if done.returncode:
        hint = "it has no iptables; use the image ready" if done.returncode == 127 else done.stderr.strip()
        raise LabError(f"the machine {name} cannot be partitioned: {hint}")


def heal(lab: Lab, name: str) -> None:
    script = f"iptables -w -t raw -L {_CHAIN} >/dev/null 2>&1 || exit 0; iptables -w -t raw -F {_CHAIN}"
    lab.exec(name, ["sh", "-c", script])


def inotify() -> tuple[int, int]:
    """The kernel's limit of inotify instances a user, and how many are in use (by processes we may look into)."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii"))
    used = 0
    for process in Path("/proc").glob("[0-9]*/fd"):
        try:
            used += sum(os.readlink(one.path) == "anon_inode:inotify" for one in os.scandir(process))
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return limit, used


def inotify_hint() -> str:
    limit, used = inotify()
    return (
        f"fs.inotify.max_user_instances is {limit} and {used} are in use: destroy machines or labs that are not needed "
        f"(`python -m tests.lab status`), or raise it: `sysctl -w fs.inotify.max_user_instances={max(512, limit * 4)}`."
    )
