# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: its tables and every query, all in one place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import typing as t

import asyncpg

from .config import Settings
from .store import DoneTwiceError, UnavailableError

log = logging.getLogger("shop")

BOOTSTRAP_LOCK = 5_107_700_110  # any number, the same in every version
PATIENCE = 10  # seconds for a connection as for an answer: a machine that is busy is slow, not gone
UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

# Enough for an example to start on an empty database. Since 1.3.0 the tables come by migrations (see migrations/), which run
# once, before the new version starts.
SCHEMA = """
CREATE TABLE IF NOT EXISTS products (
    id integer PRIMARY KEY, slug text NOT NULL UNIQUE, name text NOT NULL, about text NOT NULL,
    price_cents integer NOT NULL, sold bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id integer NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0), idempotency_key text UNIQUE,
    taken_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL UNIQUE REFERENCES orders,
    done_at timestamptz);
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (id) WHERE done_at IS NULL;
CREATE TABLE IF NOT EXISTS done (
    job_id bigint NOT NULL UNIQUE REFERENCES jobs, done_by text NOT NULL, worker text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now());
INSERT INTO products (id, slug, name, about, price_cents) VALUES
    (1, 'lantern', 'Storm lantern', 'Burns eleven hours in any weather.', 4900),
    (2, 'compass', 'Brass compass', 'Points north. Has done since 1904.', 8900),
    (3, 'mug', 'Enamel mug', 'Survives the galley floor.', 1400),
    (4, 'rope', 'Mooring line, 12 m', 'Three strands, spliced by hand.', 3600),
    (5, 'bell', 'Ship''s bell', 'Heard across the harbour, in fog too.', 12900),
    (6, 'jacket', 'Oilskin jacket', 'Dry on the inside.', 18900),
    (7, 'flags', 'Signal flags', 'Say it without the radio.', 5400),
    (8, 'knife', 'Rigging knife', 'Folds, locks, opens a bottle.', 3200)
ON CONFLICT (id) DO NOTHING;
"""

STATS = """
SELECT (SELECT count(*) FROM orders) AS orders,
       (SELECT count(*) FROM jobs) AS jobs,
       (SELECT count(*) FROM done) AS jobs_done,
       (SELECT count(*) FROM jobs WHERE done_at IS NULL) AS jobs_open,
       (SELECT coalesce(sum(sold), 0)::bigint FROM products) AS units_sold,
       (SELECT coalesce(sum({units}), 0)::bigint FROM done d JOIN jobs j ON j.id = d.job_id
          JOIN orders o ON o.id = j.order_id) AS units_done
"""
JOB = """
SELECT j.id, o.product_id, {units} AS units FROM jobs j JOIN orders o ON o.id = j.order_id
 WHERE j.done_at IS NULL ORDER BY j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED
"""
ORDER = """
INSERT INTO orders (product_id, idempotency_key, taken_by, {columns}) VALUES ($1, $2, $3, {values})
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id
"""


class Queries(t.NamedTuple):
    """The queries in which the versions differ: a column was renamed, and each version must live beside its neighbours."""

    stats: str
    job: str
    order: str


def queries_of(settings: Settings) -> Queries:
    """How this version calls the number of units in an order.

    ``quantity`` before 1.3.0, ``units`` since 1.4.0. 1.3.0 writes both and believes either, so that it can stand beside
    all others, and a rollback from 1.4.0 to it, or from it to an older one, loses nothing.
    """
    if settings.at_least("1.4"):
        columns, units = ("units",), "o.units"
    elif settings.at_least("1.3"):
        columns, units = ("quantity", "units"), "coalesce(o.units, o.quantity)"
    else:
        columns, units = ("quantity",), "o.quantity"
    order = ORDER.format(columns=", ".join(columns), values=", ".join("$4" for _column in columns))
    return Queries(STATS.format(units=units), JOB.format(units=units), order)


@contextlib.contextmanager
def unavailable() -> t.Iterator[None]:
    """Turn whatever the driver raises into :class:`UnavailableError`."""
    try:
        yield
    except UNREACHABLE as error:
        raise UnavailableError(reason(error)) from error


