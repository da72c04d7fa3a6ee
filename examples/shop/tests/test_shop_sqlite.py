# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop's books in a file: nothing lost, nothing twice, whoever else writes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from shop import config
from shop.sqlite import SqliteJobs, SqliteStore
from shop.store import DoneTwiceError, UnavailableError, open_jobs, open_store


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    url = f"sqlite://{tmp_path}/shop.db"
    return config.load({"DATABASE_URL": url, "SHOP_VERSION": "1.1.0", "JOB_SECONDS": "0"})


def test_an_order_is_taken_once_and_its_job_done_once(settings: config.Settings) -> None:
    async def shop() -> None:
        store, jobs = open_store(settings), await open_jobs(settings)
        await store.connect()
        assert await store.place_order(99, 1, None, "1.1.0") is None
        first = await store.place_order(3, 2, "key", "1.0.0")
        assert first is not None and first[1]
        assert await store.place_order(3, 2, "key", "1.1.0") == (first[0], False)
        other = await store.place_order(4, 1, None, "1.1.0")
        assert other is not None and other[1]
        done = [await jobs.do_one() for _time in range(3)]
        assert done == [True, True, False]
        (books,) = await store.fetch(store.stats)
        expected = {"orders": 2, "jobs": 2, "jobs_done": 2, "jobs_open": 0, "units_sold": 3, "units_done": 3}
        assert dict(books) == expected
        await jobs.close()
        await store.close()

    asyncio.run(shop())


def test_many_programs_write_at_once(settings: config.Settings) -> None:
    failures: list[BaseException] = []

    async def take(number: int) -> None:
        store = SqliteStore(settings)
        await store.connect()
        for turn in range(20):
            await store.place_order(1, 1, f"{number} {turn}", "1.1.0")
        await store.close()

    def run(number: int) -> None:
        try:
            asyncio.run(take(number))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []

    async def count() -> int:
        store = SqliteStore(settings)
        (row,) = await store.fetch(store.stats)
        await store.close()
        return int(row["jobs_open"])

    assert asyncio.run(count()) == 80


def test_a_job_that_another_worker_does_meanwhile_stops_this_one_loudly(settings: config.Settings) -> None:
    async def race() -> None:
        store = SqliteStore(settings)
        await store.place_order(1, 1, None, "1.1.0")
        one, other = await SqliteJobs.open(settings), await SqliteJobs.open(settings)
        job = await one.next()
        assert job is not None and await other.do_one()
        with pytest.raises(DoneTwiceError):
            await one.note(job)
        (books,) = await store.fetch(store.stats)
        assert (books["jobs_done"], books["units_sold"]) == (1, 1)
        for each in (store, one, other):
            await each.close()

    asyncio.run(race())


def test_a_file_that_cannot_be_used_is_no_database(tmp_path: Path) -> None:
    settings = config.load({"DATABASE_URL": f"sqlite://{tmp_path}/none/shop.db"})
    with pytest.raises(UnavailableError, match="unable to open"):
        asyncio.run(open_jobs(settings))  # type: ignore[arg-type, unused-ignore]
