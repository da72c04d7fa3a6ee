# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules take that look at a service, or run something beside it (private to the collection)."""

from __future__ import annotations

from .arguments import PLATFORM, RUNS_AS, Arguments

SERVICE_LOGS = Arguments(
    options={
        **PLATFORM,
        "replicas": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "service": {"type": "str", "required": True},
                "number": {"type": "int", "required": True},
                "name": {"type": "str", "required": True},
                "image": {"type": "str"},
                "running": {"type": "bool"},
            },
        },
        "since": {"type": "float", "default": 0},
        "lines": {"type": "int", "default": 100},
        "grep": {"type": "str", "default": ""},
        **RUNS_AS,
        "cursor": {"type": "dict"},
        "follow": {"type": "bool", "default": False},
        "follow_for": {"type": "float", "default": 0},
        "wait": {"type": "float", "default": 0},
        "secrets": {"type": "str", "default": "", "no_log": True},
    },
    required_if=[],
)

SERVICE_RUN = Arguments(
    options={
        **PLATFORM,
        "service": {"type": "dict", "required": True},
        **RUNS_AS,
        "image": {"type": "str", "default": ""},
        "replica": {"type": "str", "default": ""},
        "version": {"type": "str", "default": ""},
        "command": {"type": "list", "elements": "str", "required": True},
        "output": {"type": "str"},
        "timeout": {"type": "float", "default": 3600},
        "secrets": {"type": "str", "default": "", "no_log": True},
    },
    required_if=[],
)
