# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another inventory than this run's, read on the controller by Ansible's own means (private to the collection).

Inventories of environments have the same groups and variables, so two of them in one run (C(-i staging -i production)) are
one mixture. Here each keeps its own inventory and variable manager, and what is taken out of it is plain values.
"""

from __future__ import annotations

import os
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.inventory.manager import InventoryManager
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.slipway.deploy.plugins.module_utils.config.option import Unreadable
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import GROUPS
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import Resolver, Variables

# What a stage on a machine reads of the site itself, beside its arguments.
OF_SITE = ("slipway_database", "slipway_migrations", "slipway_secrets", "slipway_site_dir")


def variables_of(path: str, loader: t.Any) -> dict[str, t.Any]:
    """The variables of a task on the first machine of an inventory, C(hostvars) and C(groups) among them.

    Variables of the command line (C(-e)) and the vault's passwords are those of this run.

    :param path: of an inventory: a file, a script, or a directory with them.
    :raises AnsibleActionFail: there is none, or no group of Slipway's in it.
    """
    if not os.path.exists(path):
        raise AnsibleActionFail(f"there is no inventory {path} on the controller. Correct slipway_also.")
    inventory = InventoryManager(loader=loader, sources=[path])
    manager = VariableManager(loader=loader, inventory=inventory)
    hostvars = HostVars(inventory, manager, loader)
    groups = inventory.get_groups_dict()
    first = [host for group in GROUPS for host in groups.get(group, ())][:1]
    if not first:
        raise AnsibleActionFail(
            f"{path} has no machine in {', '.join(GROUPS)}. Name another inventory in slipway_also."
        )
    found = manager.get_vars(host=inventory.get_host(first[0]))
    return {**found, "hostvars": hostvars, "groups": groups}


def as_host(machine: str, variables: Variables, templar: t.Any) -> dict[str, t.Any]:
    """What makes a machine of any inventory one of this run's: how it is reached, and the site's values that stages read.

    :raises AnsibleActionFail: one of them cannot be read.
    """
    raw = variables["hostvars"].raw_get(machine)
    context = {**variables, **{name: value for name, value in raw.items() if name not in _OF_RUN}}
    resolver = Resolver(templar, context, variables["hostvars"], version_required=False)
    names = [name for name in raw if name.startswith("ansible_") and name not in _OF_RUN]
    names += [name for name in OF_SITE if name in context]
    found = {str(name): resolver.variable(name, context[name]) for name in names}
    for name, value in found.items():
        if isinstance(value, Unreadable):
            raise AnsibleActionFail(f"{machine}: {name}: {value.reason}. {value.remedy}")
    known = {name: value for name, value in found.items() if value is not None}
    return {"ansible_host": machine, **known}


# Of a run and of facts, not of an inventory.
_OF_RUN = {*constants.INTERNAL_STATIC_VARS, "ansible_check_mode", "ansible_local"}
