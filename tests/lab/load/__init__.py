# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator of the lab: open-loop HTTP, WebSocket and SSE traffic that hides no failure.

In a test::

    with LoadRun("http://172.17.0.4", rate=500) as load:
        ...                                  # release something
        result = load.stop()
    assert result.failed == 0, result.failures
    result.window(before, after).p99         # times by time.time()

By hand: C(python -m tests.lab.load --url http://127.0.0.1:8080 --rate 500 --duration 10 --out r.json).
It needs C(requirements/load.txt) and talks only to this machine and its lab.
"""

from __future__ import annotations

from .loadrun import LoadError, LoadRun
from .profile import SHOP, Profile, RequestSpec, StreamSpec
from .report import Figures, VersionFigures
from .result import Result

__all__ = [
    "SHOP",
    "Figures",
    "LoadError",
    "LoadRun",
    "Profile",
    "RequestSpec",
    "Result",
    "StreamSpec",
    "VersionFigures",
]
