# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine migrates, with what, and what is wrong with how that was written."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema_migrations import TOOLS
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import (
    config,
    inventory,
    problems,
    site,
)

BACKUP = {"store": {"path": "/var/backups/slipway"}}
DATABASE = {"engine": "postgresql", "url": "postgresql://shop:hunter22@db/shop"}
FILES = {"tool": "sql", "path": "migrations/"}


def with_db():
    machines = inventory()
    machines["groups"]["slipway_db"] = ["db1", "db2"]
    machines["hosts"].update({"db1": {}, "db2": {}})
    return machines


def migrations(**changes):
    return site(database=DATABASE, migrations={**FILES, **changes})


@pytest.mark.parametrize(
    "host, backup, machines, wanted",
    [
        ("app2", {"host": "db2"}, with_db, "app2"),
        (None, {"host": "db2"}, with_db, "db2"),
        (None, None, with_db, "db1"),
        (None, None, inventory, "app1"),
    ],
)
def test_one_machine_migrates(host, backup, machines, wanted):
    database = {**DATABASE, **({"backup": {**BACKUP, **backup}} if backup else {})}
    variables = site(database=database, migrations={**FILES, **({"host": host} if host else {})})
    assert config(variables, machines())["migrations"]["host"] == wanted


def test_a_machine_that_only_migrates_is_part_of_the_platform_and_not_of_what_runs():
    found = config(migrations(), with_db())
    assert found["machines"]["db1"]["parts"] == []
    assert found["identity"] == config(site(database=DATABASE), with_db())["identity"]


def test_the_module_knows_every_option_and_gets_it_in_its_own_words():
    found = config(migrations(directory=None, schema="app", timeout="3m", placeholders={"n": 5}))["migrations"][
        "options"
    ]
    assert found["engine"] == "postgresql" and found["path"] == "migrations/"
    assert (found["timeout"], found["schema"], found["placeholders"]) == (180.0, "app", {"n": "5"})
    assert set(found) <= set(MIGRATION_RUNNER.options)
    assert set(TOOLS) == set(MIGRATION_RUNNER.options["tool"]["choices"])
    alembic = config(
        migrations(tool="alembic", path=None, directory="/srv/shop", project={"program": "venv/bin/python -I"})
    )
    assert alembic["migrations"]["options"]["project"] == {
        "program": ["venv/bin/python", "-I"],
        "directory": "/srv/shop",
    }
    flyway = config(migrations(tool="flyway", path=None, directory="/srv/shop"))
    assert flyway["migrations"]["options"]["locations"] == ["/srv/shop"]


def test_a_container_gets_image_and_environment_of_its_service_and_the_names_of_its_secrets():
    found = config(migrations(tool="django", path=None, run_in="container", service="backend"))["migrations"]["options"]
    assert found["run_in"] == "container"
    assert found["container"] == {
        "image": "registry.example.com/shop/backend:1.4.2",
        "pull": "missing",
        "env": {"LOG_LEVEL": "info"},
        "secrets": ["DATABASE_URL"],
        "keywords": {"mem_limit": "256m"},
    }
    assert set(found["container"]) <= set(MIGRATION_RUNNER.options["container"]["options"])


def test_a_connection_string_of_its_own_is_shown_to_nobody():
    url = "postgresql://owner:planted77@db:5432/shop"
    found = config(migrations(admin_url=url))
    assert "planted77" not in str(found) and "owner" in found["migrations"]["admin_url"]
    wrong = problems(site(database=DATABASE, migrations={**FILES, "admin_url": url}, keep=url))
    assert "planted77" not in str(wrong)
    leaked = problems(
        site(database=DATABASE, migrations={**FILES, "admin_url": url}, services__backend__env__X="planted77")
    )
    assert "slipway_services.backend.env.X" in str(leaked) and "planted77" not in str(leaked)


FLYWAY = {"tool": "flyway", "run_in": "container", "service": "backend"}


@pytest.mark.parametrize(
    "written, path, words",
    [
        ({"tool": "sqll", "path": "x"}, "slipway_migrations.tool", "Did you mean sql?"),
        ({"tool": "sql"}, "slipway_migrations.path", "missing"),
        ({"tool": "sql", "pth": "x"}, "slipway_migrations.pth", "did you mean path?"),
        ({**FILES, "directory": "/x"}, "slipway_migrations.directory", "cannot be together with path"),
        ({"tool": "sql", "directory": "x"}, "slipway_migrations.directory", "an absolute path"),
        ({"tool": "command", "project": {"apply": "x"}}, "slipway_migrations.project.pending", "missing"),
        ({"tool": "django", "run_in": "container"}, "slipway_migrations.service", "missing"),
        ({"tool": "django", "run_in": "container", "service": "backnd"}, "slipway_migrations.service", "mean backend?"),
        ({**FILES, "service": "backend"}, "slipway_migrations.service", "is for run_in: container"),
        ({**FILES, "run_in": "container", "service": "backend"}, "slipway_migrations.path", "the image has the files"),
        ({**FLYWAY, "path": "x"}, "slipway_migrations.path", "the machine has the files"),
        (FLYWAY, "slipway_migrations.directory", "missing"),
        ({**FILES, "host": "ap1"}, "slipway_migrations.host", "did you mean app1?"),
        ({**FILES, "timeout": 0}, "slipway_migrations.timeout", "at least 1 s"),
        ({**FILES, "project": {"progam": "x"}}, "slipway_migrations.project.progam", "did you mean program?"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(written, path, words):
    found = [one for one in problems(site(database=DATABASE, migrations=written)) if one.startswith(f"{path}: ")]
    assert len(found) == 1 and words in found[0]


def test_migrations_need_a_database():
    found = problems(site(database=None, migrations=FILES))
    assert [one.partition(":")[0] for one in found] == ["slipway_database"]
