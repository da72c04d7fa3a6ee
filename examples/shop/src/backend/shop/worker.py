# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: packs the parcel of every order, exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import asyncpg

from .config import Settings
from .database import UNREACHABLE, do_one_job, prepare, reason
from .process import pause, start, until_signal

log = logging.getLogger("shop")

IDLE = 0.2
RETRY = 1.0


async def work(settings: Settings) -> None:
    """Do jobs until told to stop; the one in hand is finished first."""
    told = until_signal()
    log.info("worker %s starts", settings.version)
    done = 0
    while not told.is_set():
        try:
            connection = await asyncpg.connect(settings.database_url, timeout=2, command_timeout=10)
        except UNREACHABLE as error:
            log.error("no database: %s", reason(error))
            await pause(told, RETRY)
            continue
        try:
            await prepare(connection, settings)
            while not told.is_set():
                if await do_one_job(connection, settings):
                    done += 1
                else:
                    await pause(told, IDLE)
        except asyncpg.UniqueViolationError:
            raise  # a job done twice: stop loudly
        except UNREACHABLE as error:
            log.error("database lost, the job in hand is free again: %s", reason(error))
            await pause(told, RETRY)
        finally:
            with contextlib.suppress(*UNREACHABLE):
                await connection.close(timeout=1)
    log.info("worker %s stopped after %d jobs", settings.version, done)


if __name__ == "__main__":
    asyncio.run(work(start("worker")))
