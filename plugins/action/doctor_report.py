# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found on all machines, with what the next release would refuse; controller-only."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.finding import ERROR, WARNING, Finding
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.report import lines, verdict
from ansible_collections.slipway.deploy.plugins.module_utils.release.preflight import problems_of
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import fleet_of, registered
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

display = Display()
Found = dict[str, list[Finding]]


class ActionModule(ControllerAction):
    """Prints all findings, and says whether there is an error among them."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables, args = task_vars or {}, self._task.args
        for name in ("machines", "register"):
            if name not in args:
                raise AnsibleActionFail(f"{name} is required")
        site = plain(args.get("site") or {})
        machines = [str(machine) for machine in args["machines"]]
        found = self._examined(machines, str(args["register"]), variables)
        config = site.get("config") or {}
        if site.get("msg") and not config:
            found = {"the site": [_unusable(str(site["msg"]))], **found}
        elif config and args.get("read"):
            _add(found, self._of_release(config, str(args["read"]), variables))
        self._show(config, machines, found)
        result.update(
            changed=False,
            errors=sum(finding.severity == ERROR for findings in found.values() for finding in findings),
            msg=verdict(found),
            findings={machine: [finding._asdict() for finding in findings] for machine, findings in found.items()},
        )
        return result

    def _examined(self, machines: t.Sequence[str], register: str, variables: dict[str, t.Any]) -> Found:
        results = registered(variables, machines, [register])[register]
        return {
            machine: [Finding(**one) for one in (results[machine] or {}).get("findings", [])] for machine in machines
        }

    def _of_release(self, config: dict[str, t.Any], register: str, variables: dict[str, t.Any]) -> Found:
        """What the preflight of a release says of the same machines, in its own words."""
        _config, fleet = fleet_of({"config": config, "register": register}, variables)
        found: Found = {}
        for problem in problems_of("deploy", config, fleet):
            machine, _colon, said = problem.partition(": ")
            found.setdefault(machine, []).append(Finding(ERROR, "release", said))
        for machine, read in fleet.readable().items():
            if read["journal"]["open"] and not read["lease"]["live"]:
                found.setdefault(machine, []).append(_interrupted(read["journal"]["open"]))
        return found

    def _show(self, config: t.Mapping[str, t.Any], machines: t.Sequence[str], found: Found) -> None:
        where = f"{config['platform']}/{config['environment']}, " if config else ""
        display.display("\n".join(lines(f"doctor: {where}{len(machines)} machines", found)))


def _add(found: Found, more: Found) -> None:
    """What a machine that cannot be reached says of a release is that it cannot be reached; once is enough."""
    for machine, findings in more.items():
        here = found.setdefault(machine, [])
        if not any(finding.topic in ("connection", "become", "Python", "module") for finding in here):
            here.extend(findings)


def _unusable(why: str) -> Finding:
    return Finding(
        ERROR, "configuration", "it cannot be used", why, "",
        "No release can go out with it; what depends on it was not looked at.",
        "Correct what it names.",
    )  # fmt: skip


def _interrupted(release: str) -> Finding:
    return Finding(
        WARNING, "release", f"release {release} was interrupted and has to be finished", "no outcome in the journal",
        "an outcome",
        "The next release finishes it or puts it back before it begins.",
        "Run the deployment again, or look at the playbook status.",
    )  # fmt: skip
