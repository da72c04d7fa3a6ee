# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the idle side up: images, secrets, assets, containers, health, smoke tests (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.checks import Prober, Running, health_checks, reachable, smoke_checks
from ..side.parallel import parallel
from ..side.records import Record, find, last_settled, next_order
from ..system import System
from . import files
from .engine import Engine, Found, Image, image_missing
from .observe import shown
from .plan import Plan, Step, explain, guard, plan_side, plan_step
from .records import SHELF, ServiceRecord
from .report import Report
from .spec import SECRETS_TARGET, Mount, Order, Service, wanted_containers
from .verify import Failures, target


class Resolved(t.NamedTuple):
    """A service, the image it will run from, and its assets."""

    service: Service
    reference: str
    image_id: str  # empty in check mode when the image is not here yet
    pulled: bool
    assets: str  # key


def prepare(order: Order, system: System, engine: Engine, probe: Prober, *, check: bool = False) -> Report:
    """Containers of the side exist, the ones with traffic run, are healthy and pass the smoke tests.

    :raises SlipwayError: the cause of the first failure; all of them, with the last log lines, under C(containers).
    """
    return Preparation(order, system, engine).run(probe, check)


class Preparation:
    def __init__(self, order: Order, system: System, engine: Engine) -> None:
        self.order = order
        self.system = system
        self.engine = engine
        self.report = Report(system, order.secrets.values())

    def run(self, probe: Prober, check: bool) -> Report:
        report, order, engine = self.report, self.order, self.engine
        with report.timed("read"):
            refuse_unknown_keywords(order, engine)
            records = SHELF.read(self.system, order.scope.directory)
            found = engine.containers(order.scope.labels)
        with report.timed("images"):
            resolved = self.resolve_images(check)
        live = last_settled(records)
        plan = self.plan(resolved, found)
        guard(order, plan, live.side if live and live.release != order.release else "")
        explain(plan, report)
        if check:
            return report
        with report.timed("clear"):
            parallel(self._put_away, plan.stop)
            parallel(engine.remove, plan.remove)
        self.record(resolved, plan, "prepared")  # before the containers, so that whatever is left behind is known
        try:
            self._bring_up(probe, resolved, plan, live)
        except SlipwayError:
            self.record(resolved, plan, "failed")
            raise
        report.after = shown(item for item in engine.containers(order.scope.labels) if item.label("side") == order.side)
        return report

    def _bring_up(self, probe: Prober, resolved: t.Sequence[Resolved], plan: Plan, live: Record | None) -> None:
        report, failures = self.report, Failures(self.engine, self.report)
        with report.timed("assets"):
            parallel(lambda item: self.lay_out_assets(item, live), resolved)
        with report.timed("create"):
            parallel(self.keep_image, resolved)
            tried = parallel(failures.guarded(self._create, lambda step: step.name), plan.steps)
        made = [item for item in tried if item is not None]
        with report.timed("secrets"):
            self.write_secrets(made)
        with report.timed("start"):
            parallel(failures.guarded(self._start, lambda item: item[1].name), made)
        failures.raise_if_any()
        running = _running(self.order, plan)
        with report.timed("verify"):
            failures.ask(probe, health_checks(running, target))
            failures.expect_running([item.name for item in running])
        failures.raise_if_any()
        with report.timed("smoke"):
            failures.ask(probe, smoke_checks(running, target))
        failures.raise_if_any()

    # Images -------------------------------------------------------------------------------------------------------

    def resolve_images(self, check: bool) -> list[Resolved]:
        """Pull what is wanted and not here, all at once.

        :raises SlipwayError: C(image_missing), every one of them named under C(images).
        """
        order, engine = self.order, self.engine
        references = {service.name: self._reference(service) for service in order.services}
        pulls = {references[item.name]: "never" if order.kept_release else item.pull for item in order.services}
        before = dict(zip(pulls, parallel(engine.image, pulls)))
        wanted = [name for name, pull in pulls.items() if pull == "always" or (pull == "missing" and not before[name])]
        failures = [_never(name) for name, pull in pulls.items() if pull == "never" and not before[name]]
        if not check:
            failures += [error for error in parallel(self._pull, wanted) if error]
        if failures:
            failures[0].evidence["images"] = [error.message for error in failures]
            raise failures[0]
        after = before if check else {**before, **dict(zip(wanted, parallel(engine.image, wanted)))}
        brought = [name for name in wanted if _id(before[name]) != _id(after[name])]
        self.report.actions.extend(f"pull {name}" for name in sorted(wanted if check else brought))
        return [_resolved(item, references[item.name], after, brought) for item in order.services]

    def _reference(self, service: Service) -> str:
        """The image that is asked for: its name, or what a kept release ran with.

        A release that went back to a kept one has the same image under its own id, also after the kept one was pruned.
        """
        order = self.order
        if not order.kept_release:
            return service.image
        own = order.scope.kept_image(service.name, order.release)
        return own if self.engine.image(own) else order.scope.kept_image(service.name, order.kept_release)

    def _pull(self, reference: str) -> SlipwayError | None:
        end = self.system.monotonic() + self.order.deadline
        try:
            self.engine.pull(reference, lambda: self.system.monotonic() > end)
        except SlipwayError as error:
            return error
        return None

    def keep_image(self, item: Resolved) -> None:
        self.engine.tag(item.image_id, self.order.scope.kept_image(item.service.name, self.order.release))

    # Plan ---------------------------------------------------------------------------------------------------------

    def plan(self, resolved: t.Sequence[Resolved], found: t.Sequence[Found]) -> Plan:
        order, steps = self.order, []
        for item in resolved:
            directory = files.secrets_directory(order.scope, order.side, item.service.name)
            stale = files.secrets_differ(self.system, directory, files.secret_values(order, item.service))
            if stale:
                self.report.actions.append(f"write the secrets of {item.service.name} for side {order.side}")
            for wanted in wanted_containers(order, item.service, item.image_id, self._mounts(item)):
                steps.append(plan_step(wanted, found, order.side, stale))
        return plan_side(order.side, steps, found)

    def _mounts(self, item: Resolved) -> list[Mount]:
        mounts, order = [], self.order
        if item.service.secrets:
            mounts.append(Mount(files.secrets_directory(order.scope, order.side, item.service.name), SECRETS_TARGET))
        if item.assets:
            path = files.Assets(self.system, order.scope, item.service.name).path(item.assets)
            mounts.append(Mount(path, item.service.assets_path))
        return mounts

    # Apply --------------------------------------------------------------------------------------------------------

    def _put_away(self, item: Found) -> None:
        self.engine.set_restart(item, "no")
        self.engine.stop(item, float(item.label("grace") or 10))

    def record(self, resolved: t.Sequence[Resolved], plan: Plan, outcome: str) -> None:
        order = self.order
        records = SHELF.read(self.system, order.scope.directory)
        before = find(records, order.release)
        if before and before.outcome == "settled":
            outcome = "settled"  # the same release once more; what it has reached stays
        services = {}
        for item in resolved:
            name = item.service.name
            steps = [step for step in plan.steps if step.wanted.service.name == name]
            known = [record.services[name] for record in records if name in record.services]
            services[name] = ServiceRecord(
                image=item.reference,
                image_id=item.image_id,
                kept=order.scope.kept_image(name, order.release),
                pulled=item.pulled or any(old.pulled and old.image == item.reference for old in known),
                assets=item.assets,
                containers=[step.name for step in steps],
            )
        number = before.order if before else next_order(records)
        record = Record(order.release, number, order.version, order.identity, order.side, outcome, services)
        if record != before:
            SHELF.write(self.system, order.scope.directory, record)

    def lay_out_assets(self, item: Resolved, live: Record | None) -> None:
        if not item.assets:
            return
        scope, name = self.order.scope, item.service.name
        assets = files.Assets(self.system, scope, name)
        if not assets.ready(item.assets):
            self._extract_assets(assets, item, f"slipway-{scope.platform}-{scope.environment}-{name}-assets")
        served = live.services[name].assets if live and name in live.services else ""
        assets.spread(item.assets, served, item.service.assets_keep)

    def _extract_assets(self, assets: files.Assets, item: Resolved, name: str) -> None:
        """Through a container that is never started: the mount must be there before the real ones are made."""
        left = self.engine.inspect(name)
        if left is not None:
            self.engine.remove(left)
        labels = {**self.order.scope.labels, "slipway.role": "assets"}
        source = self.engine.create(name, item.image_id, command=["-"], labels=labels)
        try:
            assets.extract(self.engine, source, item.service.assets_path, item.assets)
        finally:
            self.engine.remove(source)

    def _create(self, step: Step) -> tuple[Step, Found]:
        if step.found is not None:
            return step, step.found
        order, wanted = self.order, step.wanted
        if wanted.service.secrets:
            files.make_secrets_directory(self.system, order.scope, order.side, wanted.service.name)
        made = self.engine.create(
            wanted.name,
            order.scope.kept_image(wanted.service.name, order.release),
            command=wanted.service.command,
            environment=wanted.environment,
            labels=wanted.labels,
            keywords=wanted.keywords,
        )
        return step, made

    def write_secrets(self, made: t.Sequence[tuple[Step, Found]]) -> None:
        """Once a container exists its image can say which user must be able to read them."""
        order = self.order
        first = {step.wanted.service.name: (step.wanted.service, container) for step, container in reversed(made)}
        for service, container in first.values():
            if service.secrets:
                directory = files.make_secrets_directory(self.system, order.scope, order.side, service.name)
                user = files.user_id(self.engine, container)
                files.write_secrets(self.system, directory, files.secret_values(order, service), user)

    def _start(self, item: tuple[Step, Found]) -> None:
        step, container = item
        if step.action == "keep":
            return
        if container.restart != "no":
            self.engine.set_restart(container, "no")
        if step.action == "restart":
            self.engine.stop(container, step.wanted.service.stop_grace)
        if step.wanted.service.traffic:
            began = self.system.monotonic()
            self.engine.start(container)
            self.report.about(container.name, start_s=round(self.system.monotonic() - began, 3))


