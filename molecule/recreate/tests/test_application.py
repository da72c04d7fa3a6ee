# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application machine after the interruption."""

from __future__ import annotations

import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://slipway_app"]


def test_the_new_side_alone_runs(host: Host) -> None:
    running = host.check_output(
        "docker ps --filter label=slipway.platform=shop --format '{{.Label \"slipway.version\"}}'"
    )
    assert running.split() == ["1.1.0"]