class Database:
    """A pool of connections that is allowed to be absent: the program starts, and says so, without a database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queries = queries_of(settings)
        self.stats = self.queries.stats
        self.reason = "not connected yet"
        self.pool: asyncpg.Pool | None = None

    async def connect(self) -> None:
        """Connect and see that the tables are there, again and again until it works."""
        while self.pool is None:
            pool = None
            try:
                pool = await asyncpg.create_pool(
                    self.settings.database_url, min_size=1, max_size=5, timeout=PATIENCE, command_timeout=PATIENCE
                )
                async with pool.acquire() as connection:
                    await prepare(connection, self.settings)
                self.pool = pool
            except UNREACHABLE as error:
                if pool is not None:
                    pool.terminate()
                if reason(error) != self.reason:
                    self.reason = reason(error)
                    log.error("no database: %s", self.reason)
                await asyncio.sleep(0.5)

    async def fetch(self, query: str, *args: t.Any) -> list[asyncpg.Record]:
        """Return the rows of *query*."""
        with unavailable():
            return await self.connected().fetch(query, *args)

    async def place_order(self, product: int, quantity: int, key: str | None, version: str) -> tuple[int, bool] | None:
        """Take an order and its job, or neither; the same idempotency *key* again returns the first order.

        :returns: the order's id and whether it is new, or ``None`` for a product that does not exist.
        """
        with unavailable():
            async with self.connected().acquire() as connection, connection.transaction():
                if not await connection.fetchval("SELECT EXISTS (SELECT FROM products WHERE id = $1)", product):
                    return None
                order = await connection.fetchval(self.queries.order, product, key, version, quantity)
                if order is None:
                    return await connection.fetchval("SELECT id FROM orders WHERE idempotency_key = $1", key), False
                await connection.execute("INSERT INTO jobs (order_id) VALUES ($1)", order)
                return order, True

    def connected(self) -> asyncpg.Pool:
        """Return the pool, or raise :class:`UnavailableError`."""
        if self.pool is None:
            raise UnavailableError(self.reason)
        return self.pool

    async def close(self) -> None:
        """Give the connections back; at a stop nobody waits for a database that hangs."""
        if self.pool is not None:
            try:
                await asyncio.wait_for(self.pool.close(), 1)
            except UNREACHABLE:
                self.pool.terminate()


class DatabaseJobs:
    """What the worker asks, over one connection."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection) -> None:
        self.settings = settings
        self.connection = connection

    @classmethod
    async def open(cls, settings: Settings) -> DatabaseJobs:
        """Connect, or raise :class:`UnavailableError`."""
        with unavailable():
            connection = await asyncpg.connect(settings.database_url, timeout=PATIENCE, command_timeout=PATIENCE)
        jobs = cls(settings, connection)
        try:
            with unavailable():
                await prepare(connection, settings)
        except UnavailableError:
            await jobs.close()
            raise
        return jobs

    async def do_one(self) -> bool:
        """Do the oldest free job."""
        with unavailable():
            try:
                return await do_one_job(self.connection, self.settings)
            except asyncpg.UniqueViolationError as error:
                raise DoneTwiceError(str(error)) from error

    async def close(self) -> None:
        """Give the connection back."""
        with contextlib.suppress(*UNREACHABLE):
            await self.connection.close(timeout=1)


async def prepare(connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy, settings: Settings) -> None:
    """See that the tables are there: versions before 1.3.0 make them, later ones say what a migration has not brought."""
    if settings.at_least("1.3"):
        await connection.execute("SELECT units FROM orders LIMIT 0")
    else:
        await bootstrap(connection)


async def bootstrap(connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy) -> None:
    """Make the tables if they are missing; of several programs that start at once, one does it and the others wait."""
    # CREATE INDEX IF NOT EXISTS locks its table even when the index exists, so look before touching anything.
    if await connection.fetchval("SELECT to_regclass('done')") is not None:
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", BOOTSTRAP_LOCK)
        await connection.execute(SCHEMA)


async def do_one_job(connection: asyncpg.Connection, settings: Settings) -> bool:
    """Take the oldest free job and do it, in one transaction; whatever interrupts us, the job is free again.

    :returns: whether there was one.
    """
    async with connection.transaction():
        job = await connection.fetchrow(queries_of(settings).job)
        if job is None:
            return False
        await asyncio.sleep(settings.job_seconds)  # packing the parcel
        # `done` is unique per job: a job done twice is an error here, and `units_sold` would show it as well.
        await connection.execute(
            "INSERT INTO done (job_id, done_by, worker) VALUES ($1, $2, $3)",
            job["id"],
            settings.version,
            settings.name,
        )
        await connection.execute("UPDATE jobs SET done_at = now() WHERE id = $1", job["id"])
        await connection.execute("UPDATE products SET sold = sold + $1 WHERE id = $2", job["units"], job["product_id"])
        return True


def reason(error: BaseException) -> str:
    """Say in a few words why the database could not be used."""
    text = str(error).strip()
    return text if text else "timed out" if isinstance(error, TimeoutError) else type(error).__name__
