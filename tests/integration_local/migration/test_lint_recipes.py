# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lint names as the safe way on MariaDB, carried out on a real one; that of PostgreSQL is in test_schema_changes."""

from __future__ import annotations

import contextlib
import itertools
import re
import typing as t

import pymysql
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.check import lint
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Sources, Text

from tests.integration_local.mysql.conftest import Server

STATEMENT = re.compile(r"((?:SET|ALTER|CREATE|RENAME|DROP)\b[^;]*);")
OLD = [
    "INSERT INTO item (name, tag) VALUES ('b', 1)",
    "SELECT id, name, tag FROM item",
    "UPDATE item SET name = 'c' LIMIT 1",
]

_numbers = itertools.count(1)


class Shop:
    """A database with two tables."""

    def __init__(self, server: Server) -> None:
        self._server, self._name = server, f"recipes{next(_numbers)}"
        server.execute(None, f"CREATE DATABASE {self._name}")
        self.do(
            "CREATE TABLE tag (id int PRIMARY KEY)",
            "INSERT INTO tag VALUES (1)",
            "CREATE TABLE item (id int AUTO_INCREMENT PRIMARY KEY, name varchar(20) NOT NULL, tag int NOT NULL, KEY (tag))",
            "INSERT INTO item (name, tag) VALUES ('a', 1)",
        )

    def do(self, *statements: str) -> None:
        """On one connection."""
        with contextlib.closing(self._server.connect(self._name)) as link, link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@pytest.fixture(name="shop")
def _shop(mariadb: Server) -> Shop:
    return Shop(mariadb)


def recipe(sql: str, rule: str) -> list[str]:
    """The statements that a finding names."""
    found = lint(Sources([Text("V2__x.sql", [sql])], "mysql")).findings
    said: list[str] = STATEMENT.findall(next(one.recipe for one in found if one.rule == rule))
    return said


def findings(statements: t.Sequence[str]) -> list[str]:
    return [one.rule for one in lint(Sources([Text("V2__x.sql", [f"{';'.join(statements)};"])], "mysql")).findings]


def test_a_foreign_key_without_a_copy(shop: Shop) -> None:
    said = recipe("ALTER TABLE item ADD CONSTRAINT f FOREIGN KEY (tag) REFERENCES tag (id)", "copies-table")
    assert len(said) == 3
    assert findings(said) == []
    shop.do(*said, *OLD)
    with pytest.raises(pymysql.err.IntegrityError):
        shop.do("INSERT INTO item (name, tag) VALUES ('d', 9)")


def test_a_table_with_two_names(shop: Shop) -> None:
    said = recipe("RENAME TABLE item TO product", "rename-table")
    new = [one.replace("item", "product") for one in OLD]
    assert findings(said[:1]) == []
    shop.do(said[0], *OLD, *new)
    shop.do(*said[1:], *new)


def test_what_cannot_be_done_without_a_copy_is_refused(shop: Shop) -> None:
    (said,) = recipe("ALTER TABLE item MODIFY tag bigint NOT NULL", "copies-table")
    shop.do("ALTER TABLE item MODIFY tag bigint NOT NULL")
    with pytest.raises(pymysql.err.MySQLError, match="ALGORITHM=INPLACE"):
        shop.do(said.replace("…", "MODIFY tag varchar(9)"))
