# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changelogs that programs bring in their jars: Flowable's as it is, and Keycloak's but for its changes written in Java."""

from __future__ import annotations

import pathlib
import re
import zipfile

import pytest

from tests.integration_local.backup.conftest import Server
from tests.integration_local.mysql.conftest import Server as MariaDBServer

from .outside import ROOT, MariaDBProject, Project

LIQUIBASE = str(ROOT / ".cache/tools/node_modules/liquibase/dist/liquibase/liquibase")
JARS = ROOT / ".cache/tools/changelogs"
FLOWABLE = JARS / "flowable-cmmn-engine-6.8.1.jar"
KEYCLOAK = JARS / "keycloak-model-jpa-26.0.0.jar"
CHANGELOG = "org/flowable/cmmn/db/liquibase/flowable-cmmn-db-changelog.xml"
IN_JAVA = re.compile(r"<customChange[^>]*/>")  # needs a Keycloak around it


def _flowable(kind: type[Project], server: object, directory: pathlib.Path) -> Project:
    given = {"program": [LIQUIBASE], "config": CHANGELOG, "environment": {"LIQUIBASE_SEARCH_PATH": str(FLOWABLE)}}
    return kind(server, directory, "liquibase", **given)


def _keycloak(server: Server, directory: pathlib.Path) -> Project:
    config = "META-INF/jpa-changelog-master.xml"
    project = Project(server, directory, "liquibase", program=[LIQUIBASE], config=config)
    with zipfile.ZipFile(KEYCLOAK) as jar:
        for name in jar.namelist():
            if name.startswith("META-INF/jpa-changelog"):
                project.write(name, IN_JAVA.sub("", jar.read(name).decode()))
    return project


# One of them runs: each starts Java many times.
pytestmark = pytest.mark.sample(1)


def test_the_sql_that_is_shown_is_the_sql_that_runs(tool_server: Server, tmp_path: pathlib.Path) -> None:
    project = _flowable(Project, tool_server, tmp_path)
    sql = project.run(check=True)["sql"]
    assert project.empty()
    other = Project(tool_server, tmp_path, "liquibase")
    other.ask(sql)
    assert len(project.run()["applied"]) == 15
    project.ask("DROP TABLE databasechangelog, databasechangeloglock")
    assert project.schema() == other.schema()


def _back_and_forth(project: Project, count: int) -> list[str]:
    """Applied once, and the last one again."""
    applied = [one["version"] for one in project.run()["applied"]]
    assert len(applied) == count
    assert not project.run()["changed"]
    schema = project.schema()
    assert [one["version"] for one in project.run("undone")["applied"]] == applied[-1:]
    assert project.schema() != schema
    assert [one["version"] for one in project.run()["applied"]] == applied[-1:]
    assert project.schema() == schema
    return applied


def test_flowable(tool_server: Server, tmp_path: pathlib.Path) -> None:
    _back_and_forth(_flowable(Project, tool_server, tmp_path), 15)


def test_flowable_on_mariadb(tool_mariadb: MariaDBServer, tmp_path: pathlib.Path) -> None:
    _back_and_forth(_flowable(MariaDBProject, tool_mariadb, tmp_path), 16)


def test_keycloak(tool_server: Server, tmp_path: pathlib.Path) -> None:
    """Some of its changesets are passed over for good: those of other databases, and of what an earlier one did otherwise."""
    project = _keycloak(tool_server, tmp_path)
    applied = _back_and_forth(project, 144)
    marked = project.ask("SELECT count(*) FROM databasechangelog WHERE exectype = 'MARK_RAN'")
    assert marked == [(31,)] and len(project.tables()) > 80
    schema = project.schema()
    error = project.refused("undone", target=applied[-3])
    assert error["cause"] == "migration_failed" and "DropTable" in str(error)  # which nothing can bring back
    assert project.schema() == schema  # and so not even the one after it was undone
