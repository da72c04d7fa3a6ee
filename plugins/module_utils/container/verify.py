# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the containers of a side must answer, and what is known of those that fail (private to the collection).

The questions are asked by the caller's prober (the probe engine); this file knows services, not protocols.
"""

from __future__ import annotations

import json
import typing as t

from ..errors import SlipwayError
from .engine import Engine, Found, parallel
from .observe import Report
from .spec import Service

FAILED_GRACE = 1.0  # seconds that a container which failed gets to end
SMOKE_TIMEOUT = 5.0
POLICY_KEYS = ("successes", "minimum", "interval", "timeout", "deadline", "wrong_port_after")
PASSED_ON = ("method", "headers", "body", "contains", "validate_certs", "ca_path")


class Check(t.NamedTuple):
    """One thing to ask a container, in the words of the probe engine."""

    container: str
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
    """A container that must answer."""

    service: Service
    name: str
    host: str
    port: int | None


Prober = t.Callable[[t.Sequence[Check]], t.Sequence[Verdict]]


def health_checks(containers: t.Iterable[Running]) -> list[Check]:
    """The health check of every container; a plain connection where the service names none."""
    return [_health(item) for item in containers]


def smoke_checks(containers: t.Iterable[Running]) -> list[Check]:
    """Every smoke test against every replica, one try each."""
    return [_smoke(item, number, test) for item in containers for number, test in enumerate(item.service.smoke)]


def reachable(publish: str) -> str:
    """An address at which this machine reaches what it publishes on another (or on all)."""
    if publish in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{publish}]" if ":" in publish else publish


def _health(item: Running) -> Check:
    option = dict(item.service.health or {"kind": "tcp"})
    policy = {key: _seconds(item, key, option[key]) for key in POLICY_KEYS if option.get(key) is not None}
    if "successes" in policy:
        policy["successes"] = int(policy["successes"])
    return Check(item.name, _target(item, option), policy, once=False)


def _seconds(item: Running, key: str, value: t.Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        where = f"services.{item.service.name}.health.{key}"
        raise SlipwayError("value refused", obj=where, actual=value, wanted="a number", cause="invalid") from None


def _smoke(item: Running, number: int, test: t.Mapping[str, t.Any]) -> Check:
    target = _target(item, {"kind": "http", **test})
    target["name"] = f"{item.service.name}.smoke[{number}] {target.get('method', 'GET')} {test.get('path', '/')}"
    return Check(item.name, target, {"timeout": float(test.get("timeout") or SMOKE_TIMEOUT)}, once=True)


def _target(item: Running, option: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    kind = option.get("kind") or "http"
    target: dict[str, t.Any] = {"kind": kind, "name": item.name}
    if kind == "container":
        return {**target, "container": item.name}
    target["companion"] = item.name
    if kind == "tcp":
        return {**target, "host": item.host.strip("[]"), "port": item.port}
    if kind == "command":
        return {**target, "argv": ["docker", "exec", item.name, *option.get("command", ())]}
    target.update({key: option[key] for key in PASSED_ON if option.get(key) is not None})
    if kind == "http":
        path = str(option.get("path") or "/")
        target["url"] = f"{option.get('scheme') or 'http'}://{item.host}:{item.port}/{path.lstrip('/')}"
        status = option.get("status")
        target["status"] = [int(status)] if isinstance(status, (int, str)) else [int(code) for code in status or ()]
        _write_json_body(target)
    return target


def _write_json_body(target: dict[str, t.Any]) -> None:
    target["headers"] = {str(name): str(value) for name, value in (target.get("headers") or {}).items()}
    if isinstance(target.get("body"), (dict, list)):
        target["body"] = json.dumps(target["body"])
        target["headers"].setdefault("Content-Type", "application/json")


class Failures:
    """Collects what fails, so that one bad container does not hide the others."""

    def __init__(self, engine: Engine, report: Report, *, stop: bool = True) -> None:
        """:param stop: stop what failed; without it, what still runs is left alone."""
        self._engine = engine
        self._stop = stop
        self._report = report
        self._found: dict[str, SlipwayError] = {}

    def guarded(self, work: t.Callable[[t.Any], t.Any], name: t.Callable[[t.Any], str]) -> t.Callable[[t.Any], t.Any]:
        """The same work, with a failure noted under the container's name and None returned instead."""

        def attempt(item: t.Any) -> t.Any:
            try:
                return work(item)
            except SlipwayError as error:
                self.note(name(item), error)
                return None

        return attempt

    def note(self, container: str, error: SlipwayError) -> None:
        """The first failure of a container is the one that counts."""
        self._found.setdefault(container, error)

    def ask(self, probe: Prober, checks: t.Sequence[Check]) -> None:
        """Put all questions at once and note every wrong answer."""
        for check, verdict in zip(checks, probe(checks) if checks else ()):
            if not check.once:
                self._report.about(check.container, healthy=verdict.healthy, ready_s=round(verdict.seconds, 3))
            if not verdict.healthy:
                asked = check.target["name"]
                evidence = {"check": asked, "smoke": check.once, **verdict.evidence}
                self.note(
                    check.container,
                    SlipwayError(
                        verdict.message.rstrip("."),
                        obj=f"{asked} of {check.container}" if check.once else check.container,
                        cause=verdict.cause,
                        remedy=verdict.remedy,
                        evidence=evidence,
                    ),
                )

    def expect_running(self, names: t.Sequence[str]) -> None:
        """Read back that these have a process."""
        for name, container in zip(names, parallel(self._engine.inspect, names)):
            if container is None or container.status != "running":
                self.note(name, not_running(name, container))

    def raise_if_any(self) -> None:
        """Stop what failed, keep it for inspection, and raise the first failure with the evidence of all.

        :raises SlipwayError: with C(containers) (cause, message, evidence and last log lines of each) in its evidence.
        """
        if not self._found:
            return
        evidence = dict(zip(self._found, parallel(self._keep_for_inspection, self._found)))
        name, first = next(iter(self._found.items()))
        raise SlipwayError(
            self._report.clean(first.what),
            obj=first.obj or name,
            actual=self._report.clean(first.actual),
            wanted=first.wanted,
            remedy=first.remedy or f"See its log: docker logs {name}. It is kept for inspection.",
            cause=first.cause,
            evidence=self._report.clean({**first.evidence, "containers": evidence, "timings": self._report.timings}),
        )

    def _keep_for_inspection(self, name: str) -> dict[str, t.Any]:
        error = self._found[name]
        about: dict[str, t.Any] = {"cause": error.cause, "message": error.message, "evidence": error.evidence}
        container = self._engine.inspect(name)
        if container is not None:
            about["status"], about["exit_code"] = container.status, container.exit_code
            if self._stop:
                self._put_down(container)
            about["logs"] = self._engine.logs(container)
        return about

    def _put_down(self, container: Found) -> None:
        if container.restart != "no":
            self._engine.set_restart(container, "no")
        if container.running:
            self._engine.stop(container, FAILED_GRACE)


def not_running(name: str, container: Found | None) -> SlipwayError:
    """The error for a container that should run and does not."""
    if container is None:
        return SlipwayError("the container is gone", obj=name, remedy="Run the release again.", cause="gone")
    return SlipwayError(
        "the container does not run",
        obj=name,
        actual=f"{container.status}, exit code {container.exit_code}",
        wanted="running",
        remedy=f"See its log: docker logs {name}.",
        cause="oom" if container.oom else "exited",
        evidence={"status": container.status, "exit_code": container.exit_code, "out_of_memory": container.oom},
    )
