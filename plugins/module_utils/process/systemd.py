# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as instances of template units of systemd, one template for each service and side (private to the collection).

Needs systemd 247 (C(LoadCredential)). What is there is read from the unit files and from C(systemctl show).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import typing as t

from ..errors import SlipwayError
from ..system import System
from .manager import LOG_LINES, RUNNING, Ended, Found, Manager, does_not_end
from .spec import SIDES, Labels, Program, Scope
from .systemd_log import command, stamped
from .systemd_socket import socket_files, sockets_of, unwanted
from .systemd_state import PROPERTIES, item, members, not_started, parse, program_of, refuse_ignored
from .systemd_unit import credential_path, environment_text, read_labels, refuse_unknown, unit_text

MIN_VERSION = 247
UNITS = "/etc/systemd/system"
CALL = 60.0  # seconds for a call that only asks or writes
PATIENCE = 15.0  # seconds beyond what systemd itself allows
LOOK = 0.05  # seconds between two looks at what is stopping


class Systemd(Manager):
    """The system manager of this machine."""

    def __init__(self, system: System, base: str, units: str = UNITS) -> None:
        """:param base: directory of the platform; environment files are below it."""
        super().__init__(system)
        self._base = base
        self._units = units

    def facts(self) -> dict[str, str]:
        if not os.path.isdir("/run/systemd/system"):
            raise _missing("this machine was not booted with systemd")
        words = self._ask("systemctl", "--version").split()
        if len(words) < 2 or not words[1].isdigit() or int(words[1]) < MIN_VERSION:
            raise _missing(f"systemd {words[1] if len(words) > 1 else '?'} is too old")
        return {"manager": "systemd", "version": words[1]}

    # What is there --------------------------------------------------------------------------------------------------

    def found(self, scope: Scope) -> list[Found]:
        known = self._definitions(scope)
        names = [name for labels in known.values() for name in self.process_names(labels)]
        pattern = f"slipway-{scope.platform}.{scope.environment}.*@*.service"
        listed = self._ask("systemctl", "list-units", "--all", "--plain", "--no-legend", pattern)
        loaded = [word for word in listed.split() if program_of(word) in known]
        return self._look(sorted({*names, *loaded}), known)

    def inspect(self, names: t.Sequence[str]) -> dict[str, Found]:
        programs = {program_of(name) for name in names}
        known = {name: labels for name in programs for labels in [self._labels(name)] if labels is not None}
        items = self._look([name for name in names if program_of(name) in known], known)
        return {item.name: item for item in items}

    def _look(self, names: t.Sequence[str], known: t.Mapping[str, Labels]) -> list[Found]:
        if not names:
            return []
        said = self._show(names)
        return [item(about, known[program_of(name)], self._boots(name)) for name, about in said.items()]

    def _show(self, names: t.Sequence[str]) -> dict[str, dict[str, str]]:
        said = self._ask("systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", *names)
        return {about["Id"]: about for about in parse(said)}

    def _definitions(self, scope: Scope) -> dict[str, Labels]:
        prefix = f"slipway-{scope.platform}.{scope.environment}."
        known = {}
        for file in sorted(os.listdir(self._units)):
            if file.startswith(prefix) and file.endswith("@.service"):
                name = file[: -len("@.service")]
                labels = self._labels(name)
                if labels is not None and labels.belongs_to(scope):
                    known[name] = labels
        return known

    def _labels(self, program: str) -> Labels | None:
        return read_labels((self.system.read_file(self._unit_path(program)) or b"").decode("utf-8", "replace"))

    # Definitions ----------------------------------------------------------------------------------------------------

    def is_defined(self, program: Program) -> bool:
        return all(self.system.read_file(path) == data for path, data in self._files(program).items())

    def refuse_unknown(self, program: Program) -> None:
        if not program.service.unit:
            return
        refuse_unknown(program.service)
        with tempfile.TemporaryDirectory(prefix="slipway-") as directory:
            path = os.path.join(directory, "slipway-check.service")
            text = unit_text(program, directory).replace("%i", "1")
            self.system.replace_file(path, text.encode())
            said = self.system.run(["systemd-analyze", "verify", path], timeout=CALL).stderr
        refuse_ignored(said, path, text, f"services.{program.service.name}.unit")

    def define(self, program: Program) -> None:
        there = self.system.read_file(self._unit_path(program.name))
        if there is not None and read_labels(there.decode("utf-8", "replace")) is None:
            raise SlipwayError(
                "a unit that Slipway did not write has this name",
                obj=self._unit_path(program.name),
                remedy="Move it away, or rename the service.",
                cause="foreign_unit",
            )
        # The unit last: whoever sees it sees its environment, too.
        for path, data in self._files(program).items():
            self.system.make_directory(os.path.dirname(path))
            self.system.replace_file(path, data, mode=0o644 if path.startswith(self._units) else 0o600)
        self._forget_environments(program.name, keep=program.labels.replicas)
        self._forget_sockets(program.name)

    def _files(self, program: Program) -> dict[str, bytes]:
        directory = self._environments(program.name)
        files = {
            os.path.join(directory, str(number)): environment_text(environment).encode()
            for number, environment in enumerate(program.environments, 1)
        }
        files.update({os.path.join(self._units, name): text.encode() for name, text in socket_files(program).items()})
        files[self._unit_path(program.name)] = unit_text(program, directory).encode()
        return files

    def forget(self, labels: Labels) -> None:
        name = Scope(labels.platform, labels.environment, "", "").program_name(labels.service, labels.side)
        self.set_boot(self.process_names(labels), False)
        self.system.unlink(self._unit_path(name))
        shutil.rmtree(self._environments(name), ignore_errors=True)
        self._forget_sockets(name)

    def _forget_sockets(self, program: str) -> None:
        """Those that no unit of either side gets any more; what still listens is taken down by systemd itself."""
        service = program.rpartition(".")[0]
        wanted = {self._sockets(f"{service}.{side}") for side in SIDES}
        for file in unwanted(os.listdir(self._units), service, wanted):
            self.system.unlink(os.path.join(self._units, file))

    def _sockets(self, program: str) -> str:
        return sockets_of((self.system.read_file(self._unit_path(program)) or b"").decode("utf-8", "replace"))

    def shares_port(self, one: str, other: str) -> bool:
        names = {self._sockets(program_of(name)) for name in (one, other)}
        return len(names) == 1 and "" not in names

    def load(self) -> None:
        self._ask("systemctl", "daemon-reload")

    def set_boot(self, names: t.Sequence[str], on: bool) -> None:
        chosen = [name for name in names if self._boots(name) != on]
        if chosen:
            self._ask("systemctl", "--quiet", "enable" if on else "disable", "--", *chosen)

    def _boots(self, name: str) -> bool:
        return os.path.islink(os.path.join(self._units, "multi-user.target.wants", name))

    # Acts -----------------------------------------------------------------------------------------------------------

    def start(self, names: t.Sequence[str]) -> dict[str, SlipwayError]:
        if not names:
            return {}
        limit = max(labels.start_limit for name in names for labels in [self._labels(program_of(name))] if labels)
        done = self.system.run(["systemctl", "start", "--", *names], timeout=limit + PATIENCE)
        if done.rc == 0:
            return {}
        # With a restart policy a start that failed is tried again: that, too, is a start that failed.
        return {
            name: not_started(found, done.stderr, self.log_command(name))
            for name, found in self.inspect(names).items()
            if found.status != RUNNING or found.restarts > 0
        }

    def stop(self, items: t.Sequence[Found]) -> dict[str, Ended]:
        names = [found.name for found in items]
        if not names:
            return {}
        groups = {name: about["ControlGroup"] for name, about in self._show(names).items()}
        self._ask("systemctl", "stop", "--no-block", "--", *names)
        end = self.system.monotonic() + max(found.labels.grace for found in items) + PATIENCE
        left: dict[str, dict[int, str]] = {name: {} for name in names}
        main_lives: dict[str, bool] = {}
        killed, waiting = set(), set(names)
        while waiting:
            for name, about in self._show(sorted(waiting)).items():
                if not about["Job"] and about["ActiveState"] != "deactivating":
                    waiting.discard(name)
                    killed |= {name} if about["Result"] == "timeout" and main_lives.get(name) else set()
                    continue
                main_lives[name] = about["MainPID"] != "0"
                if not main_lives[name]:
                    left[name].update(members(groups[name]))
            if waiting and self.system.monotonic() > end:
                raise does_not_end(sorted(waiting)[0])
            if waiting:
                self.system.sleep(LOOK)
        self._ask("systemctl", "reset-failed", "--", *names, fine=(0, 1))
        sockets = [name for name in names if self._sockets(program_of(name)) == program_of(name)]
        if sockets:  # systemd takes them down by itself; when this returns, it has
            self._ask("systemctl", "stop", "--", *(name.replace(".service", ".socket") for name in sockets))
        return {name: Ended(name in killed, sorted(set(left[name].values()))) for name in names}

    # Logs -----------------------------------------------------------------------------------------------------------

    def logs(self, name: str) -> list[str]:
        with contextlib.suppress(SlipwayError):
            return self._ask(
                "journalctl", "--no-pager", "--output=cat", f"--lines={LOG_LINES}", f"--unit={name}"
            ).splitlines()
        return []

    def log(self, name: str, *, since: int = 0, tail: int = 0) -> t.Iterator[bytes]:
        yield from map(stamped, self._ask(*command(name, since=since, tail=tail)).splitlines())

    def log_command(self, name: str) -> str:
        return f"journalctl -u {name}"

    # Names ----------------------------------------------------------------------------------------------------------

    def process_name(self, program: str, number: int) -> str:
        return f"{program}@{number}.service"

    def secret_path(self, process: str, secret: str, stored: str) -> str:
        return credential_path(process, secret)

    def secrets_owner(self, user: str) -> int:
        return os.geteuid()

    def _unit_path(self, program: str) -> str:
        return os.path.join(self._units, f"{program}@.service")

    def _environments(self, program: str) -> str:
        return os.path.join(self._base, "environment", program)

    def _forget_environments(self, program: str, keep: int) -> None:
        directory = self._environments(program)
        for file in os.listdir(directory):
            if not (file.isdigit() and int(file) <= keep):
                self.system.unlink(os.path.join(directory, file))

    def _ask(self, *argv: str, fine: t.Container[int] = (0,)) -> str:
        done = self.system.run(argv, timeout=CALL)
        if done.rc not in fine:
            raise SlipwayError(
                "systemd refused",
                obj=" ".join(argv[:3]),
                actual=done.stderr.strip()[-500:],
                remedy="Run the command by hand on this machine.",
                cause="manager",
            )
        return done.stdout


def _missing(found: str) -> SlipwayError:
    return SlipwayError(
        "systemd cannot run programs here",
        actual=found,
        wanted=f"systemd {MIN_VERSION} or newer as the first process",
        remedy="Choose another manager for this machine.",
        cause="manager_missing",
    )
