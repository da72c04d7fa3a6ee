# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that systemd listens on for a program, one a replica (private to the collection).

A unit that needs its socket brings it up, and the last that needed it takes it down (C(StopWhenUnneeded)): systemd.socket(5).
What a connection to a shared one starts by itself is a unit that does nothing: else it would start the side that has just been
stopped.
"""

from __future__ import annotations

import fnmatch
import re
import typing as t

from .spec import PORT, Program

_SOCKETS = re.compile(r"^Sockets=(?P<name>slipway-\S+)@%i\.socket$", re.MULTILINE)


def template_of(program: Program) -> str:
    """The name of its sockets without number; empty where it listens for itself.

    With its port where both sides share it: a release that moves it to another one has other sockets.
    """
    if not program.service.socket:
        return ""
    if not program.service.in_place:
        return program.name
    return f"{program.name.rpartition('.')[0]}.{program.environments[0][PORT]}"


def socket_files(program: Program) -> dict[str, str]:
    """File name → text: of each replica a socket, and of shared ones what they start."""
    name, labels = template_of(program), program.labels
    if not name:
        return {}
    what = f"Slipway {labels.platform} {labels.environment}: {labels.service}"
    files = {
        f"{name}@{number}.socket": _socket_text(f"{what} {number}", _address(program.publish, environment[PORT]))
        for number, environment in enumerate(program.environments, 1)
    }
    if program.service.in_place:
        files[f"{name}@.service"] = _nothing_text(what, name)
    return files


def unit_lines(program: Program) -> tuple[list[str], dict[str, str]]:
    """What the unit of a program says about its socket, in C([Unit]) and in C([Service])."""
    name = template_of(program)
    if not name:
        return [], {}
    return [f"Requires={name}@%i.socket", f"After={name}@%i.socket"], {"Sockets": f"{name}@%i.socket"}


def sockets_of(unit: str) -> str:
    """The name of the sockets that a unit gets, by its text; empty without."""
    found = _SOCKETS.search(unit)
    return found.group("name") if found else ""


def unwanted(files: t.Iterable[str], service: str, wanted: t.Container[str]) -> list[str]:
    """The files of sockets of a service that none of its units gets.

    :param files: names of all units' files.
    :param service: C(slipway-<platform>.<environment>.<service>).
    :param wanted: names of sockets without number.
    """
    mine = [f"{service}.*@*.socket", f"{service}.[0-9]*@.service"]
    found = [file for file in files if any(fnmatch.fnmatchcase(file, pattern) for pattern in mine)]
    return sorted(file for file in found if file.partition("@")[0] not in wanted)


def _socket_text(what: str, address: str) -> str:
    return f"""# Written by Slipway; the next release writes it anew.
[Unit]
Description={what}
StopWhenUnneeded=yes

[Socket]
ListenStream={address}
"""


def _nothing_text(what: str, name: str) -> str:
    return f"""# Written by Slipway; the next release writes it anew.
[Unit]
Description={what}: nothing, for its sockets are held for others
PartOf={name}@%i.socket

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
"""


def _address(publish: str, port: str) -> str:
    host = publish or "0.0.0.0"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
