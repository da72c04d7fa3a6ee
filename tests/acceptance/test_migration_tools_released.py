# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarantees 3, 4, 6 and 8 for migrations that only the new image has, applied by a user that the program does not know."""

from __future__ import annotations

import hashlib
import json
import typing as t

import pytest

from tests.lab import Lab, Registry

from . import check
from .conftest import MACHINES
from .guestbook import Guestbook, flyway_base, liquibase_base, node_base, psql, python_base
from .machines import each, reset, shell
from .test_migrations import begun, notes
from .test_secrets import watched_processes

MODELS = """
from django.db import models

class Entry(models.Model):
    name = models.CharField(max_length=100)
    text = models.TextField()
    stars = models.IntegerField(null=True)
"""
# Beside the column a row that says who has made it: of what image, with which of the service's variables and secrets.
STARS = """
import hashlib, json, os, pathlib
from django.db import migrations, models

def sign(apps, editor):
    key = pathlib.Path("/run/secrets/SECRET_KEY").read_bytes()
    told = {
        "version": os.environ["GUESTBOOK_VERSION"],
        "settings": os.environ["DJANGO_SETTINGS_MODULE"],
        "key": hashlib.sha256(key).hexdigest(),
        "user": editor.connection.settings_dict["USER"],
    }
    apps.get_model("guestbook", "Entry").objects.create(name="0002", text=json.dumps(told))

class Migration(migrations.Migration):
    dependencies = [("guestbook", "0001_entry")]
    operations = [
        migrations.AddField("entry", "stars", models.IntegerField(null=True)),
        migrations.RunPython(sign),
    ]
"""
# It says all that it knows, as a driver's error may do.
FAILS = """
import os
from django.db import migrations

def fail(apps, editor):
    raise RuntimeError("cannot: " + str(editor.connection.settings_dict) + os.environ["DATABASE_URL"])

class Migration(migrations.Migration):
    dependencies = [("guestbook", "0002_stars")]
    operations = [migrations.RunPython(fail)]
"""
DROPS = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("guestbook", "0002_stars")]
    operations = [migrations.RemoveField("entry", "text")]
"""
ALEMBIC = {
    "steps/env.py": """
