# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump or a physical backup: by the time that a dump takes, printed with its reason, or as it is set."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import due
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Outcome
from ansible_collections.slipway.deploy.plugins.module_utils.backup.method import Either
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import order

LABEL, DUMP = "20261124-031500F_20261125-031500I", "20261124T031500Z-0a1b2c"


class Fake:
    """Either kind; it answers with its name and with why it was asked."""

    def __init__(self, name, seconds=0.0):
        self.name, self.seconds, self.actions = name, seconds, []

    def because(self, why):
        self.actions.append(f"physical: {why}")

    def forecast(self):
        return due.Forecast(self.seconds, "by what b1 took")

    def present(self, _order, *, check=False):
        return Outcome(not check, [*self.actions, self.name], None, [])

    def verified(self, *_order, **_words):
        return Outcome(True, [self.name], None, [])

    def absent(self, *_order, **_words):
        return Outcome(True, [self.name], None, [])

    def restored(self, *_order, **_words):
        return Outcome(True, [self.name], None, [])


def either(method="auto", seconds=0.0, dumps=True):
    return Either(Fake("dump", seconds) if dumps else None, Fake("pgbackrest"), method)


RELEASE = order()._replace(patience=due.Patience(300.0, 86400.0))


@pytest.mark.parametrize(
    "method, dumps, wanted, seconds, who, why",
    [
        (
            "auto",
            True,
            RELEASE,
            299.0,
            "dump",
            "logical: a dump and its restore will take about 299 s (by what b1 took)",
        ),
        ("auto", True, RELEASE, 301.0, "pgbackrest", "physical: a dump and its restore will take about 301 s"),
        ("auto", True, order(), 1.0, "pgbackrest", "physical: pgBackRest is named, and this is no release"),
        ("auto", False, RELEASE, 0.0, "pgbackrest", "physical: no store for dumps is named"),
        ("physical", True, RELEASE, 1.0, "pgbackrest", "physical: method is physical"),
        ("physical", False, RELEASE, 1.0, "pgbackrest", "physical: "),
        ("logical", True, RELEASE, 1e9, "dump", ""),
        ("logical", True, order(), 1.0, "dump", ""),
    ],
)
def test_which_one_it_is_and_why(method, dumps, wanted, seconds, who, why):
    made = either(method, seconds, dumps).present(wanted)
    assert made.actions[-1] == who
    assert made.actions[0].startswith(why)
    assert made.why == (made.actions[0] if why else "")


@pytest.mark.parametrize("method", ["auto", "logical", "physical"])
def test_a_backup_is_asked_of_those_it_belongs_to(method):
    for wanted, who in (
        (LABEL, "pgbackrest"),
        (DUMP, "dump"),
        ("latest", "dump" if method == "logical" else "pgbackrest"),
    ):
        assert either(method).verified(wanted, "restore", 0).actions == [who]
        assert either(method).absent(wanted, []).actions == [who]


@pytest.mark.parametrize("wanted, dumps", [(LABEL, True), (LABEL, False), ("latest", False)])
def test_a_whole_cluster_is_not_put_in_the_place_of_a_database(wanted, dumps):
    with pytest.raises(SlipwayError) as caught:
        either(dumps=dumps).restored(wanted, "", confirm="shop", safety=True)
    assert caught.value.cause == "whole_cluster"


@pytest.mark.parametrize("wanted", [DUMP, "latest"])
def test_a_database_is_restored_from_a_dump(wanted):
    assert either().restored(wanted, "copy", confirm="", safety=True).actions == ["dump"]


def test_dumps_that_have_no_place_are_told():
    with pytest.raises(SlipwayError, match="needs a place for dumps"):
        either("logical", dumps=False).present(order())
