# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every program of the shop does when it starts and when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys

from . import config


def start(service: str) -> config.Settings:
    """Do what every program of the shop does first."""
    try:
        settings = config.load(os.environ)
    except config.SettingsError as error:
        sys.exit(f"shop {service}: {error}")
    logging.basicConfig(level=settings.log_level, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    if settings.variant == "crash":
        raise RuntimeError("regression: the price table cannot be loaded")
    return settings


def until_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


async def pause(told: asyncio.Event, seconds: float) -> None:
    """Sleep, but not through a signal."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(told.wait(), seconds)
