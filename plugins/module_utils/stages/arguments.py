# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of the stages take (private to the collection).

Apart from what they do: a controller reads only this, once, and every task that it forks has it.
"""

from __future__ import annotations

import typing as t

from ..process.kinds import MANAGERS


class Arguments(t.NamedTuple):
    """What C(AnsibleModule) and its validator are given."""

    options: dict[str, t.Any]
    required_if: list[t.Any]


PLATFORM: t.Final[dict[str, t.Any]] = {
    "platform": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "root": {"type": "path", "default": "/var/lib/slipway"},
}
PROCESSES: t.Final[dict[str, t.Any]] = {
    "code_root": {"type": "path", "default": "/srv/slipway"},
    "manager": {"type": "str", "choices": list(MANAGERS), "default": "systemd"},
}
RUNS_AS: t.Final[dict[str, t.Any]] = {
    "model": {"type": "str", "choices": ["container", "process"], "default": "container"},
    **PROCESSES,
}
PROVIDER = {"type": "str", "choices": ["haproxy", "nginx", "caddy", "traefik"], "default": "haproxy"}
TLS: t.Final[dict[str, t.Any]] = {
    "type": "dict",
    "options": {
        "certificates": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "chain": {"type": "str", "required": True},
                "key": {"type": "str", "required": True, "no_log": False},  # a name
                "hosts": {"type": "list", "elements": "str", "default": []},
            },
        },
        "redirect_from": {"type": "int", "default": 80},
        "hsts": {"type": "int", "default": 0},
        "http2": {"type": "bool", "default": True},
        "minimum": {"type": "str", "choices": ["TLSv1.2", "TLSv1.3"], "default": "TLSv1.2"},
        "acme_port": {"type": "int", "default": 0},
    },
}
SECRETS = {"type": "str", "default": "", "no_log": True}

RELEASE: t.Final[dict[str, t.Any]] = {
    "id": {"type": "str", "required": True},
    "token": {"type": "int", "required": True, "no_log": False},
    "holder": {"type": "dict", "default": {}},
}
# What acts as a stage of a release is told of it; the platform need not be named by what can be done alone.
STAGE: t.Final[dict[str, t.Any]] = {
    "type": "dict",
    "options": {
        **RELEASE,
        "stage": {"type": "str", "required": True},
        "deadline": {"type": "float", "required": True},
    },
}
PERHAPS_STAGE: t.Final[dict[str, t.Any]] = {
    "platform": {"type": "str"},
    "environment": {"type": "str"},
    "root": PLATFORM["root"],
    "release": STAGE,
}

RELEASE_STATE = Arguments(
    options={
        **PLATFORM,
        "state": {
            "type": "str",
            "choices": [
                "read",
                "granted",
                "withdrawn",
                "released",
                "recorded",
                "unlocked",
                "journal_repaired",
                "marked_bad",
                "forgiven",
                "frozen",
                "thawed",
                "rebuilt",
            ],
            "default": "read",
        },
        "release": {"type": "dict", "options": RELEASE},
        "about": {"type": "dict", "default": {}},
        "duration": {"type": "float", "default": 60},
        "takeover": {"type": "list", "elements": "dict", "default": []},
        "break_glass": {"type": "bool", "default": False},
        "outcome": {
            "type": "str",
            "choices": [
                "succeeded",
                "reverted",
                "migrated",
                "closed",
                "opened",
                "drained",
                "undrained",
                "rebuilt",
                "adopted",
                "removed",
                "failed",
            ],
        },
        "memory": {"type": "dict", "default": {}},
        "diagnosis": {"type": "dict", "default": {}},
        "identity": {"type": "str"},
        "version": {"type": "str", "default": ""},
        "why": {"type": "str", "default": ""},
        "who": {"type": "str", "default": ""},
        "until": {"type": "float", "default": 0},
        "parts": {"type": "list", "elements": "str", "choices": ["app", "proxy", "db"], "default": []},
        "provider": PROVIDER,
        "tls": TLS,
        "hosts": {"type": "list", "elements": "str", "default": []},
        "listen": {"type": "int"},
        "bind": {"type": "str", "default": "*"},
        "secrets": SECRETS,
        "images": {"type": "list", "elements": "str", "default": []},
        "ports": {"type": "list", "elements": "int", "default": []},
        **RUNS_AS,
        "docker_root": {"type": "path", "default": "/var/lib/docker"},
        "programs": {"type": "list", "elements": "str", "default": []},
        "users": {"type": "list", "elements": "str", "default": []},
        "wait": {"type": "float", "default": 0},
    },
    required_if=[
        ("state", "recorded", ("outcome",)),
        ("state", "marked_bad", ("identity",)),
        ("state", "forgiven", ("identity",)),
    ],
)

SIDE_STATES = [
    *("observed", "fetched", "prepared", "decided", "settled", "paused", "reverted"),
    *("workers_paused", "workers_resumed", "rebuilt"),
]

CONTAINER_DEPLOY = Arguments(
    options={
        **PLATFORM,
        "state": {
            "type": "str",
            "choices": SIDE_STATES,
            "default": "prepared",
        },
        "side": {"type": "str", "choices": ["blue", "green"]},
        "live_side": {"type": "str"},
        "release": {
            "type": "dict",
            "options": {
                **RELEASE,
                "stage": {"type": "str"},
                "deadline": {"type": "float", "default": 900},
                "spec": {"type": "dict"},
                "diagnosis": {"type": "list", "elements": "raw", "default": []},
                "mark_bad": {"type": "bool", "default": False},
                "outcome": {"type": "str", "choices": ["reverted", "restored", "open"], "default": "reverted"},
            },
        },
        "version": {"type": "str", "default": ""},
        "identity": {"type": "str", "default": ""},
        "publish": {"type": "str", "default": "0.0.0.0"},
        "services": {"type": "dict", "default": {}},
        "secrets": {"type": "str", "default": "", "no_log": True},
        "keep": {"type": "int", "default": 3},
        "kept_release": {"type": "str", "default": ""},
        "retained": {"type": "list", "elements": "dict", "default": []},
        "images": {"type": "list", "elements": "str", "default": []},
    },
    required_if=[("state", state, ("side",)) for state in SIDE_STATES[1:]],
)

PROCESS_STATES = [*SIDE_STATES, "built"]

PROCESS_DEPLOY = Arguments(
    options={
        **{name: option for name, option in CONTAINER_DEPLOY.options.items() if name != "images"},
        **PROCESSES,
        "state": {**CONTAINER_DEPLOY.options["state"], "choices": PROCESS_STATES},
        "packages": {"type": "dict", "default": {}},
        "builds": {
            "type": "dict",
            "default": {},
            "options": {
                "services": {"type": "dict", "default": {}},
                "kept": {"type": "dict", "default": {}},
                "register": {"type": "str", "default": ""},
                "read": {"type": "str", "default": ""},
            },
        },
    },
    required_if=[("state", state, ("side",)) for state in PROCESS_STATES[1:]],
)

TRAFFIC_SWITCH = Arguments(
    options={
        **PLATFORM,
        "provider": PROVIDER,
        "state": {
            "type": "str",
            "choices": ["observed", "configured", "switched", "closed", "opened", "renewed"],
            "default": "switched",
        },
        "proxy": {"type": "bool", "default": True},
        "listen": {"type": "int", "default": 80},
        "bind": {"type": "str", "default": "*"},
        "routes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "path": {"type": "str", "default": "/"},
                "service": {"type": "str", "required": True},
                "host": {"type": "str"},
            },
        },
        "tls": TLS,
        "secrets": SECRETS,
        "services": {"type": "dict", "default": {}},
        "weights": {
            "type": "dict",
            "options": {"blue": {"type": "int", "default": 0}, "green": {"type": "int", "default": 0}},
        },
        "apart": {"type": "dict", "default": {}},
        "before": {"type": "dict", "default": {}},
        "anew": {"type": "bool", "default": False},
        "batch": {"type": "dict", "default": {}},
        "opens": {"type": "bool", "default": False},
        "spares": {"type": "bool", "default": False},
        "interrupted": {"type": "float"},
        "gate": {"type": "float", "default": 30.0},
        "watch": {
            "type": "dict",
            "options": {
                "bake": {"type": "float", "default": 10.0},
                "interval": {"type": "float", "default": 0.5},
                "max_error_ratio": {"type": "float", "default": 0.02},
                "min_requests": {"type": "int", "default": 50},
            },
        },
        "revert_on_watch": {"type": "bool", "default": True},
        "drain": {"type": "dict", "options": {"deadline": {"type": "float", "default": 10.0}}},
        "closed": {
            "type": "dict",
            "default": {},
            "options": {
                "retry_after": {"type": "int", "default": 60},
                "page": {"type": "str"},
                "paths": {"type": "list", "elements": "str"},
                "hold": {"type": "float", "default": 0.0},
            },
        },
        "release": STAGE,
        "config_dir": {"type": "path"},
        "main_config": {"type": "path"},
        "socket": {"type": "path"},
        "include_file": {"type": "path"},
        "pid_file": {"type": "path"},
        "log_dir": {"type": "path"},
        "check_command": {"type": "list", "elements": "str"},
        "reload_command": {"type": "list", "elements": "str"},
    },
    required_if=[],
)

DATABASE_BACKUP = Arguments(
    options={
        "state": {
            "type": "str",
            "choices": ["present", "absent", "verified", "restored", "recovered", "reached", "listed"],
            "default": "present",
        },
        "engine": {"type": "str", "choices": ["postgresql", "mysql", "mariadb", "sqlite"], "default": "postgresql"},
        "name": {"type": "str", "required": True},
        "url": {"type": "str", "no_log": True},
        "target": {"type": "dict"},
        "here": {"type": "bool", "default": True},
        "mark": {"type": "str"},
        "physical": {
            "type": "dict",
            "options": {
                "stanza": {"type": "str", "required": True},
                "config": {"type": "path"},
                "repo": {"type": "int"},
                "type": {"type": "str", "choices": ["full", "diff", "incr"]},
                "archive_timeout": {"type": "float", "default": 60},
            },
        },
        "snapshot": {
            "type": "dict",
            "options": {
                **{
                    name: {"type": "list", "elements": "str", "required": True}
                    for name in ("create", "clone", "unclone", "remove", "list")
                },
                "data": {"type": "str", "default": ""},
                "timeout": {"type": "float", "default": 300},
            },
        },
        "method": {
            "type": "str",
            "choices": ["auto", "logical", "physical", "snapshot", "incremental"],
            "default": "auto",
        },
        "store": {
            "type": "dict",
            "options": {
                "kind": {"type": "str", "choices": ["local", "s3", "gcs", "azure"], "default": "local"},
                "path": {"type": "path"},
                "bucket": {"type": "str"},
                "prefix": {"type": "str"},
                "endpoint": {"type": "str"},
                "region": {"type": "str"},
                "profile": {"type": "str"},
            },
            "required_if": [
                ("kind", "local", ("path",)),
                ("kind", "s3", ("bucket",)),
                ("kind", "gcs", ("bucket",)),
                ("kind", "azure", ("bucket",)),
            ],
        },
        "id": {"type": "str"},
        "into": {"type": "str"},
        "into_dir": {"type": "path"},
        "target_time": {"type": "str"},
        "target_name": {"type": "str"},
        "target_lsn": {"type": "str"},
        "confirm": {"type": "str"},
        "safety_backup": {"type": "bool", "default": True},
        "verify": {"type": "str", "choices": ["none", "read", "restore"], "default": "restore"},
        "max_age": {"type": "float", "default": 0},
        "format": {"type": "str", "choices": ["custom", "directory"], "default": "custom"},
        "jobs": {"type": "int"},
        "compression": {
            "type": "dict",
            "options": {
                "method": {"type": "str", "choices": ["zstd", "gzip", "none"], "default": "zstd"},
                "level": {"type": "int"},
                "threads": {"type": "int"},
            },
        },
        "encryption": {
            "type": "dict",
            "options": {
                "recipients": {"type": "list", "elements": "str", "default": []},
                "identity": {"type": "path"},
            },
        },
        "retention": {
            "type": "dict",
            "options": {
                "last": {"type": "int"},
                "days": {"type": "float"},
                "daily": {"type": "int"},
                "weekly": {"type": "int"},
                "monthly": {"type": "int"},
                "yearly": {"type": "int"},
            },
        },
        "pinned": {"type": "list", "elements": "str", "default": []},
        "run_in": {
            "type": "dict",
            "options": {"image": {"type": "str"}, "container": {"type": "str"}},
            "required_one_of": [("image", "container")],
            "mutually_exclusive": [("image", "container")],
        },
        "bin_dir": {"type": "path"},
        "scratch_dir": {"type": "path", "default": "/var/tmp"},  # noqa: S108  # each run has a directory of its own there
        "lock_wait": {"type": "float", "default": 0},
        "in_release_max": {"type": "float"},
        "scheduled_max_age": {"type": "float", "default": 86400},
        "waive": {"type": "str", "default": ""},
        "keep": {"type": "int", "default": 3},
        **PERHAPS_STAGE,
    },
    required_if=[
        ("state", "absent", ("id",)),
        ("state", "verified", ("id",)),
        ("state", "restored", ("id",)),
    ],
)
