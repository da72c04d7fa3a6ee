# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What providers have in common whose weights are in a file of ours, which the proxy is made to read again.

Private to the collection. Such a proxy tells nobody what its checks find, so the gate asks the servers itself; and each
switch is a reload, so that structure and weights change at the same instant and no bridge is needed.
"""

from __future__ import annotations

import abc
import contextlib
import glob
import http.client
import os
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import structure
from .certificates import Certificates, Pair
from .closure import cannot_hold, told
from .listening import asked_at, canonical, overlaps
from .model import Key, Line, Look, Plan, Provider, Traffic, Weights, side_of
from .probing import Get, SideLog, gate, http_get
from .processes import Processes, listen_taken
from .tls import Tls
from .weights import kept_weights, live_side, shares, wanted_weights

LOCK_SECONDS = 60.0
RELOAD_SECONDS = 10.0
COMMAND_SECONDS = 30.0
POLL = 0.02


def status_host(platform: str, environment: str) -> str:
    """The name under which a proxy tells which text it runs (RFC 2606 keeps C(.invalid) free)."""
    return f"slipway-{platform}-{environment}.invalid"


class ByFile(Provider):
    """One platform on a proxy that reads a file of ours; subclasses know its language and how it is made to read."""

    name = ""  # as people call it
    command = ""  # as its process is called
    notices: tuple[str, ...] = ()
    reload_told = ""

    def __init__(
        self,
        system: System,
        platform: str,
        environment: str,
        *,
        root: str,
        file: str,
        log: SideLog,
        certificates: Certificates,
        processes: Processes | None = None,
        get: Get | None = None,
    ) -> None:
        self._system = system
        self._platform = platform
        self._environment = environment
        self._root = root
        self._file = file
        self._log = log
        self._certificates = certificates
        self._pairs: list[Pair] = []  # those that are wanted
        self._processes = processes or Processes()
        self._get = get or http_get

    # What differs -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _require_running(self) -> None:
        """Raise C(proxy_not_running) when it is not."""

    @abc.abstractmethod
    def _render(self, traffic: Traffic, weights: Weights) -> str:
        """The text of our file."""

    @abc.abstractmethod
    def _lines(self, text: str) -> dict[Key, Line]:
        """Addresses and weights out of a text of ours."""

    @abc.abstractmethod
    def _expected(self, text: str) -> list[str]:
        """The words that the proxy answers under C(status_host) when it runs this text."""

    @abc.abstractmethod
    def _put(self, text: str) -> float:
        """Write, test, have it read, prove it; else the old file is back. Milliseconds until it was read."""

    @abc.abstractmethod
    def _version(self) -> str:
        """As the program says it; empty when it says nothing."""

    # The interface ------------------------------------------------------------------------------------------

    def lock(self) -> t.ContextManager[None]:
        """The proxy's own flock."""
        self._system.make_directory(self._root)
        return self._system.flock(os.path.join(self._root, f"{self.command}.lock"), timeout=LOCK_SECONDS)

    def observe(self) -> dict[str, t.Any]:
        """C(running), C(version), C(problems), C(notices), C(weights), C(servers), C(live_side)."""
        text = self._text()
        lines = self._lines(text)
        problem = self._problem(text, lines)
        weights = shares({key: line.weight for key, line in lines.items()}, {key: side_of(key[1]) for key in lines})
        return {
            "running": problem is None or problem.cause != "proxy_not_running",
            "version": self._version(),
            "problems": problem.told() if problem else [],
            "notices": list(self.notices),
            "weights": weights,
            "servers": [
                {"service": key[0], "name": key[1], "side": side_of(key[1]), **line._asdict()}
                for key, line in sorted(lines.items())
            ],
            "live_side": live_side(weights),
            "certificates": self._certificates.seen(known.tls if (known := structure.specification(text)) else None),
            "closed": told(structure.specification(text), self._system.wall()),
        }

    def refused_certificates(self, tls: Tls, hosts: t.Sequence[str]) -> list[str]:
        """See C(Provider.refused_certificates)."""
        return self._certificates.refused(tls, hosts)

    def refused_listen(self, bind: str, listen: int | None, tls: Tls | None) -> list[str]:
        """See C(Provider.refused_listen)."""
        if listen is None or self._text():
            return []
        wanted = Traffic(self._platform, self._environment, canonical(bind), listen, (), (), None, tls=tls)
        try:
            self._refuse_taken_listen(wanted)
        except SlipwayError as error:
            return [error.message]
        return []

    def in_force(self) -> Traffic | None:
        """See C(Provider.in_force): what the file says, which a reload loads with whatever is done next."""
        self._require_running()
        return structure.specification(self._text())

    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        """See C(Provider.plan)."""
        self._require_running()
        if traffic.closure and traffic.closure.hold:
            raise cannot_hold(traffic.closure)
        self._refuse_taken_listen(traffic)
        lines = self._lines(self._text())
        actions: list[str] = []
        effective = self._with_live_addresses(traffic, lines, actions)
        if effective.weights is not None and (shift or not lines):
            after = wanted_weights(effective)
        else:
            after = kept_weights(effective, {key: line.weight for key, line in lines.items()})
        return self._planned(effective, after, actions, gated=shift)

    def back(self, plan: Plan) -> Plan:
        """See C(Provider.back)."""
        actions: list[str] = []
        target, weights = plan.origin()
        effective = self._with_live_addresses(target, self._lines(self._text()), actions)
        return self._planned(effective, weights, actions, gated=True)

    def configure(self, plan: Plan) -> None:
        """Nothing: the gate asks the servers itself, and one reload in C(shift) brings structure and weights together."""

    def gate(self, plan: Plan, seconds: float, *, anew: bool = False) -> None:
        """See C(Provider.gate)."""
        gate(self._system, self._get, plan, seconds)

    def shift(self, plan: Plan) -> float | None:
        """See C(Provider.shift)."""
        if not plan.reshapes:
            return None
        with self._certificates.replaced([pair for pair in self._pairs if pair.differs]):
            spent = self._put(plan.text_after)
        self._certificates.prune(plan.traffic.tls, plan.in_force.tls if plan.in_force else None)
        return spent

    def look(self, plan: Plan) -> Look:
        """See C(Provider.look)."""
        return Look(counters=self._log.counters(plan), sessions=self.retired(), down={}, weights={})

    def belongings(self) -> list[str]:
        """See C(Provider.belongings)."""
        return [path for path in (self._file, self._certificates.directory) if os.path.lexists(path)]

    def keeps(self) -> list[str]:
        """See C(Provider.keeps)."""
        return [self._log.path] if os.path.exists(self._log.path) else []

    def remove(self) -> None:
        """See C(Provider.remove)."""
        text = self._text()
        try:
            self._require_running()
        except SlipwayError:
            self._system.unlink(self._file)
        else:
            if text:
                self._take_away(text)
        shutil.rmtree(self._certificates.directory, ignore_errors=True)

    # Steps --------------------------------------------------------------------------------------------------

    def _take_away(self, text: str) -> None:
        """The file goes, and the proxy proves that it runs without this text. Here of one that watches its files."""
        self._system.unlink(self._file)
        self._await_without(text)

    def _await_without(self, text: str) -> None:
        deadline = self._system.monotonic() + RELOAD_SECONDS
        while self._is_loaded(text):
            if self._system.monotonic() >= deadline:
                raise SlipwayError(
                    f"{self.name} did not let go of the platform",
                    obj=self._file,
                    actual="it answers for it still",
                    wanted=f"no answer within {RELOAD_SECONDS:g} s",
                    remedy=f"Look at the log of {self.name}, then run it again.",
                    cause="reload_failed",
                )
            self._system.sleep(POLL)

    def _problem(self, text: str, lines: t.Mapping[Key, Line]) -> SlipwayError | None:
        try:
            self._require_running()
        except SlipwayError as error:
            return error
        if not lines or self._is_loaded(text):
            return None
        return SlipwayError(
            f"on disk, but {self.name} runs without it",
            obj=self._file,
            cause="not_loaded",
            remedy=f"Reload {self.name}, or run traffic_switch: it does.",
        )

    def _planned(self, wanted: Traffic, after: Weights, actions: list[str], *, gated: bool) -> Plan:
        self._pairs = self._certificates.read(wanted.tls, wanted.hosts())
        text_before, text_after = self._text(), self._render(wanted, after)
        before = {key: line.weight for key, line in self._lines(text_before).items()}
        plan = Plan(
            traffic=wanted,
            in_force=structure.specification(text_before),
            bridge=None,
            reshapes=text_before != text_after or not self._is_loaded(text_after),
            before=before,
            after=after,
            text_before=text_before,
            text_after=text_after,
            corrections=(),
            gated=tuple(one for one in wanted.servers() if gated and after[one.key] and not before.get(one.key)),
            actions=actions,
            certificates=tuple(pair.told() for pair in self._pairs if pair.differs),
        )
        self._explain(plan)
        return plan

    def _explain(self, plan: Plan) -> None:
        plan.actions.extend(plan.certificates)
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
            plan.actions.append(self.reload_told)

    def _write(self, files: t.Mapping[str, str]) -> dict[str, bytes | None]:
        """Write those that differ; what they were before."""
        before = {path: self._system.read_file(path) for path in files}
        for path, content in files.items():
            if before[path] != content.encode():
                self._system.replace_file(path, content.encode(), mode=self._mode(path))
        return before

    def _put_back(self, files: t.Mapping[str, bytes | None]) -> None:
        for path, old in files.items():
            if old is None:
                self._system.unlink(path)
            else:
                self._system.replace_file(path, old, mode=self._mode(path))

    def _mode(self, path: str) -> int:
        """The specification in the platform's file may hold a secret header of a check."""
        return 0o600 if path == self._file else 0o644

    # Small things -------------------------------------------------------------------------------------------

    def _refuse_taken_listen(self, traffic: Traffic) -> None:
        """Other programs only: the proxy itself says which of its own files clashes."""
        pattern = os.path.join(os.path.dirname(self._file), f"*{os.path.splitext(self._file)[1]}")
        for path in sorted(glob.glob(pattern)):
            other = structure.owner((self._system.read_file(path) or b"").decode(errors="replace"))
            if other is None or other[:2] == (traffic.platform, traffic.environment):
                continue
            shared = other.ports() & traffic.ports()
            if path == self._file or (shared and overlaps(other.bind, traffic.bind)):
                who = f"platform {other.platform} in {other.environment} ({path})"
                raise listen_taken(traffic.bind, min(shared, default=traffic.listen), who)
        for port in sorted(traffic.ports()):
            for listener in self._processes.listeners(port):
                process = listener.process
                if process is not None and process.command != self.command and overlaps(listener.address, traffic.bind):
                    raise listen_taken(traffic.bind, port, f"{process.command} (process {process.pid})")

    def _with_live_addresses(self, traffic: Traffic, lines: t.Mapping[Key, Line], actions: list[str]) -> Traffic:
        live = {key: (line.address, line.port) for key, line in lines.items() if line.weight}
        return structure.keep_live_addresses(traffic, live, actions)

    def _text(self) -> str:
        return (self._system.read_file(self._file) or b"").decode(errors="replace")

    def _is_loaded(self, text: str) -> bool:
        """Whether the proxy itself says that it runs this text."""
        return structure.owner(text) is not None and self._says(text) == self._expected(text)

    def _says(self, text: str) -> list[str]:
        """What the proxy says that it runs, asked where clients of this text ask."""
        known = structure.owner(text)
        if known is None:
            return []
        address = asked_at(known.bind)
        host = status_host(self._platform, self._environment)
        with contextlib.suppress(OSError, http.client.HTTPException):
            how = {"tls": True} if known.tls else {}
            _status, body = self._get(address, known.listen, "/", {"Host": host}, timeout=2.0, **how)
            return body.decode(errors="replace").split()
        return []