# -- images --------------------------------------------------------------------------------------------------------


def refuse_unknown_keywords(order: Order, engine: Engine) -> None:
    if not any(service.container for service in order.services):
        return
    known = engine.keywords()
    for service in order.services:
        for key in service.container:
            if key not in known:
                import difflib

                near = difflib.get_close_matches(key, known, 1)
                raise SlipwayError(
                    "not a keyword of the docker SDK",
                    obj=f"services.{service.name}.container.{key}",
                    remedy=f"Did you mean {near[0]}?" if near else "Remove it, or see docker SDK, containers.create.",
                    cause="invalid",
                )


def _never(reference: str) -> SlipwayError:
    return image_missing(reference, "not on this machine, and it may not be pulled")


def _id(image: Image | None) -> str:
    return image.id if image else ""


def _resolved(
    service: Service, reference: str, images: t.Mapping[str, Image | None], brought: t.Container[str]
) -> Resolved:
    image_id = _id(images[reference])
    assets = files.assets_key(image_id, service.assets_path) if service.assets_path and image_id else ""
    return Resolved(service, reference, image_id, reference in brought, assets)


def _running(order: Order, plan: Plan) -> list[Running]:
    host = reachable(order.publish)
    steps = [step for step in plan.steps if step.wanted.service.traffic]
    return [Running(step.wanted.service, step.name, host, step.wanted.host_port) for step in steps]
