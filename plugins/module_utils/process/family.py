# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process and what it has started, for managers that do not keep count of it (private to the collection).

Fields of /proc/<pid>/stat: proc_pid_stat(5). A number is given to another process one day, so each is known by its start, too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

from ..system import System
from .manager import Found, does_not_end

PATIENCE = 15.0  # seconds beyond the grace of what is stopped
LOOK = 0.05  # seconds between two looks at what is stopping


class Process(t.NamedTuple):
    """One line of the table of processes."""

    pid: int
    parent: int
    group: int
    began: int  # clock ticks since boot
    name: str


def processes() -> dict[int, Process]:
    """All processes of this machine but zombies, by number."""
    found = {}
    for entry in os.listdir("/proc"):
        process = read_process(int(entry)) if entry.isdigit() else None
        if process is not None:
            found[process.pid] = process
    return found


def read_process(pid: int) -> Process | None:
    """One process; None for one that is gone, or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            head, _space, rest = stream.read().rpartition(")")
    except OSError:
        return None
    fields = rest.split()
    if fields[0] in ("Z", "X"):
        return None
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[19]), head.partition("(")[2])


class Family:
    """A process, the members of its process group, and all that descends from it, also of those that ended meanwhile."""

    def __init__(self, pid: int, table: t.Mapping[int, Process]) -> None:
        """:param pid: the leader of a process group, or 0 for nobody."""
        self._leader = table.get(pid)
        self._known: dict[int, Process] = {pid: self._leader} if self._leader else {}
        self.left: dict[int, str] = {}  # who was there when the leader had ended
        self.look(table)

    def look(self, table: t.Mapping[int, Process]) -> list[Process]:
        """Who is there now, newcomers included."""
        if self._leader is None:
            return []
        grown = True
        while grown:
            grown = False
            for process in table.values():
                known = self._known.get(process.parent)
                child = known is not None and known.began <= process.began
                member = process.group == self._leader.pid and process.began >= self._leader.began
                if process.pid not in self._known and (child or member):
                    self._known[process.pid] = process
                    grown = True
        here = [known for pid, known in self._known.items() if pid in table and table[pid].began == known.began]
        if self._leader not in here:
            self.left.update({process.pid: process.name for process in here})
        return here

    def kill(self, table: t.Mapping[int, Process]) -> None:
        """SIGKILL to whoever the leader left behind."""
        for process in self.look(table):
            now = read_process(process.pid)
            if process.pid in self.left and now is not None and now.began == process.began:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)


def stop_all(
    system: System, items: t.Sequence[Found], stop: t.Callable[[t.Collection[str]], t.Collection[str]]
) -> dict[str, list[str]]:
    """Stop processes with all that they started: SIGKILL, at the end of the grace, to whoever was left behind.

    :param stop: has the manager stop those of these names that run, and returns those that it counts as stopped.
    :returns: the names of the programs that each left behind.
    :raises SlipwayError: C(does_not_end).
    """
    began, table = system.monotonic(), processes()
    families = {found.name: Family(found.pid, table) for found in items}
    waiting = {found.name: found for found in items}
    while waiting:
        ended, table = stop(list(waiting)), processes()
        for name, found in list(waiting.items()):
            over = system.monotonic() - began - found.labels.grace
            if not families[name].look(table) and name in ended:
                del waiting[name]
            elif over > PATIENCE:
                raise does_not_end(name)
            elif over > 0:
                families[name].kill(table)
        if waiting:
            system.sleep(LOOK)
    return {name: sorted(set(family.left.values())) for name, family in families.items()}
