# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of examples/shop, on a database: the program's own code, with asyncpg played by psycopg2.

As asyncpg does it, each statement is prepared once on a connection, under the schema of that moment, and used again later.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pathlib
import sys
import threading
import types
import typing as t

import psycopg2
import psycopg2.extras

BACKEND = pathlib.Path(__file__).parents[3] / "examples/shop/src/backend"


def shop_database() -> t.Any:
    """The module ``shop.database``; where asyncpg is missing, on one that has no more than its names."""
    if "asyncpg" not in sys.modules:
        stub = types.ModuleType("asyncpg")
        for name in ("PostgresError", "UniqueViolationError", "InterfaceError"):
            setattr(stub, name, type(name, (Exception,), {}))
        for name in ("Pool", "Record", "Connection"):
            setattr(stub, name, object)
        sys.modules["asyncpg"] = stub
    if str(BACKEND) not in sys.path:
        sys.path.insert(0, str(BACKEND))
    return importlib.import_module("shop.database")


class Connection:
    """What the shop uses of an asyncpg connection."""

    def __init__(self, url: str) -> None:
        self.raw = psycopg2.connect(url)
        self.raw.autocommit = True
        self._prepared: dict[str, str] = {}

    async def fetch(self, query: str, *args: t.Any) -> list[dict[str, t.Any]]:
        with self.raw.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            name = self._prepared.get(query)
            if name is None:
                name = f"s{len(self._prepared)}"
                cursor.execute(f"PREPARE {name} AS {query}")
                self._prepared[query] = name
            cursor.execute(f"EXECUTE {name}" + (f" ({', '.join(['%s'] * len(args))})" if args else ""), args)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    async def fetchrow(self, query: str, *args: t.Any) -> dict[str, t.Any] | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *args: t.Any) -> t.Any:
        row = await self.fetchrow(query, *args)
        return next(iter(row.values())) if row else None

    async def execute(self, query: str, *args: t.Any) -> None:
        if args:
            await self.fetch(query, *args)
            return
        with self.raw.cursor() as cursor:
            cursor.execute(query)

    @contextlib.asynccontextmanager
    async def transaction(self) -> t.AsyncIterator[None]:
        await self.execute("BEGIN")
        try:
            yield
        except BaseException:
            await self.execute("ROLLBACK")
            raise
        await self.execute("COMMIT")

    @contextlib.asynccontextmanager
    async def acquire(self) -> t.AsyncIterator[Connection]:
        """It is its own pool, of one."""
        yield self


class Version:
    """One version of the shop: takes orders, does jobs, keeps books; over one connection for all its life."""

    def __init__(self, version: str, url: str) -> None:
        self.version = version
        self._url = url
        self._shop = shop_database()
        config = importlib.import_module("shop.config")
        self.settings = config.load({"DATABASE_URL": url, "SHOP_VERSION": version, "JOB_SECONDS": "0"})
        self.connection = Connection(url)
        self._database = self._shop.Database(self.settings)
        self._database.pool = self.connection
        asyncio.run(self._shop.prepare(self.connection, self.settings))

    def renewed(self) -> Version:
        """The same version, on a new connection."""
        return Version(self.version, self._url)

    def orders(self, units: int, key: str | None = None) -> int:
        """Take an order; its id."""
        placed = asyncio.run(self._database.place_order(3, units, key, self.version))
        assert placed is not None
        return int(placed[0])

    def works(self) -> bool:
        """Do the oldest job; whether there was one."""
        return bool(asyncio.run(self._shop.do_one_job(self.connection, self.settings)))

    def books(self) -> dict[str, int]:
        """What ``/api/stats`` says."""
        (row,) = asyncio.run(self.connection.fetch(self._database.queries.stats))
        return row

    def close(self) -> None:
        self.connection.raw.close()


class Busy:
    """Versions that take orders and do jobs all the time, each in a thread and over a connection of its own."""

    def __init__(self, url: str, versions: t.Sequence[str]) -> None:
        self.units = 0
        self.taken = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._versions = [Version(one, url) for one in versions]
        self._threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in self._versions]

    def __enter__(self) -> Busy:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        for version in self._versions:
            version.close()

    def _run(self, version: Version) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                version.orders(number % 7 + 1)
                with self._lock:
                    self.units += number % 7 + 1
                    self.taken += 1
                version.works()
            except psycopg2.Error as error:
                self.failures.append(f"{version.version}: {error}")
                return
