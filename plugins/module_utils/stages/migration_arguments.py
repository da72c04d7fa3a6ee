# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module migration_runner takes (private to the collection)."""

from __future__ import annotations

from .arguments import PERHAPS_STAGE, Arguments

MIGRATION_RUNNER = Arguments(
    options={
        "state": {
            "type": "str",
            "choices": ["latest", "target", "status", "undone", "baselined", "repaired", "replayed"],
            "default": "latest",
        },
        "tool": {
            "type": "str",
            "choices": ["sql", "command", "alembic", "django", "flyway", "liquibase", "knex"],
            "default": "sql",
        },
        "project": {
            "type": "dict",
            "options": {
                "directory": {"type": "path"},
                "program": {"type": "list", "elements": "str"},
                "config": {"type": "str"},
                "environment": {"type": "dict", "default": {}},
                "url_variable": {"type": "str", "default": "DATABASE_URL"},
                "apply": {"type": "list", "elements": "str"},
                "pending": {"type": "list", "elements": "str"},
                "pending_rc": {"type": "list", "elements": "int", "default": [1]},
                "preview": {"type": "list", "elements": "str"},
            },
        },
        "run_in": {"type": "str", "choices": ["host", "container"], "default": "host"},
        "container": {
            "type": "dict",
            "options": {
                "image": {"type": "str", "required": True},
                "pull": {"type": "str", "choices": ["missing", "always", "never"], "default": "missing"},
                "env": {"type": "dict", "default": {}},
                "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
                "env_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
                "network": {"type": "str"},
                "mounts": {"type": "list", "elements": "path", "default": []},
                "keywords": {"type": "dict", "default": {}, "no_log": False},
            },
        },
        "secrets": {"type": "str", "default": "", "no_log": True},
        "engine": {"type": "str", "choices": ["postgresql", "mysql", "mariadb", "sqlite"], "default": "postgresql"},
        "url": {"type": "str", "no_log": True},
        "locations": {"type": "list", "elements": "path"},
        "path": {"type": "str"},
        "files": {
            "type": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "content": {"type": "str", "required": True, "no_log": True},
            },
        },
        "site": {"type": "dict"},
        "here": {"type": "bool", "default": True},
        "target": {"type": "str"},
        "phase": {"type": "str", "choices": ["expand", "contract", "backfill", "all"], "default": "all"},
        "lint": {"type": "str", "choices": ["refuse", "warn", "off"]},
        "lint_squawk": {"type": "str"},
        "out_of_order": {"type": "bool", "default": False},
        "compatible": {"type": "list", "elements": "str", "default": []},
        "contracted": {"type": "dict", "default": {}},
        "proven": {"type": "bool", "default": True},
        "waive": {"type": "str", "default": ""},
        "schema": {"type": "str"},
        "table": {"type": "str"},
        "encoding": {"type": "str", "default": "UTF-8"},
        "placeholders": {"type": "dict", "default": {}},
        "placeholder_prefix": {"type": "str"},
        "placeholder_suffix": {"type": "str"},
        "lock_wait": {"type": "float", "default": 60},
        "lock_timeout": {"type": "float", "default": 1},
        "retry": {"type": "float", "default": 60},
        "statement_timeout": {"type": "float", "default": 0},
        "timeout": {"type": "float", "default": 0},
        "replicas": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "replica_wait": {"type": "float", "default": 300},
        **PERHAPS_STAGE,
    },
    required_if=[
        ("state", "target", ("target",)),
        ("tool", "command", ("project",)),
        ("run_in", "container", ("container",)),
    ],
)
