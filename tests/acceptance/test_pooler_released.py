# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarantees 3 and 4 behind a real PgBouncer that lends out connections for a transaction each, which only the program is for."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab import Lab, Registry

from . import check
from .conftest import MACHINES
from .guestbook import Guestbook, psql, python_base
from .machines import reset, shell
from .test_migration_tools_released import NEXT

# By default it opens a socket in /tmp, too.
POOLER = """
[databases]
* = host=127.0.0.1
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
stats_users = guestbook_owner
pool_mode = transaction
"""
POOLED = {
    "engine": "postgresql",
    "url": "{{ vault_database_url }}",
    "backup": {"store": {"path": "/var/backups/guestbook"}},
}
DIRECT = {**POOLED, "direct_url": "{{ vault_direct_url }}"}


@pytest.fixture(scope="module")
def site(
    lab: Lab,
    registry: Registry,
    machines: tuple[str, ...],
    facts: dict[str, t.Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> t.Iterator[Guestbook]:
    """1.0.0 of the example, whose program knows the pooler alone, and is the owner of its tables."""
    reset(lab, MACHINES)
    site = Guestbook(lab, registry, tmp_path_factory.mktemp("pooled"), facts)
    base = python_base()
    for version, files in {"1.0.0": {}, "1.1.0": NEXT}.items():
        site.build(version, base, files)
    direct = site.facts["vault_admin_url"]
    site.facts.update(vault_database_url=direct.replace(":5432/", ":6432/"), vault_direct_url=direct)
    site.write_inventory()
    site.write_variables(slipway_database=DIRECT, slipway_migrations={"tool": "django", "run_in": "container"})
    for name, text in {"pgbouncer.ini": POOLER, "userlist.txt": f'"guestbook_owner" "{site.owner}"\n'}.items():
        lab.exec("lb1", ["tee", f"/etc/pgbouncer/{name}"], stdin=text)
    shell(lab, "lb1", "systemctl restart pgbouncer")
    check.succeeded(site.deploy("1.0.0", "-e", "slipway_waive_backup='nothing is in it yet'"))
    yield site
    shell(lab, "lb1", "systemctl stop pgbouncer")


def by_pooler(site: Guestbook, statement: str, database: str = "guestbook") -> list[str]:
    """Lines that a statement answers, as the program asks it."""
    place = site.facts["vault_database_url"].rpartition("/")[0]
    return psql(site.lab, f"\\connect {place}/{database}\n{statement}")


def sign(site: Guestbook, name: str) -> None:
    """An entry of a guest."""
    by_pooler(site, f"INSERT INTO guestbook_entry (name, text) VALUES ('{name}', '')")


def lent(site: Guestbook) -> int:
    """For how many transactions the pooler has lent out connections to the guestbook's database."""
    rows = [line.split("|") for line in by_pooler(site, "SHOW STATS", "pgbouncer")]
    return next(int(row[1]) for row in rows if row[0] == "guestbook")


def names(site: Guestbook) -> list[str]:
    """Who has signed."""
    return [entry["name"] for entry in site.book()["entries"]]


def test_without_a_way_past_it_nothing_is_touched(site: Guestbook) -> None:
    site.write_variables(slipway_database=POOLED)
    before = site.snapshot()
    try:
        refused = site.deploy("1.1.0")
    finally:
        site.write_variables(slipway_database=DIRECT)
    check.refused(refused, "refused before anything was touched", "by way of a pooler", "slipway_database.direct_url")
    check.untouched(before, site.snapshot())
    check.all_on(site, "1.0.0")


@pytest.mark.sample(6, among="journeys")
def test_backup_rehearsal_and_migrations_go_past_it_and_the_program_does_not(site: Guestbook) -> None:
    sign(site, "ann")
    run = site.deploy("1.1.0")
    check.succeeded(run)
    check.all_on(site, "1.1.0")
    assert "the live version works with the migrated schema, on old and on new connections" in run.said
    report = site.report()
    assert [one["script"] for one in report["migrations"]["applied"]] == ["guestbook.0002_stars"]
    assert [stage["stage"] for stage in report["stages"]][:4] == ["lock", "backup", "rehearse", "migrate"]
    assert report["backup"]["verified_by"] == "restore"
    sign(site, "bob")
    asked = lent(site)
    assert names(site) == ["ann", "0002", "bob"]  # the second one by the migration
    assert lent(site) > asked
    assert site.left() == []