from alembic import context
from sqlalchemy import create_engine

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "") if not context.is_offline_mode() else None
if engine is None:
    context.configure(dialect_name="postgresql", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
""",
    "steps/versions/guest.py": """
from alembic import op
revision, down_revision = "guest", None
def upgrade():
    op.execute("CREATE TABLE guest (id bigint PRIMARY KEY)")
""",
}
KNEX = {
    "steps/knexfile.js": "module.exports = {client: 'pg', migrations: {directory: './do'}};",
    "steps/do/guest.js": "exports.up = (knex) => knex.schema.createTable('guest', (t) => t.increments());\n"
    "exports.down = (knex) => knex.schema.dropTable('guest');",
}
LIQUIBASE = {
    "steps/changelog.sql": "--liquibase formatted sql\n--changeset ann:guest\nCREATE TABLE guest (id bigint PRIMARY KEY);\n"
}
# Flyway's files are those of the machine that migrates; its schema is one that has no other tables, which it would refuse.
FLYWAY = "mkdir -p /srv/steps && echo 'CREATE TABLE guest (id bigint PRIMARY KEY);' >/srv/steps/V1__guest.sql"


class Other(t.NamedTuple):
    """A version whose image has another tool.

    :ivar base: what it is built on.
    :ivar files: its migration.
    :ivar asked: of that tool.
    """

    version: str
    base: t.Callable[[], str]
    files: dict[str, str]
    asked: dict[str, t.Any]


OTHERS = {
    "alembic": Other("2.0.0", python_base, ALEMBIC, {"project": {"config": "guestbook/steps"}}),
    "knex": Other("2.1.0", node_base, KNEX, {"project": {"config": "guestbook/steps/knexfile.js"}}),
    "flyway": Other("2.2.0", flyway_base, {}, {"directory": "/srv/steps", "schema": "steps"}),
    "liquibase": Other("2.3.0", liquibase_base, LIQUIBASE, {"project": {"config": "guestbook/steps/changelog.sql"}}),
}
CLEAN = """
DROP TABLE IF EXISTS guest;
DROP SCHEMA IF EXISTS steps CASCADE;
CREATE SCHEMA steps AUTHORIZATION guestbook_owner;
GRANT USAGE ON SCHEMA steps TO guestbook;
"""
ASKED = {"run_in": "container", "admin_url": "{{ vault_admin_url }}"}
NEXT = {"models.py": MODELS, "migrations/0002_stars.py": STARS}
VERSIONS: dict[str, dict[str, str]] = {
    "1.0.0": {},
    "1.1.0": NEXT,
    "1.2.0": {**NEXT, "migrations/0003_fails.py": FAILS},
    "1.2.1": {**NEXT, "migrations/0003_drops.py": DROPS},
}


@pytest.fixture(scope="module")
def site(
    lab: Lab,
    registry: Registry,
    machines: tuple[str, ...],
    facts: dict[str, t.Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Guestbook:
    """1.0.0 of the example, whose first migration made its table."""
    reset(lab, MACHINES)
    site = Guestbook(lab, registry, tmp_path_factory.mktemp("guestbook"), facts)
    base = python_base()
    for version, files in VERSIONS.items():
        site.build(version, base, files)
    first = site.deploy("1.0.0", "-e", "slipway_waive_backup='nothing is in it yet'")
    check.succeeded(first)
    assert "migrated: guestbook.0001_entry in" in first.said
    return site


def columns(site: Guestbook) -> list[str]:
    """Of the guestbook."""
    return psql(
        site.lab,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'guestbook_entry' ORDER BY ordinal_position",
    )


def pull(site: Guestbook, version: str) -> None:
    """An image that is there already, as it is on machines that pull ahead of a release."""
    site.lab.exec("lb1", ["docker", "pull", "-q", f"{site.registry.address}/guestbook/web:{version}"])


def nowhere(site: Guestbook, *outputs: str) -> None:
    """Guarantee 8, of what stays: outputs, journals, reports, what may be asked of the engine, and readable files."""
    files = [path.read_text() for path in (site.site.directory / ".slipway").rglob("*.json")]
    inspected = shell(site.lab, "lb1", "docker ps -aq | xargs -r docker inspect")
    world = "runuser -u nobody -- grep -rlsF %s /etc /home /opt /root /run /srv /tmp /usr/local /var; true"
    for secret in site.secret:
        assert [text for text in [*outputs, *files, inspected] if secret in text] == []
        assert [machine for machine in site.machines if secret in str(site.journal(machine))] == []
        readable = each(site.machines, lambda machine, word=secret: shell(site.lab, machine, world % f"-e {word}"))
        assert readable == dict.fromkeys(site.machines, "")


def test_what_the_new_image_brings_is_seen_tried_and_applied_once(site: Guestbook) -> None:
    before = site.snapshot()
    unseen = site.deploy("1.1.0", "--check", "--diff")
    check.succeeded(unseen)
    assert "what is pending in it is seen when it has been pulled" in unseen.said
    assert (site.snapshot(), columns(site)) == (before, ["id", "name", "text"])

    with watched_processes(site.secret) as seen:
        run = site.deploy("1.1.0", "-vvvv")
    check.succeeded(run)
    check.all_on(site, "1.1.0")
    assert "the live version works with the migrated schema, on old and on new connections" in run.said
    report = site.report()
    assert [one["script"] for one in report["migrations"]["applied"]] == ["guestbook.0002_stars"]
    assert [stage["stage"] for stage in report["stages"]][:5] == ["lock", "backup", "rehearse", "migrate", "prepare"]
    for machine in site.machines:
        assert begun(site, machine, report["release"])[:4] == ["backup", "rehearse", "migrate", "prepare"]
    assert [note["scripts"] for note in notes(site, "lb1", report["release"])] == [["guestbook.0002_stars"]]
    assert notes(site, "app1", report["release"]) == []
    (entry,) = site.book()["entries"]  # that of the rehearsal is not here
    assert "stars" in entry and json.loads(entry["text"]) == {
        "version": "1.1.0",
        "settings": "guestbook.settings",
        "key": hashlib.sha256(site.key.encode()).hexdigest(),
        "user": "guestbook_owner",
    }
    assert site.left() == [] and "slipway-once-" not in shell(site.lab, "lb1", "ls /run")
    assert seen == set()
    nowhere(site, run.output)


def test_a_second_run_changes_nothing(site: Guestbook) -> None:
    again = site.deploy("1.1.0")
    check.succeeded(again)
    migrated = site.play("slipway.deploy.migrate", "-e", "slipway_version=1.1.0")
    check.succeeded(migrated)
    assert "no migration is pending" in migrated.said
    assert (again.changed, migrated.changed, len(site.book()["entries"])) == (0, 0, 1)
    assert site.left() == []


def test_what_the_old_version_still_needs_is_refused_before_anything_is_done(site: Guestbook) -> None:
    pull(site, "1.2.1")
    before = site.snapshot()
    refused = site.deploy("1.2.1", "--check", "--diff")
    check.refused(refused, "guestbook.0003_drops:5: drops the column", "# slipway: phase=contract", "# slipway: allow=")
    assert site.snapshot() == before
    assert columns(site) == ["id", "name", "text", "stars"]


def test_a_migration_that_fails_is_kept_to_look_at_and_the_old_version_serves(site: Guestbook) -> None:
    site.write_variables(slipway_migrations={"tool": "django", **ASKED, "rehearse": {"enabled": False}})
    try:
        run = site.deploy("1.2.0", "-vvvv")
    finally:
        site.write_variables(slipway_migrations={"tool": "django", **ASKED})
    (kept,) = site.left()
    check.refused(run, "migrate: 1 of 2 machines did not pass", "RuntimeError: cannot: ", kept, "serves as before")
    check.all_on(site, "1.1.0")
    assert "prepare" not in begun(site, "app1", site.report()["release"])
    assert "0003_fails.py" in shell(site.lab, "lb1", "docker logs $1 2>&1", kept)
    nowhere(site, run.output)


# The last one: what is live after it has other migrations.
@pytest.mark.sample(1)
@pytest.mark.parametrize("tool", OTHERS)
def test_another_tool_that_only_the_image_has(site: Guestbook, tool: str) -> None:
    version, base, files, asked = OTHERS[tool]
    psql(site.lab, CLEAN)
    shell(site.lab, "lb1", FLYWAY)
    site.build(version, base(), files)
    site.write_variables(slipway_migrations={"tool": tool, **ASKED, **asked})
    run = site.deploy(version)
    check.succeeded(run)
    check.all_on(site, version)
    assert psql(site.lab, "SELECT tableowner FROM pg_tables WHERE tablename = 'guest'") == ["guestbook_owner"]
    report = site.report()
    assert len(report["migrations"]["applied"]) == 1 and "rehearse" in [one["stage"] for one in report["stages"]]
    again = site.play("slipway.deploy.migrate", "-e", f"slipway_version={version}")
    check.succeeded(again)
    assert "no migration is pending" in again.said and again.changed == 0
    assert site.left() == []  # nor what the test before has left
    nowhere(site, run.output, again.output)
