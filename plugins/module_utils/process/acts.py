# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things that a hand-over does to processes: announced, done, and read back (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ..errors import SlipwayError
from ..side.checks import Prober, Running, health_checks, reachable, smoke_checks
from ..side.handover import Handover
from ..side.records import Record, find
from ..system import System
from .manager import FAILED, RUNNING, Found, Manager, not_running
from .observe import current_path, current_release, shown
from .records import SHELF
from .report import Report
from .spec import IN_PLACE, Order
from .tree import replace_link
from .verify import Failures, target

WORKER_MINIMUM = 1.0  # seconds that a worker must stay up to count as started
WORKER_INTERVAL = 0.1


class Act(t.NamedTuple):
    """One kind of change: C(boot), C(unboot), C(stop) or C(start) of processes, or C(link)."""

    kind: str
    items: list[Found]
    target: str = ""

    @property
    def names(self) -> list[str]:
        """The processes."""
        return [item.name for item in self.items]

    def explain(self) -> list[str]:
        """For C(actions)."""
        if self.kind == "link":
            return [f"let current name release {self.target}" if self.target else "remove the link current"]
        words = {"boot": "bring {} back after a reboot", "unboot": "do not bring {} back after a reboot"}
        return [words.get(self.kind, self.kind + " {}").format(name) for name in self.names]


def boots(items: t.Iterable[Found], on: bool) -> list[Act]:
    """Those that would come back after a reboot, or would not, and shall."""
    chosen = [item for item in items if item.boot != on]
    return [Act("boot" if on else "unboot", chosen)] if chosen else []


def stops(items: t.Iterable[Found]) -> list[Act]:
    """What runs stops."""
    chosen = [item for item in items if item.running]
    return [Act("stop", chosen)] if chosen else []


def starts(items: t.Iterable[Found]) -> list[Act]:
    """What does not run starts."""
    chosen = [item for item in items if item.status != RUNNING]
    return [Act("start", chosen)] if chosen else []


class Handing(t.NamedTuple):
    """Who ends and who starts, in an order in which no two are together that may not be."""

    first: list[Act]  # end
    start: list[Act]
    last: list[Act]  # end, when those have started that have the same ports


def handing(manager: Manager, leaving: t.Sequence[Found], coming: t.Sequence[Found]) -> Handing:
    """Hand over from some processes to others."""
    beside = [item for item in leaving if item.labels.role == IN_PLACE and _shares(manager, item, coming)]
    return Handing(stops(item for item in leaving if item not in beside), starts(coming), stops(beside))


def _shares(manager: Manager, item: Found, coming: t.Sequence[Found]) -> bool:
    others = [other for other in coming if other.labels.service == item.labels.service]
    return bool(others) and all(manager.shares_port(other.name, item.name) for other in others)


