# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the idle side up: code, build, secrets, definitions, health, smoke tests (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ..errors import SlipwayError
from ..side.checks import Prober, Running, health_checks, reachable, smoke_checks
from ..side.options import invalid
from ..side.records import Record, find, last_settled, next_order
from ..system import System
from .factory import make_source
from .manager import RUNNING, Found, Manager
from .observe import expect_link, shown
from .owners import user_ids
from .packages import Packages
from .plan import Item, Plan, explain, explain_code, guard, plan_item
from .records import SHELF
from .report import Report
from .secrets import Secrets
from .source import Place, Source
from .spec import Order, Service, wanted_program
from .tree import BUILT, Tree, Trees, tree_digest
from .verify import Failures, expect_free, target


def prepare(order: Order, system: System, manager: Manager, probe: Prober, *, check: bool = False) -> Report:
    """Programs of the side are defined, the ones with traffic run, are healthy and pass the smoke tests.

    :raises SlipwayError: the cause of the first failure; of processes all of them, with their last log lines, under
        C(processes) in its evidence.
    """
    return Preparation(order, system, manager).run(probe, check)


def fetch(order: Order, system: System, manager: Manager, *, check: bool = False) -> Report:
    """The code of the release is here and built, and in its record; nothing is defined or stopped.

    :raises SlipwayError: whatever its source or its build fails with.
    """
    return Preparation(order, system, manager).fetch(check)


def build(order: Order, system: System, manager: Manager, *, check: bool = False) -> Report:
    """What C(fetch) does, and each service's code is packed for other machines; what they are to be told is in C(built).

    :raises SlipwayError: whatever its source or its build fails with.
    """
    return Preparation(order, system, manager, packs=True).fetch(check)


class Preparation:
    def __init__(self, order: Order, system: System, manager: Manager, *, packs: bool = False) -> None:
        self.order = order
        self.system = system
        self.manager = manager
        self.report = Report(system, order.secrets.values())
        self.trees = Trees(system, order.scope)
        self.packs = packs
        self.sources: dict[str, Source] = {}

    def fetch(self, check: bool) -> Report:
        _records, _found, plan = self.read()
        explain_code(self.order, plan, self.report)
        if not check:
            self.record("prepared")
            self._make(plan)
        if self.packs:
            self._hand_on(plan, check)
        return self.report

    def keep(self, marks: t.Mapping[str, str], outcome: str, *, check: bool) -> list[str]:
        """The code of a release that this machine had no part in is here and built, and in its record; what was done.

        :param marks: by service, the digest of its code on other machines.
        :raises SlipwayError: C(code_changed), or whatever its source or its build fails with.
        """
        coded = [service for service in self.order.services if service.source is not None]
        trees = {service.name: self._tree(service) for service in coded}
        for name, tree in trees.items():
            if marks.get(name, tree.digest) != tree.digest:
                raise SlipwayError(
                    "its source has other code now than the other machines have",
                    obj=f"services.{name}.source",
                    actual=tree.source,
                    remedy="Name a commit, or a checksum, in the source of each version.",
                    cause="code_changed",
                )
        if check:
            return []
        try:
            for service in coded:
                tree = trees[service.name]
                if not tree.made:
                    self.trees.make(self.order, service, self.sources.get(service.name), tree, self.report)
                self.trees.link(self.order.release, service.name, tree.path)
        except (SlipwayError, OSError):
            for service in coded:  # half a release takes room, which the new version may need
                self.trees.remove(self.order.release, service.name)
            raise
        self.record(outcome)  # last, so that what could not be had is tried again
        return self.report.actions

    def read(self) -> tuple[list[Record], list[Found], Plan]:
        report, order = self.report, self.order
        with report.timed("read"):
            self.manager.facts()
            expect_link(order.scope)
            for service in order.services:
                if service.user:
                    user_ids(service.user, f"services.{service.name}.user")
            records = SHELF.read(self.system, order.scope.directory)
            found = self.manager.found(order.scope)
        with report.timed("sources"):
            trees = {service.name: self._tree(service) for service in order.services if service.source is not None}
        return records, found, self._plan(trees, found)

    def run(self, probe: Prober, check: bool) -> Report:
        report, order = self.report, self.order
        records, _found, plan = self.read()
        live = last_settled(records)
        guard(order, plan, live.side if live and live.release != order.release else "")
        explain(order, plan, report)
        if check:
            return report
        with report.timed("clear"):
            self._clear(plan)
        self.record("prepared")  # before the definitions, so that whatever is left behind is known
        try:
            self._bring_up(probe, plan)
        except SlipwayError:
            self.record("failed")
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
        elif service.built is not None:
            package, resolved = service.built.package, service.built.source
            digest = tree_digest(service, resolved)
            there = self.trees.find(digest, service.name, order.release, package) if package else ""
            path = there or self.trees.path(order.release, service.name)
            tree = Tree(path, digest, {**resolved, BUILT: package}, made=bool(there))
        else:
            place = Place(self.system, order.scope.base, order.secrets, order.deadline)
            source = make_source(service.source or {}, f"services.{service.name}.source", place)
            if source.builds and not service.user:
                raise invalid(f"services.{service.name}.user", None, "a user, who installs the code and owns it")
            self.sources[service.name] = source
            resolved = source.resolve()
            digest = tree_digest(service, resolved)
            there = self.trees.find(digest, service.name, order.release, "" if self.packs else None)
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

    def record(self, outcome: str) -> None:
        order = self.order
        records = SHELF.read(self.system, order.scope.directory)
        before = find(records, order.release)
        if before and before.outcome == "settled":
            outcome = "settled"  # the same release once more; what it has reached stays
        services = {service.name: service.code for service in order.services}
        number = before.order if before else next_order(records)
        record = Record(order.release, number, order.version, order.identity, order.side, outcome, services)
        if record != before:
            SHELF.write(self.system, order.scope.directory, record)

    def _bring_up(self, probe: Prober, plan: Plan) -> None:
        report, manager = self.report, self.manager
        self._make(plan)
        with report.timed("define"):
            self._define([item for item in plan.items if item.action == "define"])
        started = self._start(plan)
        running = self._running(plan)
        failures = Failures(manager, report)
        with report.timed("verify"):
            failures.ask(probe, health_checks(running, target), started)
            failures.died(started)
        failures.raise_if_any()
        with report.timed("smoke"):
            failures.ask(probe, smoke_checks(running, target), started)
        failures.raise_if_any()

    def _make(self, plan: Plan) -> None:
        order = self.order
        for service in order.services:
            if service.name in plan.trees:
                source, tree = self.sources.get(service.name), plan.trees[service.name]
                about = self.trees.make(order, service, source, tree, self.report, packs=self.packs)
                self.report.sources[service.name].update(about)
        for item in plan.items:
            if item.program.service.source is not None:
                self.trees.link(order.release, item.program.service.name, item.tree.path)

    def _hand_on(self, plan: Plan, check: bool) -> None:
        """What other machines are told of what was built here."""
        packages = Packages(self.system, self.order.scope.base)
        for item in plan.items:
            name, tree = item.program.service.name, item.tree
            mark = self.trees.mark(tree.path) if name not in plan.trees or not check else None
            package, size = str(mark.source.get(BUILT, "")) if mark else "", 0
            if name in plan.trees:
                self.report.actions.append(f"pack {tree.path} for other machines")
            if not check:
                size = os.path.getsize(packages.expect(package, f"services.{name}.build_on"))
            self.report.built[name] = {"package": package, "size": size, "source": tree.source}

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
