# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the timers of backups are told (private to the collection)."""

from __future__ import annotations

from .arguments import PLATFORM, Arguments

BACKUP_SCHEDULE = Arguments(
    options={
        **PLATFORM,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "schedule": {"type": "str", "default": "*-*-* 03:00"},
        "drill": {"type": "str", "default": "monthly"},
        "part": {"type": "str", "choices": ["whole", "take", "prove"], "default": "whole"},
        "jitter": {"type": "float", "default": 900},
        "textfile_dir": {"type": "path"},
        "backup": {"type": "dict", "default": {}},
        "url": {"type": "str", "default": "", "no_log": True},
        "program": {"type": "path", "default": ""},
    },
    required_if=[("state", "present", ("backup",))],
)
