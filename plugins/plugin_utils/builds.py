# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one machine hands on to others, as the stages of a release are told of it (private to the collection)."""

from __future__ import annotations

import typing as t

from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import registered
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

Services = t.Mapping[str, t.Any]


class Builds(t.NamedTuple):
    """Which machine builds which services, or has which packages of releases before, and in which variables the machines have
    said what came of it.

    :ivar services: by name, C(on) which machine it is built and C(for) which.
    :ivar kept: by the name of a package, C(on) which machine it is and C(for) which, C(whole) and C(of), see C(retained.handed_on).
    :ivar register: what the machines have registered that built.
    :ivar read: what all machines have said of themselves before.
    """

    services: t.Mapping[str, t.Mapping[str, t.Any]]
    kept: t.Mapping[str, t.Mapping[str, t.Any]]
    register: str
    read: str

    @classmethod
    def of(cls, args: t.Mapping[str, t.Any]) -> Builds | None:
        """Out of the argument C(builds); None where nothing is handed on."""
        given = plain(args.get("builds")) or {}
        services, kept = given.get("services") or {}, given.get("kept") or {}
        if not services and not kept:
            return None
        return cls(services, kept, str(given.get("register") or ""), str(given.get("read") or ""))

    def services_of(self, machine: str, services: Services) -> dict[str, t.Any]:
        """Those that a machine builds."""
        mine = [name for name, about in self.services.items() if about["on"] == machine]
        return {name: services[name] for name in mine if name in services}

    def kept_on(self, machine: str) -> dict[str, t.Mapping[str, t.Any]]:
        """The packages of releases before that a machine hands on."""
        return {name: about for name, about in sorted(self.kept.items()) if about["on"] == machine}

    def told(self, services: Services, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The services, each that one machine has built with what that one says of it."""
        builders = sorted({about["on"] for about in self.services.values()})
        said = registered(variables, builders, [self.register])[self.register]
        found = dict(services)
        for name, about in self.services.items():
            built = ((said.get(about["on"]) or {}).get("built") or {}).get(name)
            if built and name in services:
                told = {"by": about["on"], "package": built["package"], "source": built["source"]}
                found[name] = {**services[name], "built": told}
        return found

    def lacking(self, built: t.Mapping[str, t.Mapping[str, t.Any]], variables: t.Mapping[str, t.Any]) -> set[str]:
        """The packages that some machine does not have which needs them."""
        machines = sorted({machine for about in self.services.values() for machine in about["for"]})
        said = registered(variables, machines, [self.read])[self.read]
        have = {machine: ((read or {}).get("process") or {}).get("packages") or () for machine, read in said.items()}
        return {
            about["package"]
            for name, about in built.items()
            for machine in self.services[name]["for"]
            if about["package"] not in have[machine]
        }
