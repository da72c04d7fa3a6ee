# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of this inventory and others, each as a host that this run can add; controller-only, never contacts a machine."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.slipway.deploy.plugins.module_utils.config.findings import ConfigError
from ansible_collections.slipway.deploy.plugins.module_utils.config.migrations import asked_of
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.environments import as_host, variables_of
from ansible_collections.slipway.deploy.plugins.plugin_utils.site_files import site_path
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_site

GROUP = "slipway_environments"
NOTHING = (
    "slipway_migrations: missing, so there is nothing to show. Write where they are: {tool: sql, path: migrations/}."
)


class ActionModule(ControllerAction):
    """What is wrong with one environment is part of the result: it hides no other one."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        spec = {
            "inventories": {"type": "list", "elements": "str", "default": []},
            "variable": {"type": "str", "required": True},
        }
        _checked, args = t.cast(t.Any, self).validate_argument_spec(argument_spec=spec)
        hosts: dict[str, dict[str, t.Any]] = {}
        named = [name.strip() for given in args["inventories"] for name in given.split(",") if name.strip()]
        for inventory in ["", *named]:
            site, host = self._environment(inventory, variables)
            name = _unlike(_name(inventory, site), (variables["hostvars"], hosts))
            hosts[name] = {**host, "name": name, "groups": [GROUP], args["variable"]: site}
        result.update(changed=False, hosts=list(hosts.values()))
        return result

    def _environment(self, inventory: str, own: dict[str, t.Any]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """What is known of it, and how its machine is reached that migrates."""
        site: dict[str, t.Any] = {"inventory": inventory}
        try:
            found = variables_of(site_path(inventory, own, self._templar), self._loader) if inventory else own
            site["config"] = config = self._config(found)
            if not config["migrations"]:
                raise AnsibleError(NOTHING)
            return site, as_host(config["migrations"]["host"], found, self._templar)
        except (ConfigError, AnsibleError) as error:
            site["error"] = str(getattr(error, "message", "") or error)
        except Exception as error:  # an inventory's own program may fail in any way; its text may hold a value
            site["error"] = f"{inventory or 'this inventory'} cannot be read ({type(error).__name__})"
        return site, {}

    def _config(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        found, inventory = read_site(variables, self._templar, version_required=False)
        config: dict[str, t.Any] = {**validate(found, inventory, version_required=False)}
        if config["migrations"]:
            config["migrations"]["options"].update(asked_of("migrations", config))
        return config


def _name(inventory: str, site: t.Mapping[str, t.Any]) -> str:
    config = site.get("config") or {}
    label = config.get("environment") or os.path.basename(inventory.rstrip("/")) or "this"
    return "-".join(filter(None, (config.get("platform"), label)))


def _unlike(name: str, known: t.Sequence[t.Container[str]]) -> str:
    """No machine's name: an environment that is called like one would become one with it."""
    while any(name in names for names in known):
        name += "-again"
    return name
