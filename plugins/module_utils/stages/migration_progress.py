# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run of migration_runner has come, for whoever waits for it (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..backup.progress import EVERY, Progress, path_of
from ..migration.tool import Tool
from ..system import System

Params = t.Mapping[str, t.Any]


def file_of(params: Params) -> str:
    """The file in which it says so; the same for controller and machine."""
    return path_of(
        "-".join(["migrations", *(str(params[name]) for name in ("platform", "environment") if params.get(name))])
    )


@contextlib.contextmanager
def shown(tool: Tool, params: Params, system: System) -> t.Iterator[None]:
    """Let a tool tell what it is at, now and then."""
    with saying(params, system) as say:
        tool.say, tool.begun = say, lambda script: say(f"applies {script}")
        yield


@contextlib.contextmanager
def saying(params: Params, system: System) -> t.Iterator[t.Callable[[str], None]]:
    """What takes a text that is shown, unless one was shown just before."""
    progress = Progress(file_of(params), system)
    last = float("-inf")

    def say(text: str) -> None:
        nonlocal last
        now = system.monotonic()
        if now - last >= EVERY:
            last = now
            progress.say(text)

    try:
        yield say
    finally:
        progress.end()
