# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarantee 3: no release without a backup that has been restored, or an explicit waiver in the journal."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab.machines import SHARED

from . import check, interruption, methods
from .fleet import Fleet

PLACE = "/srv/backups"
REASON = "the table of orders is being repaired"


def database(fleet: Fleet, **changes: t.Any) -> dict[str, t.Any]:
    """The lab's PostgreSQL on lb1, which backs itself up."""
    backup = {"host": "lb1", "store": {"path": PLACE}, "retention": {"last": 1}}
    return {"engine": "postgresql", "url": fleet.facts["vault_database_url"], "backup": backup, **changes}


def on(fleet: Fleet, *command: str) -> str:
    """What a command says on the database's machine."""
    return fleet.lab.exec("lb1", list(command)).stdout


def sql(fleet: Fleet, statement: str) -> list[str]:
    """What a statement answers there, as the cluster's superuser."""
    become = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    return on(fleet, *become, "psql", "-XAtc", statement).split()


def notes(fleet: Fleet, machine: str, release: str, name: str) -> list[dict[str, t.Any]]:
    """What a release has noted in a machine's journal under a name."""
    records = [record for record in fleet.journal(machine) if record["release"] == release]
    found = [record["data"] for record in records if record["event"] == "note"]
    return [data for data in found if data["name"] == name]


@pytest.fixture(scope="module")
def site(live: Fleet) -> Fleet:
    """The platform with its database's backups configured, beside 1.0.0."""
    live.write_variables(slipway_database=database(live))
    return live


def test_a_release_takes_a_backup_and_restores_it_and_a_rollback_waits_for_none(site: Fleet) -> None:
    run = site.deploy("1.1.0")
    check.succeeded(run)
    check.all_on(site, "1.1.0")
    report = site.report()
    made = report["backup"]
    assert made["verified_by"] == "restore"
    assert f"backup {made['id']}: restored in" in run.said
    assert [note["id"] for note in notes(site, "lb1", report["release"], "backup")] == [made["id"]]
    assert made["id"] in on(site, "ls", f"{PLACE}/shop-production")
    assert on(site, "find", "/var/tmp", "-name", "slipway*") == ""
    check.succeeded(site.rollback())
    check.all_on(site, "1.0.0")
    assert site.report()["backup"] is None
    assert "backup" not in [stage["stage"] for stage in site.report()["stages"]]


def test_without_a_proven_backup_nothing_is_released_until_it_is_waived_aloud(site: Fleet) -> None:
    url = site.facts["vault_database_url"]
    site.write_variables(slipway_database=database(site, url=url.replace("shop:", "shop:not", 1)))
    refused = site.deploy("1.1.0", "-e", "slipway_keep=4")
    check.refused(refused, "backup: 1 of 3 machines did not pass", "lb1: ", "[login]", "1.0.0 serves as before")
    check.all_on(site, "1.0.0")
    assert [stage["stage"] for stage in site.report()["stages"]] == ["lock", "backup", "revert"]
    waived = site.deploy("1.1.0", "-e", "slipway_keep=4", "-e", f"slipway_waive_backup='{REASON}'")
    check.succeeded(waived)  # and it was not marked bad
    check.all_on(site, "1.1.0")
    assert f"no backup: waived, because {REASON}" in waived.said
    release = site.report()["release"]
    for machine in site.machines:
        assert [note["why"] for note in notes(site, machine, release, "backup_waived")] == [REASON]


