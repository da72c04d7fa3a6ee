# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembering a release again whose code and definitions are here (private to the collection)."""

from __future__ import annotations

from ..errors import SlipwayError
from ..side.records import contradicted, find
from ..system import System
from .manager import Manager
from .prepare import Preparation
from .records import SHELF
from .report import Report
from .spec import Order


def rebuild(order: Order, system: System, manager: Manager, *, check: bool = False) -> Report:
    """Write the record of a kept release anew. Nothing is started, stopped or defined; secrets are beside the code.

    :param order: of the release as it was, with its own id as C(kept_release).
    :raises SlipwayError: C(contradicted) when the live release is not what is here.
    """
    order = order._replace(release=order.kept_release)
    work = Preparation(order, system, manager)
    if find(SHELF.read(system, order.scope.directory), order.release) is not None:
        return work.report
    live = order.side == order.live_side
    try:
        _records, _found, plan = work.read()
    except SlipwayError as error:
        if live or error.cause != "not_kept":
            raise
        work.report.warnings.append(f"release {order.release} is not kept any more: {error.message}")
        return work.report
    wrong = [
        item.program.name for item in plan.items if item.action == "define" or not all(one.boot for one in item.found)
    ]
    wrong += [item.name for item in plan.stray]
    if live and wrong:
        raise contradicted(order.release, wrong)
    work.report.actions[:] = [f"remember release {order.release} on {order.side}"]
    if not check:
        work.record("settled")
    return work.report
