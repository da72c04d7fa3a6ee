# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarantees 3, 4 and 9 for migrations: before the new version, never without a backup, and no way back that would not work."""

from __future__ import annotations

import typing as t

import pytest

from . import check, interruption
from .fleet import Fleet

PLACE = "/srv/migration-backups"
FIRST = "CREATE TABLE moves.item (id bigint PRIMARY KEY, name text);\n"
WRONG = "ALTER TABLE moves.nothing ADD COLUMN price integer;\n"


def psql(fleet: Fleet, statement: str) -> list[str]:
    """What a statement answers in the shop's database, as the cluster's superuser."""
    become = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    return fleet.lab.exec("lb1", [*become, "psql", "-XAtc", statement, "shop"]).stdout.split()


def columns(fleet: Fleet) -> list[str]:
    """Of the table that these tests change."""
    where = "table_schema = 'moves' AND table_name = 'item'"
    return psql(fleet, f"SELECT column_name FROM information_schema.columns WHERE {where} ORDER BY ordinal_position")


def write(fleet: Fleet, **scripts: str) -> None:
    """The migrations of the site: all that there are."""
    directory = fleet.site.directory / "moves"
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        path.unlink()
    for name, text in scripts.items():
        (directory / f"{name}.sql").write_text(text, encoding="utf-8")


def other(fleet: Fleet) -> str:
    """Of two versions the one that is not live."""
    return ({"1.0.0", "1.1.0"} - fleet.serving()["lb1"]).pop()


def notes(fleet: Fleet, machine: str, release: str) -> list[dict[str, t.Any]]:
    """What a release has noted of its migrations in a machine's journal."""
    found = [one for one in fleet.journal(machine) if one["release"] == release and one["event"] == "note"]
    return [one["data"] for one in found if one["data"]["name"] == "migrated"]


def begun(fleet: Fleet, machine: str, release: str) -> list[str]:
    """The stages that a release has begun on a machine."""
    return [one["stage"] for one in fleet.journal(machine) if one["release"] == release and one["event"] == "begin"]


@pytest.fixture(scope="module")
def platform(live: Fleet) -> Fleet:
    """1.0.0, whose database on lb1 is backed up and migrated by lb1."""
    backup = {"host": "lb1", "store": {"path": PLACE}, "retention": {"last": 1}}
    live.write_variables(
        slipway_keep=2,
        slipway_database={"engine": "postgresql", "url": live.facts["vault_database_url"], "backup": backup},
        slipway_migrations={"tool": "sql", "path": "moves/", "schema": "moves"},
    )
    return live


@pytest.fixture
def unrehearsed(site: Fleet) -> t.Iterator[None]:
    """Without the rehearsal, which would find out before."""
    asked = site.variables["slipway_migrations"]
    site.write_variables(slipway_migrations={**asked, "rehearse": {"enabled": False}})
    yield
    site.write_variables(slipway_migrations=asked)


@pytest.fixture
def site(platform: Fleet) -> Fleet:
    """The same with a schema in which nothing was ever migrated."""
    psql(platform, "DROP SCHEMA IF EXISTS moves CASCADE; CREATE SCHEMA moves AUTHORIZATION shop")
    return platform


def test_a_release_migrates_before_it_prepares_and_writes_down_what(site: Fleet) -> None:
    write(site, V1__item=FIRST, V2__price="ALTER TABLE moves.item ADD COLUMN price integer;\n")
    before, version = site.snapshot(), other(site)
    preview = site.deploy(version, "--check", "--diff")
    check.succeeded(preview)
    assert "ALTER TABLE moves.item ADD COLUMN price integer" in preview.output
    assert "migrate on lb1: V1__item.sql would be applied" in preview.said
    assert (site.snapshot(), columns(site)) == (before, [])

    run = site.deploy(version)
    check.succeeded(run)
    check.all_on(site, version)
    assert columns(site) == ["id", "name", "price"]
    report = site.report()
    assert [one["script"] for one in report["migrations"]["applied"]] == ["V1__item.sql", "V2__price.sql"]
    assert "migrated: V1__item.sql in" in run.said
    assert [stage["stage"] for stage in report["stages"]][:5] == ["lock", "backup", "rehearse", "migrate", "prepare"]
    for machine in site.machines:
        assert begun(site, machine, report["release"])[:4] == ["backup", "rehearse", "migrate", "prepare"]
        assert site.lab.exec(machine, ["find", "/tmp", "-name", "slipway-files-*"]).stdout == ""
    assert [note["scripts"] for note in notes(site, "lb1", report["release"])] == [["V1__item.sql", "V2__price.sql"]]
    assert notes(site, "app1", report["release"]) == []

    check.succeeded(site.rollback())
    assert site.report()["migrations"] is None
    assert columns(site) == ["id", "name", "price"]


