# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: packs the parcel of every order, exactly once."""

from __future__ import annotations

import asyncio
import logging

from .config import Settings
from .process import pause, start, until_signal
from .store import UnavailableError, open_jobs

log = logging.getLogger("shop")

IDLE = 0.2
RETRY = 1.0


async def work(settings: Settings) -> None:
    """Do jobs until told to stop; the one in hand is finished first. A job done twice stops it loudly."""
    told = until_signal()
    log.info("worker %s starts", settings.version)
    done = 0
    while not told.is_set():
        try:
            jobs = await open_jobs(settings)
        except UnavailableError as error:
            log.error("no database: %s", error)
            await pause(told, RETRY)
            continue
        try:
            while not told.is_set():
                if await jobs.do_one():
                    done += 1
                else:
                    await pause(told, IDLE)
        except UnavailableError as error:
            log.error("database lost, the job in hand is free again: %s", error)
            await pause(told, RETRY)
        finally:
            await jobs.close()
    log.info("worker %s stopped after %d jobs", settings.version, done)


if __name__ == "__main__":
    asyncio.run(work(start("worker")))
