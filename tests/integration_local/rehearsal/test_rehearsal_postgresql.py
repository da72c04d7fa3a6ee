# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations that would hurt a live database, found on a restored copy of it; nothing live is touched, and nothing is left."""

from __future__ import annotations

import contextlib

import psycopg2
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.copied import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.database.postgresql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.watch import PostgreSQLWatch
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .rehearsed import ROWS, Site


def test_a_harmless_migration_passes_is_measured_and_the_backup_is_proven_by_it(site: Site) -> None:
    taken = site.back_up()
    assert taken["backup"]["verified_by"] == "none"
    site.write(V1__stock="ALTER TABLE item ADD COLUMN stock integer;", V2__more="CREATE TABLE more (id integer);")
    found = site.passes()
    assert found["pending"] == ["V1__stock.sql", "V2__more.sql"]
    assert [one["script"] for one in found["applied"]] == found["pending"]
    assert (found["backup"]["id"], found["backup"]["verified_by"]) == (taken["backup"]["id"], "restore")
    assert found["rewritten"] == []
    assert [one["service"] for one in found["old_version"]] == [""]  # nobody asked


def test_a_lock_that_is_held_too_long(site: Site) -> None:
    """Measured while it is held, and told with what it was taken for."""
    site.back_up()
    site.write(V1__long="ALTER TABLE item ADD COLUMN stock integer;\nSELECT pg_sleep(1);")
    error = site.refuses("rehearsal_lock", max_lock=0.2)
    lock = error["evidence"]["lock"]
    assert lock["relation"] == "public.item" and lock["keeps_out"] == "reads and writes"
    assert lock["script"] == "V1__long.sql"
    assert lock["statement"]  # the one that took it, or the next one
    assert 0.2 < lock["seconds"] < 60
    assert "max_lock" in error["remedy"] or error["remedy"]


def test_a_lock_on_an_empty_table_harms_nobody(site: Site) -> None:
    site.back_up()
    site.write(V1__long="ALTER TABLE empty ADD COLUMN stock integer;\nSELECT pg_sleep(1);")
    found = site.passes(max_lock=0.2)
    assert any(one["relation"] == "public.empty" and one["seconds"] > 0.2 for one in found["locks"])


def test_a_rewrite_is_named_with_its_size(site: Site) -> None:
    site.back_up()
    site.write(V1__type="ALTER TABLE item ALTER COLUMN price TYPE bigint USING price::bigint;\nSELECT pg_sleep(1);")
    error = site.refuses("rehearsal_lock", max_lock=0.2)
    assert "written anew" in error["what"]
    rewritten = error["evidence"]["rehearsal"]["rewritten"]
    assert [one["table"] for one in rewritten] == ["public.item"]
    assert rewritten[0]["bytes"] > ROWS * 20


def test_migrations_that_take_too_long_are_ended(site: Site) -> None:
    site.back_up()
    site.write(V1__slow="SELECT pg_sleep(3600);")
    error = site.refuses("rehearsal_slow", max_duration=0.3)
    assert "not done" in error["actual"]


def test_a_statement_that_fails_on_real_data_only(site: Site) -> None:
    """Two rows that are alike, in a column that the developers' data has unique."""
    site.server.execute(site.database, "UPDATE item SET name = 'name 1' WHERE id = 2")
    site.back_up()
    site.write(V1__fine="CREATE TABLE more (id integer);", V2__unique="\n\nCREATE UNIQUE INDEX by_name ON item (name);")
    error = site.refuses("rehearsal_failed")
    assert error["object"] == "V2__unique.sql line 3"
    assert "could not create unique index" in error["actual"]
    assert error["evidence"]["code"] == "23505"


