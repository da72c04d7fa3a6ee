# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines are rebooted now, and which are not, and why; controller-only."""

from __future__ import annotations

import time
import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.preflight import reboot
from ansible_collections.slipway.deploy.plugins.module_utils.release import spared
from ansible_collections.slipway.deploy.plugins.module_utils.release.fleet import Fleet
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import fleet_of, registered
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

display = Display()


class ActionModule(ControllerAction):
    """Refuses while a release is under way or waits to be finished; leaves machines out that nobody can stand in for."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args, variables = plain(dict(self._task.args)), task_vars or {}
        config, fleet = fleet_of(args, variables)
        examined = registered(variables, config["machines"], [args["found"]])[args["found"]]
        try:
            refuse(fleet)
            window = reboot.parse_window(args.get("window") or {})
        except SlipwayError as error:
            result.update(changed=False, failed=True, msg=error.message, error=error.result()["error"])
            return result
        live = fleet.live()
        order, text = [], []
        for machine in reboot.order(config["machines"], config["proxies"]):
            facts = (examined[machine] or {}).get("facts") or {}
            reasons = list(facts.get("reboot") or []) or (["asked for"] if args.get("all") else [])
            if not reasons:
                continue
            lost = spared.interrupted(machine, live.target, config["proxies"], live.drained)
            if lost and not args.get("interrupt"):
                text.append(
                    f"{machine}: left alone, {'; '.join(lost)} (-e reboot_interrupt=true reboots it all the same)"
                )
            elif window and not window.open(float(facts["time"]["wall"])):
                text.append(f"{machine}: left alone, outside of vm_provision_reboot_window")
            else:
                order.append(machine)
                text.append(f"{machine}: {'; '.join(reasons)}")
        display.display("\n".join(text or ["no machine wants to be rebooted"]))
        result.update(changed=False, order=order, msg=text, **self._frozen(fleet, order))
        return result

    def _frozen(self, fleet: Fleet, order: t.Sequence[str]) -> dict[str, t.Any]:
        """The lock that is to be taken, and what the balancers are told meanwhile."""
        live = fleet.live()
        target, services = live.target, spared.services_of(live.target)
        carrying = {machine for service in services.values() for machine in spared.carriers(service)}
        drained = carrying & set(live.drained)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return {
            "release": {"id": f"reboot-{stamp}", "token": fleet.next_token()},
            "target": {**target, "apart": spared.nothing_for(drained)} if target and services and fleet.proxies else {},
            "without": {
                machine: spared.nothing_for(drained | self._taken(machine, services, drained)) for machine in order
            },
        }

    def _taken(self, machine: str, services: spared.Services, drained: set[str]) -> set[str]:
        """The machine, where there is somebody else to have its traffic."""
        carries = any(machine in spared.carriers(service) for service in services.values())
        return {machine} if carries and not spared.alone_on(services, {machine, *drained}) else set()


def refuse(fleet: Fleet) -> None:
    """Refuse what must not be disturbed.

    :raises SlipwayError: C(unreadable), C(lock_held), C(open_release).
    """
    for machine, why in fleet.unreadable().items():
        raise SlipwayError(
            f"cannot be read ({why})", obj=machine, cause="unreadable",
            remedy="Nothing was rebooted. All machines must be well before one is taken away.",
        )  # fmt: skip
    fleet.refuse_foreign_lock(break_glass=False)
    for machine, read in fleet.readable().items():
        if read["journal"]["open"] and not read["lease"]["live"]:
            raise SlipwayError(
                f"release {read['journal']['open']} was interrupted and has to be finished first", obj=machine,
                remedy="Nothing was rebooted. Run the deployment again; it finishes that release or puts it back.",
                cause="open_release",
            )  # fmt: skip
