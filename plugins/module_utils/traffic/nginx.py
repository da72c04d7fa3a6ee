# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic by nginx: weights in a file of ours, a reload, and the proof of it (private to the collection).

C(nginx -s reload) may return 0 and keep the old configuration, so the running workers are asked which text they run.
The watch reads an access log that names the side, and the old side is empty when the retired workers have ended.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import nginx_config as config
from .by_file import COMMAND_SECONDS, POLL, RELOAD_SECONDS, ByFile
from .certificates import Certificates
from .model import Key, Line, Traffic, Weights
from .probing import Get, SideLog
from .processes import Process, Processes


class Settings(t.NamedTuple):
    """Where nginx is on this machine (Debian's places by default)."""

    config_dir: str = "/etc/nginx/slipway.d"
    include_file: str = "/etc/nginx/conf.d/slipway.conf"
    pid_file: str = "/run/nginx.pid"
    log_dir: str = "/var/log/nginx"
    root: str = "/var/lib/slipway"
    check_command: tuple[str, ...] = ("nginx", "-t", "-q")
    reload_command: tuple[str, ...] = ("systemctl", "reload", "nginx")


class Nginx(ByFile):
    """One platform on this machine's nginx."""

    name = "nginx"
    command = "nginx"
    notices = (
        "nginx switches by a reload, which closes idle keep-alive connections: a client that does not retry notices.",
    )
    reload_told = "reload nginx; idle keep-alive connections are closed"

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
    ) -> None:
        log = SideLog(os.path.join(settings.log_dir, f"slipway-{platform}-{environment}.log"), config.parse_log)
        super().__init__(
            system,
            platform,
            environment,
            root=settings.root,
            file=os.path.join(settings.config_dir, f"{platform}-{environment}.conf"),
            log=log,
            certificates=Certificates(
                system, os.path.join(settings.root, "nginx", "tls"), platform, environment, secrets
            ),
            processes=processes,
            get=get,
        )
        self._settings = settings
        self._retired: set[int] = set()

    def retired(self) -> dict[str, int]:
        """See C(Provider.retired)."""
        alive = {process.pid for process in self._workers()}
        return {f"retired worker {pid}": 1 for pid in sorted(self._retired & alive)}

    def _require_running(self) -> None:
        if self._master() is None:
            raise SlipwayError(
                "nginx is not running",
                obj=self._settings.pid_file,
                cause="proxy_not_running",
                remedy="Start it: systemctl start nginx, and see 'journalctl -u nginx' if it will not.",
            )

    def _render(self, traffic: Traffic, weights: Weights) -> str:
        return config.platform_text(traffic, weights, self._log.path, self._pairs)

    def _lines(self, text: str) -> dict[Key, Line]:
        return config.parse_servers(text)

    def _expected(self, text: str) -> list[str]:
        return [config.generation(text)]

    def _put(self, text: str) -> float:
        include = f"include {self._settings.config_dir}/*.conf;\n"
        self._system.make_directory(self._settings.config_dir, mode=0o755)
        before = self._write({self._settings.include_file: include, self._file: text})
        return self._taken(before, lambda: self._is_loaded(text))

    def _take_away(self, text: str) -> None:
        before = {self._file: self._system.read_file(self._file)}
        self._system.unlink(self._file)
        self._taken(before, lambda: not self._is_loaded(text))

    def _taken(self, before: t.Mapping[str, bytes | None], seen: t.Callable[[], bool]) -> float:
        """Milliseconds until new workers have what is on disk now; else what was there before is back."""
        try:
            self._check()
            return self._reload(seen)
        except SlipwayError as error:
            self._put_back(before)
            if error.cause != "config_invalid":
                with contextlib.suppress(SlipwayError):
                    self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)
            raise

    def _check(self) -> None:
        done = self._system.run(self._settings.check_command, timeout=COMMAND_SECONDS)
        if done.rc:
            raise SlipwayError(
                "nginx refuses the configuration",
                obj=self._file,
                actual=done.stderr.strip()[:1000] or f"exit status {done.rc}",
                remedy="The old file is back. A second default_server on a port (Debian's default site) must go.",
                cause="config_invalid",
            )

    def _reload(self, seen: t.Callable[[], bool]) -> float:
        old = {process.pid for process in self._workers()}
        started = self._system.monotonic()
        done = self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)
        while not done.rc:
            workers = self._workers()
            stopping = {one.pid for one in workers if "shutting down" in " ".join(one.argv)}
            left = {one.pid for one in workers} & old
            if seen() and left <= stopping:
                self._retired |= left
                return (self._system.monotonic() - started) * 1000
            if self._system.monotonic() - started >= RELOAD_SECONDS:
                break
            self._system.sleep(POLL)
        raise SlipwayError(
            "nginx did not take the new configuration",
            obj=" ".join(self._settings.reload_command),
            actual=f"exit status {done.rc}: {done.stderr.strip()[-500:]}" if done.rc else "workers with the old one",
            wanted=f"new workers within {RELOAD_SECONDS:g} s",
            remedy="The old file is back. Look at nginx's error log; does nginx.conf include conf.d/*.conf?",
            cause="reload_failed",
        )

    def _master(self) -> int | None:
        text = (self._system.read_file(self._settings.pid_file) or b"").decode(errors="replace").strip()
        masters = {process.pid for process in self._processes.named("nginx")}
        return int(text) if text.isdecimal() and int(text) in masters else None

    def _workers(self) -> list[Process]:
        master = self._master()
        return [] if master is None else [one for one in self._processes.children(master) if one.command == "nginx"]

    def _version(self) -> str:
        try:
            said = self._system.run([self._settings.check_command[0], "-v"], timeout=COMMAND_SECONDS).stderr
        except SlipwayError:
            return ""
        return said.strip().rpartition("/")[2]
