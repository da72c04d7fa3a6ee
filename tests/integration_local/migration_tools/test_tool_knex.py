# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knex with its driver for PostgreSQL, as projects have it."""

from __future__ import annotations

import pathlib

import pytest

from tests.integration_local.backup.conftest import Server

from .outside import ROOT, Project, states

MODULES = ROOT / ".cache/tools/node_modules"
KNEXFILE = """
console.log('a project that prints');
module.exports = {development: {client: 'pg', connection: {host: 'nowhere.invalid'}, migrations: {directory: './steps'}}};
"""
MIGRATION = """
exports.up = (knex) => %s;
exports.down = (knex) => %s;
"""


class Knex(Project):
    """Three migrations, the last one outside a transaction."""

    def __init__(self, server: Server, directory: pathlib.Path) -> None:
        super().__init__(server, directory, "knex")
        (directory / "node_modules").symlink_to(MODULES)
        self.write("knexfile.js", KNEXFILE)
        self.migration("01_item", "knex.schema.createTable('item', (t) => { t.increments(); t.text('name'); })")
        self.migration(
            "02_price", "knex.schema.alterTable('item', (t) => t.integer('price'))", undo="knex.raw('SELECT 1')"
        )
        self.migration("03_index", "knex.raw('CREATE INDEX CONCURRENTLY item_price ON item (price)')", alone=True)

    def migration(
        self, name: str, do: str, undo: str = "knex.schema.dropTable('item')", alone: bool = False
    ) -> pathlib.Path:
        text = MIGRATION % (do, undo if not alone else "knex.raw('DROP INDEX item_price')")
        return self.write(f"steps/{name}.js", text + ("exports.config = {transaction: false};\n" if alone else ""))


rest = pytest.mark.sample(1)  # the first one always runs


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> Knex:
    return Knex(tool_server, tmp_path)


def test_it_is_applied_once(project: Knex) -> None:
    shown = project.run(check=True)
    assert shown["changed"] and "02_price.js" in shown["sql"]
    assert project.empty()  # no history either, which knex migrate:list makes
    told = project.run()
    assert [one["version"] for one in told["applied"]] == ["01_item.js", "02_price.js", "03_index.js"]
    assert told["changed"] and project.tables() == {"item"}
    assert project.ask("SELECT DISTINCT batch FROM knex_migrations") == [(1,)]
    assert not project.run()["changed"] and not project.run(check=True)["changed"]


@rest
def test_up_to_a_target_and_back(project: Knex) -> None:
    assert states(project.run("target", target="02_price.js")) == {
        "01_item.js": "success",
        "02_price.js": "success",
        "03_index.js": "above_target",
    }
    project.run()
    assert [one["version"] for one in project.run("undone")["applied"]] == ["03_index.js"]
    assert [one["version"] for one in project.run("undone", target="01_item.js")["applied"]] == ["02_price.js"]
    assert project.refused("undone", target="09.js")["cause"] == "bad_input"
    assert project.refused("target", target="09.js")["cause"] == "bad_input"
    assert project.refused("baselined")["cause"] == "unable"


@rest
def test_a_later_version_has_been_here(project: Knex) -> None:
    """Knex itself ends with "The migration directory is corrupt"."""
    last = project.migration("04_more", "knex.raw('SELECT 1')")
    project.run()
    last.unlink()
    told = project.run()
    assert not told["changed"] and [one["version"] for one in told["ahead"]] == ["04_more.js"]
    assert project.refused("undone")["cause"] == "unable"
    project.migration("05_late", "knex.schema.createTable('late', (t) => t.increments())")
    assert [one["version"] for one in project.run()["applied"]] == ["05_late.js"]


@rest
def test_a_statement_that_is_refused_and_the_lock_of_a_run_that_was_killed(project: Knex) -> None:
    project.migration("02_price", "knex.raw('SELECT nothing')")
    error = project.refused()
    assert error["cause"] == "migration_failed" and error["evidence"]["code"] == "42703"
    project.migration("02_price", "knex.schema.alterTable('item', (t) => t.integer('price'))")
    project.ask("UPDATE knex_migrations_lock SET is_locked = 1")
    project.run()
    assert project.ask("SELECT is_locked FROM knex_migrations_lock") == [(0,)]


@rest
def test_contract_waits_for_its_own_run(project: Knex) -> None:
    path = project.directory / "steps/02_price.js"
    path.write_text("// slipway: phase=contract\n" + path.read_text())
    assert [one["version"] for one in project.run(phase="expand")["applied"]] == ["01_item.js"]
    assert [one["version"] for one in project.run(phase="contract")["applied"]] == ["02_price.js"]


@rest
def test_what_is_not_there(project: Knex) -> None:
    assert project.refused(project={**project.project, "config": "other.js"})["cause"] == "bad_input"
    assert project.refused(project={**project.project, "program": ["/nowhere/node"]})["cause"] == "tool_missing"
    (project.directory / "node_modules").unlink()
    error = project.refused()
    assert error["cause"] == "tool_missing" and "npm install knex" in error["remedy"]
