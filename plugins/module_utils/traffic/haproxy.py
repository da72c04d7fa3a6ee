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
from . import structure
from .certificates import Certificates
from .closure import told
from .haproxy_certificates import RunningCertificates
from .haproxy_files import Files, Settings
from .haproxy_problems import Problems, gate_error
from .haproxy_socket import HaproxySocket, Row, ServerState, seen_server
from .listening import canonical
from .model import Counters, Key, Look, Plan, Provider, Server, Traffic, Weights, side_of
from .processes import Processes
from .tls import Tls
from .weights import kept_weights, live_side, shares, wanted_weights

LOCK_SECONDS = 60.0
POLL = 0.02
YOUNG = 2  # seconds of uptime in which a check's result may still be one that the state file told


class Running(t.NamedTuple):
    """What was read back of one platform: its file, what the process says it runs, and the servers of the process."""

    text: str
    generation: str
    states: dict[Key, ServerState]

    def weights(self) -> Weights:
        """The weights at run time."""
        return {key: state.weight for key, state in self.states.items()}

    def addresses(self, *, live: bool = False) -> dict[Key, tuple[str, int]]:
        """Where the servers (only those with traffic) are at run time."""
        return {key: (one.address, one.port) for key, one in self.states.items() if one.weight or not live}

    def moved(self, server: Server) -> bool:
        """Whether the process has this server at another address."""
        return self.addresses().get(server.key, (server.address, server.port)) != (server.address, server.port)

    def in_force(self) -> Traffic | None:
        """The structure that runs. A file says it, but it may be damaged, or of a run that was killed before its reload."""
        said = structure.specification(self.text)
        if said is None or not config.same_frontend(config.generation(said), self.generation):
            return None
        return structure.loaded(said, self.addresses())


