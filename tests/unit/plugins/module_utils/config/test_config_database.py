# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine backs the database up, and what of that is part of a release."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema_backup import DATABASES
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import (
    config,
    inventory,
    problems,
    site,
)

BACKUP = {"store": {"path": "/var/backups/slipway"}}
DATABASE = {"engine": "postgresql", "url": "postgresql://shop:hunter22@db/shop"}


SNAPSHOT = {
    "create": "zfs snapshot tank/pg@{name}",
    "clone": "zfs clone -o mountpoint={path} tank/pg@{name} tank/{name}",
    "unclone": ["zfs", "destroy", "tank/{name}"],
    "remove": "zfs destroy tank/pg@{name}",
    "list": "zfs list -H -t snapshot -o name -r tank/pg",
}


def database(**changes):
    return {**DATABASE, "backup": {**BACKUP, **changes}}


def with_db():
    machines = inventory()
    machines["groups"]["slipway_db"] = ["db1", "db2"]
    machines["hosts"].update({"db1": {}, "db2": {}})
    return machines


def test_the_first_database_machine_takes_the_backups_and_becomes_part_of_the_platform():
    found = config(site(database=database()), with_db())
    assert found["database"]["backup"]["host"] == "db1"
    assert found["machines"]["db1"]["parts"] == ["db"]
    assert "db2" not in found["machines"]
    assert found["database"]["backup"]["in_release_max"] == 300
    assert found["database"]["backup"]["max_age"] == 86400
    assert "hunter22" not in str(found)


def test_another_machine_that_proves_becomes_part_of_the_platform_and_of_no_release_of_what_runs():
    found = config(site(database=database(verify_host="db2")), with_db())
    assert found["database"]["backup"]["verify_host"] == "db2"
    assert {name: found["machines"][name]["parts"] for name in ("db1", "db2")} == {"db1": ["db"], "db2": ["db"]}
    assert found["identity"] == config(site(database=database()), with_db())["identity"]


def test_a_backup_is_proven_where_it_is_taken_unless_another_machine_is_named():
    for changes in ({}, {"verify_host": "db1"}):
        found = config(site(database=database(**changes)), with_db())
        assert found["database"]["backup"]["verify_host"] == "db1"
        assert "db2" not in found["machines"]


def test_physical_backups_go_to_no_other_machine_to_be_proven():
    only = {"host": "db1", "verify_host": "db2", "physical": {"stanza": "shop"}}
    for changes in ({"store": None}, {"method": "physical"}):
        (said,) = problems(site(database=database(**only, **changes)), with_db())
        assert said.startswith("slipway_database.backup.verify_host: is for dumps, and none are taken")
    assert config(site(database=database(**only)), with_db())["database"]["backup"]["verify_host"] == "db2"


def test_without_backups_machines_of_the_database_have_no_part():
    assert "db1" not in config(site(database=DATABASE), with_db())["machines"]


def test_without_a_database_machine_the_first_application_machine_takes_them():
    found = config(site(database=database()))
    assert found["database"]["backup"]["host"] == "app1"
    assert found["machines"]["app1"]["parts"] == ["app", "db"]


