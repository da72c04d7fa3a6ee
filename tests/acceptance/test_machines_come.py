# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines, replicas and services that come and go by a plain `deploy`, under load."""

from __future__ import annotations

import io
import shutil
import tarfile
import typing as t
from pathlib import Path

import pytest

from tests.lab import Lab
from tests.lab.load import LoadRun, Profile, RequestSpec

from . import books, check, machines, process_shop
from .conftest import APPS, MakeFleet
from .fleet import Fleet
from .interruption import LIGHT, Customers
from .process_shop import ProcessShop
from .settings import services
from .test_drain import served

API = Profile(requests=(RequestSpec("api", path="/api/slow?ms=20"),), connections=4)

pytestmark = pytest.mark.sample(2)


def ready(fleet: Fleet) -> str:
    """What `status` says that one can go back to."""
    return next(line for line in fleet.play("status.yml").said.splitlines() if "ready to go back to" in line)


STRATEGIES: dict[str, dict[str, t.Any]] = {
    "blue_green": {},
    "rolling": {"slipway_strategy": "rolling"},
    "recreate": {"slipway_strategy": "recreate"},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_machine_that_comes_can_go_back_to_what_was_before_it(
    make_fleet: MakeFleet, record_property: t.Any, strategy: str
) -> None:
    """Whatever the strategy: one that interrupts loses requests, as it says, and no other one does."""
    fleet = make_fleet(apps=["app1"], variables=STRATEGIES[strategy])
    check.succeeded(fleet.deploy("1.0.0"))
    check.succeeded(fleet.deploy("1.1.0"))
    fleet.apps = ["app1", "app2"]
    fleet.write_inventory()
    with LoadRun(fleet.url, rate=50) as load:
        run = fleet.deploy("1.1.0")
        check.succeeded(run)
        assert "app2 is new: before it has traffic it gets 1.0.0, 1.1.0 to go back to" in run.said
        check.all_on(fleet, "1.1.0")
        assert served(fleet) == {"app1", "app2"}
        assert "1.0.0" in ready(fleet) and "without" not in ready(fleet)
        check.succeeded(fleet.rollback())
        result = load.stop()
    check.all_on(fleet, "1.0.0")
    assert served(fleet) == {"app1", "app2"}
    record_property("requests", result.requests)
    assert result.failed == 0 or strategy == "recreate", (result.causes, result.failures[:5])
    assert fleet.deploy("1.1.0").changed > 0


def test_what_a_machine_that_comes_cannot_get_holds_nothing_up(make_fleet: MakeFleet) -> None:
    """The registry has another image by the old name: it is not taken for the old one, and a rollback leaves the machine out."""
    fleet = make_fleet(apps=["app1"])
    check.succeeded(fleet.deploy("1.0.0"))
    check.succeeded(fleet.deploy("1.1.0"))
    old = str(fleet.facts["shop_registry"]) + "/backend:1.0.0"
    other = str(fleet.facts["shop_registry"]) + "/backend:1.1.0"
    machines.shell(fleet.lab, "app2", f"docker pull -q {other} && docker tag {other} {old}")
    fleet.apps = ["app1", "app2"]
    fleet.write_inventory()
    with Customers(fleet) as customers:
        run = fleet.deploy("1.1.0")
        check.succeeded(run)
        assert "cannot be gone back to on this machine [image_changed]" in run.said
        assert "without app2" in ready(fleet)
        back = fleet.rollback()
        check.succeeded(back)
        assert "app2 does not have 1.0.0 to go back to: it gets no traffic" in back.said
        assert served(fleet) == {"app1"}
        check.succeeded(fleet.deploy("1.1.0"))
        assert customers.all_served() > 0
    assert served(fleet) == {"app1", "app2"}
    machines.shell(fleet.lab, "app2", f"docker rmi {old}")
    check.all_on(fleet, "1.1.0")


@pytest.fixture
def clean(lab: Lab, machines: tuple[str, ...]) -> t.Iterator[Lab]:
    """Machines on which nothing was ever released, and which have no code of the shop."""
    fresh(lab, machines)
    yield lab
    process_shop.clear(lab, APPS)


def fresh(lab: Lab, names: t.Sequence[str]) -> None:
    machines.reset(lab, names)
    process_shop.prepare(lab, APPS, ())


def write_code(directory: Path, version: str) -> None:
    """Have that version where the controller had another one."""
    shutil.rmtree(directory, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(process_shop.archive(version))) as code:
        code.extractall(directory)


def stages(shop: Fleet) -> list[str]:
    return [stage["stage"] for stage in shop.report()["stages"]]


@pytest.mark.sample(6, among="journeys")
def test_a_machine_that_comes_gets_code_that_the_controller_has_no_more(
    clean: Lab, facts: dict[str, t.Any], tmp_path: Path, record_property: t.Any
) -> None:
    """Out of one directory of the controller, whose content is the next version by now; and its shared assets with it."""
    code, site = tmp_path / "code", tmp_path / "site"
    source = {"kind": "directory", "path": str(code)}
    of_the_shop = process_shop.services(backend={"source": source})
    shop = ProcessShop(clean, site, apps=["app1"], facts=facts, variables={"slipway_services": of_the_shop})
    for version in ("1.0.0", "1.1.0"):
        write_code(code, version)
        check.succeeded(shop.deploy(version))
    shop.apps = ["app1", "app2"]
    shop.write_inventory()
    write_code(code, "1.2.3")
    before, handed = shop.snapshot(), "app2 gets the code of backend 1.0.0, backend 1.1.0 from app1"
    preview = shop.deploy("1.2.3", "--check")
    check.succeeded(preview)
    assert handed in preview.said
    check.untouched(before, shop.snapshot())
    with LoadRun(shop.url, rate=50, profile=LIGHT) as load:
        run = shop.deploy("1.2.3")
        check.succeeded(run)
        assert handed in run.said and "cannot be" not in run.said
        assert stages(shop)[:3] == ["lock", "build", "prepare"]
        assert "without" not in ready(shop)
        check.succeeded(shop.rollback("-e", "slipway_rollback_to=1.0.0"))
        check.all_on(shop, "1.0.0")
        assert served(shop) == {"app1", "app2"}
        assets = books.asset_statuses(shop, books.assets(shop))
        check.succeeded(shop.rollback("-e", "slipway_rollback_to=1.1.0"))
        result = load.stop()
    check.all_on(shop, "1.1.0")
    assert served(shop) == {"app1", "app2"}
    assert assets and all(found == {200} for found in assets.values()), assets
    record_property("requests", result.requests)
    assert result.failed == 0, (result.causes, result.failures[:5])
    check.succeeded(shop.deploy("1.2.4"))
    assert "build" not in stages(shop)


def test_a_balancer_that_comes_has_the_live_routes_before_it_is_used(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(apps=["app1", "app2"])
    check.succeeded(fleet.deploy("1.0.0"))
    check.succeeded(fleet.deploy("1.1.0"))
    fleet.proxies = ["lb1", "lb2"]
    fleet.write_inventory()
    second = fleet.url.replace(fleet.lab.address("lb1"), fleet.lab.address("lb2"))
    with LoadRun(fleet.url, rate=25, profile=LIGHT) as load:
        check.succeeded(fleet.deploy("1.1.0"))
        check.all_on(fleet, "1.1.0")
        with LoadRun(second, rate=25, profile=LIGHT) as other:
            check.succeeded(fleet.rollback())
            results = load.stop(), other.stop()
    check.all_on(fleet, "1.0.0")
    assert [result.failed for result in results] == [0, 0], [result.causes for result in results]


def test_replicas_are_scaled_up_and_down_and_cost_no_request(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    check.succeeded(fleet.deploy("1.0.0"))
    with LoadRun(fleet.url, rate=50, profile=LIGHT) as load:
        for count in (4, 1):
            fleet.write_variables(slipway_services=services(backend={"replicas": count}))
            check.succeeded(fleet.deploy("1.0.0"))
            running = [one for one in fleet.containers("app2") if one.running and one.service == "backend"]
            assert len(running) == count
            check.all_on(fleet, "1.0.0")
        result = load.stop()
    assert result.failed == 0, (result.causes, result.failures[:5])
    assert fleet.deploy("1.0.0").changed == 0


def test_a_service_gets_another_name_and_no_request_is_lost(make_fleet: MakeFleet) -> None:
    """The old name goes and the new one comes, there and back, and in a rollback."""
    fleet = make_fleet()
    renamed = services()
    renamed["api"] = renamed.pop("backend")
    check.succeeded(fleet.deploy("1.0.0"))
    with LoadRun(fleet.url, rate=50, profile=LIGHT) as load:
        fleet.write_variables(
            slipway_services=renamed,
            slipway_traffic={
                "listen": 80,
                "routes": [{"path": "/api", "service": "api"}, {"path": "/", "service": "frontend"}],
            },
        )
        check.succeeded(fleet.deploy("1.1.0"))
        check.all_on(fleet, "1.1.0")
        assert {one.service for one in fleet.containers("app1") if one.running} == {"api", "frontend", "worker"}
        del fleet.variables["slipway_traffic"]  # then the site's own routes count again
        fleet.write_variables(slipway_services=services())
        check.succeeded(fleet.rollback())
        check.all_on(fleet, "1.0.0")
        result = load.stop()
    assert {one.service for one in fleet.containers("app1") if one.running} == {"backend", "frontend", "worker"}
    assert result.failed == 0, (result.causes, result.failures[:5])
