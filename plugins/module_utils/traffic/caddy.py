# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic by Caddy: a Caddyfile of ours, a file beside it that says which side is live, and its admin endpoint.

Private to the collection. The Caddyfile is imported by what Caddy is started with, so a restart, a reload by hand and a
reboot have what runs, whatever became of Caddy's autosave. A change of structure is adapted together with the
hand-written files, which proves that; then our part of it alone takes its place in the running configuration, unless
somebody has changed that meanwhile. To move all traffic from one side to the other nothing of that is needed.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import stat
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import caddy_config as config
from .by_file import COMMAND_SECONDS, POLL, RELOAD_SECONDS, ByFile
from .caddy_api import CaddyApi
from .caddy_removal import listens, without
from .certificates import Certificates
from .listening import canonical
from .model import Key, Line, Look, Plan, Traffic, Weights
from .probing import Get, SideLog
from .processes import Process, Processes, listen_taken
from .tls import Tls

TRIES = 5  # to put our part into a configuration that others change all the time


class Settings(t.NamedTuple):
    """Where Caddy is on this machine. Without C(main_config) it is what the running process was started with."""

    config_dir: str = "/etc/caddy/slipway.d"
    main_config: str = ""
    socket: str = "/run/caddy/admin.sock"
    log_dir: str = "/var/log/caddy"
    root: str = "/var/lib/slipway"
    check_command: tuple[str, ...] = ("caddy", "adapt", "--adapter", "caddyfile", "--config")


