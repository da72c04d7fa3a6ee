# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a table a sample has."""

from __future__ import annotations

import re

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_facts, postgresql_facts


class Server:
    """Answers for a table whose longest row at its ends has so many bytes; keeps what it was asked."""

    def __init__(self, longest):
        self.longest = longest
        self.asked = []

    def execute(self, question, _values=None):
        self.asked.append(question)

    def fetchone(self):
        return (str(self.longest if "max(" in self.asked[-1].lower() else 7),)

    @property
    def limits(self):
        """Of each question, how many rows it reads at each end."""
        return [[int(number) for number in re.findall(r"LIMIT (\d+)", question)] for question in self.asked]


def of_postgresql(server, key, rows=1000):
    return postgresql_facts._sample(server, "public.t", [(name, False) for name in key], rows)


def of_mysql(server, key, rows=1000):
    def value(link, question):
        link.execute(question)
        return link.fetchone()[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mysql_facts, "value", value)  # without a driver, which is not everywhere
        return mysql_facts._sample(server, "`t`", [["id", "int"], ["value", "longblob"]], key, rows)


@pytest.mark.parametrize("sample", [of_postgresql, of_mysql])
@pytest.mark.parametrize(
    ("longest", "most"),
    [(1, 500), (8192, 500), (65536, 64), (2 << 20, 4), (1 << 30, 4)],
    ids=str,
)
def test_a_sample_of_long_rows_has_few_of_them_for_they_took_longer_than_the_dump(sample, longest, most):
    server = Server(longest)
    assert sample(server, ["id"]) == "7"
    assert server.limits == [[4, 4], [most, most]]


@pytest.mark.parametrize("sample", [of_postgresql, of_mysql])
@pytest.mark.parametrize(("rows", "by_content"), [(50_000, False), (50_001, True)])
def test_a_table_without_a_key_is_sampled_by_content_where_it_is_large(sample, rows, by_content):
    server = Server(1 << 30)
    assert sample(server, [], rows) == "7"
    assert server.limits == [[]]
    assert (" % 64 = 0" in server.asked[0]) == by_content
