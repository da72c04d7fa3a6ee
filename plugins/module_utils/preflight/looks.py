# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine says of itself beyond what every release looks at (private to the collection).

Only facts, and nothing is changed. None stands for what cannot be told there: a program that is missing, a file that the
kernel does not have. What is enough is judged by C(judge).
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import socket
import time
import typing as t

from ..errors import SlipwayError
from ..system import System

TIMEOUT = 10.0  # seconds for a program that only says something
REACH = 3.0  # seconds for a connection to the database
# Where proxies name the files of their certificates.
PROXY_FILES = (
    "/etc/haproxy/*.cfg",
    "/etc/haproxy/slipway.d/*.cfg",
    "/etc/nginx/**/*.conf",
    "/etc/nginx/sites-enabled/*",
)
_CERTIFICATE = re.compile(r"^\s*(?:bind\b.*?\bcrt\s+|ssl_certificate\s+)([^\s;]+)", re.MULTILINE)


def systemd_version(system: System) -> int | None:
    """The number that C(systemctl --version) begins with."""
    found = re.match(r"systemd (\d+)", _said(system, ["systemctl", "--version"]))
    return int(found.group(1)) if found else None


def utf8_locale(system: System) -> str | None:
    """A locale in UTF-8; empty where there is none, None where that cannot be asked."""
    said = _said(system, ["locale", "-a"])
    names = [name for name in said.split() if re.search(r"utf-?8$", name, re.IGNORECASE)]
    return (names or [""])[0] if said else None


def sshd_limits(system: System) -> dict[str, str]:
    """C(maxsessions) and C(maxstartups) of the SSH server, as it says itself (sshd(8), -T)."""
    lines = [line.split() for line in _said(system, ["/usr/sbin/sshd", "-T"]).splitlines()]
    return {words[0]: words[1] for words in lines if len(words) == 2 and words[0] in ("maxsessions", "maxstartups")}


def security_module(root: str = "/") -> dict[str, bool]:
    """C(selinux): it is enforced; C(apparmor): it is on; C(apparmor_parser): the program that loads its profiles is there."""
    return {
        "selinux": _read(f"{root}sys/fs/selinux/enforce").strip() == "1",
        "apparmor": _read(f"{root}sys/module/apparmor/parameters/enabled").strip() == "Y",
        "apparmor_parser": shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin:/bin") is not None,
    }


def memory_limits(root: str = "/") -> bool | None:
    """Whether the kernel can limit the memory of a control group (cgroups(7)); None where it has none at all."""
    unified = _read(f"{root}sys/fs/cgroup/cgroup.controllers")
    if unified:
        return "memory" in unified.split()
    rows = [line.split() for line in _read(f"{root}proc/cgroups").splitlines()]
    return next((row[3] == "1" for row in rows if row[:1] == ["memory"] and len(row) > 3), None)


def first_local_port(proc: str = "/proc") -> int | None:
    """The lowest port that the kernel gives to outgoing connections (ip(7), ip_local_port_range)."""
    words = _read(f"{proc}/sys/net/ipv4/ip_local_port_range").split()
    return int(words[0]) if words and words[0].isdigit() else None


def read_only(path: str) -> bool:
    """Whether the file system of a path, or of its nearest parent that exists, cannot be written."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def unresolved(names: t.Iterable[str]) -> dict[str, str]:
    """The names that have no address here, each with the resolver's reason."""
    failed = {}
    for name in names:
        try:
            socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failed[name] = str(error)
    return failed


def unreachable(address: str, port: int) -> str:
    """Why no connection to a port can be opened; empty where one can."""
    try:
        socket.create_connection((address, port), timeout=REACH).close()
    except OSError as error:
        return str(error)
    return ""


def certificates(patterns: t.Iterable[str] = PROXY_FILES) -> dict[str, float]:
    """The files of certificates that proxies of this machine name, each with when its first one ends (seconds since the epoch)."""
    named: set[str] = set()
    for pattern in patterns:
        for path in glob.glob(pattern, recursive=True):
            named |= set(_CERTIFICATE.findall(_read(path)))
    files = {one for name in named for one in (glob.glob(f"{name}/*") if os.path.isdir(name) else [name])}
    found = {path: certificate_ends(_read(path)) for path in sorted(files)}
    return {path: ends for path, ends in found.items() if ends is not None}


def certificate_ends(text: str) -> float | None:
    """When the first certificate of a PEM text ends; None where it has none.

    Its time stands in the second of two times of its DER form (RFC 5280, section 4.1.2.5), which follow each other.
    """
    import ssl

    block = re.search(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL)
    if block is None:
        return None
    with contextlib.suppress(ValueError):
        times = re.findall(rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)", ssl.PEM_cert_to_DER_cert(block.group()))
        if len(times) >= 2:
            short, long = (part.decode() for part in times[1])
            century = "19" if short[:2] >= "50" else "20"
            moment = time.strptime(long or century + short, "%Y%m%d%H%M%S")
            return float(_epoch(moment))
    return None


def _epoch(moment: time.struct_time) -> int:
    import calendar

    return calendar.timegm(moment)


def _said(system: System, argv: t.Sequence[str]) -> str:
    try:
        return system.run(argv, timeout=TIMEOUT).stdout
    except (SlipwayError, OSError):
        return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
