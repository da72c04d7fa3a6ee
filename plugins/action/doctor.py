# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of doctor: knows a machine's part in the platform, and makes findings of what keeps it from being examined."""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.finding import ERROR, Finding
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.order import order
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

MODULE = "slipway.deploy.doctor"
# What Ansible says when it cannot even begin, by a word of it: topic, what is wrong, and how to mend it.
# What a shell and Ansible say; the trace of any module that fails has the name of its interpreter in it.
KNOWN = (
    (r"missing sudo password|\bsudo: |not in the sudoers|incorrect (sudo|su|become) password|privilege escalation",
     "become", "Ansible cannot become root",
     "Allow the user sudo without a password (vm_provision_deploy_user), or pass --ask-become-pass."),
    (r"interpreter \S+ was not found|no python interpreters? found|python\S*: (command )?(not found|no such file)",
     "Python", "there is none that modules could run by", "Install python3 (3.9 or later) on the machine."),
)  # fmt: skip


class ActionModule(ActionBase):
    """Never fails: a machine that cannot be examined is what people look for by this."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = {name: value for name, value in self._task.args.items() if name != "config"}
        config = plain(self._task.args.get("config") or {})
        wanted = {**order(config, str(variables.get("inventory_hostname"))), **args}
        try:
            outcome = self._execute_module(module_name=MODULE, module_args=wanted, task_vars=variables)
        except AnsibleConnectionFailure as error:
            outcome = found(_unreachable(str(error)))
        except AnsibleError as error:
            outcome = found(_unable(str(error)))
        if outcome.get("failed"):
            said = outcome.get("module_stderr") or outcome.get("module_stdout") or outcome.get("msg") or ""
            outcome = found(_unable(str(said)))
        result.update(outcome)
        return result


def found(finding: Finding) -> dict[str, t.Any]:
    """A result with nothing but this."""
    return {"changed": False, "findings": [finding._asdict()], "facts": {}}


def _unreachable(why: str) -> Finding:
    return Finding(
        ERROR, "connection", "the machine cannot be reached", why.strip(), "a connection by SSH",
        "A release needs every machine of the inventory.",
        "Try `ansible MACHINE -m ping -vvv`; correct ansible_host, the user or the key, or take it out of the inventory.",
    )  # fmt: skip


def _unable(why: str) -> Finding:
    why = " ".join(why.split())[-400:]
    for pattern, topic, what, remedy in KNOWN:
        if re.search(pattern, why, re.IGNORECASE):
            return Finding(ERROR, topic, what, why, "", "Every task of a release needs it.", remedy)
    return Finding(
        ERROR,
        "module",
        "the machine cannot be examined",
        why,
        "",
        "A release would meet the same.",
        "Try it with -vvv.",
    )
