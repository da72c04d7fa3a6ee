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

    alone = "pgBackRest is named, and this is no release"

    def __init__(self, who, name="physical", *, seconds=0.0, hindrance=""):
        self.who, self.name, self.seconds, self.actions = who, name, seconds, []
        self.apart, self.in_the_way = name != "incremental", hindrance

    def because(self, why):
        self.actions.append(f"{self.name}: {why}")

    def knows(self, wanted):
        return self.name == "physical" and wanted == LABEL

    def hindrance(self):
        return self.in_the_way

    def forecast(self):
        return due.Forecast(self.seconds, "by what b1 took")

    def present(self, _order, *, check=False):
        return Outcome(not check, [*self.actions, self.who], None, [])

    def verified(self, *_order, **_words):
        return Outcome(True, [self.who], None, [])

    def absent(self, *_order, **_words):
        return Outcome(True, [self.who], None, [])

    def restored(self, *_order, **_words):
        return Outcome(True, [self.who], None, [])


def either(method="auto", seconds=0.0, dumps=True):
    return Either(Fake("dump", seconds=seconds) if dumps else None, Fake("pgbackrest"), method)


def logged(method="auto", seconds=0.0, hindrance=""):
    return Either(Fake("dump", seconds=seconds), Fake("binlog", "incremental", hindrance=hindrance), method)


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


@pytest.mark.parametrize(
    "method, wanted, seconds, hindrance, who, why",
    [
        ("auto", RELEASE, 299.0, "", "dump", "logical: a dump and its restore will take about 299 s"),
        ("auto", RELEASE, 301.0, "", "binlog", "incremental: a dump and its restore will take about 301 s"),
        ("auto", RELEASE, 301.0, "no place in it", "dump", "logical: a dump and its restore will take about 301 s"),
        ("incremental", RELEASE, 1.0, "no place in it", "binlog", "incremental: method is incremental"),
        ("logical", RELEASE, 1e9, "", "dump", ""),
        ("auto", order(), 1e9, "", "dump", ""),
        ("incremental", order(), 1e9, "", "dump", ""),
    ],
)
def test_binary_logs_are_copied_for_releases_alone(method, wanted, seconds, hindrance, who, why):
    made = logged(method, seconds, hindrance).present(wanted)
    assert made.actions[-1] == who
    assert made.why.startswith(why)
    assert made.why.endswith(f"300 s; {hindrance}") or not hindrance or method != "auto"


def test_a_moment_is_reached_by_binary_logs_and_a_dump_without_them():
    asked = {"confirm": "", "safety": True}
    assert logged().restored("latest", "copy", **asked, moment="then").actions == ["binlog"]
    assert logged().restored("latest", "copy", **asked).actions == ["dump"]


@pytest.mark.parametrize("make, method", [(either, "incremental"), (logged, "physical")])
def test_a_method_that_is_not_there_is_told(make, method):
    with pytest.raises(SlipwayError, match=f"method {method}: is not there for this target"):
        make(method)
