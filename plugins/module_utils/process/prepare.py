# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the idle side up: code, build, secrets, definitions, health, smoke tests (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..system import System
from .factory import make_source
from .manager import RUNNING, Found, Manager
from .observe import shown
from .owners import user_ids
from .plan import Item, Plan, explain, guard, plan_item
from .records import Record, find, last_settled, next_order, read_records, write_record
from .report import Report
from .secrets import Secrets
from .source import Place, Source
from .spec import Order, Service, wanted_program
from .tree import Tree, Trees, tree_digest
from .verify import Failures, Prober, Running, expect_free, health_checks, reachable, smoke_checks


def prepare(order: Order, system: System, manager: Manager, probe: Prober, *, check: bool = False) -> Report:
    """Programs of the side are defined, the ones with traffic run, are healthy and pass the smoke tests.

    :raises SlipwayError: the cause of the first failure; of processes all of them, with their last log lines, under
        C(processes) in its evidence.
    """
    return _Preparation(order, system, manager).run(probe, check)


class _Preparation:
    def __init__(self, order: Order, system: System, manager: Manager) -> None:
        self.order = order
        self.system = system
        self.manager = manager
        self.report = Report(system, order.secrets.values())
        self.trees = Trees(system, order.scope)
        self.sources: dict[str, Source] = {}

    def run(self, probe: Prober, check: bool) -> Report:
        report, order = self.report, self.order
        with report.timed("read"):
            self.manager.facts()
            for service in order.services:
                if service.user:
                    user_ids(service.user, f"services.{service.name}.user")
            records = read_records(self.system, order.scope)
            found = self.manager.found(order.scope)
        with report.timed("sources"):
            trees = {service.name: self._tree(service) for service in order.services if service.source is not None}
        plan = self._plan(trees, found)
        live = last_settled(records)
        guard(order, plan, live.side if live and live.release != order.release else "")
        explain(order, plan, report)
        if check:
            return report
        with report.timed("clear"):
            self._clear(plan)
        self._record("prepared")  # before the definitions, so that whatever is left behind is known
        try:
            self._bring_up(probe, plan)
        except SlipwayError:
            self._record("failed")
            raise
        report.after = shown(item for item in self.manager.found(order.scope) if item.labels.side == order.side)
        return report

    # Plan -----------------------------------------------------------------------------------------------------------

    def _tree(self, service: Service) -> Tree:
        """What the code is, and whether this machine has it already."""
        order = self.order
        if order.kept_release:
            path = self.trees.path(order.kept_release, service.name)
            mark = self.trees.mark(path)
            if mark is None:
                raise SlipwayError(
                    "the kept release has no code for this service",
                    obj=f"services.{service.name}",
                    actual=order.kept_release,
                    remedy="Choose one that the status shows as ready.",
                    cause="not_kept",
                )
            tree = Tree(path, mark.digest, mark.source, made=True)
        else:
            place = Place(self.system, order.scope.base, order.secrets, order.deadline)
            source = make_source(service.source or {}, f"services.{service.name}.source", place)
            self.sources[service.name] = source
            resolved = source.resolve()
            digest = tree_digest(service, resolved)
            there = self.trees.find(digest, service.name, order.release)
            tree = Tree(there or self.trees.path(order.release, service.name), digest, resolved, made=bool(there))
        self.report.sources[service.name] = {**tree.source, "path": tree.path}
        return tree

    def _plan(self, trees: t.Mapping[str, Tree], found: t.Sequence[Found]) -> Plan:
        order, items = self.order, []
        here = [item for item in found if item.labels.side == order.side]
        for service in order.services:
            secrets = Secrets(self.system, order, service)
            name = order.scope.program_name(service.name, order.side)
            places = secrets.places(self._seen(name))
            tree = trees[service.code]
            program = wanted_program(order, service, tree.path, tree.digest, places)
            self.manager.refuse_unknown(program)
            mine = [item for item in here if item.labels.service == service.name]
            as_is = tree.made and self.manager.is_defined(program) and not secrets.differ()
            items.append(plan_item(program, self.manager.process_names(program.labels), tree, mine, as_is))
        wanted = {service.name for service in order.services}
        gone = {item.labels.service: item.labels for item in here if item.labels.service not in wanted}
        known = {name for item in items for name in item.names}
        stray = [item for item in here if item.name not in known and item.running]
        return Plan(items, stray, list(gone.values()), self._to_make(trees, items, found))

    def _to_make(
        self, trees: t.Mapping[str, Tree], items: t.Sequence[Item], found: t.Sequence[Found]
    ) -> dict[str, Tree]:
        """The code that has to be made: never under a process that goes on running from it, or another release.

        :raises SlipwayError: C(in_use).
        """
        make = {}
        for name, tree in trees.items():
            actions = {item.action for item in items if item.program.service.code == name}
            if not tree.made and actions == {"define"}:
                users = [
                    item.name for item in found if item.labels.side != self.order.side and item.labels.tree == tree.path
                ]
                users += self.trees.linked_from(tree.path, name, self.order.release)
                if users:
                    raise _in_use(tree.path, users)
                make[name] = tree
            elif not tree.made or self.trees.is_dirty(tree.path):
                self.report.warnings.append(f"{tree.path} was changed by hand since it was made")
        return make

    def _seen(self, program: str) -> t.Callable[[int, str, str], str]:
        def seen(number: int, secret: str, stored: str) -> str:
            return self.manager.secret_path(self.manager.process_name(program, number), secret, stored)

        return seen

    # Apply ----------------------------------------------------------------------------------------------------------

    def _clear(self, plan: Plan) -> None:
        """Whatever runs from what is written next ends first, so that nothing runs by an older definition than it has."""
        stop = plan.to_stop()
        ended = self.manager.stop(stop)
        for item in stop:
            self.report.ended(item, ended[item.name])
        for labels in plan.forget:
            self.manager.forget(labels)
        if plan.forget:
            self.manager.load()

    def _record(self, outcome: str) -> None:
        order = self.order
        records = read_records(self.system, order.scope)
        before = find(records, order.release)
        if before and before.outcome == "settled":
            outcome = "settled"  # the same release once more; what it has reached stays
        services = {service.name: service.code for service in order.services}
        number = before.order if before else next_order(records)
        record = Record(order.release, number, order.version, order.identity, order.side, outcome, services)
        if record != before:
            write_record(self.system, order.scope, record)

    def _bring_up(self, probe: Prober, plan: Plan) -> None:
        order, report, manager = self.order, self.report, self.manager
        for service in order.services:
            if service.name in plan.trees:
                self.trees.make(order, service, self.sources[service.name], plan.trees[service.name], report)
        for item in plan.items:
            if item.program.service.source is not None:
                self.trees.link(order.release, item.program.service.name, item.tree.path)
        with report.timed("define"):
            self._define([item for item in plan.items if item.action == "define"])
        started = self._start(plan)
        running = self._running(plan)
        failures = Failures(manager, report)
        with report.timed("verify"):
            failures.ask(probe, health_checks(running), started)
            failures.died(started)
        failures.raise_if_any()
        with report.timed("smoke"):
            failures.ask(probe, smoke_checks(running), started)
        failures.raise_if_any()

    def _define(self, items: t.Sequence[Item]) -> None:
        for item in items:
            Secrets(self.system, self.order, item.program.service).write(
                self.manager.secrets_owner(item.program.service.user)
            )
            self.manager.set_boot(item.names, False)
            self.manager.define(item.program)
        if items:
            self.manager.load()

    def _start(self, plan: Plan) -> dict[str, Found]:
        """Start what has traffic; returns all of it, as it was when it had started."""
        manager, failures = self.manager, Failures(self.manager, self.report)
        wanted = [name for item in plan.with_traffic() for name in item.names]
        there = manager.inspect(wanted)
        names = [name for name in wanted if name not in there or there[name].status != RUNNING]
        for item in self._running(plan):
            if item.name in names:
                expect_free(item)
        began = self.system.monotonic()
        with self.report.timed("start"):
            for name, error in manager.start(names).items():
                failures.note(name, error)
        for name in names:
            self.report.about(name, start_s=round(self.system.monotonic() - began, 3))
        failures.raise_if_any()
        return manager.inspect(wanted)

    def _running(self, plan: Plan) -> list[Running]:
        host, found = reachable(self.order.publish), []
        for item in plan.with_traffic():
            ports = item.program.service.ports[self.order.side]
            for name, port in zip(item.names, ports):
                found.append(Running(item.program.service, name, host, port))
        return found


def _in_use(path: str, users: t.Sequence[str]) -> SlipwayError:
    return SlipwayError(
        "the directory of this release has other code than is wanted, or was changed by hand, and others use it",
        obj=path,
        actual=", ".join(users),
        remedy="Release under another id or version; what is in use is never written to.",
        cause="in_use",
    )
