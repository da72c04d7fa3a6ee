# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what service_logs has read of all machines, by its time; controller-only, never contacts a machine."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.release.log_text import merged
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import fleet_of, registered

display = Display()


class ActionModule(ControllerAction):
    """One text out of the lines of all machines; says which of them could not be asked."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        config, fleet = fleet_of(self._task.args, task_vars or {})
        name = str(self._task.args["logs"])
        found = {
            machine: read or {} for machine, read in registered(task_vars or {}, fleet.hosts, [name])[name].items()
        }
        text = [f"{config['platform']}/{config['environment']}: {self._task.args['title']}"]
        text += [f"  ! {machine}: cannot be read ({why})" for machine, why in sorted(fleet.unreadable().items())]
        lines = merged({machine: read.get("entries") or [] for machine, read in found.items()})
        display.display("\n".join([*text, *(lines or ["  no such line"])]))
        result.update(changed=False, lines=len(lines))
        return result
