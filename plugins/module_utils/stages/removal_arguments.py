# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What platform_removal takes (private to the collection)."""

from __future__ import annotations

from .arguments import PLATFORM, PROVIDER, RUNS_AS, STAGE, Arguments

PLATFORM_REMOVAL = Arguments(
    options={
        **PLATFORM,
        "state": {"type": "str", "choices": ["unrouted", "removed"], "default": "removed"},
        "parts": {"type": "list", "elements": "str", "choices": ["app", "proxy", "db"], "default": []},
        "provider": PROVIDER,
        **RUNS_AS,
        "release": STAGE,
    },
    required_if=[],
)
