# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done on a side, decided from what is there (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .engine import Found
from .observe import shown
from .report import Report
from .spec import Order, Wanted


class Step(t.NamedTuple):
    """What happens to one wanted container: C(keep), C(start), C(restart) or C(create)."""

    wanted: Wanted
    found: Found | None
    action: str

    @property
    def name(self) -> str:
        """Of the container that it is, or will be."""
        return self.found.name if self.found else self.wanted.name


class Plan(t.NamedTuple):
    """What has to be done on the side."""

    steps: list[Step]
    stop: list[Found]  # of other releases on this side, still running
    remove: list[Found]  # have a name that is needed

    @property
    def empty(self) -> bool:
        """Whether the side is already as wanted."""
        return not self.stop and not self.remove and all(step.action == "keep" for step in self.steps)


def plan_side(side: str, steps: list[Step], found: t.Sequence[Found]) -> Plan:
    """Add to the steps what is in their way on this side: the leftovers of earlier attempts."""
    used = {step.found.id for step in steps if step.found}
    names = {step.wanted.name for step in steps if step.action == "create"}
    remove = [item for item in found if item.name in names and item.id not in used]
    gone = used | {item.id for item in remove}
    stop = [item for item in found if item.label("side") == side and item.id not in gone]
    return Plan(steps, [item for item in stop if item.running or item.restart != "no"], remove)


def plan_step(wanted: Wanted, found: t.Sequence[Found], side: str, stale_secrets: bool) -> Step:
    """What to do for one container.

    :param stale_secrets: whether the files of its service's secrets are not today's.
    """
    same = [item for item in found if item.label("side") == side and _fits(item, wanted)]
    if not same:
        return Step(wanted, None, "create")
    best = max(same, key=lambda item: (item.running, item.name == wanted.name, item.started))
    # With a restart policy of its own it was decided on, and may have traffic: today's secrets are the next release's.
    stale_secrets = stale_secrets and best.restart == "no"
    if not wanted.service.traffic:
        return Step(wanted, best, "restart" if stale_secrets and best.running else "keep")
    if best.status == "running":
        return Step(wanted, best, "restart" if stale_secrets else "keep")
    return Step(wanted, best, "restart" if best.running else "start")


def _fits(item: Found, wanted: Wanted) -> bool:
    """Exactly this specification, and today's values of the secrets in its environment."""
    return (
        item.status not in ("dead", "removing")
        and item.label("spec") == wanted.spec
        and all(item.environment.get(name) == wanted.environment[name] for name in wanted.service.env_secrets)
    )


def guard(order: Order, plan: Plan, recorded_live: str) -> None:
    """Never touch the live side.

    :raises SlipwayError: C(live_side).
    """
    live = recorded_live if order.live_side is None else order.live_side
    touched = [item.name for item in [*plan.stop, *plan.remove] if item.label("side") == live]
    if order.side == live and not plan.empty:
        touched += [step.wanted.name for step in plan.steps if step.action != "keep"]
    foreign = [item.name for item in plan.remove if item.label("side") != order.side and item.running]
    if touched or foreign:
        raise SlipwayError(
            "the live side is never touched",
            obj=f"side {order.side}",
            actual=", ".join(sorted({*touched, *foreign})),
            remedy="Prepare the other side, or switch the traffic away first.",
            cause="live_side",
        )


def explain(plan: Plan, report: Report) -> None:
    """The plan into the report: actions in words, and what is before and after."""
    report.actions.extend(f"stop {item.name} (left running by release {item.label('release')})" for item in plan.stop)
    report.actions.extend(f"remove {item.name} (left by an earlier attempt)" for item in plan.remove)
    for step in plan.steps:
        report.about(step.name, service=step.wanted.service.name, action=step.action, port=step.wanted.host_port)
        if step.action == "keep":
            continue
        and_start = " and start" if step.action == "create" and step.wanted.service.traffic else ""
        why = {
            "create": "no container of this specification on this side",
            "start": "kept from before, same specification",
            "restart": "a secret changed, or it was paused",
        }[step.action]
        report.actions.append(f"{step.action}{and_start} {step.name} ({why})")
    touched = [step.found for step in plan.steps if step.found] + plan.stop + plan.remove
    report.before = shown(touched)
    gone = {item.name for item in plan.remove}
    report.after = {
        **{item.name: {**shown([item])[item.name], "status": "exited", "restart": "no"} for item in plan.stop},
        **{name: value for name, value in report.before.items() if name not in gone},
    }
    for step in plan.steps:
        status = "running" if step.wanted.service.traffic else step.found.status if step.found else "created"
        restart = step.found.restart if step.found and step.action == "keep" else "no"
        report.after[step.name] = {"status": status, "restart": restart, "spec": step.wanted.spec}
