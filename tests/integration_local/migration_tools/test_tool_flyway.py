# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flyway's command line, out of its own jars."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order

from tests.integration_local.backup.conftest import Server

from .outside import ROOT, Project, states

FLYWAY = [
    "java",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-cp",
    str(ROOT / ".cache/tools/flyway/*"),
    "org.flywaydb.commandline.Main",
]


class Flyway(Project):
    """Three scripts and a placeholder."""

    def __init__(self, server: Server, directory: pathlib.Path) -> None:
        super().__init__(server, directory, "flyway", program=FLYWAY)
        self.write("sql/V1__item.sql", "CREATE TABLE item (id int, name text DEFAULT '${name}');\n")
        self.write("sql/V2__index.sql", "CREATE INDEX CONCURRENTLY item_id ON item (id);\n")
        self.write("sql/V3__price.sql", "-- slipway: phase=contract\nALTER TABLE item DROP COLUMN name;\n")

    def options(self, **given: t.Any) -> dict[str, t.Any]:
        own = {"locations": [str(self.directory / "sql")], "placeholders": {"name": "a\\b é"}}
        return super().options(**{**own, **given})


pytestmark = pytest.mark.sample(1)


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> Flyway:
    return Flyway(tool_server, tmp_path)


def test_it_is_applied_once_and_nothing_is_by_a_look(project: Flyway) -> None:
    """The free edition takes -dryRunOutput, and migrates."""
    shown = project.run(check=True)
    assert shown["changed"] and "CREATE TABLE item" in shown["sql"] and "a\\b é" in shown["sql"]
    assert project.empty()
    told = project.run(phase="expand")
    assert [one["version"] for one in told["applied"]] == ["1", "2"] and told["current_after"] == "2"
    project.ask("INSERT INTO item (id) VALUES (1)")
    assert project.ask("SELECT name FROM item") == [("a\\b é",)]
    assert [one["version"] for one in project.run()["applied"]] == ["3"]
    assert not project.run()["changed"] and not project.run(check=True)["changed"]
    assert states(project.run("status", tool="sql")) == {"1": "success", "2": "success", "3": "success"}


def test_a_script_that_is_refused(project: Flyway) -> None:
    project.write("sql/V2__index.sql", "SELECT 1;\nSELECT nothing;\n")
    error = project.refused()
    assert error["cause"] == "migration_failed" and error["evidence"]["code"] == "42703"
    assert error["evidence"]["script"] == "V2__index.sql"
    assert [one["version"] for one in error["evidence"]["applied"]] == ["1"]


def test_a_baseline_an_edited_file_and_a_repair(project: Flyway) -> None:
    project.ask("CREATE TABLE item (id int, name text)")
    assert project.run("baselined", target="1")["current_after"] == "1"
    assert project.run("target", target="2")["current_after"] == "2"
    with (project.directory / "sql/V2__index.sql").open("a") as file:
        file.write("-- more\n")
    assert project.refused()["cause"] == "edited"
    assert project.run("repaired")["changed"]
    assert project.run()["current_after"] == "3"
    assert project.refused("undone")["cause"] == "unable"


def test_a_release_begins_with_an_empty_database(project: Flyway) -> None:
    """The table of its token would make Flyway refuse the schema."""
    assert project.fenced(2).apply(Order()).after.current == "3"
    project.write("sql/V4__more.sql", "SELECT 1;")
    with pytest.raises(SlipwayError) as caught:
        project.fenced(1).apply(Order())
    assert caught.value.cause == "fenced"


def test_a_flyway_that_is_not_there(project: Flyway) -> None:
    error = project.refused(project={**project.project, "program": ["/nowhere/flyway"]})
    assert error["cause"] == "tool_missing" and "flyway-commandline" in error["remedy"]
