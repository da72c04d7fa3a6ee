# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one validation of a site's variables; controller-only, never contacts a machine."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.config.findings import ConfigError
from ansible_collections.slipway.deploy.plugins.module_utils.config.migrations import asked_of
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_site

display = Display()

GOALS = (
    "deploy",
    "rollback",
    "status",
    "unlock",
    "backup",
    "restore",
    "maintenance",
    "migrate",
    "contract",
    "migrations",
)


class ActionModule(ActionBase):
    """Reads every C(slipway_*) variable of every machine of the platform, and returns one typed configuration."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        spec = {"goal": {"type": "str", "choices": list(GOALS), "default": "deploy"}}
        _checked, args = t.cast(t.Any, self).validate_argument_spec(argument_spec=spec)
        releasing = args["goal"] == "deploy"
        variables, inventory = read_site(task_vars or {}, self._templar, version_required=releasing)
        try:
            config = validate(variables, inventory, version_required=releasing)
        except ConfigError as error:
            problems = [{**problem._asdict(), "text": problem.text} for problem in error.problems]
            if not hasattr(self._templar, "evaluate_expression"):  # before 2.19 the message is shown in one long line
                display.error(error.message, wrap_text=False)
            result.update(failed=True, changed=False, msg=error.message, problems=problems)
            return result
        if config["migrations"]:
            config["migrations"]["options"].update(asked_of(args["goal"], config))
        config["site_dir"] = os.path.abspath(config["site_dir"] or os.curdir)
        for note in config["notes"]:
            display.display(note)
        result.update(changed=False, config=config, warnings=config["warnings"])
        return result
