# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what this run does; controller-only, never contacts a machine."""

from __future__ import annotations

import secrets
import time
import typing as t

from ansible import context
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.plugins.module_utils.release.planned import refused
from ansible_collections.slipway.deploy.plugins.module_utils.release.play import Play, objections
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.migration_files import ships
from ansible_collections.slipway.deploy.plugins.plugin_utils.reads import fleet_of, registered

FILELESS = ("rollback", "remove")  # which must go also where the site's files are in no state to be read

display = Display()


class ActionModule(ControllerAction):
    """Reads the registered result of release_state of every machine, and plans over all of them."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = self._task.args
        config, fleet = fleet_of(args, task_vars or {})
        # A balancer that is forgotten has left the play when an interrupted release was ended without it.
        wanted = sorted(set(config["machines"]) - set(config["balancer_forget"] or []))
        objected = objections(self._play(wanted, task_vars or {}))
        if objected:
            result.update(failed=True, **refused(str(args["goal"]), objected).result())
            return result
        try:
            if args["goal"] not in FILELESS:
                ships(config, task_vars or {}, self._templar)
            plan = decide(
                str(args["goal"]),
                config,
                fleet,
                now=time.time(),
                suffix=secrets.token_hex(2),
                finished=str(args.get("finished") or ""),
                foreseen=self._foreseen(args, config, task_vars or {}),
                replicas=_told(args.get("replicas"), (config["migrations"] or {}).get("host"), task_vars or {}),
                previews=_previews(args, config, task_vars or {}),
                check=bool(self._task.check_mode),
            )
        except SlipwayError as error:
            result.update(failed=True, **error.result())
            return result
        display.display("\n".join(plan.say))
        result.update(changed=False, msg="\n".join(plan.say), **plan._asdict())
        return result

    def _foreseen(
        self, args: t.Mapping[str, t.Any], config: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]
    ) -> dict[str, t.Any] | None:
        """What a preview of a restore, or of migrations, said on the machine that would do it."""
        if args["goal"] in ("remove", "adopt"):
            return None
        part = (config["database"] or {}).get("backup") if args["goal"] == "restore" else config["migrations"]
        return _told(args.get("foreseen"), (part or {}).get("host"), variables)

    def _play(self, wanted: list[str], variables: dict[str, t.Any]) -> Play:
        parent: t.Any = self._task._parent
        while not hasattr(parent, "_play"):
            parent = parent._parent
        play = parent._play
        return Play(
            wanted=wanted,
            present=[str(machine) for machine in variables.get("ansible_play_batch", [])],
            limit=str(variables.get("ansible_limit") or ""),
            tags=[str(tag) for tag in context.CLIARGS.get("tags") or []],
            skip_tags=[str(tag) for tag in context.CLIARGS.get("skip_tags") or []],
            start_at_task=str(context.CLIARGS.get("start_at_task") or ""),
            strategy=str(play.strategy),
            serial=list(play.serial or []),
        )


def _previews(
    args: t.Mapping[str, t.Any], config: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]
) -> dict[str, dict[str, t.Any]]:
    """What each machine said that a removal would take away, or how it has found the servers made by hand."""
    name = str(args.get("foreseen") or "")
    return registered(variables, config["machines"], [name])[name] if args["goal"] in ("remove", "adopt") else {}


def _told(register: t.Any, host: str | None, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What one machine has registered."""
    name = str(register or "")
    return registered(variables, [host], [name])[name][host] if host and name else None
