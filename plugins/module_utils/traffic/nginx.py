# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic by nginx: weights in a file of ours, a reload, and the proof of it (private to the collection).

C(nginx -s reload) may return 0 and keep the old configuration, so the running workers are asked which text they run.
nginx has no checks and counters of its own: the gate probes the servers itself, the watch reads an access log that
names the side, and the old side is empty when the retired workers have ended.
"""

from __future__ import annotations

import contextlib
import glob
import http.client
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import nginx_config as config
from . import structure
from .closure import cannot_hold, told
from .model import Counters, Key, Look, Plan, Provider, Server, Traffic, Weights, side_of
from .processes import Process, Processes, listen_taken, overlaps
from .weights import kept_weights, live_side, shares, wanted_weights

LOCK_SECONDS = 60.0
RELOAD_SECONDS = 10.0
COMMAND_SECONDS = 30.0
PROBE_INTERVAL = 0.2
POLL = 0.02
NOTICE = "nginx switches by a reload, which closes idle keep-alive connections: a client that does not retry notices."


class Settings(t.NamedTuple):
    """Where nginx is on this machine (Debian's places by default)."""

    config_dir: str = "/etc/nginx/slipway.d"
    include_file: str = "/etc/nginx/conf.d/slipway.conf"
    pid_file: str = "/run/nginx.pid"
    log_dir: str = "/var/log/nginx"
    root: str = "/var/lib/slipway"
    check_command: tuple[str, ...] = ("nginx", "-t", "-q")
    reload_command: tuple[str, ...] = ("systemctl", "reload", "nginx")


class Nginx(Provider):
    """One platform on this machine's nginx."""

    def __init__(
        self,
        system: System,
        platform: str,
        environment: str,
        settings: Settings,
        *,
        processes: Processes | None = None,
        get: t.Callable[..., tuple[int, bytes]] | None = None,
    ) -> None:
        self._system = system
        self._platform = platform
        self._environment = environment
        self._settings = settings
        self._processes = processes or Processes()
        self._get = get or http_get
        self._file = os.path.join(settings.config_dir, f"{platform}-{environment}.conf")
        self._log = os.path.join(settings.log_dir, f"slipway-{platform}-{environment}.log")
        self._retired: set[int] = set()
        self._log_at: tuple[int, int] | None = None  # inode and offset up to which the log was read
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def lock(self) -> t.ContextManager[None]:
        """The proxy's own flock."""
        self._system.make_directory(self._settings.root)
        return self._system.flock(os.path.join(self._settings.root, "nginx.lock"), timeout=LOCK_SECONDS)

    # Reading ------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, t.Any]:
        """C(running), C(version), C(problems), C(notices), C(weights), C(servers), C(live_side)."""
        lines = config.parse_servers(self._text())
        problems: list[dict[str, str]] = []
        running = self._master() is not None
        if not running:
            problems = self._not_running().told()
        elif lines and not self._is_loaded(self._text()):
            problems = SlipwayError(
                "on disk, but nginx runs without it",
                obj=self._file,
                cause="not_loaded",
                remedy="Reload nginx, or run traffic_switch: it does.",
            ).told()
        weights = shares({key: line.weight for key, line in lines.items()}, {key: side_of(key[1]) for key in lines})
        return {
            "running": running,
            "version": self._version(),
            "problems": problems,
            "notices": [NOTICE],
            "weights": weights,
            "servers": [
                {"service": key[0], "name": key[1], "side": side_of(key[1]), **line._asdict()}
                for key, line in sorted(lines.items())
            ],
            "live_side": live_side(weights),
            "closed": told(structure.specification(self._text()), self._system.wall()),
        }

    def in_force(self) -> Traffic | None:
        """See C(Provider.in_force): what the file says, which a reload loads with whatever is done next."""
        if self._master() is None:
            raise self._not_running()
        return structure.specification(self._text())

    def retired(self) -> dict[str, int]:
        """See C(Provider.retired)."""
        alive = {process.pid for process in self._workers()}
        return {f"retired worker {pid}": 1 for pid in sorted(self._retired & alive)}

    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        """See C(Provider.plan)."""
        if self._master() is None:
            raise self._not_running()
        if traffic.closure and traffic.closure.hold:
            raise cannot_hold(traffic.closure)
        self._refuse_taken_listen(traffic)
        lines = config.parse_servers(self._text())
        actions: list[str] = []
        effective = self._with_live_addresses(traffic, lines, actions)
        if effective.weights is not None and (shift or not lines):
            after = wanted_weights(effective)
        else:
            after = kept_weights(effective, {key: line.weight for key, line in lines.items()})
        return self._planned(effective, after, actions, gate=shift)

    def back(self, plan: Plan) -> Plan:
        """See C(Provider.back)."""
        actions: list[str] = []
        target, weights = plan.origin()
        effective = self._with_live_addresses(target, config.parse_servers(self._text()), actions)
        return self._planned(effective, weights, actions, gate=True)

    def _planned(self, wanted: Traffic, after: Weights, actions: list[str], *, gate: bool) -> Plan:
        text_before, text_after = self._text(), config.platform_text(wanted, after, self._log)
        before = {key: line.weight for key, line in config.parse_servers(text_before).items()}
        plan = Plan(
            traffic=wanted,
            in_force=structure.specification(text_before),
            bridge=None,
            reshapes=text_before != text_after or not self._is_loaded(text_after, wanted),
            before=before,
            after=after,
            text_before=text_before,
            text_after=text_after,
            corrections=(),
            gated=tuple(one for one in wanted.servers() if gate and after[one.key] and not before.get(one.key)),
            actions=actions,
        )
        self._explain(plan)
        return plan

    # Changing -----------------------------------------------------------------------------------------------

    def configure(self, plan: Plan) -> None:
        """Nothing: the gate asks the servers itself, and one reload in C(shift) brings structure and weights together."""

    def gate(self, plan: Plan, seconds: float) -> None:
        """See C(Provider.gate)."""
        deadline = self._system.monotonic() + seconds
        while True:
            ill = self._probe(plan.traffic, plan.gated)
            if not ill:
                return
            left = deadline - self._system.monotonic()
            if left <= 0:
                raise self._gate_error(ill, seconds)
            self._system.sleep(min(PROBE_INTERVAL, left))

    def shift(self, plan: Plan) -> float | None:
        """See C(Provider.shift)."""
        if not plan.reshapes:
            return None
        return self._put(plan.traffic, plan.text_after)

    def look(self, plan: Plan) -> Look:
        """See C(Provider.look)."""
        self._read_log()
        names = {(key[0], side_of(key[1])) for key in plan.rising()}
        counters: dict[str, Counters] = {}
        for service, side in sorted(names):
            requests, errors = self._counts.get((service, side), (0, 0))
            seen = counters.get(service, Counters(0, 0, {"5xx": 0}))
            total = seen.errors + errors
            counters[service] = Counters(seen.requests + requests, total, {"5xx": total})
        return Look(counters=counters, sessions=self.retired(), down={}, weights={})

    # Steps --------------------------------------------------------------------------------------------------

    def _put(self, traffic: Traffic, text: str) -> float:
        """Write, test the whole configuration, reload, prove it; else the old file is back. Milliseconds of reload."""
        include = f"include {self._settings.config_dir}/*.conf;\n"
        files = {self._settings.include_file: include, self._file: text}
        before = {path: self._system.read_file(path) for path in files}
        self._system.make_directory(self._settings.config_dir, mode=0o755)
        for path, content in files.items():
            if before[path] != content.encode():
                self._system.replace_file(path, content.encode(), mode=self._mode(path))
        try:
            self._check()
            return self._reload(traffic, text)
        except SlipwayError as error:
            self._put_back(before, reload=error.cause != "config_invalid")
            raise

    def _put_back(self, files: t.Mapping[str, bytes | None], *, reload: bool) -> None:
        for path, old in files.items():
            if old is None:
                self._system.unlink(path)
            else:
                self._system.replace_file(path, old, mode=self._mode(path))
        if reload:
            with contextlib.suppress(SlipwayError):
                self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)

    def _mode(self, path: str) -> int:
        """The specification in the platform's file may hold a secret header of a check."""
        return 0o600 if path == self._file else 0o644

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

    def _reload(self, traffic: Traffic, text: str) -> float:
        old = {process.pid for process in self._workers()}
        started = self._system.monotonic()
        done = self._system.run(self._settings.reload_command, timeout=COMMAND_SECONDS)
        while not done.rc:
            workers = self._workers()
            stopping = {one.pid for one in workers if "shutting down" in " ".join(one.argv)}
            left = {one.pid for one in workers} & old
            if self._is_loaded(text, traffic) and left <= stopping:
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

    def _probe(self, traffic: Traffic, servers: t.Sequence[Server]) -> dict[str, str]:
        """Ask the servers themselves, by the check of their service; what is wrong with those that are not healthy."""
        checks = {service.name: service.health for service in traffic.services}
        ill = {}
        for server in servers:
            health = checks[server.service]
            try:
                status, _body = self._get(
                    server.address, server.port, health.path, dict(health.headers), timeout=health.timeout
                )
            except (OSError, http.client.HTTPException) as error:
                ill[f"{server.service}/{server.name}"] = str(error) or type(error).__name__
                continue
            if health.status and status not in health.status:
                ill[f"{server.service}/{server.name}"] = f"status {status}"
        return ill

    def _read_log(self) -> None:
        """Count what was logged since the last look; the first look only finds the end of the log."""
        try:
            with open(self._log, "rb") as stream:
                inode, size = os.fstat(stream.fileno()).st_ino, os.fstat(stream.fileno()).st_size
                if self._log_at is None:
                    self._log_at = (inode, size)
                    return
                offset = self._log_at[1] if self._log_at[0] == inode and self._log_at[1] <= size else 0  # rotated
                stream.seek(offset)
                data = stream.read()
        except FileNotFoundError:
            self._log_at = self._log_at or (0, 0)
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._log_at = (inode, offset + len(whole))
        for key, (requests, errors) in config.parse_log(whole.decode(errors="replace")).items():
            known = self._counts.get(key, (0, 0))
            self._counts[key] = (known[0] + requests, known[1] + errors)

    # Small things -------------------------------------------------------------------------------------------

    def _explain(self, plan: Plan) -> None:
        if plan.gated:
            names = (f"{server.service}/{server.name}" for server in plan.gated)
            plan.actions.append(f"wait until healthy: {', '.join(names)}")
        plan.actions.extend(structure.changes(plan.in_force, plan.traffic))
        for key, weight in sorted(plan.after.items()):
            if plan.before.get(key, 0) != weight:
                plan.actions.append(f"{key[0]}/{key[1]} weight {plan.before.get(key, 0)} to {weight}")
        if plan.text_before != plan.text_after:
            plan.actions.append(f"write {self._file}")
        if plan.reshapes:
            plan.actions.append("reload nginx; idle keep-alive connections are closed")

    def _refuse_taken_listen(self, traffic: Traffic) -> None:
        """Other programs only: nginx itself says which of its own files clashes (C(nginx -t))."""
        for path in sorted(glob.glob(os.path.join(self._settings.config_dir, "*.conf"))):
            other = structure.owner((self._system.read_file(path) or b"").decode(errors="replace"))
            if other is None or other[:2] == (traffic.platform, traffic.environment):
                continue
            if path == self._file or (other.listen == traffic.listen and overlaps(other.bind, traffic.bind)):
                raise listen_taken(
                    traffic.bind, traffic.listen, f"platform {other.platform} in {other.environment} ({path})"
                )
        for listener in self._processes.listeners(traffic.listen):
            process = listener.process
            if process is not None and process.command != "nginx" and overlaps(listener.address, traffic.bind):
                raise listen_taken(traffic.bind, traffic.listen, f"{process.command} (process {process.pid})")

    def _gate_error(self, ill: t.Mapping[str, str], seconds: float) -> SlipwayError:
        return SlipwayError(
            "these servers are not healthy, so they get no traffic",
            obj=", ".join(sorted(ill)),
            actual="; ".join(sorted(set(ill.values()))),
            wanted=f"the check's status within {seconds:g} s",
            remedy="Is the port reachable from this machine, and does the check's path answer with a status wanted?",
            cause="gate",
            evidence={"servers": dict(ill)},
        )

    def _not_running(self) -> SlipwayError:
        return SlipwayError(
            "nginx is not running",
            obj=self._settings.pid_file,
            cause="proxy_not_running",
            remedy="Start it: systemctl start nginx, and see 'journalctl -u nginx' if it will not.",
        )

    def _with_live_addresses(self, traffic: Traffic, lines: t.Mapping[Key, config.Line], actions: list[str]) -> Traffic:
        live = {key: (line.address, line.port) for key, line in lines.items() if line.weight}
        return structure.keep_live_addresses(traffic, live, actions)

    def _text(self) -> str:
        return (self._system.read_file(self._file) or b"").decode(errors="replace")

    def _is_loaded(self, text: str, traffic: Traffic | None = None) -> bool:
        """Whether the running workers say that they run this text."""
        known = structure.owner(text)
        if known is None:
            return False
        address = "127.0.0.1" if known.bind in ("*", "0.0.0.0") else known.bind.strip("[]")
        host = config.status_host(self._platform, self._environment)
        try:
            _status, body = self._get(address, known.listen, "/", {"Host": host}, timeout=2.0)
        except (OSError, http.client.HTTPException):
            return False
        return body.decode(errors="replace").strip() == config.generation(text)

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


def http_get(address: str, port: int, path: str, headers: t.Mapping[str, str], *, timeout: float) -> tuple[int, bytes]:
    """One GET without a proxy between, no redirect followed: status and the first bytes of the body."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={**headers, "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(4096)
    finally:
        connection.close()