def test_applied_as_the_role_that_migrates_the_live_database(site: Site) -> None:
    """What it may not do there, it may not do on the copy; what it may do as a member of another role, it may."""
    site.server.execute(
        site.database,
        f"CREATE ROLE o{site.role}; GRANT o{site.role} TO {site.role}; CREATE TABLE foreign_one (id integer)",
        f"CREATE TABLE of_all (id integer); ALTER TABLE of_all OWNER TO o{site.role}",
    )
    try:
        site.back_up()
        site.write(V1__member="ALTER TABLE of_all ADD COLUMN more integer;")
        site.passes()
        site.write(V2__foreign="ALTER TABLE foreign_one ADD COLUMN more integer;")
        assert "must be owner" in site.refuses("rehearsal_failed")["actual"]
    finally:
        site.server.execute(site.database, f"DROP OWNED BY o{site.role}; DROP ROLE o{site.role}")


@pytest.mark.sample(1)
@pytest.mark.parametrize("way", ["dblink", "program"])
def test_the_copys_server_has_no_network(site: Site, way: str) -> None:
    """Its address is there: the live server answers on 127.0.0.1."""
    site.server.execute(site.database, f"ALTER ROLE {site.role} SUPERUSER; CREATE EXTENSION IF NOT EXISTS dblink")
    site.back_up()
    reach = {
        "dblink": f"SELECT dblink_connect('host=127.0.0.1 port={site.server.port} user=admin password=x dbname=postgres')",
        "program": f"COPY empty FROM PROGRAM 'bash -c \"exec 3<>/dev/tcp/127.0.0.1/{site.server.port} && echo 1\"'",
    }[way]
    with contextlib.closing(site.server.connect(site.database)) as link, link.cursor() as cursor:
        if way == "program":  # it works where there is a network
            cursor.execute(reach)
            cursor.execute("TRUNCATE empty")
        else:
            with pytest.raises(psycopg2.Error, match="password authentication failed"):
                cursor.execute(reach)
    site.write(V1__reach=f"{reach};")
    assert {"dblink": "unreachable", "program": "exit code 1"}[way] in site.refuses("rehearsal_failed")["actual"]


def test_subscriptions_and_their_workers_are_off(site: Site) -> None:
    site.server.execute(site.database, f"ALTER ROLE {site.role} SUPERUSER")
    site.server.execute(
        site.database,
        f"CREATE SUBSCRIPTION {site.role} CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false, slot_name = NONE)",
    )
    try:
        site.back_up()
        check = "IF EXISTS (SELECT FROM pg_subscription WHERE subenabled) THEN RAISE 'enabled'; END IF;"
        check += " IF current_setting('max_logical_replication_workers') <> '0' THEN RAISE 'workers'; END IF;"
        check += " IF current_setting('cron.launch_active_jobs') <> 'off' THEN RAISE 'jobs'; END IF;"
        site.write(V1__look=f"DO $$ BEGIN {check} END $$;")
        site.passes()
    finally:
        site.server.execute(site.database, f"DROP SUBSCRIPTION {site.role}")


def test_a_lock_is_seen_from_its_first_statement_to_the_end_of_its_transaction(site: Site) -> None:
    """It keeps writes out, then reads too, in one transaction: each is told with its own time."""
    site.back_up()
    site.write(
        V1__both="LOCK TABLE item IN SHARE MODE;\nSELECT pg_sleep(1);\nALTER TABLE item ADD COLUMN a int;\nSELECT pg_sleep(0.5);"
    )
    found = site.passes(max_lock=60)
    held = {one["mode"]: one for one in found["locks"] if one["relation"] == "public.item"}
    assert held["ShareLock"]["keeps_out"] == "writes"
    assert held["ShareLock"]["seconds"] > held["AccessExclusiveLock"]["seconds"] > 0


def test_another_session_on_the_copy_is_not_blamed_on_the_migrations(site: Site) -> None:
    """The old version has its connections; only sessions that begin with the migrations are theirs."""
    copy = Copy("postgresql", site.database, "admin", "admin", str(site.server.directory))
    watch = PostgreSQLWatch(copy, System())
    watch._login = Login(site.url)
    with contextlib.closing(site.server.connect(site.database)) as old:
        old.autocommit = False
        with watch, old.cursor() as cursor:
            cursor.execute("LOCK TABLE item IN SHARE MODE")  # which the last look sees
        old.rollback()
    assert watch.measures().locks == []
    site.back_up()
