# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server: starts at once, and stops without breaking off anything it has begun."""

from __future__ import annotations

import asyncio
import logging
import typing as t

from aiohttp import web

from .api import Api
from .config import Settings
from .process import pause, start, until_signal
from .store import open_store
from .streams import Streams

log = logging.getLogger("shop")

# Longer than any proxy keeps an idle connection: it must not be us who close one just as a request comes.
KEEP_ALIVE = 300


async def serve(settings: Settings) -> None:
    """Serve until told to stop, then finish what is in flight."""
    told = until_signal()
    database = open_store(settings)
    connecting = asyncio.ensure_future(database.connect())
    api = Api(settings, database)
    app = api.application()
    Streams(api).add_to(app)
    # Own listener instead of a TCPSite: stopping one of those breaks off uploads (aiohttp 3.8).
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE)
    await runner.setup()
    server = t.cast(web.Server, runner.server)
    await pause(told, settings.start_delay)
    listener = await asyncio.get_running_loop().create_server(server, "0.0.0.0", settings.port, backlog=1024)
    log.info("backend %s listens on port %d", settings.version, settings.port)

    await told.wait()
    listener.close()
    api.stopping.set()
    left = await finish(server, api.busy, settings.grace)
    log.info("backend %s stopped, %s", settings.version, f"{left} connections cut" if left else "nothing cut")
    connecting.cancel()
    await runner.cleanup()
    await database.close()


async def finish(server: web.Server, busy: set[asyncio.BaseProtocol], grace: float) -> int:
    """Wait up to *grace* seconds for the connections to end; return how many did not.

    Traffic has been moved away before we are told to stop, so idle connections close almost at once
    (a request may still wait in a socket, unread); the others close after the answer they are working on.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    while server.connections and loop.time() < deadline:
        await asyncio.sleep(0.05)
        for connection in server.connections:
            if connection not in busy:
                connection.force_close()
    return len(server.connections)


if __name__ == "__main__":
    asyncio.run(serve(start("backend")))
