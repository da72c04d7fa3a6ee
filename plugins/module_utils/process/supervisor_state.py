# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Supervisor says of a process, and what its log says of how it ended (private to the collection).

States: Supervisor's manual, "Subprocesses". How a process ended is nowhere but in the log of supervisord, in lines of
C(Subprocess.finish) (C(supervisor/process.py)): C(exited: NAME (exit status 3; not expected)) and C(stopped: NAME (…)).
"""

from __future__ import annotations

import re
import typing as t

from .launch import STATUSES
from .manager import FAILED, RUNNING, STARTING, STOPPED, STOPPING, Found
from .spec import Labels

#: A process of ours: C(slipway-<platform>.<environment>.<service>.<side>-<number>).
PROCESS = re.compile(r"(?P<program>slipway-[^.]+\.[^.]+\.[^.]+\.(blue|green))-(?P<number>\d+)")
#: STARTING has a process, which is young; BACKOFF and EXITED have none, and will have one again.
STATES = {
    "STOPPED": STOPPED, "STARTING": RUNNING, "RUNNING": RUNNING, "BACKOFF": STARTING, "STOPPING": STOPPING,
    "EXITED": STARTING, "FATAL": FAILED, "UNKNOWN": FAILED,
}  # fmt: skip
_END = re.compile(r" (?P<kind>exited|stopped): (?P<name>slipway-\S+) \((?P<how>[^;)]*)")


class End(t.NamedTuple):
    """How a process ended last, and how often in a row it did by itself."""

    stopped: bool
    how: str  # "exit status 3", "terminated by SIGKILL"
    restarts: int

    @property
    def code(self) -> int | None:
        """The exit status; None when a signal ended it, or nothing did."""
        status = re.search(r"exit status (\d+)", self.how)
        return int(status.group(1)) if status else None

    @property
    def signal(self) -> str:
        """The name of the signal that ended it."""
        found = re.search(r"terminated by (\S+)", self.how)
        return found.group(1) if found else ""


NEVER = End(True, "", 0)


def read_ends(log: str) -> dict[str, End]:
    """The ends of all processes that a log of supervisord tells of, by name."""
    ends: dict[str, End] = {}
    for found in _END.finditer(log):
        stopped = found.group("kind") == "stopped"
        before = ends.get(found.group("name"), NEVER).restarts
        ends[found.group("name")] = End(stopped, found.group("how"), 0 if stopped else before + 1)
    return ends


def item(name: str, about: t.Mapping[str, t.Any] | None, end: End, labels: Labels, boot: bool) -> Found:
    """One process; without anything about it, it is defined and was never loaded."""
    number = int(number_of(name))
    if about is None:
        return Found(name, labels, number, STOPPED, boot, 0, 0, None, "", "")
    status = STATES.get(about["statename"], FAILED)
    fell = not end.stopped
    return Found(
        name=name,
        labels=labels,
        number=number,
        status=status,
        boot=boot,
        pid=about["pid"],
        restarts=end.restarts if fell and status != STOPPED else 0,
        exit_code=end.code if fell else None,
        ended_by=_ended_by(end, about["spawnerr"]) if fell or status == FAILED else "",
        run=f"{about['start']}:{about['pid'] or about['stop']}",
    )


def program_of(name: str) -> str:
    """The program of a replica; empty for another name."""
    found = PROCESS.fullmatch(name)
    return found.group("program") if found else ""


def number_of(name: str) -> str:
    """The number of a replica."""
    found = PROCESS.fullmatch(name)
    return found.group("number") if found else "0"


def _ended_by(end: End, said: str) -> str:
    if end.signal:
        return f"signal {end.signal}"
    if end.code in STATUSES:
        return f"{STATUSES[end.code]} (exit status {end.code})"
    return "" if end.code is not None else said
