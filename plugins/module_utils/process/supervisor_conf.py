# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of Supervisor's configuration files of one program (private to the collection).

Sections and their keys: Supervisor's manual, "Configuration File", C([program:x]). Whatever its parser refuses would keep
everybody on the machine from loading anything, so no value of a user gets there that was not checked.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

from ..errors import SlipwayError
from .launch import CLEAN, refuse_socket, refuse_without_user
from .spec import Program, Service
from .systemd_unit import MARK

MAXBYTES, BACKUPS = "10MB", 5  # of each log
ENDLESS = 1_000_000_000  # times that a start is tried again

#: What C(unit) of a service may say, and how a value must look.
_NUMBER, _FLAG, _SIZE = r"\d{1,9}", r"true|false", r"\d{1,9}(KB|MB|GB)?"
DIRECTIVES = {
    "exitcodes": r"\d{1,3}(,\d{1,3})*",
    "priority": _NUMBER,
    "stdout_capture_maxbytes": _SIZE,
    "stdout_events_enabled": _FLAG,
    "stdout_logfile_backups": _NUMBER,
    "stdout_logfile_maxbytes": _SIZE,
    "stdout_syslog": _FLAG,
    "stopsignal": "TERM|HUP|INT|QUIT|USR1|USR2",
}


def conf_text(program: Program, names: t.Sequence[str], scripts: t.Sequence[str], logs: str) -> str:
    """The sections of a program, one a replica, none of which starts by itself.

    C(autostart) stays false also on the live side: a definition that changes while it runs would be stopped and started
    by whoever types C(supervisorctl update). :func:`boot_text` is what brings a process back.

    :param names: of the replicas.
    :param scripts: that start them.
    :param logs: directory.
    """
    labels = program.labels
    directives: dict[str, t.Any] = {
        "directory": "/",
        "autostart": "false",
        "autorestart": "true",
        "startretries": ENDLESS,
        "stopwaitsecs": math.ceil(labels.grace),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile_maxbytes": MAXBYTES,
        "stdout_logfile_backups": BACKUPS,
        **{key: _plain(value) for key, value in program.service.unit.items()},
    }
    lines = [
        "# Written by Slipway; the next release writes it anew.",
        MARK + json.dumps(labels._asdict(), sort_keys=True),
    ]
    for name, script in zip(names, scripts):
        lines += [
            f"[program:{name}]",
            f"command={' '.join(CLEAN)} /bin/sh {script}",
            f"stdout_logfile={logs}/{name}.log",
            *(f"{key}={value}" for key, value in directives.items()),
        ]
    return "\n".join(lines) + "\n"


def boot_text(name: str, control: str, first: str, logs: str) -> str:
    """A program that runs once, whenever supervisord starts, and starts a process of ours.

    :param control: supervisorctl, with its options.
    :param first: a file that is there when the program is loaded, and gone for good once it ran: that time it starts nothing.
    """
    lines = [
        f"# Written by Slipway: {name} comes back when supervisord does.",
        f"[program:{name}.boot]",
        f"command=/bin/sh -c 'rm {first} 2>/dev/null || exec {control} start {name}'",
        "autorestart=false",
        "startsecs=0",
        "redirect_stderr=true",
        f"stdout_logfile={logs}/{name}.boot.log",
        "stdout_logfile_maxbytes=64KB",
        "stdout_logfile_backups=0",
    ]
    return "\n".join(lines) + "\n"


def refuse_unknown(service: Service) -> None:
    """Refuse what cannot be set, or has a value that Supervisor would not read.

    :raises SlipwayError: C(invalid), naming the key.
    """
    refuse_without_user(service, "Supervisor")
    refuse_socket(service, "Supervisor")
    if service.notify:
        raise SlipwayError(
            "Supervisor hears of no readiness",
            obj=f"services.{service.name}.notify",
            remedy="Remove it: health tells when the program is ready.",
            cause="invalid",
        )
    where = f"services.{service.name}.unit"
    for key, value in service.unit.items():
        if key not in DIRECTIVES:
            raise SlipwayError(
                "this directive cannot be set",
                obj=f"{where}.{key}",
                wanted=f"one of {', '.join(DIRECTIVES)}",
                remedy="Remove it; all else of a program of Supervisor is Slipway's, or an option of the service.",
                cause="invalid",
            )
        if not re.fullmatch(DIRECTIVES[key], _plain(value)):
            raise SlipwayError(
                "Supervisor does not read this value",
                obj=f"{where}.{key}",
                actual=value,
                wanted=DIRECTIVES[key],
                remedy="See [program:x] in Supervisor's manual.",
                cause="invalid",
            )


def _plain(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