@pytest.mark.sample(5, of="restores")
def test_the_playbooks_take_list_and_restore_backups(site: Fleet) -> None:
    site.write_variables(slipway_database=database(site))
    check.succeeded(site.play("slipway.deploy.backup"))
    shown = site.play("slipway.deploy.backups")
    check.succeeded(shown)
    assert "restored in" in shown.said
    running, before = site.containers("app1"), site.journal("app1")
    for wrong, words in (
        ("slipway_restore_over=other", "would be replaced"),
        ("slipway_backup=1.9.9", "no such backup"),
    ):
        refused = site.play("slipway.deploy.restore", "-e", "slipway_restore_over=shop", "-e", wrong)
        check.refused(refused, "restore refused before anything was touched", "lb1: ", words)
    assert (site.containers("app1"), site.journal("app1")) == (running, before)
    sql(site, "ALTER ROLE shop CREATEDB")
    check.succeeded(site.play("slipway.deploy.restore", "-e", "slipway_restore_into=shop_look"))
    assert {"shop", "shop_look"} <= set(sql(site, "SELECT datname FROM pg_database"))
    sql(site, "DROP DATABASE shop_look")


def marks(fleet: Fleet) -> int:
    """How many rows were written for these tests."""
    become = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    return int(on(fleet, *become, "psql", "-XAtc", "SELECT count(*) FROM slipway_marks", "shop"))


def mark(fleet: Fleet) -> None:
    """A row that a later restore takes away."""
    become = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    table = "SET ROLE shop; CREATE TABLE IF NOT EXISTS slipway_marks (at timestamptz); INSERT INTO slipway_marks SELECT now()"
    on(fleet, *become, "psql", "-XAtc", table, "shop")


@pytest.mark.sample(5, of="restores")
def test_the_live_database_is_replaced_while_the_services_are_stopped(site: Fleet) -> None:
    site.write_variables(slipway_database=database(site))
    sql(site, "ALTER ROLE shop CREATEDB")
    mark(site)
    check.succeeded(site.play("slipway.deploy.backup"))
    backed_up = marks(site)
    mark(site)
    before, serving = {name: site.containers(name) for name in site.apps}, site.serving()
    over = ("slipway.deploy.restore", "-e", "slipway_restore_over=shop")
    run = site.play(*over)
    check.succeeded(run)
    assert marks(site) == backed_up
    assert "is the restored one now" in run.said
    for machine in site.apps:
        begun = [one["stage"] for one in site.journal(machine) if one["event"] == "begin"]
        assert begun[-5:] == ["pause", "restore", "resume", "revert_traffic", "revert"]
        assert {one.name: one.running for one in site.containers(machine)} == {
            one.name: one.running for one in before[machine]
        }
    assert site.serving() == serving
    status = site.play("status.yml")
    assert "restored" in status.said


@pytest.mark.sample(5, of="restores")
@pytest.mark.parametrize("stage", ["pause", "restore"])
def test_a_restore_that_is_killed_is_finished_by_the_next_deployment(site: Fleet, stage: str) -> None:
    site.write_variables(slipway_database=database(site))
    point = interruption.Point(stage, "end")
    run = interruption.CutRun(site, point, "-e", "slipway_restore_over=shop", playbook="slipway.deploy.restore")
    assert run.killed(), run.ended().output
    assert not any(one.running for one in site.containers("app1"))
    after = site.deploy("1.1.0", "-e", "slipway_keep=4")
    check.succeeded(after)
    assert "undo it first" in after.said
    check.all_on(site, "1.1.0")


@pytest.mark.sample(5, of="restores")
def test_timers_of_systemd_back_up_and_drill_and_status_reads_how_fresh_that_is(site: Fleet) -> None:
    textfiles = "/srv/textfiles"
    on(site, "mkdir", "-p", textfiles)
    site.write_variables(slipway_database=database(site))
    site.variables["slipway_database"]["backup"]["textfile_dir"] = textfiles
    site.write_variables()
    check.succeeded(site.play("slipway.deploy.schedule_backups"))
    again = site.play("slipway.deploy.schedule_backups")
    check.succeeded(again)
    assert "changed=0" in again.said
    timers = on(site, "systemctl", "list-timers", "--all", "--no-legend")
    assert "slipway-backup-shop-production.timer" in timers
    assert "slipway-drill-shop-production.timer" in timers
    for kind in ("backup", "drill"):
        on(site, "systemctl", "start", f"slipway-{kind}-shop-production.service")
    log = on(site, "journalctl", "--no-pager", "-u", "slipway-drill-shop-production.service")
    assert "is good, by restore" in log
    figures = on(site, "cat", f"{textfiles}/slipway_backup_shop-production.prom")
    assert 'slipway_backup_last_run_success{platform="shop",environment="production"} 1' in figures
    status = site.play("status.yml")
    check.succeeded(status)
    assert "lb1: backup " in status.said
    assert site.facts["vault_database_url"] not in log + figures + status.said


