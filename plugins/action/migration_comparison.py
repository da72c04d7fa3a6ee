# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the migrations of several environments side by side; controller-only, never contacts a machine."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.release.environments import Place, compare, lines, unread
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import registered

display = Display()


class ActionModule(ControllerAction):
    """Reads what every environment's host knows of it, and has registered."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        spec = {
            "hosts": {"type": "list", "elements": "str", "required": True},
            "variable": {"type": "str", "required": True},
            "register": {"type": "str", "required": True},
        }
        _checked, args = t.cast(t.Any, self).validate_argument_spec(argument_spec=spec)
        known = registered(task_vars or {}, args["hosts"], [args["variable"], args["register"]])
        places = [
            Place(known[args["variable"]][host] or {}, known[args["register"]][host])
            for host in map(str, args["hosts"])
        ]
        compared = compare(places)
        text = lines(compared)
        display.display("\n".join(text))
        result.update(changed=False, msg="\n".join(text), unread=unread(compared), **compared)
        return result
