# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What C(systemctl show) says of a unit, in the words of a process (private to the collection).

Names of properties: org.freedesktop.systemd1(5). Exit statuses from 200 up: systemd.exec(5), "Process Exit Codes".
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import typing as t

from ..errors import SlipwayError
from .manager import FAILED, RUNNING, STARTING, STOPPED, STOPPING, Found
from .spec import Labels

PROPERTIES = (
    "Id", "ActiveState", "MainPID", "ExecMainPID", "ExecMainCode", "ExecMainStatus", "NRestarts", "Result", "InvocationID",
    "ControlGroup", "Job",
)  # fmt: skip
STATES = {
    "active": RUNNING, "reloading": RUNNING, "activating": STARTING, "deactivating": STOPPING, "inactive": STOPPED,
    "failed": FAILED,
}  # fmt: skip
RESULTS = {
    "oom-kill": "out of memory",
    "protocol": "it ended without the notification that Type=notify promises",
    "resources": "systemd could not give it what its unit asks for",
    "timeout": "its time to start or stop was over",
    "watchdog": "its watchdog",
}
STATUSES = {
    200: "its directory cannot be entered",
    203: "its program cannot be executed",
    217: "there is no such user",
    226: "its file system view cannot be made",
    243: "its secrets cannot be read",
}
CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")
_INSTANCE = re.compile(r"(?P<program>slipway-[^@]+)@(?P<number>\d+)\.service")


def parse(said: str) -> list[dict[str, str]]:
    """The blocks of C(systemctl show), one a unit."""
    blocks = said.strip().split("\n\n")
    return [{"Job": "", **dict(line.split("=", 1) for line in block.splitlines())} for block in blocks if block]


def item(about: t.Mapping[str, str], labels: Labels, boot: bool) -> Found:
    """One unit as a process."""
    ended = about["ExecMainPID"] != "0" and about["MainPID"] == "0"
    status = int(about["ExecMainStatus"]) if ended else 0
    by_signal = ended and about["ExecMainCode"] != str(int(os.CLD_EXITED))
    return Found(
        name=about["Id"],
        labels=labels,
        number=int(number_of(about["Id"])),
        status=STATES.get(about["ActiveState"], FAILED),
        boot=boot,
        pid=int(about["MainPID"]),
        restarts=int(about["NRestarts"]),
        exit_code=None if by_signal or not ended else status,
        ended_by=_ended_by(about["Result"], status, by_signal),
        run=about["InvocationID"],
    )


def not_started(found: Found, said: str, log_command: str) -> SlipwayError:
    """Why a start failed."""
    how = found.ended_by or f"exit code {found.exit_code}"
    return SlipwayError(
        "it ended while it was started" if found.exit_code is None or found.exit_code < 200 else "it cannot be started",
        obj=found.name,
        actual=how,
        wanted="running",
        remedy=f"See its log: {log_command}.",
        cause="oom" if "memory" in how else "exited" if (found.exit_code or 0) < 200 else "start_failed",
        evidence={"exit_code": found.exit_code, "ended_by": found.ended_by, "said": said.strip()[-500:]},
    )


def refuse_ignored(said: str, path: str, text: str, where: str) -> None:
    """Refuse what C(systemd-analyze verify) would ignore of a unit.

    :param text: of the unit.
    :raises SlipwayError: C(invalid), naming the directive.
    """
    lines = text.splitlines()
    for line in said.splitlines():
        number, _colon, words = line.partition(f"{path}:")[2].partition(": ")
        if number.isdigit():
            raise SlipwayError(
                "systemd does not know this",
                obj=f"{where}.{lines[int(number) - 1].partition('=')[0]}",
                actual=words.partition(", ignoring")[0],
                remedy="See systemd.exec(5), systemd.resource-control(5) and systemd.service(5) on the machine.",
                cause="invalid",
            )


def members(group: str) -> dict[int, str]:
    """The processes of a control group, by number, with the names of their programs."""
    found: dict[int, str] = {}
    for root in CGROUPS if group else ():
        for directory, _directories, files in os.walk(root + group):
            if "cgroup.procs" not in files:
                continue
            with (
                contextlib.suppress(OSError),
                open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as stream,
            ):
                for line in stream:
                    found[int(line)] = _program_name(int(line))
    return {pid: name for pid, name in found.items() if name}


def program_of(name: str) -> str:
    """The template of an instance; empty for another name."""
    found = _INSTANCE.fullmatch(name)
    return found.group("program") if found else ""


def number_of(name: str) -> str:
    """The number of an instance."""
    found = _INSTANCE.fullmatch(name)
    return found.group("number") if found else "0"


def _ended_by(result: str, status: int, by_signal: bool) -> str:
    if result in RESULTS:
        return RESULTS[result]
    if by_signal:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(status).name}"
        return f"signal {status}"
    return f"{STATUSES[status]} (exit status {status})" if status in STATUSES else ""


def _program_name(pid: int) -> str:
    """Empty for one that is gone, or a zombie."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        head, _space, rest = stream.read().rpartition(")")
        return "" if rest.split()[0] == "Z" else head.partition("(")[2]
    return ""
