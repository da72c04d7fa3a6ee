# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that make a release runnable, in its own directory, before it sees traffic (private to the collection)."""

from __future__ import annotations

import errno
import os
import typing as t

from ..errors import SlipwayError
from ..lifeline import with_us
from ..system import System, file_error
from .owners import become
from .report import Report
from .spec import Step

LOG_LINES = 30
KILL_AFTER = 5.0  # seconds between SIGTERM and SIGKILL for a step that takes too long
NO_SPACE = os.strerror(errno.ENOSPC)  # as every program says it, in the language that steps have
CACHES = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "npm_config_cache", "YARN_CACHE_FOLDER")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def bounded(argv: t.Sequence[str], seconds: float) -> list[str]:
    """A command that ends after so many seconds, or when its caller is killed, with all that it has started: the next
    run must not find somebody at work in the same directory.
    """
    return [*with_us("TERM", script=_GROUP), "timeout", f"--kill-after={KILL_AFTER:g}", f"{seconds:g}", *argv]


# timeout(1) makes a group of processes, and passes the signal on to it; in an instant after its fork it does not, and ends alone
# (GNU coreutils 9.1, C(cleanup) with no C(monitored_pid) yet). So all of the group get it, and what is left then is killed.
_GROUP = f"""
trap 'ended=yes; kill -s TERM $!; kill -s TERM -- -$!' TERM
exec 3>&2 2>/dev/null
[ -z "$ended" ] || exit 143
"$@" 2>&3 3>&- &
wait $!
status=$?
if [ "$ended" ]; then
  wait $!
  kill -s 0 -- -$! && sleep {KILL_AFTER:g} && kill -s KILL -- -$!
fi
exit $status
"""


class Builder(t.NamedTuple):
    """Runs the steps of one service as its user."""

    system: System
    user: str
    tree: str
    cache: str
    report: Report

    def run(self, steps: t.Sequence[Step], where: str) -> None:
        """All steps, one after the other; the first that fails ends it.

        :param where: how messages call the list, C(services.backend.build).
        :raises SlipwayError: C(build_failed) or C(build_timeout), with the last lines of what it said; C(no_space).
        """
        for index, step in enumerate(steps):
            self._step(step, f"{where}[{index}] {step.name}")

    def _step(self, step: Step, where: str) -> None:
        began = self.system.monotonic()
        argv = bounded(self._as_user(step), step.timeout)
        # One output, in the order in which it was written.
        merged = ["sh", "-c", 'exec "$@" 2>&1', "sh", *argv]
        done = self.system.run(merged, timeout=step.timeout + 2 * KILL_AFTER)
        seconds = self.system.monotonic() - began
        self.report.timings[where] = round(seconds * 1000, 1)
        if done.rc == 0:
            return
        lines = self.report.clean(done.stdout).splitlines()[-LOG_LINES:]
        late = done.rc in (124, 137) and seconds >= step.timeout
        if any(NO_SPACE in line for line in lines):
            raise file_error(OSError(errno.ENOSPC, NO_SPACE), where)
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
        return [*become(self.user, "user"), *inner]
