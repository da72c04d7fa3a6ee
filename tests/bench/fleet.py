# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on 1 to 12 hosts: wall time, and CPU seconds of the controller and of the hosts apart."""

from __future__ import annotations

import statistics
import typing as t

from .measure import Row
from .releases import alternating, expect
from .site import BenchSite

SIZES = (1, 2, 4, 8, 12)
TIMES = 3
REMOTE_TASKS = 6
CORES = 2  # the machines of a lab and its controller share them


def measure(
    make: t.Callable[[int], BenchSite],
    sizes: t.Sequence[int] = SIZES,
    how: str = "",
    env: t.Mapping[str, str] | None = None,
) -> t.Iterator[Row]:
    """One row a size; ``make`` gives a site with that many hosts and a balancer of its own.

    :param how: that is said of the releases.
    :param env: of their environment.
    """
    for size in sizes:
        site = make(size)
        expect(site.deploy("1.0.0"))
        before = machines_cpu(site)
        runs = alternating(site, TIMES, **(env or {}))
        hosts = (machines_cpu(site) - before) / TIMES
        wall, controller = statistics.median(run.wall for run in runs), statistics.median(run.cpu for run in runs)
        possible = (controller + hosts) / CORES
        yield Row(
            f"release on {size} hosts and a balancer{how}",
            f"{wall:.2f} s wall",
            f"CPU {controller:.2f} s controller, {hosts:.2f} s machines; wall is {wall / possible:.2f} x what these allow "
            f"on {CORES} cores; {controller / (size + 1) / REMOTE_TASKS:.3f} s controller CPU per machine and task",
        )


def machines_cpu(site: BenchSite) -> float:
    """CPU seconds that all machines of the lab have used since they were made (cgroup v1, cpuacct.usage)."""
    total = 0
    for machine in site.lab.machines():
        total += int(site.lab.exec(machine, ["sh", "-c", USAGE]).stdout)
    return total / 1e9


USAGE = "cat /sys/fs/cgroup/cpuacct$(awk -F: '$2 ~ /cpuacct/ {print $3}' /proc/1/cgroup | sed 's#/init.scope##')/cpuacct.usage"
