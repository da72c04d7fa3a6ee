# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a process had."""

from __future__ import annotations


def peak() -> float:
    """MiB that were resident at most, of this process alone (VmHWM, proc(5)); ru_maxrss has its parent's from before exec."""
    with open("/proc/self/status", encoding="ascii") as stream:  # pathlib takes longer than many a stage imports
        status = stream.read()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