class Caddy(ByFile):
    """One platform on this machine's Caddy."""

    name = "Caddy"
    command = "caddy"
    by_side = True
    notices = (
        "Caddy moves all traffic at run time. What changes its configuration (another structure, a split, closing) closes"
        " idle keep-alive connections, and new ones that it has not taken yet: a client that does not retry notices."
        " Before version 2.7 it also ends every WebSocket.",
    )
    reload_told = "change Caddy's configuration; idle keep-alive connections are closed"

    def __init__(
        self,
        system: System,
        platform: str,
        environment: str,
        settings: Settings,
        *,
        secrets: t.Mapping[str, str] | None = None,
        processes: Processes | None = None,
        get: Get | None = None,
        api: CaddyApi | None = None,
    ) -> None:
        log = SideLog(os.path.join(settings.log_dir, f"slipway-{platform}-{environment}.log"), config.parse_log)
        super().__init__(
            system,
            platform,
            environment,
            root=settings.root,
            file=os.path.join(settings.config_dir, f"{platform}-{environment}.caddyfile"),
            log=log,
            certificates=Certificates(
                system, os.path.join(settings.config_dir, "tls"), platform, environment, secrets, mode=0o640
            ),
            processes=processes,
            get=get,
        )
        self._settings = settings
        self._api = api or CaddyApi(settings.socket)
        # Whether this Caddy can keep WebSockets. It is tried: some builds do not know their version.
        self._streams: bool | None = None

    def retired(self) -> dict[str, int]:
        """See C(Provider.retired): asked for while the platform is closed, so what is under way began before."""
        return self._under_way(self._lines(self._text()))

    def refused_listen(self, bind: str, listen: int | None, tls: Tls | None) -> list[str]:
        """See C(Provider.refused_listen). What runs keeps sites that its files do not name any more, so none makes room."""
        found = super().refused_listen(bind, listen, tls)
        if found or not listen or self._text():
            return found
        with contextlib.suppress(SlipwayError):
            if listens(self._api.config()[0], canonical(bind), listen):
                error = listen_taken(bind, listen, "Caddy itself, for a site written by hand")
                error.remedy = "Choose another port for Slipway, release, then move your clients there."
                return [error.message]
        return []

    def shift(self, plan: Plan) -> float | None:
        """See C(Provider.shift): by the file alone where the structure stays."""
        green = config.one_side(plan.traffic, plan.after) == "green"
        if plan.reshapes:
            self._make_directory()
        elif not plan.shifts:
            return None
        started = self._system.monotonic()
        flag = self._flag(plan.text_after)
        was_up = os.path.exists(flag)
        try:
            self._raise(flag, green)
            with self._certificates.replaced([pair for pair in self._pairs if pair.differs]):
                spent = self._put(plan.text_after) if plan.reshapes else None
            if not self._is_seen(plan.text_after):
                raise self._not_seen(flag)
        except SlipwayError:
            self._raise(flag, was_up)
            raise
        self._forget_flags(plan)
        self._certificates.prune(plan.traffic.tls, plan.in_force.tls if plan.in_force else None)
        return (self._system.monotonic() - started) * 1000 if spent is None else spent

    def look(self, plan: Plan) -> Look:
        """See C(Provider.look)."""
        after, before = self._lines(plan.text_after), self._lines(plan.text_before)
        idle = {key: after.get(key) or before[key] for key in plan.idle() if key in after or key in before}
        upstreams = self._api.upstreams()
        down = {}
        for key in sorted(plan.rising() & set(after)):
            _requests, fails = upstreams.get(config.authority(*after[key][:2]), (0, 0))
            if fails >= config.MAX_FAILS:
                down["/".join(key)] = f"{fails} requests found nobody there"
        return Look(counters=self._log.counters(plan), sessions=self._under_way(idle), down=down, weights={})

    def _under_way(self, lines: t.Mapping[Key, Line]) -> dict[str, int]:
        """Requests by server. Of one that the configuration does not name any more Caddy's connections are counted."""
        upstreams = self._api.upstreams()
        found = {}
        for key, line in sorted(lines.items()):
            known = upstreams.get(config.authority(line.address, line.port))
            found["/".join(key)] = known[0] if known else self._processes.connections(line.address, line.port)
        return {name: count for name, count in found.items() if count}

    # What ByFile asks for -----------------------------------------------------------------------------------

    def _require_running(self) -> None:
        self._api.upstreams()

    def _render(self, traffic: Traffic, weights: Weights) -> str:
        if self._streams is None:
            tried = self._system.run(
                [*self._settings.check_command, "/dev/stdin"], timeout=COMMAND_SECONDS, stdin=config.STREAMS_TRIED
            )
            self._streams = tried.rc == 0
        places = (self._log.path, self._settings.config_dir)
        return config.platform_text(traffic, weights, *places, streams=self._streams, pairs=self._pairs)

    def _lines(self, text: str) -> dict[Key, Line]:
        return config.parse_servers(text, os.path.exists(self._flag(text)))

    def _expected(self, text: str) -> list[str]:
        return [config.generation(text), "green" if os.path.exists(self._flag(text)) else "blue"]

    def _version(self) -> str:
        try:
            said = self._system.run([self._settings.check_command[0], "version"], timeout=COMMAND_SECONDS).stdout
        except SlipwayError:
            return ""
        return said.split(maxsplit=1)[0].lstrip("v") if said.strip() else ""

    def _mode(self, path: str) -> int:
        """Caddy reads it as a user of its own, whose group the directory has."""
        return 0o640

    def _put(self, text: str) -> float:
        before = self._write({self._file: text})
        try:
            started = self._system.monotonic()
            self._apply(text)
            return (self._system.monotonic() - started) * 1000
        except SlipwayError as error:
            self._put_back(before)
            old = (before[self._file] or b"").decode(errors="replace")
            if old and error.cause in ("reload_failed", "read_back", "proxy_not_running"):  # perhaps it was taken
                with contextlib.suppress(SlipwayError):
                    self._apply(old)
            raise

    def _problem(self, text: str, lines: t.Mapping[Key, Line]) -> SlipwayError | None:
        """What a restart would not survive is found before a release, too."""
        problem = super()._problem(text, lines)
        if problem is None and lines:
            try:
                self._adapted(text)
            except SlipwayError as error:
                return error
        return problem

    # Steps --------------------------------------------------------------------------------------------------

    def _is_seen(self, text: str) -> bool:
        """Whether Caddy answers by it. A connection that it had not taken yet when it changed is closed, which says nothing."""
        deadline = self._system.monotonic() + RELOAD_SECONDS
        said = self._says(text)
        while not said and self._system.monotonic() < deadline:
            self._system.sleep(POLL)
            said = self._says(text)
        return said == self._expected(text)

    def _not_seen(self, flag: str) -> SlipwayError:
        return SlipwayError(
            "Caddy does not see which side is live",
            obj=flag,
            remedy="The traffic is where it was. May Caddy's user read the directory?",
            cause="read_back",
        )

    def _flag(self, text: str) -> str:
        name = config.flag_name(self._platform, self._environment, config.generation(text))
        return os.path.join(self._settings.config_dir, name)

    def _raise(self, flag: str, up: bool) -> None:
        """Raise or lower the flag that says that green is live, durably."""
        if up:
            self._system.replace_file(flag, b"", mode=0o640)
        elif os.path.exists(flag):
            self._system.unlink(flag)
            self._system.fsync_directory(self._settings.config_dir)

    def _forget_flags(self, plan: Plan) -> None:
        """Those of older texts. By the one from before requests may still be sent that had begun before the change."""
        name = config.flag_name(self._platform, self._environment, "*")
        for flag in glob.glob(os.path.join(self._settings.config_dir, name)):
            if flag not in (self._flag(plan.text_after), self._flag(plan.text_before)):
                self._system.unlink(flag)

    def _make_directory(self) -> None:
        """Ours, readable for the group that the admin socket has, which files in it get by the set-group-ID bit."""
        path = self._settings.config_dir
        self._system.make_directory(path, mode=0o750)
        group = os.stat(self._settings.socket).st_gid
        found = os.stat(path)
        if found.st_gid != group:
            os.chown(path, -1, group)
        mode = stat.S_IMODE(found.st_mode)
        wanted = mode | stat.S_ISGID | stat.S_IRGRP | stat.S_IXGRP
        if mode != wanted:
            os.chmod(path, wanted)

    def _apply(self, text: str) -> None:
        """Have Caddy run our part of what it would be started with, and prove it."""
        ours = self._adapted(text)
        seen = None
        for _try in range(TRIES):
            running, etag = self._api.config()
            there = config.find_ours(running, self._platform, self._environment)
            if seen is not None and seen != (there and there.server):
                break
            seen = there and there.server
            if self._api.replace_config(config.merged(running, ours, self._platform, self._environment, text), etag):
                return self._prove(text)
        raise SlipwayError(
            "somebody else changes Caddy's configuration at the same time",
            obj=self._settings.socket,
            remedy="Find out who, then run again. Nothing was moved.",
            cause="lost_update",
        )

    def _take_away(self, text: str) -> None:
        names = (self._platform, self._environment)
        self._system.unlink(self._file)
        for _try in range(TRIES):
            running, etag = self._api.config()
            if self._api.replace_config(without(running, *names), etag):
                break
        self._await_without(text)
        for flag in glob.glob(os.path.join(self._settings.config_dir, config.flag_name(*names, "*"))):
            self._system.unlink(flag)

    def _adapted(self, text: str) -> config.Ours:
        """Our part of what Caddy would have after a restart.

        :raises SlipwayError: C(config_invalid), C(unprovisioned), C(listen_taken).
        """
        main, environment = self._started_with()
        done = self._system.run([*self._settings.check_command, main], timeout=COMMAND_SECONDS, env=environment)
        if done.rc:
            raise SlipwayError(
                "Caddy refuses the configuration",
                obj=main,
                actual=done.stderr.strip()[-1000:] or f"exit status {done.rc}",
                remedy="The old file is back. A site of your own on the same address (Debian's :80) must go.",
                cause="config_invalid",
            )
        try:
            ours = config.find_ours(json.loads(done.stdout), self._platform, self._environment)
        except ValueError:
            ours = None
        if ours is None or config.generation(text) not in json.dumps(ours.server):
            raise SlipwayError(
                "Caddy would not have the platform after a restart",
                obj=main,
                wanted=f"import {self._settings.config_dir}/*.caddyfile",
                remedy="Write that line at its end; vm_provision does it.",
                cause="unprovisioned",
            )
        if not config.is_alone(ours):
            raise SlipwayError(
                "another site in Caddy's configuration has the same address",
                obj=main,
                actual=ours.server.get("listen"),
                wanted="a free address",
                remedy="Choose another port, or bind each to an address of its own.",
                cause="listen_taken",
            )
        return ours

    def _started_with(self) -> tuple[str, dict[str, str]]:
        """The Caddyfile of the process that runs, and its environment, which a Caddyfile may ask for."""
        wanted = self._settings.main_config
        for process in self._processes.named("caddy"):
            path = _main_config(process)
            if "run" in process.argv and wanted in ("", path):
                directory = self._processes.directory(process.pid)
                return wanted or os.path.join(directory, path), self._processes.environment(process.pid)
        return wanted or "/etc/caddy/Caddyfile", {}

    def _prove(self, text: str) -> None:
        deadline = self._system.monotonic() + RELOAD_SECONDS
        while not self._is_loaded(text):
            if self._system.monotonic() >= deadline:
                raise SlipwayError(
                    "Caddy did not take the new configuration",
                    obj=self._settings.socket,
                    actual="it does not answer with it",
                    wanted=f"the new configuration within {RELOAD_SECONDS:g} s",
                    remedy="The old file is back. See 'journalctl -u caddy'.",
                    cause="reload_failed",
                )
            self._system.sleep(POLL)


def _main_config(process: Process) -> str:
    """What C(caddy run) was told to read; C(Caddyfile) of its directory when nothing."""
    argv = list(process.argv)
    for index, word in enumerate(argv):
        if word in ("--config", "-config") and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith("--config="):
            return word.partition("=")[2]
    return "Caddyfile"
