# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else has written for the HAProxy that is ours, too (private to the collection).

Its process may listen on an address that its files do not name any more: it lets go of it with the next reload, which may be
the one that gives the address to us, without an instant in which nobody listens.
"""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ..system import System
from .processes import Process

_PORTS = re.compile(r":(\d+)(?:-(\d+))?$")


def is_ours(process: Process | None, config_dir: str) -> bool:
    """Whether this is the HAProxy that loads our files."""
    return process is not None and process.command == "haproxy" and any(config_dir in word for word in process.argv)


def line_by_hand(system: System, process: Process, config_dir: str, port: int) -> str:
    """File, number and text of the line by which this HAProxy listens on a port after a reload; empty where there is none."""
    for path in _files(process, config_dir):
        text = (system.read_file(path) or b"").decode(errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            if names_port(line, port):
                return f"{path}, line {number}: {line.strip()}"
    return ""


def names_port(line: str, port: int) -> bool:
    """Whether a line may make HAProxy listen on a port. What only the environment tells may be any."""
    words = line.partition("#")[0].split()
    if len(words) < 2 or words[0] != "bind":
        return False
    for address in words[1].split(","):
        match = _PORTS.search(address)
        if "$" in address or (match and int(match[1]) <= port <= int(match[2] or match[1])):
            return True
    return False


def _files(process: Process, config_dir: str) -> t.Iterator[str]:
    for option, value in zip(process.argv, process.argv[1:]):
        if option == "-f" and os.path.realpath(value) != os.path.realpath(config_dir):
            yield from sorted(glob.glob(os.path.join(value, "*.cfg"))) if os.path.isdir(value) else [value]
