# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop's rename of orders.quantity to orders.units, on a real PostgreSQL: each version lives beside its neighbours.

The versions are the program's own code, the migrations the example's own files, applied by the module.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import pathlib
import re
import subprocess
import sys
import typing as t

import psycopg2
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform

from tests.integration_local.backup.conftest import BIN, Server

from .shop_program import Busy, Version

FILES = pathlib.Path(__file__).parents[3] / "examples/shop/migrations"
EXPAND = ["V2__orders_units.sql", "V3__fill_units.sql"]
CONTRACT = ["V4__units_checked.sql", "V5__units_validated.sql", "V6__units_alone.sql"]
SQUAWK = pathlib.Path(sys.executable).parent / "squawk"

_numbers = itertools.count(1)


class Books:
    """What was ordered, as the test itself knows it, and the versions that stand beside each other."""

    def __init__(self, server: Server, name: str) -> None:
        self.url = server.url(name)
        self.units = self.taken = 0
        self.versions: dict[str, Version] = {}

    def run(self, **params: t.Any) -> dict[str, t.Any]:
        """What the module returns."""
        defaults = {name: option.get("default") for name, option in MIGRATION_RUNNER.options.items()}
        url = base64.b64encode(self.url.encode()).decode()
        given = {"url": url, "locations": [str(FILES)], "lint_squawk": str(SQUAWK)}
        result = perform({**defaults, **given, **params}, False)
        assert not result.get("failed"), result
        return result

    def start(self, version: str) -> Version:
        self.versions[version] = Version(version, self.url)
        return self.versions[version]

    def stop(self, *versions: str) -> None:
        for version in versions:
            self.versions.pop(version).close()

    def migrate(self, *scripts: str, **params: t.Any) -> None:
        """Apply them while every version takes orders and does jobs; an order is left for whoever comes after."""
        self.order(next(iter(self.versions.values())), 2)
        with Busy(self.url, list(self.versions)) as busy:
            applied = self.run(**params)["applied"]
        assert busy.failures == []
        self.units, self.taken = self.units + busy.units, self.taken + busy.taken
        assert [one["script"] for one in applied] == list(scripts)

    def order(self, version: Version, units: int) -> None:
        version.orders(units)
        self.units, self.taken = self.units + units, self.taken + 1

    def live_together(self) -> None:
        """Each takes an order, on its old connection and on a new one, and each does a job of each; all books agree."""
        self.finish()
        for taker, doer in itertools.product(self.versions.values(), repeat=2):
            with contextlib.closing(taker.renewed()) as new_taker, contextlib.closing(doer.renewed()) as new_doer:
                for one, other in ((taker, doer), (new_taker, new_doer)):
                    self.order(one, self.taken % 9 + 1)
                    assert other.works()
        self.finish()

    def finish(self) -> None:
        """Do what is left; every version says the same of it, and it is what was ordered."""
        while next(iter(self.versions.values())).works():
            pass
        for version in self.versions.values():
            found = version.books()
            assert (found["orders"], found["jobs_done"], found["jobs_open"]) == (self.taken, self.taken, 0)
            assert (found["units_sold"], found["units_done"]) == (self.units, self.units), version.version

    def rows(self, query: str) -> list[tuple[t.Any, ...]]:
        with contextlib.closing(psycopg2.connect(self.url)) as link, link.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def schema(self) -> str:
        said = subprocess.run(
            [str(BIN / "pg_dump"), "-s", "-T", "flyway_schema_history", "-d", self.url],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return re.sub(r"^\\(?:un)?restrict .*$", "", said, flags=re.MULTILINE)


@pytest.fixture(name="make_books")
def _make_books(postgresql: Server) -> t.Iterator[t.Callable[[], Books]]:
    made: list[Books] = []

    def make() -> Books:
        name = f"renamed{next(_numbers)}"
        postgresql.execute("postgres", f"CREATE DATABASE {name}")
        made.append(Books(postgresql, name))
        return made[-1]

    yield make
    for books in made:
        books.stop(*list(books.versions))


MakeBooks = t.Callable[[], Books]


def test_no_order_is_lost_or_wrong_while_the_column_is_renamed(make_books: MakeBooks) -> None:
    books = make_books()
    books.start("1.1.0")  # makes its tables by itself
    books.run(state="baselined", target="1")
    books.live_together()
    for script in EXPAND:
        books.migrate(script, state="target", target=script[1], phase="expand")
        books.live_together()
    differing = "SELECT count(*) FROM orders WHERE units IS DISTINCT FROM quantity"
    books.start("1.3.0")
    books.live_together()
    books.start("1.4.0")
    books.live_together()
    assert books.rows(differing) == [(0,)]
    books.stop("1.4.0")  # rolled back
    books.live_together()
    books.start("1.4.0")
    books.stop("1.1.0", "1.3.0")
    books.migrate(*CONTRACT, phase="contract")
    books.live_together()
    assert books.rows("SELECT count(*) FROM orders WHERE units IS NULL") == [(0,)]
    with contextlib.closing(Version("1.3.0", books.url)) as gone, pytest.raises(psycopg2.errors.UndefinedColumn):
        gone.orders(1)


def test_the_first_migration_makes_what_the_older_versions_make(make_books: MakeBooks) -> None:
    """So a database that one of them has made can have its history begun behind it."""
    by_program, by_migration = make_books(), make_books()
    by_program.start("1.2.0")
    by_migration.run(state="target", target="1")
    assert by_migration.schema() == by_program.schema()
    products = "SELECT * FROM products ORDER BY id"
    assert by_migration.rows(products) == by_program.rows(products)


def test_an_empty_database_is_for_the_migrations_to_fill(make_books: MakeBooks) -> None:
    books = make_books()
    with pytest.raises(psycopg2.errors.UndefinedTable):
        books.start("1.3.0")
    books.run(phase="expand")
    for version in ("1.1.0", "1.3.0", "1.4.0"):
        books.start(version)
    books.live_together()
