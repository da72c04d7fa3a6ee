# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a process had."""

from __future__ import annotations

from pathlib import Path


def peak() -> float:
    """MiB that were resident at most, of this process alone (VmHWM, proc(5)); ru_maxrss has its parent's from before exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
