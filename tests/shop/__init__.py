# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""examples/shop on the machines of a lab: what the demo, the acceptance tests and the benchmarks share."""

from __future__ import annotations

from .images import build, push
from .site import Run, Site

__all__ = ["Run", "Site", "build", "push"]