def test_to_begin_with_backups_is_no_release_of_what_runs():
    before, after = config(site(database=DATABASE), with_db()), config(site(database=database()), with_db())
    assert after["identity"] == before["identity"]
    assert config(site(database=database(host="app2")), with_db())["identity"] == before["identity"]


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"host": "ap1"}, "slipway_database.backup.host: no machine of the platform, did you mean app1?"),
        ({"verify_host": "ap1"}, "slipway_database.backup.verify_host: no machine of the platform, did you mean app1?"),
        ({"store": None}, "slipway_database.backup.store: missing"),
        ({"store": {"path": "backups"}}, "slipway_database.backup.store.path: cannot be used"),
        ({"store": {}}, "slipway_database.backup.store.path: missing"),
        ({"store": {"kind": "s3"}}, "slipway_database.backup.store.bucket: missing"),
        ({"store": {"kind": "ftp"}}, "slipway_database.backup.store.kind: cannot be used"),
        (
            {"store": {"kind": "s3", "bucket": "b", "endpoint": "host"}},
            "slipway_database.backup.store.endpoint: cannot be",
        ),
        (
            {"store": None, "physical": {"stanza": "shop"}, "method": "logical"},
            "slipway_database.backup.store: missing",
        ),
        ({"physical": {}}, "slipway_database.backup.physical.stanza: missing"),
        ({"physical": {"stanza": "shop", "type": "half"}}, "slipway_database.backup.physical.type: cannot be used"),
        ({"physical": {"stanza": "shop", "config": "here"}}, "slipway_database.backup.physical.config: cannot be used"),
        ({"method": "physical"}, "slipway_database.backup.physical: missing, so there are no physical backups"),
        ({"method": "snapshot"}, "slipway_database.backup.snapshot: missing, so there are no snapshots"),
        ({"snapshot": SNAPSHOT, "store": None}, "slipway_database.backup.store: missing"),
        ({"snapshot": {**SNAPSHOT, "unclone": None}}, "slipway_database.backup.snapshot.unclone: missing"),
        ({"snapshot": {**SNAPSHOT, "data": "../main"}}, "slipway_database.backup.snapshot.data: cannot be used"),
        ({"snapshot": {**SNAPSHOT, "data": "/main"}}, "slipway_database.backup.snapshot.data: cannot be used"),
        ({"snapshot": {**SNAPSHOT, "create": "snap 'x"}}, "slipway_database.backup.snapshot.create: cannot be used"),
        ({"snapshot": {**SNAPSHOT, "timeout": "long"}}, "slipway_database.backup.snapshot.timeout: cannot be used"),
        (
            {"snapshot": SNAPSHOT, "physical": {"stanza": "shop"}},
            "slipway_database.backup.snapshot: cannot be together with physical",
        ),
        (
            {"snapshot": SNAPSHOT, "method": "snapshot", "verify_host": "app2"},
            "slipway_database.backup.verify_host: is for dumps, and none are taken",
        ),
        ({"retention": {"count": 3}}, "slipway_database.backup.retention.count: unknown"),
        ({"encryption": {"identity": "/key"}}, "slipway_database.backup.encryption.recipients: missing"),
        (
            {"encryption": {"identity": "/key", "recipients": ["hello"]}},
            "slipway_database.backup.encryption.recipients[0]: cannot be used",
        ),
        ({"in_release_max": "soon"}, "slipway_database.backup.in_release_max: cannot be used"),
        ({"max_age": "yesterday"}, "slipway_database.backup.max_age: cannot be used"),
        ({"schedule": "daily; rm"}, "slipway_database.backup.schedule: cannot be used"),
    ],
)
def test_mistakes_are_named_before_anything_is_touched(changes, said):
    (found,) = problems(site(database=database(**changes)))
    assert found.startswith(said)


@pytest.mark.parametrize("engine", DATABASES)
def test_each_kind_of_database_can_be_backed_up(engine):
    assert engine in DATABASE_BACKUP.options["engine"]["choices"]
    found = config(site(database={**database(), "engine": engine, "url": f"{engine}://u:p@h/shop"}))
    assert found["database"]["engine"] == engine and found["database"]["backup"]["host"]


def test_physical_backups_need_no_place_for_dumps():
    found = config(site(database={**DATABASE, "backup": {"physical": {"stanza": "shop"}}}))["database"]["backup"]
    assert (found["physical"]["stanza"], found["physical"]["archive_timeout"]) == ("shop", 60)
    assert (found["method"], found.get("store")) == ("auto", None)


@pytest.mark.parametrize("option, given", [("physical", {"stanza": "shop"}), ("snapshot", SNAPSHOT)])
def test_backups_of_whole_clusters_are_for_postgresql(option, given):
    site_of_sqlite = {"engine": "sqlite", "url": "/srv/shop.db", "backup": {**BACKUP, option: given}}
    (found,) = problems(site(database=site_of_sqlite))
    assert found.startswith(f"slipway_database.backup.{option}: is for PostgreSQL only")


