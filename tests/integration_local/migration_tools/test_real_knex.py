# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history that Backstage's catalog has for Knex, out of its package: of six years, in part outside transactions."""

from __future__ import annotations

import pathlib

import pytest

from tests.integration_local.backup.conftest import PASSWORD, Server
from tests.integration_local.mysql.conftest import Server as MariaDBServer

from .outside import ROOT, MariaDBProject, Project, states

MODULES = ROOT / ".cache/tools/node_modules"
STEPS = ROOT / ".cache/tools/packages/@backstage/plugin-catalog-backend/migrations"
NAMES = sorted(path.name for path in STEPS.glob("*.js"))
KNEXFILE = "module.exports = {client: '%s', connection: {host: 'nowhere.invalid'}, migrations: {directory: '%s'}};\n"


def _prepare(project: Project, client: str) -> Project:
    (project.directory / "node_modules").symlink_to(MODULES)
    project.write("knexfile.js", KNEXFILE % (client, STEPS))
    return project


rest = pytest.mark.sample(1)  # the first one always runs


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> Project:
    return _prepare(Project(tool_server, tmp_path, "knex"), "pg")


def test_all_of_it_is_applied_once(project: Project) -> None:
    told = project.run("status")
    assert [*states(told)] == NAMES and set(states(told).values()) == {"pending"}
    shown = project.run(check=True)
    assert [line.split()[1] for line in shown["sql"].splitlines()] == NAMES
    assert project.empty()
    told = project.run()
    assert [one["version"] for one in told["applied"]] == NAMES and told["current_after"] == NAMES[-1]
    alone = [one["version"] for one in told["applied"] if not one["transactional"]]
    assert len(alone) == 8 and "20260510000000_search_indices_and_dedup.js" in alone
    assert not project.run()["changed"] and not project.run(check=True)["changed"]


@rest
def test_it_is_what_knex_itself_leaves(project: Project, tool_server: Server, tmp_path: pathlib.Path) -> None:
    project.run()
    theirs = _prepare(Project(tool_server, tmp_path / "theirs", "knex"), "pg")
    theirs.write("knexfile.js", KNEXFILE.replace("host: 'nowhere.invalid'", "") % ("pg", STEPS))
    login = {"PGHOST": "127.0.0.1", "PGPORT": str(tool_server.port), "PGUSER": "admin", "PGPASSWORD": PASSWORD}
    theirs.by_hand(str(MODULES / ".bin/knex"), "migrate:latest", PGDATABASE=theirs.database, **login)
    assert project.schema() == theirs.schema()
    assert not theirs.run()["changed"]  # and takes over what it has left


@rest
def test_back_and_forth_again(project: Project) -> None:
    project.run()
    schema = project.schema()
    target = NAMES[-12]
    shown = project.run("undone", target=target, check=True)
    assert [line.split()[1] for line in shown["sql"].splitlines()] == NAMES[:-12:-1]
    back = project.run("undone", target=target)
    assert [one["version"] for one in back["applied"]] == NAMES[:-12:-1]
    assert [one["version"] for one in project.run()["applied"]] == NAMES[-11:]
    assert project.schema() == schema


@rest
def test_on_mariadb(tool_mariadb: MariaDBServer, tmp_path: pathlib.Path) -> None:
    project = _prepare(MariaDBProject(tool_mariadb, tmp_path, "knex"), "mysql2")
    assert project.run(check=True)["changed"] and project.empty()
    told = project.run()
    assert [one["version"] for one in told["applied"]] == NAMES
    assert not project.run()["changed"]
    schema = project.schema()
    assert len(project.run("undone", target=NAMES[-4])["applied"]) == 3
    assert len(project.run()["applied"]) == 3
    assert project.schema() == schema
