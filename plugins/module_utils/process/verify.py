# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of a side must answer, and what is known of those that fail (private to the collection).

The questions are asked by the caller's prober (the probe engine); this file knows services, not protocols.
"""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import threading
import typing as t

from ..errors import SlipwayError
from .manager import FAILED, RUNNING, Found, Manager, not_running
from .report import Report
from .spec import Service

SMOKE_TIMEOUT = 5.0
LOOK = 0.2  # seconds between two looks at whether a process that is being asked still lives
POLICY_KEYS = ("successes", "minimum", "interval", "timeout", "deadline")
PASSED_ON = ("method", "headers", "body", "contains", "validate_certs", "ca_path")


class Check(t.NamedTuple):
    """One thing to ask a process, in the words of the probe engine."""

    process: str
    target: dict[str, t.Any]
    policy: dict[str, t.Any]
    once: bool  # one try, no second chance


class Verdict(t.NamedTuple):
    """The answer to one check."""

    healthy: bool
    cause: str
    message: str
    evidence: dict[str, t.Any]
    seconds: float
    remedy: str = ""


class Running(t.NamedTuple):
    """A process that must answer."""

    service: Service
    name: str
    host: str
    port: int


Prober = t.Callable[[t.Sequence[Check]], t.Sequence[Verdict]]


def health_checks(processes: t.Iterable[Running]) -> list[Check]:
    """The health check of every process; a plain connection where the service names none."""
    checks = []
    for item in processes:
        option = dict(item.service.health or {"kind": "tcp"})
        where = f"services.{item.service.name}.health"
        policy = {key: _seconds(option[key], f"{where}.{key}") for key in POLICY_KEYS if option.get(key) is not None}
        if "successes" in policy:
            policy["successes"] = int(policy["successes"])
        checks.append(Check(item.name, _target(item, option, where), policy, once=False))
    return checks


def smoke_checks(processes: t.Iterable[Running]) -> list[Check]:
    """Every smoke test against every replica, one try each."""
    checks = []
    for item in processes:
        for number, test in enumerate(item.service.smoke):
            where = f"services.{item.service.name}.smoke[{number}]"
            target = _target(item, {"kind": "http", **test}, where)
            target["name"] = (
                f"{item.service.name}.smoke[{number}] {target.get('method', 'GET')} {test.get('path', '/')}"
            )
            policy = {"timeout": _seconds(test.get("timeout") or SMOKE_TIMEOUT, f"{where}.timeout")}
            checks.append(Check(item.name, target, policy, once=True))
    return checks


def expect_free(item: Running) -> None:
    """Nothing listens on the port of a process that does not run yet: else that would be asked in its place.

    :raises SlipwayError: C(port_taken).
    """
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with contextlib.suppress(OSError), socket.socket(family) as probe:  # a machine may have only one of them
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, item.port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise SlipwayError(
                        "something else listens on its port",
                        obj=item.name,
                        actual=item.port,
                        remedy=f"See what it is: ss -ltnp sport = :{item.port}.",
                        cause="port_taken",
                    ) from None


def reachable(publish: str) -> str:
    """An address at which this machine reaches what listens on another (or on all)."""
    return "127.0.0.1" if publish in ("", "0.0.0.0", "::") else publish


def _seconds(value: t.Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SlipwayError("value refused", obj=where, actual=value, wanted="a number", cause="invalid") from None


def _target(item: Running, option: t.Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    kind = option.get("kind") or "http"
    target: dict[str, t.Any] = {"kind": kind, "name": item.name}
    if kind == "tcp":
        return {**target, "host": item.host, "port": item.port}
    if kind == "command":
        words = [str(word).replace("${PORT}", str(item.port)) for word in option.get("command") or ()]
        return {**target, "argv": words}
    if kind != "http":
        raise SlipwayError(
            "value refused", obj=f"{where}.kind", actual=kind, wanted="http, tcp or command", cause="invalid"
        )
    target.update({key: option[key] for key in PASSED_ON if option.get(key) is not None})
    host = f"[{item.host}]" if ":" in item.host else item.host
    path = str(option.get("path") or "/")
    target["url"] = f"{option.get('scheme') or 'http'}://{host}:{item.port}/{path.lstrip('/')}"
    status = option.get("status")
    target["status"] = [int(status)] if isinstance(status, (int, str)) else [int(code) for code in status or ()]
    target["headers"] = {str(name): str(value) for name, value in (option.get("headers") or {}).items()}
    if isinstance(target.get("body"), (dict, list)):
        target["body"] = json.dumps(target["body"])
        target["headers"].setdefault("Content-Type", "application/json")
    return target


class Failures:
    """Collects what fails, so that one bad process does not hide the others."""

    def __init__(self, manager: Manager, report: Report, *, stop: bool = True) -> None:
        """:param stop: stop what failed; without it, what still runs is left alone."""
        self._manager = manager
        self._report = report
        self._stop = stop
        self._found: dict[str, SlipwayError] = {}

    def note(self, process: str, error: SlipwayError) -> None:
        """The first failure of a process is the one that counts."""
        self._found.setdefault(process, error)

    def ask(self, probe: Prober, checks: t.Sequence[Check], started: t.Mapping[str, Found]) -> None:
        """Put all questions at once and note every wrong answer; a process that died does not get its time to answer.

        :param started: the processes as they were when they had started.
        """
        if not checks:
            return
        answers: list[t.Sequence[Verdict]] = []
        bugs: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(probe(checks))
            except BaseException as error:  # raised again by whoever waits
                bugs.append(error)

        # A daemon, because the module must be able to end while a try still hangs.
        thread = threading.Thread(target=work, name="probe", daemon=True)
        thread.start()
        while thread.is_alive() and not self.died(started):
            thread.join(LOOK)
        if bugs:
            raise bugs[0]
        for check, verdict in zip(checks, answers[0] if answers else ()):
            self._judge(check, verdict)

    def died(self, started: t.Mapping[str, Found]) -> bool:
        """Note those that ended, or were started again, since then; whether there is one."""
        now = self._manager.inspect(list(started))
        for name, before in started.items():
            item = now.get(name)
            if item is None or item.status != RUNNING or item.run != before.run or item.restarts > before.restarts:
                self.note(name, not_running(name, item and item._replace(status=FAILED), self._manager))
        return bool(self._found)

    def _judge(self, check: Check, verdict: Verdict) -> None:
        if not check.once:
            self._report.about(check.process, healthy=verdict.healthy, ready_s=round(verdict.seconds, 3))
        if verdict.healthy:
            return
        asked = check.target["name"]
        self.note(
            check.process,
            SlipwayError(
                verdict.message.rstrip("."),
                obj=f"{asked} of {check.process}" if check.once else check.process,
                cause=verdict.cause,
                remedy=verdict.remedy,
                evidence={"check": asked, "smoke": check.once, **verdict.evidence},
            ),
        )

    def raise_if_any(self) -> None:
        """Stop what failed, keep it for inspection, and raise the first failure with the evidence of all.

        :raises SlipwayError: with C(processes) (cause, message, evidence and last log lines of each) in its evidence.
        """
        if not self._found:
            return
        if self._stop:
            items = self._manager.inspect(list(self._found))
            self._manager.stop([item for item in items.values() if item.running])
        about = {name: self._about(name, error) for name, error in self._found.items()}
        name, first = next(iter(self._found.items()))
        raise SlipwayError(
            self._report.clean(first.what),
            obj=first.obj or name,
            actual=self._report.clean(first.actual),
            wanted=first.wanted,
            remedy=first.remedy or f"See its log: {self._manager.log_command(name)}.",
            cause=first.cause,
            evidence=self._report.clean({**first.evidence, "processes": about, "timings": self._report.timings}),
        )

    def _about(self, name: str, error: SlipwayError) -> dict[str, t.Any]:
        logs = self._manager.logs(name)
        return {"cause": error.cause, "message": error.message, "evidence": error.evidence, "logs": logs}
