# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON API."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import mimetypes
import time
import typing as t
from collections.abc import Awaitable, Callable

from aiohttp import web

from .config import Settings
from .store import Store, UnavailableError

log = logging.getLogger("shop")

HEALTH_TIMEOUT = 1.0
STATS_AGE = 0.9
UPLOAD_LIMIT = 256 * 1024 * 1024
SLOW_LIMIT_MS = 60_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The handlers, and what they share."""

    def __init__(self, settings: Settings, database: Store) -> None:
        self.settings = settings
        self.database = database
        self.stopping = asyncio.Event()
        self.busy: set[asyncio.BaseProtocol] = set()  # the connections on which an answer is being worked on
        self.snapshot: tuple[float, dict[str, t.Any]] = (float("-inf"), {})
        self.snapshot_lock = asyncio.Lock()

    def application(self) -> web.Application:
        """Return the program without its streams, which :mod:`shop.streams` adds."""
        app = web.Application(
            middlewares=[self.note_busy, self.answer_in_json, self.variant], client_max_size=64 * 1024
        )
        app.on_response_prepare.append(self.mark)
        app.router.add_get("/health", self.health)
        app.router.add_get("/version", self.version)
        app.router.add_get("/api/products", self.products)
        app.router.add_post("/api/orders", self.order)
        app.router.add_get("/api/slow", self.slow)
        app.router.add_post("/api/upload", self.upload)
        app.router.add_get("/api/stats", self.stats)
        if self.settings.site:
            app.router.add_get("/", self.page)
            app.router.add_get("/assets/{name}", self.page)
        return app

    # --- around every answer ---

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Put the version on every answer; while stopping, tell the client that this was the last on its connection."""
        response.headers["X-Version"] = self.settings.version
        if self.stopping.is_set() and response.status != 101:
            response.headers["Connection"] = "close"
            response.force_close()

    @web.middleware
    async def note_busy(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep the list of busy connections, each until the last byte of its answer is on its way."""
        self.busy.add(request.protocol)
        try:
            response = await handler(request)
            with contextlib.suppress(ConnectionError):  # the client is gone
                await response.prepare(request)
                await response.write_eof()
            return response
        finally:
            self.busy.discard(request.protocol)

    @web.middleware
    async def answer_in_json(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn every failure into a JSON answer that names it."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.json_response({"error": error.text or error.reason}, status=error.status)
        except UnavailableError as error:
            log.error("%s %s: database: %s", request.method, request.path, error)
            return web.json_response({"error": f"database: {error}"}, status=503)
        except ConnectionError:
            return web.json_response({"error": "the client is gone"}, status=400)  # nobody reads this

    @web.middleware
    async def variant(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Break on purpose: what a build argument asked for, so that a release has something to refuse."""
        if self.settings.variant == "unhealthy" and request.path == "/health":
            text = "setting PAYMENT_URL is missing (needed since 1.2.0)"
            return web.json_response({"status": "error", "version": self.settings.version, "error": text}, status=500)
        if self.settings.variant == "errors" and request.path != "/health":
            return web.json_response({"error": "regression: the price table is empty"}, status=500)
        return await handler(request)

    # --- for the operator ---

    async def health(self, request: web.Request) -> web.Response:
        """Answer 200 when the database answers, soon; else 503 and why not."""
        answer = {"status": "ok", "version": self.settings.version, "database": "ok"}
        try:
            await asyncio.wait_for(self.database.fetch("SELECT 1"), HEALTH_TIMEOUT)
        except (UnavailableError, TimeoutError) as error:
            answer.update(status="error", database="error", error=f"database: {str(error) or 'no answer in time'}")
            return web.json_response(answer, status=503)
        return web.json_response(answer)

    async def version(self, request: web.Request) -> web.Response:
        """Say which build this is."""
        return web.json_response({"service": "backend", "version": self.settings.version, "name": self.settings.name})

    async def stats(self, request: web.Request) -> web.Response:
        """Count orders and jobs. Nothing lost: orders = jobs = jobs_done. Nothing twice: units_sold = units_done."""
        counts = await self.counts(fresh=True)
        rows = await self.database.fetch("SELECT done_by, count(*) AS jobs FROM done GROUP BY done_by ORDER BY done_by")
        done_by = {row["done_by"]: row["jobs"] for row in rows}
        return web.json_response({**counts, "done_by": done_by, "version": self.settings.version})

    async def counts(self, fresh: bool = False) -> dict[str, t.Any]:
        """Return the counts of the moment; any number of streams share one query a second."""
        async with self.snapshot_lock:
            taken, counts = self.snapshot
            if fresh or time.monotonic() - taken > STATS_AGE:
                counts = dict((await self.database.fetch(self.database.stats))[0])
                self.snapshot = (time.monotonic(), counts)
            return counts

    # --- for the customer ---

    async def page(self, request: web.Request) -> web.Response:
        """Serve the page and what it is made of, where no front end does."""
        name = request.match_info.get("name", "")
        path = self.settings.site / "assets" / name if name else self.settings.site / "index.html"
        if not path.is_file() or name.startswith("."):
            raise web.HTTPNotFound()
        # A hashed name never changes its content; everything else is asked for again.
        cache = "public, max-age=31536000, immutable" if name else "no-cache"
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return web.Response(body=path.read_bytes(), content_type=kind, headers={"Cache-Control": cache})

    async def products(self, request: web.Request) -> web.Response:
        """List what there is to buy."""
        rows = await self.database.fetch("SELECT id, slug, name, about, price_cents, sold FROM products ORDER BY id")
        items = [dict(row) for row in rows]
        if not self.settings.at_least("1.1"):
            for item in items:
                del item["sold"]
        return web.json_response({"items": items, "version": self.settings.version})

    async def order(self, request: web.Request) -> web.Response:
        """Take an order: ``{"product": 3, "quantity": 1}``. With an ``Idempotency-Key`` it is safe to send again."""
        product, quantity = order_fields(await request.text())
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 1 <= len(key) <= 200:
            raise web.HTTPBadRequest(text="Idempotency-Key: wanted 1 to 200 characters")
        placed = await self.database.place_order(product, quantity, key, self.settings.version)
        if placed is None:
            raise web.HTTPNotFound(text=f"product: there is no product {product}")
        order, new = placed
        return web.json_response({"order": order, "version": self.settings.version}, status=201 if new else 200)

    async def slow(self, request: web.Request) -> web.Response:
        """Answer after ``ms`` milliseconds, as a report or an export would."""
        text = request.query.get("ms", "300")
        if not text.isdecimal() or int(text) > SLOW_LIMIT_MS:
            raise web.HTTPBadRequest(text=f"ms: wanted a whole number up to {SLOW_LIMIT_MS}")
        await asyncio.sleep(int(text) / 1000)
        return web.json_response({"slept_ms": int(text), "version": self.settings.version})

    async def upload(self, request: web.Request) -> web.Response:
        """Read the body as it comes, keep none of it, and say what it was."""
        digest, size = hashlib.sha256(), 0
        async for chunk in request.content.iter_chunked(65536):
            digest.update(chunk)
            size += len(chunk)
            if size > UPLOAD_LIMIT:
                raise web.HTTPRequestEntityTooLarge(max_size=UPLOAD_LIMIT, actual_size=size)
        return web.json_response({"sha256": digest.hexdigest(), "bytes": size, "version": self.settings.version})


def order_fields(text: str) -> tuple[int, int]:
    """Return product and quantity out of the body of an order, or raise the 400 that says what is wrong with it."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"body: not JSON: {error}") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="body: wanted an object")
    fields = {"product": body.get("product"), "quantity": body.get("quantity", 1)}
    for name, value in fields.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
            raise web.HTTPBadRequest(text=f"{name}: wanted a whole number of 1 or more")
    return t.cast("tuple[int, int]", (fields["product"], fields["quantity"]))
