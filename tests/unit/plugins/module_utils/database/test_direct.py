# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a connection is the server's own, by the numbers that it tells."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.direct import expect_own
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

WHERE = {"host": "db1", "database": "shop"}


def test_a_number_for_each_is_the_servers_own_or_a_sessions():
    expect_own(lambda: 7, lambda: 8, WHERE)


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
        expect_own(lambda: next(pool), lambda: next(pool), WHERE)
    assert caught.value.cause == "pooled" and caught.value.obj == "shop on db1"
    assert "slipway_database.direct_url" in caught.value.remedy
