# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the side whose logs are read, or in whose code a command is run; controller-only, never contacts a machine."""

from __future__ import annotations

import re
import typing as t

from ansible import context
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.chosen import beside, chosen, replicas
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import fleet_of

display = Display()


class ActionModule(ControllerAction):
    """Finds C(slipway_side), C(slipway_release) and C(slipway_service) in what was read of all machines."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        config, fleet = fleet_of(self._task.args, task_vars or {})
        try:
            _expect_readable(config)
            side = chosen(config, fleet)
            found = {name: [one._asdict() for one in replicas(name, side.side, config, fleet)] for name in fleet.hosts}
            result.update(changed=False, **side._asdict(), replicas={name: own for name, own in found.items() if own})
            if self._task.args.get("run"):
                where = beside(side, config, fleet)
                display.display("\n".join(where.told))
                result.update(run=where._asdict())
        except SlipwayError as error:
            result.update(failed=True, **error.result())
        return result


def _expect_readable(config: t.Mapping[str, t.Any]) -> None:
    """What can be refused before anything is asked."""
    machines = sum(bool(machine["services"]) for machine in config["machines"].values())
    forks = int(context.CLIARGS.get("forks") or machines)
    if config["follow"] and forks < machines:
        raise SlipwayError(
            "too few to follow every machine at once", obj="forks", actual=forks, wanted=machines,
            remedy=f"Add -f {machines}, or set forks in ansible.cfg.", cause="invalid",
        )  # fmt: skip
    try:
        re.compile(config["grep"] or "")
    except re.error as error:
        raise SlipwayError(
            f"not a regular expression ({error})", obj="slipway_grep", actual=config["grep"],
            remedy="Correct it; a backslash before a sign takes its meaning away.", cause="invalid",
        ) from None  # fmt: skip
