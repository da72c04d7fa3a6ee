# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process manager is asked for, whichever it is (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from ..errors import SlipwayError
from ..system import System
from .spec import Labels, Program, Scope

LOG_LINES = 30
RUNNING, STARTING, STOPPING, STOPPED, FAILED = "running", "starting", "stopping", "stopped", "failed"


class Found(t.NamedTuple):
    """One process as its manager reports it, whether it runs or not."""

    name: str
    labels: Labels
    number: int
    status: str  # running, starting, stopping, stopped, failed
    boot: bool  # whether it comes back after a reboot
    pid: int
    restarts: int
    exit_code: int | None
    ended_by: str  # signal, out of memory, watchdog, …, in the manager's words; empty when it ended by itself
    run: str  # changes with every start

    @property
    def running(self) -> bool:
        """Whether there is anything to stop."""
        return self.status in (RUNNING, STARTING, STOPPING)


class Ended(t.NamedTuple):
    """How a process was stopped."""

    killed: bool  # it did not end within its grace after SIGTERM
    left: list[str]  # names of programs that it started and left behind, ended with it


class Manager(abc.ABC):
    """Defines, starts and stops the programs of this machine.

    Nothing that it defines runs, or comes back after a reboot, before :meth:`start` and :meth:`set_boot` say so. What a
    call changes is on disk when it returns. Each may be repeated, also after it was cut off at any point.
    """

    def __init__(self, system: System) -> None:
        self.system = system

    @abc.abstractmethod
    def facts(self) -> dict[str, str]:
        """Name and version.

        :raises SlipwayError: C(manager_missing) where it cannot be used.
        """

    @abc.abstractmethod
    def found(self, scope: Scope) -> list[Found]:
        """Every process of a platform, and what was left running of one that is not defined any more."""

    @abc.abstractmethod
    def inspect(self, names: t.Sequence[str]) -> dict[str, Found]:
        """Those of these that are there, now."""

    @abc.abstractmethod
    def is_defined(self, program: Program) -> bool:
        """Whether it is defined exactly like this, environment included."""

    @abc.abstractmethod
    def refuse_unknown(self, program: Program) -> None:
        """Refuse directives, and options of the service, that this manager does not know, before anything is touched.

        :raises SlipwayError: C(invalid), naming the first.
        """

    @abc.abstractmethod
    def define(self, program: Program) -> None:
        """Write the definition of a program that does not run."""

    @abc.abstractmethod
    def forget(self, labels: Labels) -> None:
        """Remove the definition of a program that does not run."""

    @abc.abstractmethod
    def load(self) -> None:
        """Make what was defined and forgotten count."""

    def own_paths(self) -> list[str]:
        """What it has for the platform itself outside of the platform's directory, beside the definitions."""
        return []

    def retire(self) -> None:
        """Take that away, once no program of the platform is defined."""
        for path in self.own_paths():
            self.system.unlink(path)

    @abc.abstractmethod
    def start(self, names: t.Sequence[str]) -> dict[str, SlipwayError]:
        """Start all at once, and wait until each is started, or has told that it is ready; returns what failed."""

    @abc.abstractmethod
    def stop(self, items: t.Sequence[Found]) -> dict[str, Ended]:
        """SIGTERM to all at once, SIGKILL at the end of the grace of each; returns when all have ended."""

    @abc.abstractmethod
    def set_boot(self, names: t.Sequence[str], on: bool) -> None:
        """Let them come back after a reboot, or not."""

    def shares_port(self, one: str, other: str) -> bool:
        """Whether these two processes can have one port at the same time, so that one starts before the other ends."""
        return False

    @abc.abstractmethod
    def logs(self, name: str) -> list[str]:
        """The last lines that it wrote."""

    def log(self, name: str, *, since: int = 0, tail: int = 0) -> t.Iterator[bytes]:
        """All that it wrote, in pieces, each line after its time; as C(container.engine.Engine.log).

        :raises SlipwayError: C(no_times) where the manager keeps none.
        """
        raise SlipwayError(
            "its manager keeps no time of a line",
            obj=name,
            remedy=f"See it on the machine: {self.log_command(name)}.",
            cause="no_times",
        )

    @abc.abstractmethod
    def log_command(self, name: str) -> str:
        """What a person types to see its log."""

    @abc.abstractmethod
    def secret_path(self, process: str, secret: str, stored: str) -> str:
        """Where a process finds a secret that is stored in a file; that file, or a copy for the process alone."""

    @abc.abstractmethod
    def secrets_owner(self, user: str) -> int:
        """Who may read the files that secrets are stored in: root, or the user of the program."""

    def process_names(self, labels: Labels) -> list[str]:
        """The names of the processes of a program, one a replica."""
        name = Scope(labels.platform, labels.environment, "", "").program_name(labels.service, labels.side)
        return [self.process_name(name, number + 1) for number in range(labels.replicas)]

    @abc.abstractmethod
    def process_name(self, program: str, number: int) -> str:
        """The name of one replica."""


def not_running(name: str, item: Found | None, manager: Manager) -> SlipwayError:
    """The error for a process that should run and does not."""
    if item is None:
        return SlipwayError(
            "the process is not defined any more", obj=name, remedy="Run the release again.", cause="gone"
        )
    how = item.ended_by or ("" if item.exit_code is None else f"exit code {item.exit_code}")
    often = f" after {item.restarts} restarts" if item.restarts else ""
    status = f"{item.status}{often}, {how}" if how else f"{item.status}{often}"
    return SlipwayError(
        "the process does not run",
        obj=name,
        actual=status,
        wanted="running",
        remedy=f"See its log: {manager.log_command(name)}.",
        cause="oom" if "memory" in item.ended_by else "exited",
        evidence={
            "status": item.status,
            "exit_code": item.exit_code,
            "restarts": item.restarts,
            "ended_by": item.ended_by,
        },
    )


def does_not_end(name: str) -> SlipwayError:
    """The error for a process that nothing ends."""
    return SlipwayError(
        "a process does not end, not even after SIGKILL",
        obj=name,
        remedy="See what it waits for (its state D is a disk or a network file system), or restart the machine.",
        cause="does_not_end",
    )
