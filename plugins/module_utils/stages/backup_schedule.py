# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers of systemd that back a database up and drill its restore (private to the collection)."""

from __future__ import annotations

import json
import os
import sys
import typing as t

from ..backup import factory
from ..errors import SlipwayError
from ..system import System
from .install import PACKAGE

UNITS = "/etc/systemd/system"
# What each timer does, by its unit: the words for it, and what stages.scheduled is told.
KINDS = {
    "backup": ("Backup", "present"),
    "prove": ("Proof of the newest backup", "proved"),
    "drill": ("Restore drill", "verified"),
}
# Where one machine takes the backups and another one restores them, each has the timers of its part.
OF_PART = {"whole": ("backup", "drill"), "take": ("backup",), "prove": ("prove", "drill")}
OFTEN = "*:0/15"  # a look at the store whether there is one to prove
Params = t.Mapping[str, t.Any]
Files = dict[str, tuple[str, int]]  # path to content and mode

SERVICE = """\
[Unit]
Description={what} of the database of {platform}/{environment} (Slipway)
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
Environment=PYTHONPATH={program} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ExecStart={python} -m {package}.stages.scheduled {order} {state}
UMask=0077
Nice=10
"""

TIMER = """\
[Unit]
Description={what} of the database of {platform}/{environment} (Slipway)

[Timer]
OnCalendar={calendar}
RandomizedDelaySec={jitter:.0f}
Persistent=true

[Install]
WantedBy=timers.target
"""


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(schedule_arguments.BACKUP_SCHEDULE), with every default filled in.
    """
    try:
        return run(params, System(), check, UNITS)
    except SlipwayError as error:
        return {"failed": True, **error.result()}


def run(params: Params, system: System, check: bool, units: str) -> dict[str, t.Any]:
    """Write, and remove, what differs; then tell systemd, and read back that it waits."""
    present = params["state"] == "present"
    if present:
        for calendar in (params["schedule"], params["drill"]):
            expect_calendar(system, calendar)
    wanted = files(params, units, OF_PART[params["part"]]) if present else {}
    before = {path: system.read_file(path) for path in files(params, units, tuple(KINDS))}
    after = {path: wanted[path][0].encode() if path in wanted else None for path in before}
    differing = [path for path in before if before[path] != after[path]]
    actions = [f"{'write' if path in wanted else 'remove'} {path}" for path in differing]
    result = {"changed": bool(differing), "actions": actions, "diff": diff(before, after, order_path(params))}
    if check or not differing:
        return result
    gone = timers_of(path for path in differing if path not in wanted)
    if gone:
        command(system, "systemctl", "disable", "--now", *gone)
    for path in differing:
        if path in wanted:
            system.make_directory(os.path.dirname(path))
            system.replace_file(path, wanted[path][0].encode(), mode=wanted[path][1])
        else:
            system.unlink(path)
    command(system, "systemctl", "daemon-reload")
    timers = timers_of(wanted)
    if timers:
        command(system, "systemctl", "enable", *timers)
        command(system, "systemctl", "restart", *timers)
    for timer in timers:
        expect_waiting(system, timer)
    return result


def timers_of(paths: t.Iterable[str]) -> list[str]:
    """The names of the timers among units."""
    return [os.path.basename(path) for path in paths if path.endswith(".timer")]


def files(params: Params, units: str, kinds: t.Sequence[str]) -> Files:
    """All that a schedule of these timers consists of."""
    name = f"{params['platform']}-{params['environment']}"
    known = {
        **{key: params[key] for key in ("platform", "environment", "program")},
        "package": PACKAGE,
        "python": sys.executable,
        "order": order_path(params),
    }
    found: Files = {order_path(params): (order(params), 0o600)}
    times = {
        "backup": (params["schedule"], params["jitter"]),
        "prove": (OFTEN, min(60.0, params["jitter"])),
        "drill": (params["drill"], params["jitter"]),
    }
    for kind in kinds:
        what, state = KINDS[kind]
        calendar, jitter = times[kind]
        unit = os.path.join(units, f"slipway-{kind}-{name}")
        found[f"{unit}.service"] = (SERVICE.format(what=what, state=state, **known), 0o644)
        found[f"{unit}.timer"] = (TIMER.format(what=what, calendar=calendar, jitter=jitter, **known), 0o644)
    return found


def order_path(params: Params) -> str:
    """Where the order is, with the connection string: for root alone."""
    return os.path.join(params["root"], factory.STATE, f"{params['platform']}-{params['environment']}.order.json")


def order(params: Params) -> str:
    """What the timers' programs are told: parameters of database_backup."""
    return (
        json.dumps({**params["backup"], "url": params["url"], "textfile_dir": params["textfile_dir"] or ""}, indent=1)
        + "\n"
    )


def diff(before: Params, after: Params, secret: str) -> list[dict[str, str]]:
    """What changes; of the order only that it does."""

    def shown(path: str, content: bytes | None) -> str:
        if content is None:
            return ""
        return "(holds the connection string, so it is not shown)\n" if path == secret else content.decode()

    return [
        {
            "before_header": path,
            "after_header": path,
            "before": shown(path, before[path]),
            "after": shown(path, after[path]),
        }
        for path in before
        if before[path] != after[path]
    ]


def command(system: System, *argv: str) -> None:
    """Run a command that must go well.

    :raises SlipwayError: C(command_failed).
    """
    done = system.run(argv, timeout=60)
    if done.rc:
        said = (done.stderr or done.stdout).strip()
        raise SlipwayError(
            "failed",
            obj=" ".join(argv),
            actual=said or f"exit status {done.rc}",
            remedy="Do what it says, and run it again.",
            cause="command_failed",
        )


def expect_calendar(system: System, calendar: str) -> None:
    """Only what systemd understands.

    :raises SlipwayError: C(bad_input).
    """
    if system.run(["systemd-analyze", "calendar", calendar], timeout=30).rc:
        raise SlipwayError(
            "is no calendar event of systemd",
            obj="schedule or drill",
            actual=calendar,
            wanted="such as daily, or *-*-* 03:00",
            remedy=f"Try it with systemd-analyze calendar '{calendar}'; systemd.time(7) has the forms.",
            cause="bad_input",
        )


def expect_waiting(system: System, timer: str) -> None:
    """Read back that systemd has the timer.

    :raises SlipwayError: C(not_running).
    """
    done = system.run(["systemctl", "is-active", timer], timeout=30)
    if done.stdout.strip() != "active":
        raise SlipwayError(
            "does not wait for its time",
            obj=timer,
            actual=done.stdout.strip() or done.stderr.strip(),
            wanted="active",
            remedy=f"See systemctl status {timer}.",
            cause="not_running",
        )
