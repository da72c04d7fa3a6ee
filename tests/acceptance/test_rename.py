# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop renames a column of its orders while customers order: expand, deploy, contract."""

from __future__ import annotations

import shutil
import typing as t

from tests.lab import Registry
from tests.lab.load import LoadRun
from tests.shop import Site, build, push
from tests.shop.images import SHOP

from . import books, check
from .conftest import MakeFleet
from .fleet import Fleet
from .settings import MIGRATED, RATE
from .test_traffic import CUSTOMERS, Record, nothing_lost

EXPAND = ["V1__shop.sql", "V2__orders_units.sql", "V3__fill_units.sql"]
CONTRACT = ["V4__units_checked.sql", "V5__units_validated.sql", "V6__units_alone.sql"]
DATABASE = "renamed"  # one of its own: no version of the other tests could use it afterwards
WAIVED = ("-e", '{"slipway_waive_backup": "the lab has nothing to lose"}')


def test_a_column_gets_another_name_and_no_order_is_lost_or_wrong(
    make_fleet: MakeFleet, registry: Registry, record_property: Record
) -> None:
    """From 1.1.0, which knows the old name alone, to 1.4.0, which knows the new one alone, and back once on the way."""
    build(MIGRATED)
    push(registry, MIGRATED)
    fleet = make_fleet()
    ask(fleet, "postgres", f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    url = fleet.lab.setup_database("lb1", DATABASE)
    fleet.write_variables(slipway_secrets={"DATABASE_URL": url})
    check.succeeded(fleet.deploy("1.1.0"))
    database = {"engine": "postgresql", "url": url}
    migrations = {"tool": "sql", "path": "migrations", "host": "lb1"}
    fleet.write_variables(slipway_database=database, slipway_migrations=migrations)
    baseline(fleet)
    before = books.stats(fleet)
    with LoadRun(fleet.url, rate=RATE // 2, profile=CUSTOMERS) as load:  # for a minute and a half
        ship(fleet.site, EXPAND)
        check.succeeded(fleet.deploy("1.3.0", *WAIVED))
        assert kept_equal(fleet)
        ship(fleet.site, CONTRACT)
        check.succeeded(fleet.deploy("1.4.0", *WAIVED))
        check.succeeded(fleet.rollback())
        check.all_on(fleet, "1.3.0")
        check.succeeded(fleet.deploy("1.4.0", *WAIVED))
        assert kept_equal(fleet)
        kept = fleet.play("slipway.deploy.contract", *WAIVED)
        check.refused(kept, "1.3.0", "is kept for a rollback")
        let_go = '{"slipway_let_go": ["1.1.0", "1.3.0"]}'
        check.succeeded(fleet.play("slipway.deploy.contract", *WAIVED, "-e", let_go))
        result = load.stop()
    check.all_on(fleet, "1.4.0")
    nothing_lost(result, record_property)
    assert set(result.by_version) >= {"1.1.0", *MIGRATED}
    after = books.closed_books(fleet)
    assert after["orders"] - before["orders"] == result.by_kind["order"].requests
    assert after["jobs"] == after["jobs_done"] == after["orders"]
    assert after["units_sold"] == after["units_done"] == int(sql(fleet, "SELECT sum(units) FROM orders"))
    assert sql(fleet, "SELECT count(*) FROM orders WHERE units IS NULL") == "0"
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders' AND column_name = 'quantity'"
    assert sql(fleet, columns) == "0"
    check.refused(fleet.rollback("-e", "slipway_rollback_to=1.3.0"), "1.3.0")
    check.all_on(fleet, "1.4.0")


def ship(site: Site, names: t.Sequence[str]) -> None:
    """What a checkout of the version would bring into the site."""
    directory = site.directory / "migrations"
    directory.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(SHOP / "migrations" / name, directory)


def baseline(fleet: Fleet) -> None:
    """The history begins behind what 1.1.0 has made by itself."""
    play = fleet.site.directory / "baseline.yml"
    play.write_text(
        "- hosts: lb1\n  gather_facts: false\n  tasks:\n    - slipway.deploy.migration_runner:\n"
        '        url: "{{ slipway_secrets.DATABASE_URL }}"\n'
        '        locations: [/var/empty]\n        state: baselined\n        target: "1"\n'
    )
    fleet.lab.exec("lb1", ["mkdir", "-p", "/var/empty"])
    check.succeeded(fleet.play("baseline.yml"))


def kept_equal(fleet: Fleet) -> bool:
    """Whether both names say the same of every order."""
    return sql(fleet, "SELECT count(*) FROM orders WHERE units IS DISTINCT FROM quantity") == "0"


def sql(fleet: Fleet, statement: str) -> str:
    """What a statement answers in the shop's database."""
    return ask(fleet, DATABASE, statement)


def ask(fleet: Fleet, database: str, statement: str) -> str:
    """What it answers in a database of lb1."""
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return fleet.lab.exec("lb1", [*become, "psql", "-XAtc", statement, database]).stdout.strip()
