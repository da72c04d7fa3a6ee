# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as those of Supervisor, one configuration file for each service and side (private to the collection).

Needs Supervisor 4. Only groups of ours are added, removed, started and stopped, each by its name, and supervisord is never
reloaded. What is there is read from our files and from supervisord.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from .family import stop_all
from .launch import Launchers, start_text
from .manager import LOG_LINES, Ended, Found, Manager
from .owners import user_ids
from .spec import Labels, Program, Scope
from .supervisor_conf import boot_text, conf_text, refuse_unknown
from .supervisor_rpc import (
    ALREADY_ADDED,
    ALREADY_STARTED,
    BAD_NAME,
    NO_FILE,
    NOT_RUNNING,
    SPAWN_ERROR,
    STILL_RUNNING,
    Place,
    Supervisord,
    find_place,
    missing,
)
from .supervisor_state import NEVER, End, item, program_of, read_ends
from .systemd_unit import read_labels

MIN_VERSION = 4
LOGS = "/var/log/slipway"
TAIL = 1 << 16  # bytes of supervisord's log
RUN = "/run/slipway"
CONTROL = "supervisorctl"
BOOT = ".boot"  # of the name of the program that brings another back


class Supervisor(Manager):
    """The supervisord of this machine."""

    def __init__(self, system: System, base: str, place: Place | None = None, logs: str = LOGS, run: str = RUN) -> None:
        """:param base: directory of the platform; the scripts that start its programs are below it."""
        super().__init__(system)
        self._run = run
        self._place = place or find_place()
        self._logs = logs
        self._launchers = Launchers(system, base)
        self._supervisord = Supervisord(self._place)

    def facts(self) -> dict[str, str]:
        version = self._supervisord.ask("getSupervisorVersion")
        first = version.partition(".")[0]
        if not first.isdigit() or int(first) < MIN_VERSION:
            raise missing(f"Supervisor {version} is too old")
        return {"manager": "supervisor", "version": version}

    # What is there --------------------------------------------------------------------------------------------------

    def found(self, scope: Scope) -> list[Found]:
        prefix = f"slipway-{scope.platform}.{scope.environment}."
        known = {}
        for file in sorted(os.listdir(self._place.programs)) if os.path.isdir(self._place.programs) else ():
            name = file[: -len(self._place.suffix)]
            labels = self._labels(name) if file.startswith(prefix) and file.endswith(self._place.suffix) else None
            if labels is not None and labels.belongs_to(scope):
                known[name] = labels
        loaded = self._loaded()
        names = [name for labels in known.values() for name in self.process_names(labels)]
        names += [name for name in loaded if program_of(name) in known]
        return self._look(sorted(set(names)), known, loaded)

    def inspect(self, names: t.Sequence[str]) -> dict[str, Found]:
        programs = {program_of(name) for name in names}
        known = {name: labels for name in programs for labels in [self._labels(name)] if labels is not None}
        here = [name for name in names if program_of(name) in known]
        return {found.name: found for found in self._look(here, known, self._loaded() if here else {})}

    def _look(
        self, names: t.Sequence[str], known: t.Mapping[str, Labels], loaded: t.Mapping[str, dict[str, t.Any]]
    ) -> list[Found]:
        ends = self._ends() if names else {}
        return [
            item(name, loaded.get(name), ends.get(name, NEVER), known[program_of(name)], self._boots(name))
            for name in names
        ]

    def _loaded(self) -> dict[str, dict[str, t.Any]]:
        return {about["name"]: about for about in self._supervisord.ask("getAllProcessInfo")}

    def _ends(self) -> dict[str, End]:
        return read_ends(self._supervisord.ask("readLog", -TAIL, 0, fine=(NO_FILE,)) or "")

    def _labels(self, program: str) -> Labels | None:
        return read_labels((self.system.read_file(self._conf(program)) or b"").decode("utf-8", "replace"))

    # Definitions ----------------------------------------------------------------------------------------------------

    def is_defined(self, program: Program) -> bool:
        return all(self.system.read_file(path) == data for path, data in self._files(program).items())

    def refuse_unknown(self, program: Program) -> None:
        refuse_unknown(program.service)

    def define(self, program: Program) -> None:
        there = self.system.read_file(self._conf(program.name))
        if there is not None and read_labels(there.decode("utf-8", "replace")) is None:
            raise SlipwayError(
                "a program that Slipway did not write has this name",
                obj=self._conf(program.name),
                remedy="Move it away, or rename the service.",
                cause="foreign_unit",
            )
        conf = self._conf(program.name)
        files = self._files(program)
        text = files.pop(conf)
        self._launchers.write(program, files)
        self.system.make_directory(self._logs)
        self.system.replace_file(conf, text, mode=0o644)

    def _files(self, program: Program) -> dict[str, bytes]:
        scripts = self._launchers.texts(program, start_text)
        conf = conf_text(program, self.process_names(program.labels), list(scripts), self._logs)
        return {**scripts, self._conf(program.name): conf.encode()}

    def forget(self, labels: Labels) -> None:
        name = Scope(labels.platform, labels.environment, "", "").program_name(labels.service, labels.side)
        self.set_boot(self.process_names(labels), False)
        self.system.unlink(self._conf(name))
        self._launchers.forget(name)

    def load(self) -> None:
        """Bring the groups of ours that do not run to what their files say; none of them starts a process by that."""
        added, changed, removed = self._supervisord.ask("reloadConfig")[0]
        ours = {name for name in [*added, *changed, *removed] if program_of(name.removesuffix(BOOT))}
        for name in sorted(ours & {*changed, *removed}):
            self._supervisord.ask("removeProcessGroup", name, fine=(BAD_NAME, STILL_RUNNING))
        for name in sorted(ours & {*added, *changed}):
            if self._labels(program_of(name.removesuffix(BOOT))) is not None:
                self._supervisord.ask("addProcessGroup", name, fine=(ALREADY_ADDED, BAD_NAME))

    def set_boot(self, names: t.Sequence[str], on: bool) -> None:
        chosen = [name for name in names if self._boots(name) != on]
        control = f"{shutil.which(CONTROL) or CONTROL} -c {self._place.configuration}"
        for name in chosen:
            first = os.path.join(self._run, name)
            if on:
                self.system.make_directory(self._run)
                self.system.replace_file(first, b"")
                text = boot_text(name, control, first, self._logs)
                self.system.replace_file(self._boot(name), text.encode(), mode=0o644)
            else:
                self.system.unlink(self._boot(name))
                self.system.unlink(first)
        if chosen:
            self.load()

    def _boots(self, name: str) -> bool:
        return os.path.exists(self._boot(name))

    # Acts -----------------------------------------------------------------------------------------------------------

    def start(self, names: t.Sequence[str]) -> dict[str, SlipwayError]:
        self.load()
        failed = {}
        for name in names:
            # A process that ended at once is one that the caller sees end: it looks for what does not stay.
            try:
                self._supervisord.ask("startProcess", name, False, fine=(ALREADY_STARTED, SPAWN_ERROR))
            except SlipwayError as error:
                failed[name] = error
        return failed

    def stop(self, items: t.Sequence[Found]) -> dict[str, Ended]:
        if not items:
            return {}
        left = stop_all(self.system, items, self._stop)
        ends = self._ends()
        return {name: Ended(ends.get(name, NEVER).signal == "SIGKILL", names) for name, names in left.items()}

    def _stop(self, names: t.Collection[str]) -> list[str]:
        """Called again and again: what was just about to be started again could not be stopped a moment before."""
        loaded = self._loaded()
        states = {name: loaded[name]["statename"] if name in loaded else "" for name in names}
        for name in (name for name in names if states[name] in ("RUNNING", "STARTING", "BACKOFF")):
            self._supervisord.ask("stopProcess", name, False, fine=(NOT_RUNNING,))
        return [name for name in names if states[name] in ("", "STOPPED", "FATAL", "UNKNOWN")]

    # Logs -----------------------------------------------------------------------------------------------------------

    def logs(self, name: str) -> list[str]:
        lines: list[str] = []
        for path in (f"{self._log(name)}.1", self._log(name)):
            with contextlib.suppress(OSError), open(path, "rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL))
                lines += stream.read().decode("utf-8", "replace").splitlines()
        return lines[-LOG_LINES:]

    def log_command(self, name: str) -> str:
        return f"tail {self._log(name)}"

    def _log(self, name: str) -> str:
        return os.path.join(self._logs, f"{name}.log")

    # Names ----------------------------------------------------------------------------------------------------------

    def process_name(self, program: str, number: int) -> str:
        return f"{program}-{number}"

    def secret_path(self, process: str, secret: str, stored: str) -> str:
        return stored

    def secrets_owner(self, user: str) -> int:
        return user_ids(user, "user")[0]

    def _conf(self, program: str) -> str:
        return os.path.join(self._place.programs, program + self._place.suffix)

    def _boot(self, name: str) -> str:
        return os.path.join(self._place.programs, f"{name}{BOOT}{self._place.suffix}")
