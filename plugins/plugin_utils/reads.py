# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registered reads of all machines as one fleet (private to the collection)."""

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
    hostvars = variables["hostvars"]
    reads = {machine: plain(hostvars[machine].get(args["register"])) for machine in config["machines"]}
    hosts = [machine for machine, about in config["machines"].items() if about["services"]]
    return config, Fleet(reads, hosts=hosts, proxies=config["proxies"])
