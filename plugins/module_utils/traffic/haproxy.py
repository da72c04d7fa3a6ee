# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic by HAProxy's runtime API: weights at run time, a reload only for a new structure (private to the collection).

Weights are the only vocabulary. A reload, restart or reboot finds the same weights in the configuration itself; the
state file beside it carries what checks and people had decided about single servers.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import haproxy_config as config
from .haproxy_files import Files, Settings
from .haproxy_socket import HaproxySocket, Row, ServerState
from .model import (
    Counters,
    Key,
    Look,
    Plan,
    Provider,
    Server,
    Traffic,
    keep_live_addresses,
    live_side,
    shares,
    side_of,
    wanted_weights,
)
from .processes import Processes

LOCK_SECONDS = 60.0
POLL = 0.05
RELOADING = 0.5  # seconds in which a socket that is being replaced answers again
YOUNG = 2  # seconds of uptime in which a check's result may still be one that the state file told


class Haproxy(Provider):
    """One platform on this machine's HAProxy."""

    def __init__(
        self,
        system: System,
        platform: str,
        environment: str,
        settings: Settings,
        *,
        socket: HaproxySocket | None = None,
        processes: Processes | None = None,
    ) -> None:
        self._system = system
        self._platform = platform
        self._environment = environment
        self._settings = settings
        self._socket = socket or HaproxySocket(system, settings.socket)
        self._processes = processes or Processes()
        self._prefix = config.backend_name(platform, environment, "")
        self._files = Files(system, settings, self._socket, self._processes, platform=platform, environment=environment)
        self._recheck: set[Key] = set()  # servers whose last check says nothing about what they are now

    def lock(self) -> t.ContextManager[None]:
        """The proxy's own flock."""
        self._system.make_directory(self._settings.root)
        return self._system.flock(os.path.join(self._settings.root, "haproxy.lock"), timeout=LOCK_SECONDS)

    # Reading ------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, t.Any]:
        """C(running), C(version), C(problems), C(weights), C(servers), C(live_side)."""
        seen: dict[str, t.Any] = {
            "running": False,
            "version": "",
            "problems": [],
            "notices": [],
            "weights": {},
            "servers": [],
            "live_side": None,
        }
        problem = self._problem()
        try:
            rows = [] if problem else [row for row in self._socket.rows() if row.backend.startswith(self._prefix)]
            states = {} if problem else self._loaded()
            seen["version"] = "" if problem else self._socket.info().get("Version", "")
            seen["running"] = problem is None
        except SlipwayError as error:
            if problem is None or problem.cause != "unprovisioned":
                problem = error
            rows, states = [], {}
        if problem is not None and problem.cause == "unprovisioned":
            seen["running"] = True  # it runs with our directory, which is still empty: nothing to complain about
        elif problem is not None:
            seen["problems"].append({"cause": problem.cause, "message": problem.message, "remedy": problem.remedy})
        elif not states and self._files.text():
            seen["problems"].append(self._not_loaded())
        sides = {key: side_of(key[1]) for key in states}
        seen["weights"] = shares({key: state.weight for key, state in states.items()}, sides)
        seen["live_side"] = live_side(seen["weights"])
        seen["servers"] = [self._seen_server(row, states) for row in rows]
        return seen

    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        """See C(Provider.plan)."""
        problem = self._problem()
        if problem is not None and problem.cause != "unprovisioned":
            raise problem
        states = {} if problem else self._loaded()
        text_before = self._files.text()
        self._files.refuse_taken_listen(traffic)
        actions: list[str] = []
        effective = keep_live_addresses(
            traffic, {key: (one.address, one.port) for key, one in states.items() if one.weight}, actions
        )
        before = {key: state.weight for key, state in states.items()}
        start = {server.key: before.get(server.key, 0) for server in effective.servers()}
        after = wanted_weights(effective) if effective.weights else start
        if not shift:
            after = start = start if states else after
        text_after = config.platform_text(effective, after, self._files.states)
        moved = [server for server in effective.servers() if self._moved(server, states)]
        plan = Plan(
            traffic=effective,
            before=before,
            start=start,
            after=after,
            text_before=text_before,
            text_after=text_after,
            reload=self._needs_reload(effective, text_before, text_after, states),
            corrections=tuple(moved),
            gated=tuple(server for server in effective.servers() if after[server.key] and not start[server.key]),
            actions=actions,
        )
        self._explain(plan)
        return plan

    # Changing -----------------------------------------------------------------------------------------------

    def configure(self, plan: Plan) -> None:
        """See C(Provider.configure)."""
        states = {} if self._problem() else self._loaded()
        commands = []
        for server in plan.corrections:
            name = self._name(server.key)
            commands.append(f"set server {name} addr {server.address} port {server.port}")
            self._recheck.add(server.key)
        for server in plan.gated:
            if server.key in states and states[server.key].admin:
                commands.append(f"set server {self._name(server.key)} state ready")
                self._recheck.add(server.key)
        if commands:
            self._socket.order(commands)
        text = config.platform_text(plan.traffic, plan.start, self._files.states)
        if plan.reload:
            self._files.reload(plan.traffic, text)
            self._recheck.update(server.key for server in plan.gated)
        elif plan.corrections:
            self._files.persist(plan.traffic, text)

    def gate(self, plan: Plan, seconds: float) -> None:
        """See C(Provider.gate)."""
        if not plan.gated:
            return
        if int(self._socket.info().get("Uptime_sec", "0") or 0) < YOUNG:
            self._recheck.update(server.key for server in plan.gated)
        stale = [server for server in plan.gated if server.key in self._recheck]
        # Marked down, it is up again only by checks of its own from now on, with the address it has now.
        self._socket.order([f"set server {self._name(server.key)} health down" for server in stale])
        deadline = self._system.monotonic() + seconds
        wanted = {server.key for server in plan.gated}
        while True:
            rows = self._rows()
            waiting = sorted(key for key in wanted if key not in rows or not rows[key].ready)
            if not waiting:
                return
            left = deadline - self._system.monotonic()
            if left <= 0:
                raise self._gate_error(waiting, rows, seconds)
            self._system.sleep(min(POLL, left))

    def shift(self, plan: Plan) -> float | None:
        """See C(Provider.shift)."""
        spent = None
        current = {key: state.weight for key, state in self._loaded().items()}
        if any(current.get(key) != weight for key, weight in plan.after.items()):
            started = self._system.monotonic()
            try:
                self._set_weights(current, plan.after)
            except SlipwayError:
                with contextlib.suppress(SlipwayError):  # what went wrong first is what is told
                    self._set_weights({}, {key: current[key] for key in plan.after if key in current})
                raise
            spent = (self._system.monotonic() - started) * 1000
        if self._files.text() != plan.text_after or spent is not None:
            self._files.persist(plan.traffic, plan.text_after)
        return spent

    def revert(self, plan: Plan) -> None:
        """See C(Provider.revert)."""
        rows = self._rows()
        back = {key: plan.before.get(key, 0) for key in plan.after}
        returning = [key for key, weight in back.items() if weight and not plan.after[key]]
        ill = [key for key in returning if key not in rows or not rows[key].ready]
        if ill:
            raise self._gate_error(ill, rows, 0.0)
        self._set_weights(dict(plan.after), back)
        self._files.persist(plan.traffic, config.platform_text(plan.traffic, back, self._files.states))

    def look(self, plan: Plan) -> Look:
        """See C(Provider.look)."""
        rows = self._rows()
        rising, idle = plan.rising(), plan.idle()
        sums: dict[str, list[Row]] = {}
        for key in sorted(rising):
            if key in rows:
                sums.setdefault(key[0], []).append(rows[key])
        counts = {self._name(key): rows[key].sessions + rows[key].queue for key in sorted(idle) if key in rows}
        sessions = {name: count for name, count in counts.items() if count}
        if idle and not sessions:
            sessions = self._retired_workers()
        return Look(
            counters={service: _sum(some) for service, some in sums.items()},
            sessions=sessions,
            down={self._name(key): rows[key].check_text for key in sorted(rising) if key in rows and rows[key].down},
            weights={
                self._name(key): rows[key].weight if key in rows else -1
                for key in sorted(rising)
                if key not in rows or rows[key].weight != plan.after[key]
            },
        )

    # Steps --------------------------------------------------------------------------------------------------

    def _set_weights(self, current: t.Mapping[Key, int], wanted: t.Mapping[Key, int]) -> None:
        """First those that rise, then those that fall, in one round trip: the service is never without a target."""
        differ = [key for key in wanted if current.get(key) != wanted[key]]
        keys = sorted(differ, key=lambda key: (not wanted[key], key))
        self._socket.order([f"set server {self._name(key)} weight {wanted[key]}" for key in keys])
        found = {key: state.weight for key, state in self._loaded().items()}
        wrong = {self._name(key): found.get(key) for key in wanted if found.get(key) != wanted[key]}
        if wrong:
            raise SlipwayError(
                "HAProxy did not take the weights",
                obj=self._prefix.rstrip("_"),
                actual=wrong,
                wanted={self._name(key): wanted[key] for key in wanted if self._name(key) in wrong},
                remedy="Somebody else may be changing this proxy; look at it and run again.",
                cause="read_back",
            )

    # Comparisons --------------------------------------------------------------------------------------------

    def _loaded(self) -> dict[Key, ServerState]:
        """This platform's servers in the running proxy."""
        return {
            (state.backend[len(self._prefix) :], state.name): state
            for state in self._socket.servers()
            if state.backend.startswith(self._prefix)
        }

    def _rows(self) -> dict[Key, Row]:
        rows = self._socket.rows()
        return {
            (row.backend[len(self._prefix) :], row.server): row for row in rows if row.backend.startswith(self._prefix)
        }

    def _moved(self, server: Server, states: t.Mapping[Key, ServerState]) -> bool:
        state = states.get(server.key)
        return state is not None and (state.address, state.port) != (server.address, server.port)

    def _needs_reload(self, traffic: Traffic, before: str, after: str, states: t.Mapping[Key, ServerState]) -> bool:
        same = config.structure(before) == config.structure(after) and self._files.shared_is_current()
        return not same or {server.key for server in traffic.servers()} != set(states)

    def _explain(self, plan: Plan) -> None:
        """Say every decision in words."""
        if plan.reload:
            known = "a new structure" if plan.before else "this platform is new on the proxy"
            plan.actions.append(f"reload HAProxy ({known}); idle keep-alive connections are closed")
        for server in plan.corrections:
            plan.actions.append(f"{self._name(server.key)} moves to {server.address}:{server.port} at run time")
        if plan.gated:
            plan.actions.append(f"wait until healthy: {', '.join(self._name(server.key) for server in plan.gated)}")
        for key, weight in sorted(plan.after.items()):
            if plan.before.get(key, 0) != weight:
                plan.actions.append(f"{self._name(key)} weight {plan.before.get(key, 0)} to {weight}")
        if plan.text_before != plan.text_after:
            plan.actions.append(f"write {self._files.path}")

    # Problems -----------------------------------------------------------------------------------------------

    def _problem(self) -> SlipwayError | None:
        """Why nothing can be done with this proxy, or None.

        C(unprovisioned): it runs with our directory, in which nothing is yet. The first platform brings the socket.
        """
        try:
            level = self._socket.ask("show cli level", patience=RELOADING).strip()
        except SlipwayError as error:
            return self._diagnose(error)
        if level != "admin":
            return SlipwayError(
                "the stats socket does not allow changes",
                obj=self._settings.socket,
                actual=level,
                wanted="level admin",
                remedy="Remove the other 'stats socket' line for this path; Slipway's own has 'level admin'.",
                cause="socket_not_writable",
            )
        return None

    def _diagnose(self, error: SlipwayError) -> SlipwayError:
        if error.cause == "socket_not_writable":
            error.remedy = "Connect as root or set become: true."
            return error
        running = self._processes.named("haproxy")
        if not running:
            return SlipwayError(
                "HAProxy is not running",
                obj=self._settings.socket,
                remedy="Start it: systemctl start haproxy, and see 'journalctl -u haproxy' if it will not.",
                cause="proxy_not_running",
            )
        if not any(self._settings.config_dir in argument for one in running for argument in one.argv):
            return SlipwayError(
                "HAProxy runs without Slipway's part of its configuration",
                obj=self._settings.config_dir,
                actual=" ".join(running[0].argv),
                wanted=f"-f {self._settings.config_dir}",
                remedy="Run slipway.deploy.provision (the systemd drop-in), then restart HAProxy once.",
                cause="drop_in_missing",
            )
        if not self._files.shared_is_current():
            return SlipwayError("nothing is loaded yet", obj=self._settings.config_dir, cause="unprovisioned")
        error.remedy = "Reload HAProxy: systemctl reload haproxy; it then makes the socket again."
        return error

    def _not_loaded(self) -> dict[str, str]:
        return {
            "cause": "not_loaded",
            "message": f"{self._files.path}: on disk, but HAProxy runs without it.",
            "remedy": "Reload HAProxy, or run traffic_switch: it does.",
        }

    def _gate_error(self, waiting: t.Sequence[Key], rows: t.Mapping[Key, Row], seconds: float) -> SlipwayError:
        seen = {
            self._name(key): f"{rows[key].status} {rows[key].check} {rows[key].check_text}".strip()
            if key in rows
            else "not in the proxy"
            for key in waiting
        }
        return SlipwayError(
            "the proxy does not see these servers healthy, so they get no traffic",
            obj=", ".join(seen),
            actual="; ".join(seen.values()),
            wanted=f"UP or DRAIN by a passed check (L7OK) within {seconds:g} s",
            remedy="Is the port reachable from this machine, and does the check's path answer with a status wanted?",
            cause="gate",
            evidence={"servers": seen},
        )

    # Small things -------------------------------------------------------------------------------------------

    def _name(self, key: Key) -> str:
        return f"{self._prefix}{key[0]}/{key[1]}"

    def _seen_server(self, row: Row, states: t.Mapping[Key, ServerState]) -> dict[str, t.Any]:
        key = (row.backend[len(self._prefix) :], row.server)
        state = states.get(key)
        return {
            "service": key[0],
            "name": row.server,
            "side": side_of(row.server),
            "address": state.address if state else "",
            "port": state.port if state else 0,
            "weight": row.weight,
            "status": row.status,
            "check": row.check,
            "sessions": row.sessions,
        }

    def _retired_workers(self) -> dict[str, int]:
        """Workers of before a reload, each with connections of its own that cannot be counted by server."""
        worker = self._socket.info().get("Pid", "0")
        return {f"retired worker {pid}": 1 for pid in self._processes.retired(int(worker or 0), "haproxy")}


def _sum(rows: t.Iterable[Row]) -> Counters:
    rows = list(rows)
    detail = {
        "5xx": sum(row.failed_5xx for row in rows),
        "failed_connections": sum(row.failed_connections for row in rows),
        "failed_responses": sum(row.failed_responses for row in rows),
    }
    return Counters(sum(row.requests for row in rows), sum(detail.values()), detail)
