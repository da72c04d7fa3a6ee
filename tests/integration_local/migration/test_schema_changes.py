# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page "Changing a schema without downtime", done on a real PostgreSQL: each example of it, by the module.

What is marked as refused is refused, and the database is untouched. Before and after every step of the expand phase the version
that runs reads and writes, on a connection that has prepared its statements at the beginning and on a new one; the next version
does so after the expand phase and after the contract phase.
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

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform

from tests.integration_local.backup.conftest import BIN, Server

PAGE = pathlib.Path(__file__).parents[3] / "docs/schema_changes.md"
BLOCK = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^-- (refused|V\d+__\w+\.sql)\n", re.MULTILINE)
CONTRACT = "-- slipway: phase=contract\n"
BACKFILL = "-- slipway: phase=backfill "
SQUAWK = pathlib.Path(sys.executable).parent / "squawk"
ROWS = 7

_numbers = itertools.count(1)

ITEM = [
    "SELECT id, name, price, state FROM item ORDER BY id",
    "INSERT INTO item (name, price) VALUES (md5(random()::text), 5) RETURNING id",
    "INSERT INTO item (name, price, state) VALUES (md5(random()::text), 6, 'old')",
    "UPDATE item SET price = price + 1 WHERE id = (SELECT min(id) FROM item)",
    "DELETE FROM item WHERE id = (SELECT max(id) FROM item)",
]
SALE = [
    "SELECT id, item_id, buyer FROM sale ORDER BY id",
    "INSERT INTO sale (item_id, buyer) VALUES (1, 'Ada Lovelace'), (2, 'Plato')",
    "UPDATE sale SET buyer = 'Grace Brewster Hopper' WHERE id = (SELECT min(id) FROM sale)",
]
PLAIN = [
    "SELECT id, name, state FROM item ORDER BY id",
    "INSERT INTO item (name) VALUES (md5(random()::text)) RETURNING id",
    "DELETE FROM item WHERE id = (SELECT max(id) FROM item)",
]


class Change(t.NamedTuple):
    """One section of the page.

    :param new: what the next version does.
    :param wrong: finds rows that one of the versions would read wrongly.
    :param filled: done to the rows that are there, where the page says so in words.
    """

    section: str
    new: list[str]
    wrong: str = ""
    filled: str = ""


CHANGES = [
    Change(
        "Add a column",
        ["INSERT INTO item (name, price) VALUES ('coded', 1)", "UPDATE item SET code = DEFAULT WHERE code IS NULL"],
        "SELECT 1 FROM item WHERE code IS NULL",
    ),
    Change("Fill many rows", ITEM, "SELECT 1 FROM item WHERE state IS NULL AND id <= 3"),
    Change("NOT NULL", ITEM, "", "UPDATE item SET state = 'new' WHERE state IS NULL"),
    Change(
        "Rename a column",
        [
            "INSERT INTO item (name, cost) VALUES (md5(random()::text), 9)",
            "UPDATE item SET cost = cost + 2 WHERE id = 2",
        ],
        "SELECT 1 FROM item WHERE price IS DISTINCT FROM cost",
        "UPDATE item SET cost = price WHERE cost IS NULL",
    ),
    Change("Change a type", ITEM),
    Change(
        "Split or merge columns",
        [
            "INSERT INTO sale (item_id, first_name, last_name) VALUES (3, 'Alan', 'Turing')",
            "UPDATE sale SET last_name = 'King' WHERE first_name = 'Ada'",
        ],
        "SELECT 1 FROM sale WHERE buyer <> rtrim(first_name || ' ' || last_name) OR first_name LIKE '% %' OR first_name IS NULL",
        "UPDATE sale SET first_name = split_part(buyer, ' ', 1), last_name = substr(buyer, strpos(buyer || ' ', ' ') + 1)"
        " WHERE first_name IS NULL",
    ),
    Change("Drop a column", PLAIN),
    Change("Drop or rename a table", [one.replace(" item", " product") for one in ITEM]),
    Change("Indexes", ITEM),
    Change("Unique, foreign keys, checks", [*ITEM[:4], *SALE]),
]


def blocks(section: str) -> list[tuple[str, str]]:
    """What is to be done, in order: name of the file, and its text."""
    text = PAGE.read_text(encoding="utf-8")
    part = text if not section else text[text.index(f"\n## {section}\n") + 1 :]
    found = []
    for block in BLOCK.findall(part.partition("\n## ")[0]):
        names = [*FILE.finditer(block)]
        assert names and names[0].start() == 0
        for name, after in zip(names, [*names[1:], None]):
            found.append((name[1], block[name.end() : after.start() if after else None]))
    return found


