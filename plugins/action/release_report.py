# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a release, on the terminal and as a file; controller-only."""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.release.report import Batch, Stage, build, foreseen, lines
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import registered
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

display = Display()


class ActionModule(ControllerAction):
    """Says how a release went; with C(refused) it fails, for that is how a refused release ends."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        target, refused = plain(self._task.args["target"]), bool(self._task.args.get("refused", False))
        stages = self._stages(target, task_vars or {})
        batches = self._batches(target, task_vars or {})
        if self._task.check_mode and not refused:
            earlier = [stage for batch in batches[:-1] for stage in (batch.prepare, batch.shift)]
            text = "\n".join(foreseen(target, [*earlier, *stages]))
        else:
            times = {"started": float(target["started"]), "ended": time.time()}
            report = build(target, stages, refused=refused, batches=batches, **times)
            text = "\n".join(lines(report))
        if not self._task.check_mode:
            self._write(report, str(self._task.args.get("directory") or os.getcwd()))
        if not refused:
            display.display(text)
        result.update(changed=False, failed=refused, msg=text)
        return result

    def _stages(self, target: dict[str, t.Any], variables: dict[str, t.Any]) -> list[Stage]:
        """The stages of this release that ran, by the results that they left (those of an earlier one may be there too)."""
        stages = []
        registers = plain(self._task.args["stages"])
        known = registered(variables, target["machines"], list(registers.values()))
        for name, register in registers.items():
            results = known[register]
            begun = [result["stage"]["started"] for result in results.values() if result and result.get("stage")]
            if begun and min(begun) >= float(target["started"]):
                stages.append(Stage(judge(name, results), results))
        return stages

    def _batches(self, target: dict[str, t.Any], variables: dict[str, t.Any]) -> list[Batch]:
        """The batches of this release that were moved, or tried, by what every machine keeps of each."""
        register = str(self._task.args.get("batches") or "")
        kept = registered(variables, target["machines"], [register])[register] if register else {}
        found = []
        for number in range(max((len(batches or ()) for batches in kept.values()), default=0)):
            entries = {m: batches[number] for m, batches in kept.items() if batches and number < len(batches)}
            prepare, shift = (
                {machine: entry.get(name) for machine, entry in entries.items()} for name in ("prepare", "shift")
            )
            about = next(iter(entries.values()))["batch"]
            found.append(Batch(about, Stage(judge("prepare", prepare), prepare), Stage(judge("shift", shift), shift)))
        return found

    def _write(self, report: dict[str, t.Any], site: str) -> None:
        """Keep the report in the site, where CI and people find it."""
        directory = os.path.join(site, ".slipway", f"{report['platform']}-{report['environment']}")
        path = os.path.join(directory, f"{report['release']}.json")
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                json.dump(report, stream, indent=2, sort_keys=True)
        except OSError as error:  # the release is over; that a file cannot be kept here must not make it look failed
            display.warning(f"the report could not be kept: {error}")
