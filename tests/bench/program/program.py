# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that the benchmarks release: ready READY_AFTER seconds after its start, then answers with its version."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time


def since_start() -> float:
    """Seconds since this process was started, the interpreter's own start included (proc(5), field 22)."""
    with open("/proc/self/stat", encoding="ascii") as stream:
        ticks = int(stream.read().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


STARTED = time.monotonic() - since_start()
VERSION = os.environ.get("VERSION", "none")
READY_AFTER = float(os.environ.get("READY_AFTER", "0.4"))
PORT = int(os.environ.get("PORT", "8080"))
MODE = os.environ.get("MODE", "ok")  # ok, crash, elsewhere (listens on another port), never (never healthy)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.1 with keep-alive, GET only; /slow takes 50 ms, /events is a stream without end."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        path = head.split(b" ", 2)[1]
        if path == b"/events":
            await stream(writer)
            break
        if path == b"/slow":
            await asyncio.sleep(0.05)
        ready = time.monotonic() - STARTED >= READY_AFTER and MODE != "never"
        status = b"200 OK" if ready or path != b"/health" else b"503 Service Unavailable"
        body = VERSION.encode()
        writer.write(b"HTTP/1.1 %s\r\nX-Version: %s\r\nContent-Length: %d\r\n\r\n%s" % (status, body, len(body), body))
        await writer.drain()
    writer.close()


async def stream(writer: asyncio.StreamWriter) -> None:
    """Events until SIGTERM, then a farewell."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    while not stopping.is_set():
        writer.write(b"data: tick\n\n")
        try:
            await asyncio.wait_for(stopping.wait(), 0.5)
        except asyncio.TimeoutError:
            continue
    writer.write(b"event: bye\ndata: bye\n\n")
    await writer.drain()


async def main() -> None:
    """Serve until SIGTERM."""
    global stopping
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    if MODE == "crash":
        sys.exit("ValueError: SHOP_REGION is not set")
    await asyncio.start_server(answer, "0.0.0.0", 9999 if MODE == "elsewhere" else PORT)
    await stopping.wait()
    await asyncio.sleep(0.02)


stopping: asyncio.Event
asyncio.run(main())
