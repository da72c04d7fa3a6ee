# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembering a release again whose containers and images are here (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.records import contradicted, find
from ..system import System
from . import files
from .engine import Engine
from .plan import Plan
from .prepare import Preparation, Resolved
from .records import SHELF
from .report import Report
from .spec import Order


def rebuild(order: Order, system: System, engine: Engine, *, check: bool = False) -> Report:
    """Write the record of a kept release anew; of the live one its secrets and assets, too. Nothing is started or stopped.

    What runs is compared by the specification that each container carries as a label.

    :param order: of the release as it was, with its own id as C(kept_release).
    :raises SlipwayError: C(contradicted) when the live release is not what is here.
    """
    order = order._replace(release=order.kept_release)
    work = Preparation(order, system, engine)
    if find(SHELF.read(system, order.scope.directory), order.release) is not None:
        return work.report
    live = order.side == order.live_side
    try:
        resolved = work.resolve_images(True)  # of a kept release nothing is pulled
    except SlipwayError as error:
        if live or error.cause != "image_missing":
            raise
        work.report.warnings.append(f"release {order.release} is not kept any more: {error.message}")
        return work.report
    plan = work.plan(resolved, engine.containers(order.scope.labels))
    if live:
        _expect_live(order, plan)
    work.report.actions[:] = [f"remember release {order.release} on {order.side}"]
    if not check:
        work.record(resolved, plan, "settled")
        if live:
            _give_back(work, resolved, plan)
    return work.report


def _expect_live(order: Order, plan: Plan) -> None:
    wrong = [step.wanted.name for step in plan.steps if step.found is None or step.found.restart == "no"]
    wrong += [item.name for item in [*plan.stop, *plan.remove]]
    if wrong:
        raise contradicted(order.release, wrong)


def _give_back(work: Preparation, resolved: t.Sequence[Resolved], plan: Plan) -> None:
    """The files that its containers have mounted, as far as they find them after their next start."""
    for item in resolved:
        work.lay_out_assets(item, None)
        if item.assets:
            files.Assets(work.system, work.order.scope, item.service.name).went_live(item.assets)
    made = [(step, step.found) for step in plan.steps if step.found is not None]
    work.write_secrets(made)
