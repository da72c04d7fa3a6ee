# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done on a side, decided from what is there (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .manager import RUNNING, Found
from .observe import shown
from .report import Report
from .spec import Labels, Order, Program
from .tree import Tree


class Item(t.NamedTuple):
    """What happens to one program: C(keep), C(start) or C(define)."""

    program: Program
    names: list[str]  # of its processes, one a replica
    tree: Tree
    found: list[Found]
    action: str


class Plan(t.NamedTuple):
    """What has to be done on the side."""

    items: list[Item]
    stray: list[Found]  # replicas and services that are not wanted any more, still running
    forget: list[Labels]  # services that are not wanted any more
    trees: dict[str, Tree]  # service → code that has to be made

    @property
    def empty(self) -> bool:
        """Whether the side is already as wanted."""
        return not self.stray and not self.forget and all(item.action == "keep" for item in self.items)

    def with_traffic(self) -> list[Item]:
        """Programs that run before the traffic moves."""
        return [item for item in self.items if item.program.service.ahead]

    def to_stop(self) -> list[Found]:
        """What runs and may not, or not like this."""
        half = [
            found for item in self.items if item.action == "start" for found in item.found if found.status != RUNNING
        ]
        old = [found for item in self.items if item.action == "define" for found in item.found]
        return list({found.name: found for found in [*self.stray, *old, *half] if found.running}.values())


def plan_item(program: Program, names: list[str], tree: Tree, found: list[Found], as_is: bool) -> Item:
    """What to do with one program.

    :param found: its processes on this side.
    :param as_is: its code, definition and secrets are as wanted.
    """
    same = {item.name for item in found} >= set(names) and all(
        item.labels.spec == program.labels.spec for item in found
    )
    # What comes back after a reboot was decided on, and may have traffic: today's secrets are the next release's.
    if not same or not (as_is or any(item.boot for item in found)):
        return Item(program, names, tree, found, "define")
    if program.service.ahead and any(
        item.status != RUNNING for item in found if item.number <= program.labels.replicas
    ):
        return Item(program, names, tree, found, "start")
    return Item(program, names, tree, found, "keep")


def guard(order: Order, plan: Plan, recorded_live: str) -> None:
    """Never touch the live side.

    :raises SlipwayError: C(live_side).
    """
    live = recorded_live if order.live_side is None else order.live_side
    if order.side != live or plan.empty:
        return
    touched = [item.program.name for item in plan.items if item.action != "keep"]
    touched += [item.name for item in plan.stray] + [labels.service for labels in plan.forget]
    raise SlipwayError(
        "the live side is never touched",
        obj=f"side {order.side}",
        actual=", ".join(sorted(touched)),
        remedy="Prepare the other side, or switch the traffic away first.",
        cause="live_side",
    )


def explain(order: Order, plan: Plan, report: Report) -> None:
    """The plan into the report: actions in words, and what is before and after."""
    explain_code(order, plan, report)
    report.actions.extend(f"stop {item.name} (left running by release {item.labels.release})" for item in plan.stray)
    report.actions.extend(f"forget {labels.service} on side {labels.side}" for labels in plan.forget)
    for item in plan.items:
        _explain_item(item, report)
    touched = [found for item in plan.items for found in item.found] + plan.stray
    report.before = shown(touched)
    report.after = {
        name: value for name, value in report.before.items() if name not in {item.name for item in plan.stray}
    }
    for item in plan.items:
        for name in item.names:
            found = next((one for one in item.found if one.name == name), None)
            kept = found if item.action == "keep" else None
            status = kept.status if kept else RUNNING if item.program.service.ahead else "stopped"
            boot = kept.boot if kept else bool(found and found.boot and item.action == "start")
            report.after[name] = {"status": status, "boot": boot, "spec": item.program.labels.spec}


def explain_code(order: Order, plan: Plan, report: Report) -> None:
    """What is fetched and built, in words."""
    for name, tree in plan.trees.items():
        service = next(service for service in order.services if service.name == name)
        if service.built is not None:
            report.actions.append(f"take over what {service.built.by} builds of {_source(tree)} into {tree.path}")
            continue
        steps = service.build
        and_build = f", {len(steps)} build steps" if steps else ""
        report.actions.append(f"fetch {_source(tree)} into {tree.path}{and_build}")


def _explain_item(item: Item, report: Report) -> None:
    for found in item.found:
        report.about(found.name, action=item.action)
    if item.action == "keep":
        return
    and_start = " and start" if item.action == "define" and item.program.service.ahead else ""
    why = "kept from before, same specification" if item.action == "start" else "no such specification on this side"
    if (
        item.action == "define"
        and all(one.labels.spec == item.program.labels.spec for one in item.found)
        and item.found
    ):
        why = "a secret or the release changed, or it was cut off"
    report.actions.append(f"{item.action}{and_start} {item.program.name} ({why})")


def _source(tree: Tree) -> str:
    about = tree.source
    name = about.get("commit") or about.get("sha256") or about.get("content") or ""
    return f"{about.get('kind')} {str(name)[:12]}"