class Haproxy(Provider):
    """One platform on this machine's HAProxy."""

    def __init__(
        self,
        system: System,
        platform: str,
        environment: str,
        settings: Settings,
        *,
        secrets: t.Mapping[str, str] | None = None,
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
        self._problems = Problems(settings, self._socket, self._files, self._processes)
        kept = Certificates(system, os.path.dirname(self._files.certificates), platform, environment, secrets)
        self._certificates = RunningCertificates(self._socket, kept)
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
            "closed": None,
            "certificates": self._certificates.seen(structure.specification(self._files.text())),
        }
        problem = self._problems.find()
        try:
            rows = [] if problem else [row for row in self._socket.rows() if row.backend.startswith(self._prefix)]
            now = Running("", "", {}) if problem else self._running()
            states = now.states
            seen["version"] = "" if problem else self._socket.info().get("Version", "")
            seen["running"] = problem is None
            seen["closed"] = told(now.in_force(), self._system.wall())
        except SlipwayError as error:
            if problem is None or problem.cause != "unprovisioned":
                problem = error
            rows, states = [], {}
        if problem is not None and problem.cause == "unprovisioned":
            seen["running"] = True  # it runs with our directory, which is still empty: nothing to complain about
        elif problem is not None:
            seen["problems"] = problem.told()
        elif not states and self._files.text():
            seen["problems"] = self._problems.not_loaded().told()
        sides = {key: side_of(key[1]) for key in states}
        seen["weights"] = shares({key: state.weight for key, state in states.items()}, sides)
        seen["live_side"] = live_side(seen["weights"])
        seen["servers"] = [seen_server(row, states, len(self._prefix)) for row in rows]
        return seen

    def refused_certificates(self, tls: Tls, hosts: t.Sequence[str]) -> list[str]:
        """See C(Provider.refused_certificates)."""
        return self._certificates.refused(tls, hosts)

    def refused_listen(self, bind: str, listen: int | None, tls: Tls | None) -> list[str]:
        """See C(Provider.refused_listen)."""
        if not listen:
            return []
        wanted = Traffic(self._platform, self._environment, canonical(bind), listen, (), (), None, tls=tls)
        return self._files.refused_listen(wanted)

    def in_force(self) -> Traffic | None:
        """See C(Provider.in_force). A file that nothing has loaded yet counts: a run was cut off before its reload."""
        problem = self._problems.find()
        if problem is not None and problem.cause != "unprovisioned":
            raise problem
        now = self._running() if problem is None else Running("", "", {})
        return now.in_force() or structure.specification(now.text)

    def retired(self) -> dict[str, int]:
        """See C(Provider.retired): each has connections of its own, which cannot be counted by server."""
        worker = self._socket.info().get("Pid", "0")
        return {f"retired worker {pid}": 1 for pid in self._processes.retired(int(worker or 0), "haproxy")}

    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        """See C(Provider.plan)."""
        problem = self._problems.find()
        if problem is not None and problem.cause != "unprovisioned":
            raise problem
        now = Running(self._files.text(), "", {}) if problem else self._running()
        ours = config.same_frontend(now.generation, config.generation(traffic))
        self._files.refuse_taken_listen(traffic, ours=ours)
        if traffic.closure and traffic.closure.hold:
            self._files.refuse_taken_entrance()
        actions: list[str] = []
        effective = structure.keep_live_addresses(traffic, now.addresses(live=True), actions)
        if effective.weights is not None and (shift or not now.states):
            after = wanted_weights(effective)
        else:
            after = kept_weights(effective, now.weights())
        return self._planned(effective, after, now, actions, gate=shift)

    def back(self, plan: Plan) -> Plan:
        """See C(Provider.back)."""
        now = self._running()
        actions: list[str] = []
        target, weights = plan.origin()
        effective = structure.keep_live_addresses(target, now.addresses(live=True), actions)
        return self._planned(effective, weights, now, actions, gate=True)

    def _planned(self, wanted: Traffic, after: Weights, now: Running, actions: list[str], *, gate: bool) -> Plan:
        certificates = tuple(self._certificates.plan(wanted))
        before = now.weights()
        gated = tuple(one for one in wanted.servers() if gate and after[one.key] and not before.get(one.key))
        in_force = now.in_force()
        bridge = self._bridge(wanted, now, in_force) if gated else None
        reshapes = config.generation(bridge) != config.generation(wanted) if bridge else not self._runs(wanted, now)
        plan = Plan(
            traffic=wanted,
            in_force=in_force,
            bridge=bridge,
            reshapes=reshapes or self._certificates.needs_reload(),
            before=before,
            after=after,
            text_before=now.text,
            text_after=self._files.render(wanted, after),
            corrections=tuple(one for one in wanted.servers() if now.moved(one)),
            gated=gated,
            actions=actions,
            certificates=certificates,
        )
        self._explain(plan)
        return plan

    def _bridge(self, wanted: Traffic, now: Running, in_force: Traffic | None) -> Traffic | None:
        """What must be loaded for the gate to see the servers wanted; None when it sees them as it is."""
        if in_force is None:
            return None if all(one.key in now.states for one in wanted.servers()) else wanted
        bridge = structure.bridge(in_force, wanted, now.weights())
        return None if self._runs(bridge, now) else bridge

    # Changing -----------------------------------------------------------------------------------------------

    def configure(self, plan: Plan) -> None:
        """See C(Provider.configure)."""
        self._certificates.put()
        states = {} if self._problems.find() else self._running().states
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
        if plan.bridge is not None:
            self._files.reload(plan.bridge, plan.before)
            self._recheck.update(server.key for server in plan.gated)
        elif plan.corrections and not plan.reshapes:
            text = self._files.render(plan.traffic, plan.before)
            self._files.persist(plan.traffic, text)

    def gate(self, plan: Plan, seconds: float, *, anew: bool = False) -> None:
        """See C(Provider.gate)."""
        if not plan.gated:
            return
        if anew or int(self._socket.info().get("Uptime_sec", "0") or 0) < YOUNG:
            self._recheck.update(server.key for server in plan.gated)
        # Without time for a check of its own, what the proxy knows must do.
        stale = [server for server in plan.gated if seconds and server.key in self._recheck]
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
                raise gate_error({self._name(key): rows.get(key) for key in waiting}, seconds)
            self._system.sleep(min(POLL, left))

    def shift(self, plan: Plan) -> float | None:
        """See C(Provider.shift)."""
        spent = self._shift(plan)
        self._certificates.prune(plan.traffic, plan.in_force)
        return spent

    def _shift(self, plan: Plan) -> float | None:
        if plan.reshapes:
            return self._files.reload(plan.traffic, plan.after)
        spent = None
        current = self._running().weights()
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
            sessions = self.retired()
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

    def belongings(self) -> list[str]:
        """See C(Provider.belongings)."""
        return self._files.belongings()

    def remove(self) -> None:
        """See C(Provider.remove)."""
        self._files.remove()

    # Steps --------------------------------------------------------------------------------------------------

    def _set_weights(self, current: t.Mapping[Key, int], wanted: t.Mapping[Key, int]) -> None:
        """First those that rise, then those that fall, in one round trip: the service is never without a target."""
        differ = [key for key in wanted if current.get(key) != wanted[key]]
        keys = sorted(differ, key=lambda key: (not wanted[key], key))
        self._socket.order([f"set server {self._name(key)} weight {wanted[key]}" for key in keys])
        found = self._running().weights()
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

    def _running(self) -> Running:
        states = {
            (state.backend[len(self._prefix) :], state.name): state
            for state in self._socket.servers()
            if state.backend.startswith(self._prefix)
        }
        generation = self._socket.variable(config.variable(self._platform, self._environment))
        return Running(self._files.text(), generation, states)

    def _runs(self, traffic: Traffic, now: Running) -> bool:
        """Whether process and file have this structure."""
        text = self._files.render(traffic, {})
        return (
            now.generation == config.generation(traffic)
            and config.structure(now.text) == config.structure(text)
            and {server.key for server in traffic.servers()} == set(now.states)
            and self._files.shared_is_current()
        )

    def _rows(self) -> dict[Key, Row]:
        rows = self._socket.rows()
        return {
            (row.backend[len(self._prefix) :], row.server): row for row in rows if row.backend.startswith(self._prefix)
        }

    def _explain(self, plan: Plan) -> None:
        """Say every decision in words."""
        plan.actions.extend(plan.certificates)
        if plan.bridge is not None:
            what = "the new servers beside what is in force" if plan.in_force else "a new structure"
            what = what if plan.before else "this platform is new on the proxy"
            plan.actions.append(f"reload HAProxy ({what}); idle keep-alive connections are closed")
        for server in plan.corrections:
            plan.actions.append(f"{self._name(server.key)} moves to {server.address}:{server.port} at run time")
        if plan.gated:
            plan.actions.append(f"wait until healthy: {', '.join(self._name(server.key) for server in plan.gated)}")
        plan.actions.extend(structure.changes(plan.in_force, plan.traffic))
        for key, weight in sorted(plan.after.items()):
            if plan.before.get(key, 0) != weight:
                plan.actions.append(f"{self._name(key)} weight {plan.before.get(key, 0)} to {weight}")
        if plan.reshapes:
            what = "a new structure, with the weights wanted" if plan.before else "this platform is new on the proxy"
            plan.actions.append(f"reload HAProxy ({what}); idle keep-alive connections are closed")
        if plan.text_before != plan.text_after:
            plan.actions.append(f"write {self._files.path}")

    def _name(self, key: Key) -> str:
        return f"{self._prefix}{key[0]}/{key[1]}"


def _sum(rows: t.Iterable[Row]) -> Counters:
    rows = list(rows)
    detail = {
        "5xx": sum(row.failed_5xx for row in rows),
        "failed_connections": sum(row.failed_connections for row in rows),
        "failed_responses": sum(row.failed_responses for row in rows),
    }
    return Counters(sum(row.requests for row in rows), sum(detail.values()), detail)
