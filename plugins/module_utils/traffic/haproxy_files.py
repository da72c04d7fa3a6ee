# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's files that are ours: written, checked as a whole, reloaded and confirmed (private to the collection)."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import haproxy_config as config
from .haproxy_by_hand import is_ours, line_by_hand
from .haproxy_socket import HaproxySocket, state_file
from .listening import overlaps
from .model import Traffic, Weights
from .processes import Listener, Processes, listen_taken
from .structure import owner as owner_of

RELOAD_SECONDS = 10.0
LOST_SECONDS = 2.0  # without what was asked for: the reload was lost
COMMAND_SECONDS = 30.0
POLL = 0.05


class Settings(t.NamedTuple):
    """Where HAProxy is on this machine (Debian's places by default)."""

    config_dir: str = "/etc/haproxy/slipway.d"
    main_config: str = "/etc/haproxy/haproxy.cfg"
    socket: str = "/run/haproxy/slipway.sock"
    root: str = "/var/lib/slipway"
    check_command: tuple[str, ...] = ("haproxy", "-c")
    reload_command: tuple[str, ...] = ("systemctl", "reload", "haproxy")


class Files:
    """The files of one platform, and the one that all platforms share."""

    def __init__(
        self,
        system: System,
        settings: Settings,
        socket: HaproxySocket,
        processes: Processes,
        *,
        platform: str,
        environment: str,
    ) -> None:
        self._system = system
        self._settings = settings
        self._socket = socket
        self._processes = processes
        self._platform = platform
        self._environment = environment
        self.prefix = config.backend_name(platform, environment, "")
        self.path = os.path.join(settings.config_dir, f"{platform}-{environment}.cfg")
        self.states = os.path.join(settings.root, "haproxy")
        self.certificates = os.path.join(self.states, "tls", f"{platform}-{environment}")
        self._shared = os.path.join(settings.config_dir, config.SHARED_FILE)

    def render(self, traffic: Traffic, weights: Weights) -> str:
        """The platform's file as it is to be."""
        return config.platform_text(traffic, weights, self.states, self.certificates)

    def text(self) -> str:
        """The platform's file as it is on disk, or nothing."""
        return (self._system.read_file(self.path) or b"").decode(errors="replace")

    def shared_is_current(self) -> bool:
        """Whether the file that all platforms share is the one this version writes."""
        return self._system.read_file(self._shared) == config.shared_text(self._settings.socket).encode()

    def persist(self, traffic: Traffic, text: str) -> None:
        """Make run time durable: state files first, so that the configuration never names one older than itself."""
        self._write_states(traffic)
        self._system.replace_file(self.path, text.encode())
        self._prune_states(traffic)

    def refuse_taken_listen(self, traffic: Traffic, *, ours: bool) -> None:
        """Refuse an address that another platform, a hand-written frontend or another program listens on.

        Within one process HAProxy would share it silently (SO_REUSEPORT), each taking some of the connections.

        :param ours: the running proxy says itself that it listens there for this platform.
        :raises SlipwayError: C(listen_taken), naming who; C(file_taken) for a name clash of two platforms.
        """
        for path in sorted(glob.glob(os.path.join(self._settings.config_dir, "*.cfg"))):
            owner = owner_of((self._system.read_file(path) or b"").decode(errors="replace"))
            if owner is None:
                continue
            mine = (owner.platform, owner.environment) == (traffic.platform, traffic.environment)
            if path == self.path and not mine:
                raise SlipwayError(
                    "this file belongs to another platform",
                    obj=path,
                    remedy="Rename one of the two.",
                    actual=f"{owner.platform} in {owner.environment}",
                    wanted=f"{traffic.platform} in {traffic.environment}",
                    cause="file_taken",
                )
            if not mine and owner.ports() & traffic.ports() and overlaps(owner.bind, traffic.bind):
                who = f"platform {owner.platform} in {owner.environment} ({path})"
                raise listen_taken(traffic.bind, min(owner.ports() & traffic.ports()), who)
        owner = owner_of(self.text())
        owner = owner if self._loaded() else None
        for port in sorted(set() if ours else traffic.ports()):
            for listener in self._processes.listeners(port):
                if owner and port in owner.ports() and overlaps(listener.address, owner.bind):
                    continue  # this platform's own, at other addresses so far
                if overlaps(listener.address, traffic.bind):
                    self._refuse_listener(listener, traffic.bind)

    def refused_listen(self, traffic: Traffic) -> list[str]:
        """What C(refuse_taken_listen) would raise, in words, where the platform is new here."""
        try:
            self.refuse_taken_listen(traffic, ours=bool(self.text()))
        except SlipwayError as error:
            return [error.message]
        return []

    def _refuse_listener(self, listener: Listener, bind: str) -> None:
        """But for this very HAProxy, when its files do not name the address any more."""
        process, where = listener.process, f"{listener.address}:{listener.port}"
        loads = [one for one in self._processes.named("haproxy") if is_ours(one, self._settings.config_dir)]
        ours = process if process and is_ours(process, self._settings.config_dir) else None
        # Where nobody may see whose socket it is (a machine that is a container), our HAProxy's files tell whether it is its.
        asked = ours or (loads[0] if loads and process is None else None)
        line = line_by_hand(self._system, asked, self._settings.config_dir, listener.port) if asked else ""
        if ours is None and not line:
            who = f"{process.command} (process {process.pid})" if process else "an unknown process"
            raise listen_taken(bind, listener.port, f"{who} on {where}")
        if line:
            error = listen_taken(bind, listener.port, f"HAProxy itself, by {line}")
            error.remedy = (
                "Take that line out of the file, and do not reload HAProxy: the reload with which the platform comes gives it the"
                " address at the same instant. Or choose another port."
            )
            raise error

    def refuse_taken_entrance(self) -> None:
        """Refuse to hold requests where another program would get them.

        :raises SlipwayError: C(listen_taken), naming who.
        """
        entrance = config.entrance(self._platform, self._environment)
        for listener in self._processes.listeners(config.ENTRANCE_PORT):
            process = listener.process
            if overlaps(listener.address, entrance) and (process is None or process.command != "haproxy"):
                who = f"{process.command} (process {process.pid})" if process else "an unknown process"
                raise listen_taken(entrance, config.ENTRANCE_PORT, who)

    def _write_states(self, traffic: Traffic) -> None:
        self._system.make_directory(self.states)
        dump = self._socket.ask("show servers state", patience=1.0)
        for service in traffic.services:
            name = config.backend_name(traffic.platform, traffic.environment, service.name)
            path = config.state_file_name(traffic, service, self.states)
            self._system.replace_file(path, state_file(dump, name).encode())

    def _prune_states(self, traffic: Traffic) -> None:
        used = {config.state_file_name(traffic, service, self.states) for service in traffic.services}
        for path in glob.glob(os.path.join(self.states, f"{glob.escape(self.prefix)}*.state")):
            if path not in used:
                self._system.unlink(path)

    def reload(self, traffic: Traffic, weights: Weights) -> float:
        """Check the whole set, put it in place, reload, see a new worker with it; else the old file comes back.

        The weights are those of the configuration: the state files, written first, say those from before and so are not
        believed in this point (see C(state_file)), only in what checks had found.

        :returns: milliseconds from the reload until it was read back.
        """
        self._system.make_directory(self._settings.config_dir, mode=0o755)
        files = {self._shared: config.shared_text(self._settings.socket), self.path: self.render(traffic, weights)}
        self._check(files)
        before = {path: self._system.read_file(path) for path in files}
        old_pid = self._worker()
        if old_pid:
            self._write_states(traffic)
        for path, content in files.items():
            if before[path] != content.encode():
                self._system.replace_file(path, content.encode())
        started = self._system.monotonic()
        try:
            wanted = {server.key: weights.get(server.key, 0) for server in traffic.servers()}
            self._reload_and_confirm(config.generation(traffic), wanted, old_pid)
        except SlipwayError:
            for path, old in before.items():
                if old is None:
                    self._system.unlink(path)
                else:
                    self._system.replace_file(path, old)
            with contextlib.suppress(SlipwayError):
                self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)
            raise
        spent = (self._system.monotonic() - started) * 1000
        self._prune_states(traffic)
        return spent

    def belongings(self) -> list[str]:
        """The paths of all that is this platform's alone."""
        states = sorted(glob.glob(os.path.join(self.states, f"{glob.escape(self.prefix)}*.state")))
        return [path for path in (self.path, *states, self.certificates) if os.path.lexists(path)]

    def remove(self) -> None:
        """Check what is left, reload with it, see a new worker without the platform; else the old file comes back."""
        old, old_pid = self._system.read_file(self.path), self._worker()
        if old_pid and (old is not None or self._loaded()):
            self._check({self.path: None})
            self._system.unlink(self.path)
            try:
                self._reload_and_confirm("", {}, old_pid)
            except SlipwayError:
                if old is not None:
                    self._system.replace_file(self.path, old)
                    self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)
                raise
        for path in self.belongings():
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                self._system.unlink(path)

    def _check(self, files: t.Mapping[str, str | None]) -> None:
        """C(haproxy -c) over the hand-written file and a copy of our directory with the new files in it, without those of None."""
        trial = os.path.join(self.states, f"check-{self._platform}-{self._environment}")
        self._system.make_directory(trial)
        try:
            for path in [*glob.glob(os.path.join(self._settings.config_dir, "*.cfg")), *files]:
                new = files.get(path, "")
                content = (new or "").encode() if path in files else self._system.read_file(path)
                if new is not None:
                    self._system.replace_file(os.path.join(trial, os.path.basename(path)), content or b"")
            argv = [*self._settings.check_command, "-f", self._settings.main_config, "-f", trial]
            done = self._system.run(argv, timeout=COMMAND_SECONDS)
        finally:
            for path in glob.glob(os.path.join(trial, "*")):
                self._system.unlink(path)
            os.rmdir(trial)
        if done.rc:
            raise SlipwayError(
                "HAProxy refuses the configuration",
                obj=self.path,
                actual=_alerts(done.stderr) or f"exit status {done.rc}",
                remedy="Nothing was changed. Look at the lines it names, in the hand-written configuration too.",
                cause="config_invalid",
                evidence={"stderr": done.stderr[-4000:], "command": " ".join(argv)},
            )

    def _reload_and_confirm(self, generation: str, wanted: Weights, old_pid: str) -> None:
        done = self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)
        asked, asked_of, seen = self._system.monotonic(), old_pid, ""
        deadline = asked + RELOAD_SECONDS
        variable = config.variable(self._platform, self._environment)
        while not done.rc:
            with contextlib.suppress(SlipwayError):
                pid = self._socket.info(patience=0.0).get("Pid", "")
                runs = self._socket.variable(variable, patience=0.0)
                loaded = self._loaded()
                seen = f"worker {pid or '?'} (before: {old_pid or '?'}), structure {runs or '?'}, weights {loaded}"
                if pid not in ("", old_pid) and runs == generation and loaded == wanted:
                    return
                # HAProxy loses a reload while one that a killed run or a person asked for begins: from the fork of that
                # one's worker, which answers here already, until its master listens to signals again. On a busy machine
                # that can take so long that the next one is lost as well.
                foreign = pid not in ("", asked_of) and runs != generation
                if foreign or self._system.monotonic() - asked > LOST_SECONDS:
                    done = self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)
                    asked, asked_of = self._system.monotonic(), pid
            if self._system.monotonic() >= deadline:
                break
            self._system.sleep(POLL)
        said = f"exit status {done.rc}: {done.stderr.strip()[-500:]}" if done.rc else seen or "no answer of its socket"
        raise SlipwayError(
            "HAProxy did not come back with the new configuration",
            obj=" ".join(self._settings.reload_command),
            actual=said,
            wanted=f"a new worker, structure {generation or '?'}, weights {wanted} within {RELOAD_SECONDS:g} s",
            remedy="The old file is back in place. Look at 'journalctl -u haproxy'.",
            cause="reload_failed",
        )

    def _worker(self) -> str:
        """The process that answers on the socket; empty where none does yet, though a file of an earlier one is left."""
        try:
            return self._socket.info().get("Pid", "")
        except SlipwayError as error:
            if error.cause in ("socket_missing", "socket_refused"):
                return ""
            raise

    def _loaded(self) -> Weights:
        try:
            states = self._socket.servers(patience=0.0)
        except SlipwayError:
            return {}
        mine = (one for one in states if one.backend.startswith(self.prefix))
        return {(one.backend[len(self.prefix) :], one.name): one.weight for one in mine}


def _alerts(stderr: str) -> str:
    """What C(haproxy -c) complains about, without the lines that only say that it does."""
    found = re.findall(r"^\[ALERT\]\s+\(\d+\) : (?:config : )?((?!Error|Fatal).*)$", stderr, re.MULTILINE)
    return "; ".join(found[:5])
