# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop as its customers and its books see it."""

from __future__ import annotations

import json
import re
import time
import typing as t

from .fleet import Fleet

BOOKS_CLOSED = 60.0  # seconds in which the workers must have done what was ordered


def assets(fleet: Fleet) -> list[str]:
    """The paths of the hashed assets that the page names now."""
    _status, page = fleet.get("/")
    return sorted(set(re.findall(r"/assets/[\w.]+", page.decode())))


def asset_statuses(fleet: Fleet, paths: t.Iterable[str]) -> dict[str, set[int]]:
    """Asset to the statuses that it is answered with, asked often enough to meet every server."""
    return {path: {fleet.get(path)[0] for _ask in range(4)} for path in paths}


def stats(fleet: Fleet) -> dict[str, t.Any]:
    """Orders, jobs, and who did them, out of the shop's database."""
    status, body = fleet.get("/api/stats")
    assert status == 200, body
    found: dict[str, t.Any] = json.loads(body)
    return found


def closed_books(fleet: Fleet) -> dict[str, t.Any]:
    """The same as soon as no job is open any more.

    :raises AssertionError: the workers do not get there.
    """
    until = time.monotonic() + BOOKS_CLOSED
    while True:
        found = stats(fleet)
        if not found["jobs_open"]:
            return found
        assert time.monotonic() < until, f"jobs are left undone: {found}"