def test_commands_for_snapshots_become_words():
    found = config(site(database=database(snapshot={**SNAPSHOT, "data": "15/main"})))["database"]["backup"]["snapshot"]
    assert found["create"] == ["zfs", "snapshot", "tank/pg@{name}"]
    assert found["unclone"] == ["zfs", "destroy", "tank/{name}"]
    assert (found["timeout"], found["data"]) == (300, "15/main")


def test_dumps_by_several_jobs_are_for_postgresql():
    several = {**BACKUP, "format": "directory", "jobs": 4}
    found = config(site(database={**DATABASE, "backup": several}))["database"]["backup"]
    assert (found["format"], found["jobs"]) == ("directory", 4)
    (said,) = problems(site(database={"engine": "sqlite", "url": "/srv/shop.db", "backup": several}))
    assert said.startswith("slipway_database.backup.format: directory is for PostgreSQL only")


@pytest.mark.parametrize(
    "given, said",
    [
        ({"image": "postgres:15"}, None),
        ({"container": "shop-db"}, None),
        ({}, "names neither an image nor a container"),
        ({"image": "postgres:15", "container": "shop-db"}, "names two places"),
    ],
)
def test_the_programs_are_in_an_image_or_in_a_container_that_runs(given, said):
    found = problems(site(database={**DATABASE, "backup": {**BACKUP, "run_in": given}}))
    assert [problem.split(". ")[0] for problem in found] == (
        [f"slipway_database.backup.run_in: {said}"] if said else []
    )


def test_the_path_of_a_file_is_no_secret():
    found = config(site(database={"engine": "sqlite", "url": "/srv/shop/shop.db"}))
    assert found["database"]["url"] == "/srv/shop/shop.db"


def test_a_waiver_needs_a_reason():
    (found,) = problems(site(waive_backup=" "))
    assert found.startswith("slipway_waive_backup: cannot be used")
    assert config(site(waive_backup="the database is empty still"))["waive_backup"] == "the database is empty still"


REPLICAS = ["postgresql://reader:planted77@db2/shop", "postgresql://reader:planted78@db3/shop"]


def test_what_leads_to_replicas_is_nobodys_to_read():
    migrations = {"tool": "sql", "path": "migrations/"}
    found = config(site(database={**DATABASE, "replicas": REPLICAS}, migrations=migrations))
    assert found["database"]["replicas"] == [
        "postgresql://reader:********@db2/shop",
        "postgresql://reader:********@db3/shop",
    ]
    assert "planted" not in str(found) and found["warnings"] == config(site())["warnings"]
    leaky = site(database={**DATABASE, "replicas": REPLICAS}, services__backend__env={"READ": REPLICAS[1]})
    assert any("READ" in text for text in problems(leaky)) and "planted" not in str(problems(leaky))
    twice = problems(site(database={**DATABASE, "replicas": [REPLICAS[0], REPLICAS[0]]}))
    assert len(twice) == 1 and twice[0].startswith("slipway_database.replicas[1]: written twice")
    assert "planted" not in str(twice)


def test_what_leads_past_a_pooler_is_nobodys_to_read_either():
    direct = "postgresql://shop:planted79@db1:5432/shop"
    found = config(site(database={**DATABASE, "direct_url": direct}))
    assert found["database"]["direct_url"] == "postgresql://shop:********@db1:5432/shop"
    leaky = site(database={**DATABASE, "direct_url": direct}, services__backend__env={"ADMIN": direct})
    assert any("ADMIN" in text for text in problems(leaky)) and "planted" not in str([found, problems(leaky)])


def test_replicas_that_nobody_waits_for_are_told_so():
    one = {**DATABASE, "replicas": REPLICAS[0]}
    warned = config(site(database=one))["warnings"]
    assert "slipway_database.replicas: nobody waits for them without slipway_migrations." in warned
    lite = {"engine": "sqlite", "url": "/srv/shop.db", "replicas": ["/srv/other.db"]}
    assert "slipway_database.replicas: SQLite has none; found sqlite" in str(problems(site(database=lite)))
