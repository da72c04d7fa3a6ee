# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all machines have registered, and their reads as one fleet (private to the collection)."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.slipway.deploy.plugins.module_utils.release.fleet import Fleet
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain


def fleet_of(args: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], Fleet]:
    """The configuration and the fleet, out of the arguments C(config) and C(register) of a controller-only action."""
    for name in ("config", "register"):
        if name not in args:
            raise AnsibleActionFail(f"{name} is required")
    config = plain(args["config"])
    reads = registered(variables, config["machines"], [args["register"]])[args["register"]]
    hosts = [machine for machine, about in config["machines"].items() if about["services"]]
    return config, Fleet(reads, hosts=hosts, proxies=config["proxies"])


def registered(
    variables: t.Mapping[str, t.Any], machines: t.Iterable[str], names: t.Sequence[str]
) -> dict[str, dict[str, t.Any]]:
    """What each machine has registered under each name, None where there is nothing; by name, then by machine.

    A result holds no templates. Asked for as C(hostvars[machine]), ansible-core 2.19 looks for some in every leaf of it,
    which costs more than all that a verdict does.
    """
    hostvars = variables["hostvars"]
    found = {str(machine): hostvars.raw_get(machine) for machine in machines}
    return {name: {machine: plain(known.get(name)) for machine, known in found.items()} for name in names}
