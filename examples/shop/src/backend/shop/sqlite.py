# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same tables in a file, for a shop on one machine that has no server for them. It has no migrations."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .config import Settings
from .store import SQLITE, DoneTwiceError, UnavailableError

log = logging.getLogger("shop")

BUSY = 10.0  # seconds to wait for another program that writes
SCHEMA = """
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, about TEXT NOT NULL,
    price_cents INTEGER NOT NULL, sold INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products, quantity INTEGER NOT NULL CHECK (quantity > 0),
    idempotency_key TEXT UNIQUE, taken_by TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL UNIQUE REFERENCES orders, done INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (id) WHERE NOT done;
CREATE TABLE IF NOT EXISTS done (job_id INTEGER NOT NULL UNIQUE REFERENCES jobs, done_by TEXT NOT NULL, worker TEXT NOT NULL);
INSERT OR IGNORE INTO products (id, slug, name, about, price_cents) VALUES
    (1, 'lantern', 'Storm lantern', 'Burns eleven hours in any weather.', 4900),
    (2, 'compass', 'Brass compass', 'Points north. Has done since 1904.', 8900),
    (3, 'mug', 'Enamel mug', 'Survives the galley floor.', 1400),
    (4, 'rope', 'Mooring line, 12 m', 'Three strands, spliced by hand.', 3600),
    (5, 'bell', 'Ship''s bell', 'Heard across the harbour, in fog too.', 12900),
    (6, 'jacket', 'Oilskin jacket', 'Dry on the inside.', 18900),
    (7, 'flags', 'Signal flags', 'Say it without the radio.', 5400),
    (8, 'knife', 'Rigging knife', 'Folds, locks, opens a bottle.', 3200);
"""
STATS = """
SELECT (SELECT count(*) FROM orders) AS orders,
       (SELECT count(*) FROM jobs) AS jobs,
       (SELECT count(*) FROM done) AS jobs_done,
       (SELECT count(*) FROM jobs WHERE NOT done) AS jobs_open,
       (SELECT coalesce(sum(sold), 0) FROM products) AS units_sold,
       (SELECT coalesce(sum(quantity), 0) FROM done d JOIN jobs j ON j.id = d.job_id JOIN orders o ON o.id = j.order_id)
         AS units_done
"""

T = t.TypeVar("T")


class File:
    """One connection to the file, in a thread of its own: SQLite's calls wait, and the program must not."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.database_url.removeprefix(SQLITE)
        self._thread = ThreadPoolExecutor(1)
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: t.Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* does with the connection, all of it or nothing, or raise :class:`UnavailableError`."""

        def transaction() -> T:
            if self._connection is None:
                self._connection = self._open()
            with self._connection:
                return work(self._connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise UnavailableError(str(error)) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")  # who reads does not wait for who writes
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA}; COMMIT")
        return connection

    def close(self) -> None:
        """Close it when what is under way has ended."""
        if self._connection is not None:
            self._thread.submit(self._connection.close)
        self._thread.shutdown()


class SqliteStore:
    """What the API asks; see :class:`shop.store.Store`."""

    stats = STATS

    def __init__(self, settings: Settings) -> None:
        self.file = File(settings)

    async def connect(self) -> None:
        """See that the tables are there, again and again until it works."""
        reason = ""
        while True:
            try:
                await self.file.run(lambda _connection: None)
                return
            except UnavailableError as error:
                if str(error) != reason:
                    reason = str(error)
                    log.error("no database: %s", reason)
                await asyncio.sleep(0.5)

    async def fetch(self, query: str) -> list[sqlite3.Row]:
        """Return the rows of *query*."""
        return await self.file.run(lambda connection: connection.execute(query).fetchall())

    async def place_order(self, product: int, quantity: int, key: str | None, version: str) -> tuple[int, bool] | None:
        """Take an order and its job, or neither."""

        def place(connection: sqlite3.Connection) -> tuple[int, bool] | None:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT 1 FROM products WHERE id = ?", (product,)).fetchone() is None:
                return None
            known = connection.execute("SELECT id FROM orders WHERE idempotency_key = ?", (key,)).fetchone()
            if known is not None:
                return int(known["id"]), False
            values = (product, quantity, key, version)
            insert = "INSERT INTO orders (product_id, quantity, idempotency_key, taken_by) VALUES (?, ?, ?, ?)"
            order = t.cast(int, connection.execute(insert, values).lastrowid)
            connection.execute("INSERT INTO jobs (order_id) VALUES (?)", (order,))
            return order, True

        return await self.file.run(place)

    async def close(self) -> None:
        """Close the file."""
        self.file.close()


class SqliteJobs:
    """What the worker asks; see :class:`shop.store.Jobs`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.file = File(settings)

    @classmethod
    async def open(cls, settings: Settings) -> SqliteJobs:
        """Connect, or raise :class:`UnavailableError`."""
        jobs = cls(settings)
        await jobs.file.run(lambda _connection: None)
        return jobs

    async def do_one(self) -> bool:
        """Do the oldest free job. The parcel is packed first: one lock of this database is that of all who write."""
        job = await self.next()
        if job is None:
            return False
        await asyncio.sleep(self.settings.job_seconds)  # packing the parcel
        await self.note(job)
        return True

    async def next(self) -> sqlite3.Row | None:
        """Return the oldest free job."""
        query = """SELECT j.id, o.product_id, o.quantity FROM jobs j JOIN orders o ON o.id = j.order_id
                   WHERE NOT j.done ORDER BY j.id LIMIT 1"""
        found: sqlite3.Row | None = await self.file.run(lambda connection: connection.execute(query).fetchone())
        return found

    async def note(self, job: sqlite3.Row) -> None:
        """Write down that it is done, or raise :class:`DoneTwiceError`."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            values = (job["id"], self.settings.version, self.settings.name)
            connection.execute("INSERT INTO done (job_id, done_by, worker) VALUES (?, ?, ?)", values)
            connection.execute("UPDATE jobs SET done = 1 WHERE id = ?", (job["id"],))
            sold = (job["quantity"], job["product_id"])
            connection.execute("UPDATE products SET sold = sold + ? WHERE id = ?", sold)

        try:
            await self.file.run(write)
        except sqlite3.IntegrityError as error:
            raise DoneTwiceError(f"job {job['id']}: {error}") from error

    async def close(self) -> None:
        """Close the file."""
        self.file.close()
