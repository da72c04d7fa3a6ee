# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module migration_rehearsal takes (private to the collection)."""

from __future__ import annotations

from .arguments import PERHAPS_STAGE, Arguments

MIGRATION_REHEARSAL = Arguments(
    options={
        "here": {"type": "bool", "default": True},
        "backup": {"type": "dict", "required": True},
        "migrations": {"type": "dict", "required": True},
        "role": {"type": "str", "default": ""},
        "old": {
            "type": "dict",
            "options": {
                "services": {"type": "dict", "default": {}},
                "side": {"type": "str", "default": ""},
                "release": {"type": "str", "default": ""},
                "secrets": {"type": "str", "default": "", "no_log": True},
                "database_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
                "env": {"type": "dict", "default": {}},
            },
        },
        "max_lock": {"type": "float", "default": 1},
        "max_duration": {"type": "float", "default": 300},
        **PERHAPS_STAGE,
    },
    required_if=[],
)