def elsewhere(fleet: Fleet, place: str) -> dict[str, t.Any]:
    """The same database, whose backups app1 proves."""
    backup = {"host": "lb1", "verify_host": "app1", "store": {"path": place}, "retention": {"last": 1}}
    return database(fleet, backup=backup)


def lines(fleet: Fleet, machine: str, command: str) -> list[str]:
    """What a shell says on a machine."""
    return fleet.lab.exec(machine, ["sh", "-c", command]).stdout.splitlines()


@pytest.mark.sample(1, of="elsewhere")
def test_what_one_machine_takes_another_one_proves_and_a_release_waits_for_it(site: Fleet) -> None:
    site.write_variables(slipway_database=elsewhere(site, "/srv/not-shared"))
    version = ({"1.0.0", "1.1.0"} - site.serving()["lb1"]).pop()
    refused = site.deploy(version)
    check.refused(refused, "backup: 1 of 3 machines did not pass", "[not_shared]", "leave verify_host out")
    assert lines(site, "lb1", "find /srv/not-shared -type f || true") == []
    site.write_variables(slipway_database=elsewhere(site, f"{SHARED}/backups"))
    check.succeeded(site.deploy(version))
    check.all_on(site, version)
    report = site.report()
    assert [stage["stage"] for stage in report["stages"]][:5] == ["lock", "reach", "backup", "prove", "prepare"]
    assert report["backup"]["verified_by"] == "restore"
    for machine, verified in (("lb1", "none"), ("app1", "restore")):
        noted = notes(site, machine, report["release"], "backup")
        assert [(note["id"], note["verified_by"]) for note in noted] == [(report["backup"]["id"], verified)]
    assert lines(site, "app1", "find /var/tmp -name 'slipway*'") == []


@pytest.mark.sample(1, of="elsewhere")
def test_timers_take_on_one_machine_and_restore_on_another_that_has_no_connection_string(site: Fleet) -> None:
    site.write_variables(slipway_database=elsewhere(site, f"{SHARED}/backups"))
    check.succeeded(site.play("slipway.deploy.backup"))
    try:
        scheduled(site)
    finally:  # these would look again in a quarter of an hour, whatever is tested then
        lines(
            site,
            "app1",
            "systemctl disable --now slipway-prove-shop-production.timer slipway-drill-shop-production.timer",
        )


def scheduled(site: Fleet) -> None:
    """Both machines have their timers, which do their part."""
    check.succeeded(site.play("slipway.deploy.schedule_backups"))
    again = site.play("slipway.deploy.schedule_backups")
    units = {
        machine: lines(site, machine, "ls /etc/systemd/system | grep 'slipway-.*timer'") for machine in ("lb1", "app1")
    }
    assert units == {
        "lb1": ["slipway-backup-shop-production.timer"],
        "app1": ["slipway-drill-shop-production.timer", "slipway-prove-shop-production.timer"],
    }
    assert again.said.count("changed=0") == 2, again.output
    on(site, "systemctl", "start", "slipway-backup-shop-production.service")
    site.lab.exec("app1", ["systemctl", "start", "slipway-prove-shop-production.service"])
    log = "\n".join(lines(site, "app1", "journalctl --no-pager -u slipway-prove-shop-production.service"))
    assert "is good, by restore" in log
    password = site.facts["vault_database_url"].partition("shop:")[2].partition("@")[0]
    assert password not in log
    assert lines(site, "app1", f"grep -rlF {password} /var/lib/slipway/backups /etc/systemd || true") == []
    shown = site.play("status.yml")
    assert "app1: backup " in shown.said