@pytest.mark.usefixtures("unrehearsed")
def test_a_migration_that_fails_refuses_the_release_and_the_old_version_serves(site: Fleet) -> None:
    write(site, V1__item=FIRST, V2__wrong=WRONG)
    version, serving = other(site), site.serving()
    run = site.deploy(version)
    check.refused(run, "migrate: 1 of 3 machines did not pass", "V2__wrong.sql line 1", "serves as before")
    assert site.serving() == serving
    assert check.open_releases(site) == {}
    assert columns(site) == ["id", "name"]
    release = site.report()["release"]
    assert "prepare" not in begun(site, "app1", release)
    assert [note["scripts"] for note in notes(site, "lb1", release)] == [["V1__item.sql"]]
    shown = site.play("slipway.deploy.migrations")
    check.succeeded(shown)
    assert "at 1: 1 pending" in shown.said and "V2__wrong.sql" in shown.said
    write(site, V1__item=FIRST, V2__right="ALTER TABLE moves.item ADD COLUMN price integer;\n")
    check.succeeded(site.deploy(version))  # it was not marked bad
    check.all_on(site, version)


def test_without_a_backup_nothing_is_migrated_until_that_is_waived_aloud(site: Fleet) -> None:
    write(site, V1__item=FIRST)
    database = site.variables["slipway_database"]
    bare = {name: database[name] for name in ("engine", "url")}
    site.write_variables(
        slipway_database=bare, slipway_migrations={**site.variables["slipway_migrations"], "host": "lb1"}
    )
    version = other(site)
    try:
        check.refused(
            site.deploy(version), "migrate: 1 of 3 machines did not pass", "[no_backup]", "slipway_waive_backup"
        )
        assert columns(site) == []
        waived = site.deploy(version, "-e", "slipway_waive_backup='the table is empty still'")
        check.succeeded(waived)
        assert "no backup: waived, because the table is empty still" in waived.said
        assert columns(site) == ["id", "name"]
    finally:
        site.write_variables(slipway_database=database)


@pytest.mark.sample(1, of="kills")
@pytest.mark.parametrize("where", ["begin", "end"])
def test_a_release_that_is_killed_while_it_migrates_is_finished_by_the_next_run(site: Fleet, where: str) -> None:
    write(site, V1__item=FIRST)
    version = other(site)
    with interruption.cut(site, interruption.Point("migrate", where), version):
        assert columns(site) == (["id", "name"] if where == "end" else [])
    after = site.deploy(version)
    check.succeeded(after)
    assert "undo it first" in after.said
    check.all_on(site, version)
    assert columns(site) == ["id", "name"]


def test_what_is_pending_is_applied_up_to_a_version_and_undone_without_a_release(site: Fleet) -> None:
    write(
        site,
        V1__item=FIRST,
        V2__price="ALTER TABLE moves.item ADD price integer;\n",
        U2__price="ALTER TABLE moves.item DROP price;\n",
    )
    running = {machine: site.containers(machine) for machine in site.apps}
    first = site.play("slipway.deploy.migrate", "-e", "slipway_migrate_to=1")
    check.succeeded(first)
    assert columns(site) == ["id", "name"]
    check.succeeded(site.play("slipway.deploy.migrate"))
    assert columns(site) == ["id", "name", "price"]
    again = site.play("slipway.deploy.migrate")
    check.succeeded(again)
    assert "no migration is pending" in again.said and "changed=0" in again.said
    undone = site.play("slipway.deploy.migrate", "-e", "slipway_migrate_undo=true")
    check.succeeded(undone)
    assert "undid U2__price.sql" in undone.said
    assert columns(site) == ["id", "name"]
    assert {machine: site.containers(machine) for machine in site.apps} == running
    assert check.open_releases(site) == {}


