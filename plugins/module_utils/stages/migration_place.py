# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration tool where O(run_in) says that it is (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..migration import factory
from ..migration.database import Fence
from ..migration.tool import Tool
from ..system import System

Params = t.Mapping[str, t.Any]


@contextlib.contextmanager
def opened(
    params: Params, url: str, system: System, fence: Fence | None = None, *, plan: bool = False
) -> t.Iterator[Tool]:
    """The tool, and afterwards nothing that it was run in; what has failed is named and kept.

    :param params: by C(migration_arguments.MIGRATION_RUNNER), with every default filled in.
    :param plan: no image is pulled.
    :raises SlipwayError: as RV(factory.tool) and RV(image_of); C(image_missing) where an image would be pulled.
    """
    with contextlib.ExitStack() as stack:
        image = None
        if params["run_in"] == "container":
            from .migration_container import image_of

            image = image_of(params, url, system, plan=plan)
            stack.enter_context(image.tidied())
        tool = factory.tool(params, url, system, fence, image)
        if not plan and params["state"] != "status":
            from .migration_progress import shown

            stack.enter_context(shown(tool, params, system))
        yield tool


def unseen(params: Params) -> dict[str, t.Any]:
    """What check mode tells where the image is not there yet."""
    said = (
        f"{params['container']['image']} is not on this machine: what is pending in it is seen when it has been pulled"
    )
    sql = f"-- {said}\n"
    return {
        "changed": True,
        "sql": sql,
        "current_before": "",
        "current_after": "",
        "applied": [],
        "actions": [said],
        **{name: [] for name in ("migrations", "pending", "ahead", "dirty", "problems", "lint", "lint_by")},
        "recorded": False,
        "phases": {},
        "diff": [{"before_header": "migrations", "after_header": "migrations", "before": "", "after": sql}],
    }
