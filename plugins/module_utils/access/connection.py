# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which connection a module came to this machine, read from /proc (private to the collection)."""

from __future__ import annotations

import os
import pwd
import typing as t


class Connection(t.NamedTuple):
    """An SSH connection: who logged in, from which address, to which port of this machine."""

    user: str
    client: str
    port: int


def own_connection(proc: str = "/proc", pid: int | None = None) -> Connection | None:
    """The connection that this process came by, also through sudo; None where it was another kind of connection.

    sshd sets SSH_CONNECTION for the user's first process (ssh(1), ENVIRONMENT), and sudo takes it away again. So the
    ancestors are asked; the outermost one that has it belongs to the user that logged in.
    """
    found = None
    current = os.getpid() if pid is None else pid
    while current > 1:
        words = _environment(f"{proc}/{current}").get("SSH_CONNECTION", "").split()
        if len(words) == 4 and words[3].isdigit():
            found = Connection(_owner(f"{proc}/{current}"), words[0], int(words[3]))
        current = _parent(f"{proc}/{current}")
    return found


def _environment(process: str) -> dict[str, str]:
    try:
        with open(f"{process}/environ", "rb") as stream:
            pairs = stream.read().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _parent(process: str) -> int:
    """The parent's id by proc(5), field 4 of stat; 0 where it cannot be read."""
    try:
        with open(f"{process}/stat", encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _owner(process: str) -> str:
    uid = os.stat(process).st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
