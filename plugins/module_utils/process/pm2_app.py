# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A replica as PM2 takes it, the script of one in cluster mode, and the unit of the daemon (private to the collection).

What C(pm2 start) makes of its options, and what C(pm2 resurrect) reads: C(lib/API.js) and C(lib/God.js) of PM2.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from ..errors import SlipwayError
from .launch import CLEAN, refuse_socket, refuse_without_user, variables
from .owners import user_ids
from .spec import Program, Service

#: What C(unit) of a service may say, and how a value must look.
DIRECTIVES = {"exec_mode": "fork|cluster", "max_memory_restart": r"\d{1,9}[KMG]?"}
ENDLESS = 1_000_000_000  # restarts
PAUSE = 1000  # milliseconds between an end and the next start
BEYOND = 60.0  # seconds: PM2 counts what is not ready in time as ready, so its time must be longer than ours
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def is_cluster(service: Service) -> bool:
    """Whether Node.js itself runs the program, as a worker of the daemon."""
    return service.unit.get("exec_mode") == "cluster"


def app(program: Program, name: str, script: str, log: str, pids: str) -> dict[str, t.Any]:
    """One replica."""
    service, labels = program.service, program.labels
    how: dict[str, t.Any] = {
        "exec_mode": "fork_mode",
        "exec_interpreter": "none",
        "pm_exec_path": CLEAN[0],
        # The descriptor over which a program says that it is ready: Node.js, child_process, "Options.stdio".
        "args": [*CLEAN[1:], "NODE_CHANNEL_FD=3", "/bin/sh", script],
    }
    if is_cluster(service):
        how = {"exec_mode": "cluster_mode", "exec_interpreter": "node", "pm_exec_path": script, "args": []}
    if "max_memory_restart" in service.unit:
        size = str(service.unit["max_memory_restart"])
        how["max_memory_restart"] = int(size.rstrip("KMG")) * _UNITS[size.lstrip("0123456789")]
    return {
        **how,
        "name": name,
        "namespace": "slipway",
        "pm_cwd": "/",
        "env": {},
        "node_args": [],
        "pm_out_log_path": log,
        "pm_err_log_path": log,
        "pm_pid_path": os.path.join(pids, f"{name}.pid"),
        "merge_logs": True,
        "autostart": True,
        "autorestart": True,
        "restart_delay": PAUSE,
        "max_restarts": ENDLESS,
        "kill_timeout": int(labels.grace * 1000),
        "kill_retry_time": 50,
        "treekill": True,
        "wait_ready": service.notify,
        "listen_timeout": int((labels.start_limit + BEYOND) * 1000),
        "vizion": False,
        "pmx": False,
        "watch": False,
        "windowsHide": True,
    }


def cluster_text(program: Program, environment: t.Mapping[str, str]) -> str:
    """What starts a replica in cluster mode: the environment, the user, and then the program, all in one process."""
    service = program.service
    uid, gid = user_ids(service.user, f"services.{service.name}.user")
    given = variables(service.user, environment)
    words = [re.sub(r"\$\{(\w+)\}", lambda found: given[found.group(1)], word) for word in service.command[1:]]
    words[0] = os.path.normpath(os.path.join(program.labels.tree, words[0]))
    return f"""// Written by Slipway; the next release writes it anew.
const environment = {json.dumps({"PATH": CLEAN[2].partition("=")[2], **given}, sort_keys=True)};
for (const name of Object.keys(process.env)) delete process.env[name];
Object.assign(process.env, environment);
process.argv = [process.argv[0], ...{json.dumps(words)}];
process.umask(0o027);
process.initgroups({json.dumps(given["USER"])}, {gid});
process.setgid({gid});
process.setuid({uid});
process.chdir({json.dumps(program.labels.tree)});
try {{
  require('module')._load(process.argv[1], null, true);
}} catch (error) {{
  if (error.code !== 'ERR_REQUIRE_ESM') throw error;
  import(require('url').pathToFileURL(process.argv[1]));
}}
"""


def unit_text(home: str, pm2: str, node: str, boot: str, what: str) -> str:
    """The unit of the daemon: after a reboot it brings back what the file C(boot) names, and nothing else.

    PM2 itself would bring back whatever ran when the machine went down: at SIGTERM its daemon writes that to C(dump.pm2).
    """
    path = f"{os.path.dirname(node)}:{CLEAN[2].partition('=')[2]}"
    return f"""# Written by Slipway; the next release writes it anew.
[Unit]
Description=Slipway {what}: PM2
After=network.target

[Service]
Type=forking
PIDFile={home}/pm2.pid
Environment=PATH={path} HOME={home} PM2_HOME={home} PM2_KILL_SIGNAL=SIGTERM PM2_DISABLE_VERSION_CHECK=true PM2_NO_INTERACTION=true
ExecStart={node} {pm2} ping
ExecStartPost=/usr/bin/env PM2_DUMP_FILE_PATH={boot} PM2_DUMP_BACKUP_FILE_PATH={boot} {node} {pm2} resurrect
Restart=on-failure
KillMode=mixed
LimitNOFILE=infinity

[Install]
WantedBy=multi-user.target
"""


def refuse_unknown(service: Service) -> None:
    """Refuse what cannot be set, and a program that cannot be a worker of Node.js.

    :raises SlipwayError: C(invalid), naming the key.
    """
    refuse_without_user(service, "PM2")
    refuse_socket(service, "PM2")
    where = f"services.{service.name}"
    for key, value in service.unit.items():
        if key not in DIRECTIVES or not re.fullmatch(DIRECTIVES[key], str(value)):
            raise SlipwayError(
                "this directive cannot be set" if key not in DIRECTIVES else "PM2 does not read this value",
                obj=f"{where}.unit.{key}",
                actual=value,
                wanted=DIRECTIVES.get(key) or f"one of {', '.join(DIRECTIVES)}",
                remedy="Correct or remove it; all else of a program of PM2 is Slipway's, or an option of the service.",
                cause="invalid",
            )
    command = service.command
    if is_cluster(service) and (
        os.path.basename(command[0]) != "node" or len(command) < 2 or command[1].startswith("-")
    ):
        raise SlipwayError(
            "only a program of Node.js runs in cluster mode",
            obj=f"{where}.command",
            actual=command[:2],
            wanted="node, the file of the program, and its arguments",
            remedy="Correct the command, or remove exec_mode.",
            cause="invalid",
        )
