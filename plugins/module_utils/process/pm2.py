# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as those of PM2, with a daemon of their own for each platform and environment (private to the collection).

Needs PM2 5 and systemd, which brings the daemon up after a reboot. The daemon knows only what runs: what is stopped is taken
off its list, and its definition stays in C(pm2/programs) of the platform. What is there is read from both.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from .family import stop_all
from .launch import Launchers, start_text
from .manager import LOG_LINES, RUNNING, STARTING, STOPPED, Ended, Found, Manager, not_running
from .owners import user_ids
from .pm2_app import app, cluster_text, is_cluster, refuse_unknown, unit_text
from .pm2_rpc import Call
from .pm2_state import End, item, program_of, read_ends
from .spec import Labels, Program, Scope

MIN_VERSION = 5
UNITS = "/etc/systemd/system"
CALL = 60.0  # seconds for a command
START = 120.0  # seconds for the daemon, longer than its unit is given by systemd (90)
LOOK = 0.1  # seconds between two looks at what starts
TAIL = 1 << 16  # bytes of a log
SOCKET_LIMIT = 107  # bytes of the path of a socket, unix(7)


class PM2(Manager):
    """The daemon of one platform in one environment."""

    def __init__(self, system: System, base: str, units: str = UNITS) -> None:
        """:param base: directory of the platform; C(pm2) below it is the daemon's PM2_HOME."""
        super().__init__(system)
        self._home = os.path.join(base, "pm2")
        self._socket = os.path.join(self._home, "rpc.sock")
        self._what = base.rstrip("/").split("/")[-2:]
        self._unit = os.path.join(units, f"slipway-pm2-{'.'.join(self._what)}.service")
        self._launchers = Launchers(system, base)

    def facts(self) -> dict[str, str]:
        _node, pm2 = self._programs()
        package = self.system.read_file(os.path.join(os.path.dirname(os.path.dirname(pm2)), "package.json"))
        version = str(json.loads(package or b"{}").get("version", "?"))
        first = version.partition(".")[0]
        if not first.isdigit() or int(first) < MIN_VERSION:
            raise _missing(f"PM2 {version} is too old")
        return {"manager": "pm2", "version": version}

    def _programs(self) -> tuple[str, str]:
        node, pm2 = shutil.which("node"), shutil.which("pm2")
        if not node or not pm2:
            raise _missing("there is no program pm2" if node else "there is no program node")
        if not os.path.isdir("/run/systemd/system"):
            raise _missing("this machine was not booted with systemd, which starts PM2 after a reboot")
        return node, os.path.realpath(pm2)

    # What is there --------------------------------------------------------------------------------------------------

    def found(self, scope: Scope) -> list[Found]:
        directory = os.path.join(self._home, "programs")
        files = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        known = {}
        for name in (file[: -len(".json")] for file in files if file.startswith("slipway-")):
            labels = self._labels(name)
            if labels is not None and labels.belongs_to(scope):
                known[name] = labels
        listed = self._listed()
        names = [name for labels in known.values() for name in self.process_names(labels)]
        names += [name for name in listed if program_of(name) in known]
        return self._look(sorted(set(names)), known, listed)

    def inspect(self, names: t.Sequence[str]) -> dict[str, Found]:
        known = {
            name: labels for name in {program_of(name) for name in names} for labels in [self._labels(name)] if labels
        }
        here = [name for name in names if program_of(name) in known]
        return {found.name: found for found in self._look(here, known, self._listed())}

    def _look(
        self, names: t.Sequence[str], known: t.Mapping[str, Labels], listed: t.Mapping[str, t.Any]
    ) -> list[Found]:
        boots = {about["name"] for about in self._boots()}
        ends = self._ends() if listed else {}
        return [item(name, listed.get(name), ends.get(name), known[program_of(name)], name in boots) for name in names]

    def _ends(self) -> dict[str, End]:
        return read_ends(self._tail(os.path.join(self._home, "pm2.log")))

    def _listed(self) -> dict[str, dict[str, t.Any]]:
        """What the daemon has on its list; nothing when there is no daemon."""
        try:
            return {about["name"]: about for about in Call(self._socket, "getMonitorData", {}).result()}
        except OSError:
            return {}

    def _definition(self, program: str) -> dict[str, t.Any]:
        with contextlib.suppress(ValueError):
            return dict(json.loads(self.system.read_file(self._file(program)) or b"{}"))
        return {}

    def _labels(self, program: str) -> Labels | None:
        with contextlib.suppress(TypeError, KeyError):
            return Labels(**self._definition(program)["labels"])
        return None

    # Definitions ----------------------------------------------------------------------------------------------------

    def is_defined(self, program: Program) -> bool:
        return all(self.system.read_file(path) == data for path, data in self._files(program).items())

    def refuse_unknown(self, program: Program) -> None:
        refuse_unknown(program.service)
        if len(self._socket) > SOCKET_LIMIT:
            raise SlipwayError(
                "the path of a socket cannot be so long",
                obj=self._socket,
                actual=len(self._socket),
                wanted=f"{SOCKET_LIMIT} bytes at most",
                remedy="Choose a shorter code_root, or a shorter name of the platform.",
                cause="invalid",
            )

    def define(self, program: Program) -> None:
        files = self._files(program)
        definition = files.pop(self._file(program.name))
        for directory in ("programs", "pids", "logs"):
            self.system.make_directory(os.path.join(self._home, directory))
        os.chmod(self._home, 0o700)
        self._launchers.write(program, files)
        self.system.replace_file(self._file(program.name), definition)

    def _files(self, program: Program) -> dict[str, bytes]:
        names, pids = self.process_names(program.labels), os.path.join(self._home, "pids")
        logs = [self._log(name) for name in names]
        scripts = started = self._launchers.texts(program, start_text)
        if is_cluster(program.service):  # the others are for a command that is run once
            started = self._launchers.texts(program, cluster_text, ".cjs")
        apps = [app(program, *each, pids) for each in zip(names, started, logs)]
        text = json.dumps({"labels": program.labels._asdict(), "processes": apps}, indent=1, sort_keys=True)
        return {**scripts, **started, self._file(program.name): text.encode()}

    def forget(self, labels: Labels) -> None:
        name = Scope(labels.platform, labels.environment, "", "").program_name(labels.service, labels.side)
        self.set_boot(self.process_names(labels), False)
        self.system.unlink(self._file(name))
        self._launchers.forget(name)

    def load(self) -> None:
        """What starts is read from its file then; there is nothing to load."""

    def set_boot(self, names: t.Sequence[str], on: bool) -> None:
        boots = {about["name"]: about for about in self._boots()}
        wanted = {name: about for name, about in boots.items() if on or name not in names}
        if on:
            wanted.update({name: self._app(name) for name in names})
        if wanted != boots:
            self._write_unit()
            self.system.replace_file(self._boot_file(), json.dumps(list(wanted.values())).encode())

    def _boots(self) -> list[dict[str, t.Any]]:
        return list(json.loads(self.system.read_file(self._boot_file()) or b"[]"))

    def _app(self, name: str) -> dict[str, t.Any]:
        apps = self._definition(program_of(name)).get("processes", [])
        return next((each for each in apps if each["name"] == name), {"name": name})

    def own_paths(self) -> list[str]:
        return [self._unit] if os.path.lexists(self._unit) else []

    def retire(self) -> None:
        if self.own_paths():
            self._command("systemctl", "--quiet", "disable", "--now", os.path.basename(self._unit), timeout=START)
            self.system.unlink(self._unit)
            self._command("systemctl", "daemon-reload")

    # The daemon -----------------------------------------------------------------------------------------------------

    def _write_unit(self) -> None:
        """Have systemd bring the daemon up after a reboot."""
        self.system.make_directory(self._home)
        node, pm2 = self._programs()
        text = unit_text(self._home, pm2, node, self._boot_file(), " ".join(self._what)).encode()
        if self.system.read_file(self._boot_file()) is None:
            self.system.replace_file(self._boot_file(), b"[]")
        name = os.path.basename(self._unit)
        wants = os.path.join(os.path.dirname(self._unit), "multi-user.target.wants", name)
        if self.system.read_file(self._unit) != text:
            self.system.replace_file(self._unit, text, mode=0o644)
            self._command("systemctl", "daemon-reload")
        if not os.path.islink(wants):
            self._command("systemctl", "--quiet", "enable", name)

    def _wake(self) -> None:
        """Have the daemon running; where it does not, what comes back after a reboot comes back now."""
        self._write_unit()
        with contextlib.suppress(OSError):
            Call(self._socket, "ping", {}).result()
            return
        self._command("systemctl", "start", os.path.basename(self._unit), timeout=START)

    def _call(self, method: str, argument: t.Any) -> Call:
        try:
            return Call(self._socket, method, argument)
        except OSError as error:
            raise SlipwayError(
                "the daemon of PM2 does not answer",
                obj=self._socket,
                actual=error.strerror,
                remedy=f"See systemctl status {os.path.basename(self._unit)}, and pm2.log in {self._home}.",
                cause="manager",
            ) from None

    def _command(self, *argv: str, timeout: float = CALL) -> None:
        done = self.system.run(argv, timeout=timeout)
        if done.rc != 0:
            raise SlipwayError(
                "systemd refused",
                obj=" ".join(argv),
                actual=done.stderr.strip()[-500:],
                remedy="Run the command by hand on this machine.",
                cause="manager",
            )

    # Acts -----------------------------------------------------------------------------------------------------------

    def start(self, names: t.Sequence[str]) -> dict[str, SlipwayError]:
        if not names:
            return {}
        self._wake()
        before = self._listed()
        calls = []
        for name in names:
            about = before.get(name)
            if about is not None and about["pm2_env"]["status"] == STOPPED:  # by hand: an older definition, perhaps
                self._call("deleteProcessId", about["pm_id"]).result()
            if about is None or about["pm2_env"]["status"] == STOPPED:
                calls.append(self._call("prepare", self._app(name)))
        limit = max(labels.start_limit for name in names for labels in [self._labels(program_of(name))] if labels)
        try:
            return self._await(names, limit)
        finally:
            for call in calls:
                call.close()

    def _await(self, names: t.Sequence[str], limit: float) -> dict[str, SlipwayError]:
        """What did not start, or was not ready in time."""
        end = self.system.monotonic() + limit
        while True:
            found = self.inspect(names)
            waiting = [name for name in names if found[name].status in (STARTING, STOPPED) and not found[name].restarts]
            waiting = [name for name in waiting if found[name].exit_code is None and not found[name].ended_by]
            late = self.system.monotonic() > end
            if not waiting or late:
                break
            self.system.sleep(LOOK)
        failed = {
            name: not_running(name, each, self)
            for name, each in found.items()
            if each.status != RUNNING and name not in waiting
        }
        for name in waiting:
            failed[name] = not_running(name, found[name]._replace(ended_by="its time to start was over"), self)
        return failed

    def shares_port(self, one: str, other: str) -> bool:
        """Workers of one daemon do (Node.js, cluster, "How it works"); that a new one listens is known by what it says."""
        apps = [self._app(name) for name in (one, other)]
        return all(about.get("exec_mode") == "cluster_mode" and about.get("wait_ready") for about in apps)

    def stop(self, items: t.Sequence[Found]) -> dict[str, Ended]:
        if not items:
            return {}
        asked: dict[str, Call] = {}

        def stop(names: t.Collection[str]) -> list[str]:
            listed = self._listed()
            for name in (name for name in names if name in listed and name not in asked):
                asked[name] = self._call("stopProcessId", listed[name]["pm_id"])
            return [name for name in names if name not in listed or listed[name]["pm2_env"]["status"] == STOPPED]

        left = stop_all(self.system, items, stop)
        ends, listed = self._ends(), self._listed()
        for name in left:
            if name in asked:
                asked[name].close()
            if name in listed:
                self._call("deleteProcessId", listed[name]["pm_id"]).result()
        return {name: Ended(name in ends and ends[name].signal == "SIGKILL", names) for name, names in left.items()}

    # Logs -----------------------------------------------------------------------------------------------------------

    def logs(self, name: str) -> list[str]:
        text = self._tail(f"{self._log(name)}.1") + self._tail(self._log(name))
        return text.splitlines()[-LOG_LINES:]

    def _tail(self, path: str) -> str:
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL))
            return stream.read().decode("utf-8", "replace")
        return ""

    def log_command(self, name: str) -> str:
        return f"tail {self._log(name)}"

    # Names ----------------------------------------------------------------------------------------------------------

    def process_name(self, program: str, number: int) -> str:
        return f"{program}-{number}"

    def secret_path(self, process: str, secret: str, stored: str) -> str:
        return stored

    def secrets_owner(self, user: str) -> int:
        return user_ids(user, "user")[0]

    def _file(self, program: str) -> str:
        return os.path.join(self._home, "programs", f"{program}.json")

    def _boot_file(self) -> str:
        return os.path.join(self._home, "boot.json")

    def _log(self, name: str) -> str:
        return os.path.join(self._home, "logs", f"{name}.log")


def _missing(found: str) -> SlipwayError:
    return SlipwayError(
        "PM2 cannot run programs here",
        actual=found,
        wanted=f"PM2 {MIN_VERSION} or newer, Node.js and systemd",
        remedy="Install it (npm install --global pm2), or choose another manager for this machine.",
        cause="manager_missing",
    )
