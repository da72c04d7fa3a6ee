# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things that a hand-over does to containers: announced, done, and read back (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.parallel import parallel
from .engine import Engine, Found
from .observe import shown
from .report import Report
from .spec import Scope
from .verify import Failures, not_running

LIVE, IDLE = "always", "no"
WORKER_MINIMUM = 1.0  # seconds that a worker must stay up to count as started
WORKER_INTERVAL = 0.1


class Act(t.NamedTuple):
    """One change to one container: C(policy), C(stop) or C(start)."""

    kind: str
    container: Found
    policy: str = ""

    def explain(self) -> str:
        """For C(actions)."""
        if self.kind == "policy":
            return f"set restart policy of {self.container.name} to {self.policy}"
        return f"{self.kind} {self.container.name}"


def policies(items: t.Iterable[Found], policy: str) -> list[Act]:
    """Those that have another restart policy get this one."""
    return [Act("policy", item, policy) for item in items if item.restart != policy]


def stops(items: t.Iterable[Found]) -> list[Act]:
    """What runs stops."""
    return [Act("stop", item) for item in items if item.running]


def starts(items: t.Iterable[Found]) -> list[Act]:
    """What does not run starts."""
    return [Act("start", item) for item in items if item.status != "running"]


def names_of(acts: t.Iterable[Act]) -> list[str]:
    """The containers."""
    return [act.container.name for act in acts]


def announce(report: Report, acts: t.Sequence[Act], check: bool) -> bool:
    """Put the plan into the report; true when it ends there."""
    report.actions.extend(act.explain() for act in acts)
    report.after = {name: dict(facts) for name, facts in report.before.items()}
    for act in acts:
        about = report.after[act.container.name]
        if act.kind == "policy":
            about["restart"] = act.policy
        else:
            about["status"] = "running" if act.kind == "start" else "exited"
    return check


def apply(engine: Engine, report: Report, acts: t.Sequence[Act]) -> None:
    """Do all of these at once."""

    def do(act: Act) -> None:
        if act.kind == "policy":
            engine.set_restart(act.container, act.policy)
        elif act.kind == "start":
            engine.start(act.container)
        else:
            _stop(engine, report, act.container)

    if not acts:
        return
    stopped = [act.container.label("service") for act in acts if act.kind == "stop"]
    if report.handover:
        report.handover.ending(stopped)
    with report.timed(acts[0].kind):
        parallel(do, acts)
    if report.handover:
        report.handover.ended(stopped)


def put_away(engine: Engine, report: Report, items: t.Sequence[Found]) -> None:
    """They stop, and do not come back after a reboot."""
    apply(engine, report, policies(items, IDLE))
    apply(engine, report, stops(items))


def _stop(engine: Engine, report: Report, item: Found) -> None:
    grace = float(item.label("grace") or 10)
    began = report.system.monotonic()
    after = engine.stop(item, grace)
    seconds = round(report.system.monotonic() - began, 3)
    code = after.exit_code if after else None
    report.about(item.name, action="stop", stop_s=seconds, exit_code=code)
    if code == 137:
        report.warnings.append(f"{item.name} did not end within {grace:g} s after SIGTERM and was killed")


def start_workers(scope: Scope, engine: Engine, report: Report, acts: t.Sequence[Act]) -> None:
    """Start them and see them stay: with a restart policy a crash shows only in the number of restarts.

    :raises SlipwayError: C(runs_already) when another instance of a singleton has not ended.
    """
    if not acts:
        return
    services, handover = [act.container.label("service") for act in acts], report.handover
    if handover and handover.of(services):
        mine = {act.container.id for act in acts}
        there = [item for item in engine.containers(scope.labels) if item.running and item.id not in mine]
        handover.refuse_second((item.label("service"), item.name) for item in there)
    apply(engine, report, acts)
    if handover:
        handover.started(services)
    failures = Failures(engine, report)
    names = names_of(acts)
    restarts = {act.container.name: act.container.restarts for act in acts}
    with report.timed("workers"):
        end = report.system.monotonic() + WORKER_MINIMUM
        while True:
            for name, item in zip(names, parallel(engine.inspect, names)):
                if item is None or item.status != "running" or item.restarts > restarts[name]:
                    failures.note(name, not_running(name, item))
            failures.raise_if_any()
            left = end - report.system.monotonic()
            if left <= 0:
                return
            report.system.sleep(min(WORKER_INTERVAL, left))


def read_back(engine: Engine, report: Report, items: t.Sequence[Found], *, running: bool, policy: str) -> None:
    """Confirm what was done.

    :raises SlipwayError: C(not_confirmed), or why a container does not run.
    """
    for item, now in zip(items, parallel(lambda item: engine.inspect(item.id), items)):
        if now is None or now.running != running:
            if running:
                raise not_running(item.name, now)
            if now is not None:
                raise not_confirmed(item.name, now.status, "stopped")
        elif now.restart != policy:
            raise not_confirmed(item.name, f"restart policy {now.restart}", policy)
        if now is not None:
            report.about(item.name, status=now.status, restart=now.restart)
            report.after.update(shown([now]))


def not_confirmed(name: str, actual: str, wanted: str) -> SlipwayError:
    """The error for what is not as it was left."""
    return SlipwayError(
        "not as it was left",
        obj=name,
        actual=actual,
        wanted=wanted,
        remedy="See who else changes this container, and run the release again.",
        cause="not_confirmed",
    )


def keep_logs(engine: Engine, report: Report, items: t.Sequence[Found]) -> None:
    """The last lines of what was stopped, into the report."""
    for item, lines in zip(items, parallel(engine.logs, items)):
        report.about(item.name, logs=report.clean(lines))