class Acting:
    """Acts for one order, and its report."""

    def __init__(self, order: Order, system: System, manager: Manager, report: Report) -> None:
        self.order = order
        self.system = system
        self.manager = manager
        self.report = report
        self.handover = Handover(system, order.scope, {one.name for one in order.services if one.singleton})
        report.handover = self.handover

    def links_to(self, release: str) -> list[Act]:
        """What makes C(current) name a release, or, with none, go."""
        return [] if current_release(self.order.scope) == release else [Act("link", [], release)]

    def announce(self, acts: t.Sequence[Act], check: bool) -> bool:
        """Put the plan into the report; true when it ends there."""
        report = self.report
        report.after = {name: dict(facts) for name, facts in report.before.items()}
        for act in acts:
            report.actions.extend(act.explain())
            for name in act.names:
                about = report.after[name]
                if act.kind in ("boot", "unboot"):
                    about["boot"] = act.kind == "boot"
                else:
                    about["status"] = RUNNING if act.kind == "start" else "stopped"
        return check

    def apply(self, *groups: t.Sequence[Act]) -> None:
        """One group after the other.

        :raises SlipwayError: why a process could not be started; all that failed, with their log lines, in its evidence.
        """
        for act in [act for group in groups for act in group]:
            with self.report.timed(act.kind):
                self._do(act)

    def _do(self, act: Act) -> None:
        if act.kind == "link":
            path = current_path(self.order.scope)
            if act.target:
                replace_link(self.system, path, os.path.join("releases", act.target))
            else:
                self.system.unlink(path)
        elif act.kind in ("boot", "unboot"):
            self.manager.set_boot(act.names, act.kind == "boot")
        elif act.kind == "stop":
            self.handover.ending(item.labels.service for item in act.items)
            ended = self.manager.stop(act.items)
            self.handover.ended(item.labels.service for item in act.items)
            for item in act.items:
                self.report.ended(item, ended[item.name])
        else:
            self.manager.load()
            failures = Failures(self.manager, self.report, stop=False)
            for name, error in self.manager.start(act.names).items():
                failures.note(name, error)
            failures.raise_if_any()

    def start_workers(self, acts: t.Sequence[Act]) -> None:
        """Start them and see them stay: their manager starts again what ends.

        :raises SlipwayError: C(runs_already) when another instance of a singleton has not ended.
        """
        items = [item for act in acts for item in act.items]
        if self.handover.of(item.labels.service for item in items):
            names = {item.name for item in items}
            there = [item for item in self.manager.found(self.order.scope) if item.running and item.name not in names]
            self.handover.refuse_second((item.labels.service, item.name) for item in there)
        self.apply(acts)
        self.handover.started(item.labels.service for item in items)
        started = self.manager.inspect([item.name for item in items])
        failures = Failures(self.manager, self.report, stop=False)
        end = self.system.monotonic() + WORKER_MINIMUM
        with self.report.timed("workers"):
            while started and not failures.died(started):
                left = end - self.system.monotonic()
                if left <= 0:
                    return
                self.system.sleep(min(WORKER_INTERVAL, left))
        failures.raise_if_any()

    def expect_answers(self, items: t.Sequence[Found], probe: Prober) -> None:
        """Each is healthy at the port that it has taken over, and passes its smoke tests.

        :raises SlipwayError: as of C(prepared); nothing is stopped.
        """
        services = {service.name: service for service in self.order.services}
        host, running = reachable(self.order.publish), []
        for item in items:
            service = services[item.labels.service]
            port = service.ports[self.order.side][item.number - 1]
            running.append(Running(service, item.name, host, port))
        started = self.manager.inspect([item.name for item in items])
        failures = Failures(self.manager, self.report, stop=False)
        for name, checks in (("verify", health_checks), ("smoke", smoke_checks)):
            with self.report.timed(name):
                failures.ask(probe, checks(running, target), started)
            failures.raise_if_any()

    def expect_running(self, items: t.Sequence[Found], *, since_start: bool = False) -> None:
        """Each has a process now; or, as long as it was not decided on, the one that was started, and none that followed it.

        :raises SlipwayError: C(exited), with the evidence of all that do not.
        """
        failures = Failures(self.manager, self.report, stop=False)
        now = self.manager.inspect([item.name for item in items])
        for item in items:
            found = now.get(item.name)
            if found is not None and since_start and found.restarts and not item.boot:
                found = found._replace(status=FAILED)
            if found is None or found.status != RUNNING:
                failures.note(item.name, not_running(item.name, found, self.manager))
        failures.raise_if_any()

    def keep_logs(self, acts: t.Sequence[Act]) -> None:
        """The last lines of what was stopped, into the report."""
        for name in (name for act in acts if act.kind == "stop" for name in act.names):
            self.report.about(name, logs=self.report.clean(self.manager.logs(name)))

    def read_back(self, items: t.Sequence[Found], *, running: bool, boot: bool) -> None:
        """Confirm what was done.

        :raises SlipwayError: C(not_confirmed), or why a process does not run.
        """
        now = self.manager.inspect([item.name for item in items])
        for item in items:
            found = now.get(item.name)
            if running and (found is None or found.status != RUNNING):
                raise not_running(item.name, found, self.manager)
            if found is None:
                continue
            if found.running != running:
                raise not_confirmed(item.name, found.status, "stopped")
            if found.boot != boot:
                raise not_confirmed(item.name, f"comes back after a reboot: {found.boot}", boot)
            self.report.about(item.name, status=found.status, boot=found.boot)
            self.report.after.update(shown([found]))

    def read_back_link(self, release: str) -> None:
        """Confirm what C(current) names.

        :raises SlipwayError: C(not_confirmed).
        """
        found = current_release(self.order.scope)
        if found != release:
            raise not_confirmed(current_path(self.order.scope), found, release)

    def announce_outcome(self, records: t.Sequence[Record], outcome: str) -> None:
        """Say that the release will be noted as ended, if it is not yet."""
        record = find(records, self.order.release)
        if record is not None and record.outcome != outcome:
            self.report.actions.append(f"note release {self.order.release} as {outcome}")

    def write_outcome(self, records: t.Sequence[Record], outcome: str) -> None:
        """Write down how the release ended; a full disk must not stop a revert."""
        record = find(records, self.order.release)
        if record is None or record.outcome == outcome:
            return
        try:
            SHELF.write(self.system, self.order.scope.directory, record._replace(outcome=outcome))
        except SlipwayError as error:
            if outcome != "reverted" or error.cause != "no_space":
                raise
            self.report.warnings.append(error.message)


def not_confirmed(name: str, actual: object, wanted: object) -> SlipwayError:
    """The error for what is not as it was left."""
    return SlipwayError(
        "not as it was left",
        obj=name,
        actual=actual,
        wanted=wanted,
        remedy="See who else changes it, and run the release again.",
        cause="not_confirmed",
    )
