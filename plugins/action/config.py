# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one validation of a site's variables; controller-only, never contacts a machine."""

from __future__ import annotations

import os
import time
import typing as t

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.config.findings import ConfigError
from ansible_collections.slipway.deploy.plugins.module_utils.config.migrations import asked_of
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release import adopt, freeze
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.packages import Depot, local_sources, with_contents
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import holder
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
    "freeze",
    "thaw",
    "drain",
    "undrain",
    "remove_machine",
    "logs",
    "run",
    "remove",
    "rebuild",
    "adopt",
)
LOOKS = ("status", "logs", "run")  # which wait for no release


class ActionModule(ControllerAction):
    """Reads every C(slipway_*) variable of every machine of the platform, and returns one typed configuration."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        spec = {"goal": {"type": "str", "choices": list(GOALS), "default": "deploy"}}
        _checked, args = t.cast(t.Any, self).validate_argument_spec(argument_spec=spec)
        releasing = args["goal"] == "deploy"
        # A version that is said to run must be known by its whole identity.
        identified = releasing or (args["goal"] == "rebuild" and bool((task_vars or {}).get("slipway_version")))
        variables, inventory = read_site(task_vars or {}, self._templar, version_required=releasing)
        try:
            config = validate(
                variables,
                inventory,
                version_required=releasing,
                add_contents=self._contents(task_vars or {}, identified),
            )
        except ConfigError as error:
            problems = [{**problem._asdict(), "text": problem.text} for problem in error.problems]
            if not hasattr(self._templar, "evaluate_expression"):  # before 2.19 the message is shown in one long line
                display.error(error.message, wrap_text=False)
            result.update(failed=True, changed=False, msg=error.message, problems=problems)
            return result
        except SlipwayError as error:  # of the controller's files
            result.update(failed=True, changed=False, **error.result())
            return result
        if config["migrations"]:
            config["migrations"]["options"].update(asked_of(args["goal"], config))
        try:
            asked: dict[str, t.Any] = {}
            if args["goal"] == "freeze":
                asked = {"freeze": freeze.asked(config, time.time())}
            elif args["goal"] == "adopt":
                asked = {"adopt_targets": adopt.targets_of(config)}
        except SlipwayError as error:
            result.update(failed=True, changed=False, **error.result())
            return result
        if args["goal"] in ("drain", "undrain", "remove_machine"):
            config["drain_who"] = config["drain_who"] or "{user} on {host}".format(**holder())
        if args["goal"] in LOOKS:
            config["lock_wait"] = 0.0
        config["site_dir"] = os.path.abspath(config["site_dir"] or os.curdir)
        for note in config["notes"]:
            display.display(note)
        result.update(changed=False, config={**config, **asked}, warnings=config["warnings"])
        return result

    def _contents(self, variables: t.Mapping[str, t.Any], identified: bool) -> t.Callable[[dict[str, t.Any]], None]:
        """Only what is identified looks at the code: a rollback needs none, and it may be gone."""

        def add(services: dict[str, t.Any]) -> None:
            if identified:
                depot = Depot(t.cast(t.Any, constants).DEFAULT_LOCAL_TMP)
                found = local_sources(services, variables, self._templar)
                services.update(with_contents(services, {name: depot.content(one) for name, one in found.items()}))

        return add