class Shop:
    """A database with the page's tables, and two connections of the version that runs."""

    def __init__(self, server: Server, name: str, files: pathlib.Path) -> None:
        self.url, self.files = server.url(name), files
        self._connect = lambda: server.connect(name)
        files.mkdir()
        ((first, text),) = blocks("")
        (files / first).write_text(text)
        assert not self.run(phase="expand").get("failed")
        self.do(
            f"INSERT INTO item (name, price) SELECT 'n' || n, n FROM generate_series(1, {ROWS}) AS n",
            "INSERT INTO sale (item_id, buyer) SELECT id, 'Ada Lovelace' FROM item",
        )
        self._warm = self._connect()
        self._prepared: list[str] = []
        with self._warm.cursor() as cursor:
            for number, statement in enumerate([*ITEM, *SALE]):
                cursor.execute(f"PREPARE q{number} AS {statement}")
                cursor.execute(f"EXECUTE q{number}")

    def run(self, **params: t.Any) -> dict[str, t.Any]:
        """What the module returns."""
        defaults = {name: option.get("default") for name, option in MIGRATION_RUNNER.options.items()}
        url = base64.b64encode(self.url.encode()).decode()
        given = {"url": url, "locations": [str(self.files)], "lint_squawk": str(SQUAWK)}
        return perform({**defaults, **given, **params}, False)

    def do(self, *statements: str) -> list[t.Any]:
        """On a new connection; the last one's rows."""
        with contextlib.closing(self._connect()) as link, link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def old(self) -> None:
        """All that the version that runs does."""
        self.do(*ITEM, *SALE)
        with self._warm.cursor() as cursor:
            for number in range(len([*ITEM, *SALE])):
                cursor.execute(f"EXECUTE q{number}")

    def dump(self) -> str:
        """All that is in the database."""
        said = subprocess.run([str(BIN / "pg_dump"), "-d", self.url], check=True, capture_output=True, text=True).stdout
        return re.sub(r"^\\(?:un)?restrict .*$", "", said, flags=re.MULTILINE)

    def close(self) -> None:
        self._warm.close()


@pytest.fixture(name="shop")
def _shop(postgresql: Server, tmp_path: pathlib.Path) -> t.Iterator[Shop]:
    name = f"changed{next(_numbers)}"
    postgresql.execute("postgres", f"CREATE DATABASE {name}")
    shop = Shop(postgresql, name, tmp_path / "sql")
    yield shop
    shop.close()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.section)
def test_a_change_of_the_page(shop: Shop, change: Change) -> None:
    steps = blocks(change.section)
    assert any(name == "refused" for name, _text in steps)
    contract = [(name, text) for name, text in steps if text.startswith(CONTRACT)]
    for name, text in steps:
        if name == "refused":
            refused(shop, text)
        elif not text.startswith(CONTRACT):
            (shop.files / name).write_text(text)
            result = shop.run(phase="backfill" if text.startswith(BACKFILL) else "expand")
            assert not result.get("failed"), result
            assert [one["script"] for one in result["applied"]] == [name]
            assert result["lint"] == []
            assert result["lint_by"] == ["slipway", "squawk 2.70.0"]
        shop.old()
    shop.do(change.filled or "SELECT 1", *change.new)
    assert shop.do(change.wrong or "SELECT 1 WHERE false") == []
    shop.old()
    for name, text in contract:
        (shop.files / name).write_text(text)
    result = shop.run(phase="contract")
    assert not result.get("failed"), result
    assert [one["script"] for one in result["applied"]] == [name for name, _text in contract]
    assert not [one for one in result["lint"] if not one["overruled"]]
    shop.do(*change.new)


def refused(shop: Shop, text: str) -> None:
    """By the lint, in a run of the expand phase; nothing of it is done."""
    before, path = shop.dump(), shop.files / "V99__refused.sql"
    path.write_text(text)
    result = shop.run(phase="expand")
    path.unlink()
    assert result["error"]["cause"] in ("contract", "unsafe_lock")
    assert shop.dump() == before


def test_a_column_is_filled_in_batches_of_their_own(shop: Shop) -> None:
    """As it stands on the page, with fewer rows a batch: whoever writes waits for one of them at most."""
    name, text = next(one for one in blocks("Fill many rows") if one[0] != "refused")
    (shop.files / name).write_text(text.replace("batch=5000", "batch=3"))
    shop.do("UPDATE item SET state = NULL")
    assert not shop.run(phase="backfill").get("failed")
    assert shop.do("SELECT count(DISTINCT xmin::text) > 1 FROM item WHERE state = 'new'") == [(True,)]
    assert shop.do("SELECT 1 FROM item WHERE state IS NULL") == []


def test_every_section_with_an_example_is_done() -> None:
    sections = re.findall(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [one.section for one in CHANGES] == [section for section in sections if blocks(section)]
