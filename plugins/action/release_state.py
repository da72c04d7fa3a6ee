# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of release_state: waits for a foreign lock, and knows when its holder is gone."""

from __future__ import annotations

import time
import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import RELEASE_STATE
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import same_process
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets, tls_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import (
    StageAction,
    as_stage,
    holder,
    holder_is_gone,
)

POLL = 2.0  # seconds between two looks at a lock that somebody else holds

display = Display()


class ActionModule(StageAction):
    """Runs release_state; C(read) waits up to C(wait) seconds for a live foreign lease, with a countdown."""

    module = "slipway.deploy.release_state"
    takes = RELEASE_STATE

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        if self._task.args.get("state", "read") != "read":
            return super().run(tmp, task_vars)
        return self._read(task_vars or {})

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Who freezes or thaws is the user of this run, unless that is said."""
        if args.get("state") in ("frozen", "thawed") and not args.get("who"):
            me = holder()
            args["who"] = f"{me['user']} on {me['host']}"
        return args

    def _try(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """As every stage; but a grant made meanwhile to a process of this controller that is gone is taken over."""
        outcome = super()._try(args, variables)
        error = outcome.get("error") or {}
        lease = error.get("evidence") or {}
        if error.get("cause") == "lock_held" and holder_is_gone(lease.get("holder") or {}):
            taken = {"token": lease["token"], "holder": lease["holder"]}
            outcome = super()._try({**args, "takeover": [*(args.get("takeover") or []), taken]}, variables)
        return outcome

    def _read(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        args = dict(self._task.args)
        secrets = tls_secrets(args.get("tls"), variables, self._templar)
        args.update({"secrets": encode_secrets(secrets)} if secrets else {})
        wait = float(args.pop("wait", 0) or 0)
        machine = str(variables.get("inventory_hostname", ""))
        started, end = time.time(), time.monotonic() + wait
        while True:
            outcome = self._try(args, variables)
            lease = outcome.get("lease") or {}
            whose = lease.get("holder") or {}
            lease["holder_gone"] = bool(lease.get("live")) and holder_is_gone(whose)
            lease["own"] = bool(lease.get("live")) and same_process(whose, holder())
            left = end - time.monotonic()
            if not lease.get("live") or lease["holder_gone"] or lease["own"] or left <= 0:
                return as_stage(outcome, started, time.time())
            self._count_down(machine, lease, left)
            time.sleep(min(POLL, left))

    def _count_down(self, machine: str, lease: dict[str, t.Any], left: float) -> None:
        who = lease.get("holder") or {}
        display.display(
            f"[{machine}] waiting for release {lease.get('release_id', '?')} of {who.get('user', '?')} on "
            f"{who.get('host', '?')} (process {who.get('pid', '?')}); its lock ends in {lease.get('remaining', 0):.0f} s, "
            f"giving up in {left:.0f} s"
        )
