# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that make a release runnable, in its own directory, before it sees traffic (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from .owners import user_ids
from .report import Report
from .spec import Step

LOG_LINES = 30
KILL_AFTER = 5.0  # seconds between SIGTERM and SIGKILL for a step that takes too long
CACHES = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "npm_config_cache", "YARN_CACHE_FOLDER")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Builder(t.NamedTuple):
    """Runs the steps of one service as its user."""

    system: System
    user: str
    tree: str
    cache: str
    report: Report

    def run(self, steps: t.Sequence[Step], where: str) -> None:
        """All steps, one after the other; the first that fails ends it.

        :raises SlipwayError: C(build_failed) or C(build_timeout), with the last lines of what it said.
        """
        for index, step in enumerate(steps):
            self._step(step, f"{where}.build[{index}] {step.name}")

    def _step(self, step: Step, where: str) -> None:
        began = self.system.monotonic()
        argv = ["timeout", f"--kill-after={KILL_AFTER:g}", f"{step.timeout:g}", *self._as_user(step)]
        # One output, in the order in which it was written.
        merged = ["sh", "-c", 'exec "$@" 2>&1', "sh", *argv]
        done = self.system.run(merged, timeout=step.timeout + 2 * KILL_AFTER)
        seconds = self.system.monotonic() - began
        self.report.timings[where] = round(seconds * 1000, 1)
        if done.rc == 0:
            return
        lines = self.report.clean(done.stdout).splitlines()[-LOG_LINES:]
        late = done.rc in (124, 137) and seconds >= step.timeout
        raise SlipwayError(
            f"a build step did not end within {step.timeout:g} s" if late else f"a build step ended with {done.rc}",
            obj=where,
            actual=lines[-1] if lines else "no output",
            remedy="Raise its timeout, or see what it waits for." if late else "See its output under evidence.",
            cause="build_timeout" if late else "build_failed",
            evidence={"step": step.name, "exit_code": done.rc, "seconds": round(seconds, 1), "logs": lines},
        )

    def _as_user(self, step: Step) -> list[str]:
        env = {name: self.cache for name in CACHES}
        env.update({"HOME": self.cache, "PATH": PATH, "LANG": "C.UTF-8", "CI": "true", **step.env})
        first = step.command[0]
        command = [
            os.path.join(self.tree, first) if "/" in first and not first.startswith("/") else first,
            *step.command[1:],
        ]
        # Of the caller's environment nothing is passed on: it may have secrets of the controller's in it.
        inner = ["env", "-i", f"--chdir={self.tree}", *(f"{name}={value}" for name, value in env.items()), *command]
        if not self.user or os.geteuid() != 0:
            return inner
        uid, gid = user_ids(self.user, "user")
        return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--", *inner]