# A replica of the cluster on the same machine, with the same configuration and another port.
FOLLOW = r"""
set -eu
conf=$(echo /etc/postgresql/*/main) bin=$(echo /usr/lib/postgresql/*/bin) data=/var/lib/postgresql/followed
case $1 in
make) runuser -u postgres -- "$bin/pg_basebackup" --pgdata="$data" --write-recovery-conf --checkpoint=fast --no-sync ;;
start)
  systemd-run --quiet --unit=followed --uid=postgres "$bin/postgres" -D "$data" -c "config_file=$conf/postgresql.conf" \
    -c "data_directory=$data" -c port=5433 -c external_pid_file= -c cluster_name=followed
  until runuser -u postgres -- psql -p 5433 -XAtc 'SELECT pg_wal_replay_pause()' 2>/dev/null; do sleep 0.1; done ;;
resume) runuser -u postgres -- psql -p 5433 -XAtc 'SELECT pg_wal_replay_resume()' ;;
show) runuser -u postgres -- psql -p 5433 -XAtc "SELECT to_regclass('moves.item')" shop ;;
remove) systemctl stop followed; rm -rf "$data" ;;
esac
"""


@pytest.fixture
def replica(site: Fleet) -> t.Iterator[t.Callable[[str], str]]:
    """Does something with a replica that the site names. It does not run yet, and stands still when it does."""

    def do(what: str) -> str:
        return site.lab.exec("lb1", ["sh", "-c", FOLLOW, "sh", what]).stdout.strip()

    do("make")
    database, migrations = (site.variables[name] for name in ("slipway_database", "slipway_migrations"))
    url = site.facts["vault_database_url"].replace(":5432/", ":5433/")
    site.write_variables(
        slipway_database={**database, "replicas": url},
        slipway_migrations={**migrations, "replica_wait": 2},
        slipway_waive_backup="what is looked at comes after it",
    )
    yield do
    site.write_variables(slipway_database=database, slipway_migrations=migrations, slipway_waive_backup=None)
    do("remove")


@pytest.mark.usefixtures("unrehearsed")
def test_a_release_waits_for_a_replica_and_is_refused_because_of_one_that_stands_still(
    site: Fleet, replica: t.Callable[[str], str]
) -> None:
    write(site, V1__item=FIRST)
    version, serving = other(site), site.serving()
    check.refused(site.deploy(version), "refused before anything was touched", "5433: cannot be asked how far it is")
    assert columns(site) == []

    replica("start")
    check.refused(
        site.deploy(version), "replicas: 1 of 3 machines did not pass", "its replay is paused", "serves as before"
    )
    assert (site.serving(), columns(site), replica("show")) == (serving, ["id", "name"], "")
    assert check.open_releases(site) == {}
    assert "prepare" not in begun(site, "app1", site.report()["release"])

    replica("resume")
    run = site.deploy(version)
    check.succeeded(run)
    check.all_on(site, version)
    report = site.report()  # nothing was applied any more, and waited for all the same
    assert (report["migrations"]["applied"], replica("show")) == ([], "moves.item")
    assert "replicas" in [stage["stage"] for stage in report["stages"]]
    assert "replicas on lb1" not in site.deploy(other(site), "--check").said


# The last one: what has contracted stands in the journals from here on.
def test_what_an_old_release_needs_stays_until_it_is_let_go_and_then_no_way_leads_back(site: Fleet) -> None:
    write(site, V1__item=FIRST)
    old = other(site)
    check.succeeded(site.deploy(old))
    drop = "-- slipway: phase=contract\nALTER TABLE moves.item DROP COLUMN name;\n"
    write(site, V1__item=FIRST, V2__no_name=drop)
    new = other(site)
    check.succeeded(site.deploy(new))
    assert columns(site) == ["id", "name"]

    refused = site.play("slipway.deploy.contract")
    check.refused(refused, f"{old} (release {old}-", "is kept for a rollback", f"slipway_let_go={old}")
    assert columns(site) == ["id", "name"]
    point = interruption.Point("migrate", "end")
    cut = interruption.CutRun(site, point, "-e", f"slipway_let_go={old}", playbook="slipway.deploy.contract")
    assert cut.killed(), cut.ended().output
    again = site.play("slipway.deploy.contract")
    check.succeeded(again)
    assert "undo it first" in again.said and "no migration is pending" in again.said
    assert columns(site) == ["id"]
    check.all_on(site, new)

    check.refused(site.rollback(), "needs the schema as it was before V2__no_name.sql")
    status = site.play("status.yml")
    assert f"no way back to {old}" in status.said
    write(site, V1__item=FIRST)
    check.refused(site.deploy(old), f"version {old} does not have V2__no_name.sql")
    check.all_on(site, new)
