# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins of the acting modules share (private to the collection).

Inside a release a machine that fails, or cannot be reached, must stay in the play: the verdict over all machines
decides what happens to each of them. So a stage never *fails*; it returns ``stage.ok`` and its reason.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import Arguments
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import HostEngine, checked, expands


class StageAction(ActionBase):
    """Run a module of the collection as one stage of a release, or alone when no release is given."""

    module: t.ClassVar[str]
    takes: t.ClassVar[Arguments]
    kept: t.ClassVar[bool] = False  # whether engines that are kept on the machine do it outside of a release, too
    looks: t.ClassVar[bool] = False  # whether all that it does is to look, for which nothing is installed

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        release = args.pop("release", None) or None
        started = time.time()
        try:
            args = self.completed(args, variables)
        except AnsibleError as error:  # inside a release even this machine must stay in the play
            if release is None:
                raise
            found = {"failed": True, "msg": str(error), "error": {"cause": "controller"}}
            result.update(as_stage(found, started, time.time()))
            return result
        if release is None:
            result.update(self._alone(args, variables))
            return result
        if not self._task.check_mode:  # a preview takes no lock and writes no journal
            args["release"] = {**plain(release), "holder": holder()}
        outcome = self._try(args, variables)
        result.update(as_stage(outcome, started, time.time()))
        return result

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """The module's arguments, with what only the controller can add."""
        return args

    def _alone(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        outcome = self._by_engine(args, variables) if self.kept else None
        if outcome is None:
            outcome = self._execute_module(module_name=self.module, module_args=args, task_vars=variables)
        return t.cast("dict[str, t.Any]", outcome)

    def _try(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        try:
            outcome = self._by_engine(args, variables)
            if outcome is None:
                outcome = self._execute_module(module_name=self.module, module_args=args, task_vars=variables)
            return t.cast("dict[str, t.Any]", outcome)
        except AnsibleConnectionFailure as error:
            return unreachable(error)
        except Exception as error:  # whatever it is, a machine that leaves the play could not be put back
            return {"failed": True, "msg": f"{type(error).__name__}: {error}", "error": {"cause": "controller"}}

    def _by_engine(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """The result of the engines that are kept on the machine; None where only the module itself can do it.

        They are installed by the first stage that acts, outside of a release only where a state of Slipway's is kept already. What
        only looks must leave nothing behind.
        """
        python = self._interpreter(variables)
        if not python or not self._pipelined() or expands(self.takes.options, args):
            return None
        name = self.module.rpartition(".")[2]
        try:
            params = checked(plain(args), self.takes)
        except ValueError as error:
            return {"failed": True, "msg": str(error), "error": {"cause": "invalid"}}
        environment = t.cast(t.Any, self)._compute_environment_string()
        check = bool(self._task.check_mode)
        release = "" if check else (params.get("release") or {}).get("id", "")
        engine = HostEngine(self._execute, f"{environment} {python}".strip(), params["root"], release)
        outcome = engine.run(name, params, check=check)
        acts = not check and not self.looks and params.get("state") != "status"
        if outcome is None and acts and (release or (self.kept and engine.is_at_home())) and engine.install():
            outcome = engine.run(name, params, check=check)
        return outcome

    def _pipelined(self) -> bool:
        """Whether a command gets its standard input. Mitogen keeps modules on the machine itself, and is left to it."""
        if any(kind.__module__.startswith("ansible_mitogen") for kind in type(self).__mro__):
            return False
        return bool(t.cast(t.Any, self)._is_pipelining_enabled("new"))

    def _interpreter(self, variables: dict[str, t.Any]) -> str:
        """The machine's Python; empty before Ansible has found it, which the first module does."""
        given = str(self._templar.template(variables.get("ansible_python_interpreter")) or "auto")
        if given.startswith("auto"):
            return str((variables.get("ansible_facts") or {}).get("discovered_interpreter_python") or "")
        return given

    def _execute(self, command: str, sent: bytes) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", t.cast(t.Any, self)._low_level_execute_command(command, in_data=sent))


def as_stage(outcome: dict[str, t.Any], started: float, ended: float) -> dict[str, t.Any]:
    """Turn a module's result into a stage's: never failed, the reason under ``stage``."""
    failed = bool(outcome.pop("failed", False))
    error = outcome.get("error") or {}
    message = str(outcome.get("msg") or outcome.get("module_stderr") or "")
    outcome.pop("exception", None)
    outcome["stage"] = {
        "ok": not failed,
        "cause": error.get("cause", "error") if failed else "",
        "message": message.strip() if failed else "",
        "evidence": error.get("evidence", {}) if failed else {},
        "started": started,
        "ended": ended,
    }
    return outcome


def unreachable(error: Exception) -> dict[str, t.Any]:
    """The result of a machine that SSH did not reach."""
    return {
        "failed": True,
        "msg": f"unreachable: {str(error).strip()}",
        "error": {"cause": "unreachable", "evidence": {}},
    }


def holder() -> dict[str, t.Any]:
    """Who holds a lock: this controller, and the process of this very run (a task runs in a fork of it)."""
    pid = os.getppid()
    playbooks = [
        os.path.basename(word) for word in sys.argv[1:] if word.endswith((".yml", ".yaml")) or word.count(".") == 2
    ]
    return {
        "host": socket.gethostname(),
        "user": getpass.getuser(),
        "pid": pid,
        "pid_start": process_start(pid) or "",
        "boot_id": boot_id(),
        "pid_namespace": pid_namespace(),
        "command": " ".join(["ansible-playbook", *playbooks[:1]]),
        "since": time.time(),
    }


def process_start(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot (proc(5), field 22), or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()[19]
    except OSError:
        return None


def boot_id() -> str:
    """Random id of the controller's boot; empty where the kernel has none (a controller that is not Linux)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """The namespace that process numbers belong to (pid_namespaces(7)); empty where the kernel has none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def holder_is_gone(other: t.Mapping[str, t.Any]) -> bool:
    """Whether a lock's holder ran on this controller, in this boot, and its process has ended.

    Two containers on one machine share its boot: a process number says nothing about a process of the other one.
    """
    here = {"host": socket.gethostname(), "boot_id": boot_id(), "pid_namespace": pid_namespace()}
    if not other.get("pid") or any(not value or other.get(key) != value for key, value in here.items()):
        return False
    return process_start(int(other["pid"])) != str(other.get("pid_start"))


def plain(value: t.Any) -> t.Any:
    """Plain Python containers and scalars out of templated, tagged or lazy ones."""
    if isinstance(value, t.Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value
