# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PM2 says of a process, and what its log says of how it ended (private to the collection).

States: C(constants.js) of PM2. C(God.handleExit) writes C(App [NAME:ID] exited with code [3] via signal [SIGINT]), and SIGINT
also where no signal was.
"""

from __future__ import annotations

import re
import typing as t

from .launch import STATUSES
from .manager import FAILED, RUNNING, STARTING, STOPPED, STOPPING, Found
from .spec import Labels
from .supervisor_state import number_of, program_of

STATES = {
    "online": RUNNING, "launching": STARTING, "waiting restart": STARTING, "stopping": STOPPING, "stopped": STOPPED,
    "errored": FAILED,
}  # fmt: skip
_END = re.compile(
    r"App \[(?P<name>slipway-[^:\]]+):\d+\] exited with code \[(?P<code>\d+)\] via signal \[(?P<signal>\w+)\]"
)

__all__ = ["End", "item", "program_of", "read_ends"]


class End(t.NamedTuple):
    """How a process ended last."""

    code: int
    signal: str  # empty when none ended it


def read_ends(log: str) -> dict[str, End]:
    """The last ends that a log of the daemon tells of, by name of the process."""
    ends = {}
    for found in _END.finditer(log):
        code, name = int(found.group("code")), found.group("signal")
        ends[found.group("name")] = End(code, "" if code or name == "SIGINT" else name)
    return ends


def item(name: str, about: t.Mapping[str, t.Any] | None, end: End | None, labels: Labels, boot: bool) -> Found:
    """One process; without anything about it, it does not run."""
    number = int(number_of(name))
    if about is None:
        return Found(name, labels, number, STOPPED, boot, 0, 0, None, "", "")
    env = about["pm2_env"]
    status = STATES.get(env["status"], FAILED)
    fell = env.get("restart_time", 0) > 0 or env["status"] in ("waiting restart", "errored")
    ended = end if fell and end else None
    return Found(
        name=name,
        labels=labels,
        number=number,
        status=status,
        boot=boot,
        pid=int(about.get("pid") or 0),
        restarts=env.get("restart_time", 0),
        exit_code=ended.code if ended and not ended.signal else None,
        ended_by=_ended_by(ended) if ended else "",
        run=f"{env.get('pm_uptime')}:{about.get('pid')}",
    )


def _ended_by(end: End) -> str:
    if end.signal:
        return f"signal {end.signal}"
    return f"{STATUSES[end.code]} (exit status {end.code})" if end.code in STATUSES else ""