# --- other backups than dumps


def other(site: Fleet) -> str:
    """A version that does not serve now."""
    return next(version for version in ("1.1.0", "1.0.0") if version not in site.serving()["lb1"])


@pytest.mark.sample(5, of="restores")
def test_a_release_leans_on_binary_logs_replayed_by_programs_of_the_database_s_own_container(site: Fleet) -> None:
    with methods.mariadb(site) as mariadb:
        backup = {
            "host": "app1",
            "store": {"path": methods.STORE},
            "method": "incremental",
            "run_in": {"container": methods.CONTAINER},
        }
        site.write_variables(slipway_database={"engine": "mariadb", "url": methods.URL, "backup": backup})
        mariadb("USE orders; INSERT INTO item (word) VALUES ('dumped')")
        taken = site.play("slipway.deploy.backup")
        check.succeeded(taken)
        assert "were replayed up to proof_" in taken.said
        mariadb("USE orders; INSERT INTO item (word) VALUES ('logged')")
        version = other(site)
        run = site.deploy(version)
        check.succeeded(run)
        check.all_on(site, version)
        report = site.report()
        assert report["backup"]["why"] == "incremental: method is incremental"
        (noted,) = notes(site, "app1", report["release"], "backup")
        assert noted["restore_point"]["name"] == f"slipway_{report['release']}"
        mariadb("USE orders; DELETE FROM item")
        look = ("-e", f"slipway_backup={report['release']}", "-e", "slipway_restore_into=orders_look")
        check.succeeded(site.play("slipway.deploy.restore", *look))
        assert mariadb("SELECT GROUP_CONCAT(word ORDER BY id) FROM orders_look.item").strip() == "dumped,logged"
        assert (
            methods.inside(site, "docker", "ps", "--all", "--quiet", "--filter", f"label={methods.tool_images.LABEL}")
            == ""
        )
        assert methods.inside(site, "docker", "exec", methods.CONTAINER, "sh", "-c", "ls /dev/shm") == ""
        assert methods.PASSWORD not in taken.said + run.said + methods.inside(
            site, "docker", "inspect", methods.CONTAINER
        )


@pytest.mark.sample(5, of="restores")
def test_a_release_leans_on_a_snapshot_that_a_timer_made_and_proved(site: Fleet) -> None:
    with methods.snapshots(site) as commands:
        backup = {"host": "lb1", "store": {"path": "/srv/known"}, "method": "snapshot", "snapshot": commands}
        site.write_variables(
            slipway_database={"engine": "postgresql", "url": site.facts["vault_database_url"], "backup": backup}
        )
        version = other(site)
        refused = site.deploy(version)
        check.refused(refused, "backup: 1 of 3 machines did not pass", "[no_fresh_backup]")
        check.succeeded(site.play("slipway.deploy.schedule_backups"))
        try:
            on(site, "systemctl", "start", "slipway-backup-shop-production.service")
            log = on(site, "journalctl", "--no-pager", "-u", "slipway-backup-shop-production.service")
            (proven,) = on(site, "ls", methods.SNAPSHOTS).split()
            assert "is good" in log
            run = site.deploy(version, "-e", "slipway_keep=4")
            check.succeeded(run)
            check.all_on(site, version)
            report = site.report()
            assert proven.endswith(report["backup"]["id"])
            assert len(on(site, "ls", methods.SNAPSHOTS).split()) == 2  # the proven one, and the restore point
            assert "snapshot: method is snapshot" in run.said
        finally:
            on(site, "systemctl", "disable", "--now", "slipway-backup-shop-production.timer")
