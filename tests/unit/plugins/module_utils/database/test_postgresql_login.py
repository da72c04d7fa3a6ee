# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a connection is the server's own, by the processes that answer."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.postgresql_login import expect_own
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

WHERE = {"host": "db1", "database": "shop"}


class Cursor:
    """Is answered by the next process that something lends it."""

    def __init__(self, lent):
        self.lent = lent

    def execute(self, question):
        assert question == "SELECT pg_backend_pid()"

    def fetchone(self):
        return (next(self.lent),)


def test_a_process_for_each_is_the_servers_own_or_a_sessions():
    expect_own(Cursor(itertools.repeat(7)), Cursor(itertools.repeat(8)), WHERE)


@pytest.mark.parametrize(
    "lent",
    [
        [7],  # the one that was given back last, and nobody else is there
        [7, 8],  # one after the other
        [7, 8, 9],
        [7, 7, 8, 8, 7, 7, 8, 8, 7, 7, 9, 8],  # others take some between
    ],
)
def test_one_that_is_lent_out_for_a_transaction_each_is_noticed(lent):
    pool = itertools.cycle(lent)
    with pytest.raises(SlipwayError) as caught:
        expect_own(Cursor(pool), Cursor(pool), WHERE)
    assert caught.value.cause == "pooled" and caught.value.obj == "shop on db1"
    assert "slipway_database.direct_url" in caught.value.remedy
