# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several things at once (private to the collection)."""

from __future__ import annotations

import typing as t

WORKERS = 16


def parallel(work: t.Callable[[t.Any], t.Any], items: t.Iterable[t.Any]) -> list[t.Any]:
    """Do it for all items at once; results in their order. The first error is raised when all have ended."""
    todo = list(items)
    if len(todo) < 2:
        return [work(item) for item in todo]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(len(todo), WORKERS)) as pool:
        futures = [pool.submit(work, item) for item in todo]
    return [future.result() for future in futures]
