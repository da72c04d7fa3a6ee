# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of the acceptance tests: four provisioned machines, a registry with the shop's versions, a database."""

from __future__ import annotations

import os
import random
import typing as t
from pathlib import Path

import pytest

from tests import sampling
from tests.lab import Lab, Registry
from tests.shop import build, push

from . import check
from .arena import Arena, Table
from .fleet import Fleet
from .machines import reset
from .settings import RATE, VERSIONS

APPS, PROXIES = ("app1", "app2"), ("lb1", "lb2")
MACHINES = (*APPS, *PROXIES)

MakeFleet = t.Callable[..., Fleet]


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", sampling.MARK)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    sampling.leave_files(config, items, "acceptance", 33)
    sampling.leave_a_sample(config, items)


def pytest_report_header() -> str:
    return f"acceptance: {sampling.SIZE}, SEED={sampling.SEED}, {RATE} requests a second"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Draws what a sample leaves open; the same for one test and one SEED."""
    return sampling.drawn(request.node.nodeid)


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    """The lab, with its machines up, not provisioned yet."""
    lab = Lab(os.environ.get("SLIPWAY_LAB") or "acceptance")
    lab.create(MACHINES)
    yield lab
    if not os.environ.get("SLIPWAY_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="session")
def registry(lab: Lab) -> Registry:
    """The lab's registry, without images."""
    return Registry(lab).start()


@pytest.fixture(scope="session")
def facts(lab: Lab, registry: Registry) -> dict[str, t.Any]:
    """What every inventory needs: where the shop's images are, and its database (on lb1, which has most room)."""
    build(VERSIONS)
    return {
        "shop_registry": push(registry, VERSIONS),
        "vault_database_url": lab.setup_database("lb1"),
        "vm_provision_insecure_registries": [lab.network.subnet],
    }


@pytest.fixture(scope="session")
def machines(lab: Lab, facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The machines, provisioned: each can run services, lb1, lb2 and app1 can balance."""
    fleet = Fleet(lab, tmp_path_factory.mktemp("provision"), apps=MACHINES, proxies=[*PROXIES, "app1"], facts=facts)
    check.succeeded(fleet.play("provision.yml"))
    return MACHINES


@pytest.fixture
def make_fleet(lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path: Path) -> MakeFleet:
    """Make a fleet of any shape on machines on which nothing was ever released; see RV(Fleet) for the arguments.

    Several of them share the machines: only the first one resets them. Where C(kind) is given, it is that kind of a fleet.
    """
    return fleet_maker(lab, machines, facts, tmp_path)


@pytest.fixture
def fleet(make_fleet: MakeFleet) -> Fleet:
    """app1, app2 and lb1; nothing was ever released on them."""
    return make_fleet()


@pytest.fixture(scope="module")
def live(
    lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory
) -> Fleet:
    """app1, app2 and lb1 with 1.0.0 released, for all tests of a module that leave everything as it was."""
    fleet = fleet_maker(lab, machines, facts, tmp_path_factory.mktemp("live"))()
    check.succeeded(fleet.deploy("1.0.0"))
    return fleet


def fleet_maker(lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], directory: Path) -> MakeFleet:
    """What ``make_fleet`` is, for fixtures that live longer than one test."""
    made: list[Fleet] = []

    def make(*, apps: t.Sequence[str] = APPS, proxies: t.Sequence[str] = ("lb1",), **options: t.Any) -> Fleet:
        if not made:
            reset(lab, machines)
        given, kind = {**facts, **options.pop("facts", {})}, options.pop("kind", Fleet)
        made.append(kind(lab, directory / f"site{len(made)}", apps=apps, proxies=proxies, facts=given, **options))
        return made[-1]

    return make


# --- interruptions: one fleet for many cases


@pytest.fixture(scope="module")
def arena(
    lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory
) -> Arena:
    """Machines with a live version, for cases that each end with another one."""
    return Arena(lab, machines, facts, tmp_path_factory.mktemp("arena"))


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> t.Iterator[Table]:
    """What came of each case of a module; a file in ``make soak``."""
    table = Table(request.module.__name__.rpartition("test_")[2])
    yield table
    table.write()
