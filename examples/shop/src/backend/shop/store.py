# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where orders and jobs are kept: PostgreSQL, or, by an address ``sqlite:///PATH``, a file beside the program."""

from __future__ import annotations

import typing as t

from .config import Settings

SQLITE = "sqlite://"


class UnavailableError(Exception):
    """The database cannot be used just now; the message says why."""


class DoneTwiceError(Exception):
    """Somebody else has done the job in hand: the worker stops loudly."""


class Store(t.Protocol):
    """What the API asks of a database; it is allowed to be absent: the program starts, and says so, without one."""

    stats: str  # a query

    async def connect(self) -> None:
        """Connect and see that the tables are there, again and again until it works."""

    async def fetch(self, query: str) -> t.Sequence[t.Any]:
        """Return the rows of *query*, or raise :class:`UnavailableError`."""

    async def place_order(self, product: int, quantity: int, key: str | None, version: str) -> tuple[int, bool] | None:
        """Take an order and its job, or neither; the same idempotency *key* again returns the first order.

        :returns: the order's id and whether it is new, or ``None`` for a product that does not exist.
        """

    async def close(self) -> None:
        """Give the connections back; at a stop nobody waits for a database that hangs."""


class Jobs(t.Protocol):
    """What the worker asks of a database."""

    async def do_one(self) -> bool:
        """Do the oldest free job; whatever interrupts us, it is free again.

        :returns: whether there was one.
        """

    async def close(self) -> None:
        """Give the connection back."""


def open_store(settings: Settings) -> Store:
    """Return the store of the settings; only the driver of that one is imported."""
    if settings.database_url.startswith(SQLITE):
        from .sqlite import SqliteStore

        return SqliteStore(settings)
    from .database import Database

    return Database(settings)


async def open_jobs(settings: Settings) -> Jobs:
    """Connect for a worker, or raise :class:`UnavailableError`."""
    if settings.database_url.startswith(SQLITE):
        from .sqlite import SqliteJobs

        return await SqliteJobs.open(settings)
    from .database import DatabaseJobs

    return await DatabaseJobs.open(settings)
