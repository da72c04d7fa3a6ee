# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what was read of all machines; controller-only, never contacts a machine."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.release.status import lines
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import fleet_of

display = Display()


class ActionModule(ControllerAction):
    """Says what is live where, who holds the lock, and what one could go back to."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        config, fleet = fleet_of(self._task.args, task_vars or {})
        text = lines(config, fleet)
        display.display("\n".join(text))
        leases = {machine: read["lease"] for machine, read in fleet.readable().items() if read["lease"]["live"]}
        live = fleet.live()
        result.update(
            changed=False,
            msg="\n".join(text),
            live={"side": live.side, "release": live.release, "version": live.version},
            locks=leases,
            unreadable=fleet.unreadable(),
        )
        return result
