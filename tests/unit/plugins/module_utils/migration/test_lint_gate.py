# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lint does to a run, on SQLite: refused before anything is applied, overruled by annotations, told."""

from __future__ import annotations

import base64
import pathlib
import sqlite3
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration import model
from ansible_collections.slipway.deploy.plugins.module_utils.migration.conf import Allowed, Notes
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.apart import texts_of
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.check import lint
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import Migration
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Sources, Text
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

Result = dict[str, t.Any]


class Site:
    """A database with a table that is in use, and the files of a program."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.path, self.files = directory / "shop.db", directory / "sql"
        self.files.mkdir()
        with sqlite3.connect(self.path):
            pass
        self.path.touch()
        self.write(V1__item="CREATE TABLE item (id integer PRIMARY KEY, name text, price integer);")

    def write(self, **files: str) -> None:
        """Files by their names without the ending."""
        for name, text in files.items():
            (self.files / f"{name}.sql").write_text(text)

    def run(self, *, check: bool = False, **params: t.Any) -> Result:
        """What the module returns."""
        defaults = {name: option.get("default") for name, option in MIGRATION_RUNNER.options.items()}
        url = base64.b64encode(str(self.path).encode()).decode()
        given = {"engine": "sqlite", "url": url, "locations": [str(self.files)], "lint_squawk": ""}
        return perform({**defaults, **given, **params}, check)

    def dump(self) -> list[str]:
        """All that is in the database."""
        with sqlite3.connect(self.path) as link:
            return list(link.iterdump())


@pytest.fixture(name="site")
def _site(tmp_path: pathlib.Path) -> Site:
    site = Site(tmp_path)
    assert not site.run(phase="expand").get("failed")
    return site


@pytest.mark.parametrize("check", [False, True])
def test_a_contract_migration_is_refused_before_anything_is_applied(site: Site, check: bool) -> None:
    site.write(
        V2__tag="CREATE TABLE tag (id integer);", V3__drop="-- no longer read\nALTER TABLE item DROP COLUMN price;"
    )
    before = site.dump()
    result = site.run(phase="expand", check=check)
    assert result["failed"]
    error = result["error"]
    assert (error["cause"], error["object"]) == ("contract", "V3__drop.sql:2")
    assert "drops the column item.price" in result["msg"]
    assert "Release a version that does not read price" in error["remedy"]
    assert "-- slipway: allow=drop-column reason=" in error["remedy"]
    assert [one["rule"] for one in error["evidence"]["lint"]] == ["drop-column"]
    assert site.dump() == before


def test_all_findings_are_told_and_the_worst_goes_first(site: Site) -> None:
    texts = [Text("V1.sql", ["CREATE INDEX i ON item (a);"]), Text("V2.sql", ["DROP TABLE item;"])]
    found = lint(Sources(texts, "postgresql", 15))
    assert [(one.script, one.kind) for one in found.findings] == [("V1.sql", "unsafe_lock"), ("V2.sql", "contract")]
    assert found.phases == {"V1.sql": "expand", "V2.sql": "contract"}
    site.write(V2__a="ALTER TABLE item RENAME TO product;", V3__b="DROP TABLE product;")
    result = site.run(phase="expand")
    assert "(rename-table; and 1 more findings)" in result["msg"]


def test_phase_contract_waits_for_its_own_run(site: Site) -> None:
    site.write(
        V2__drop="-- slipway: phase=contract\nALTER TABLE item DROP COLUMN price;", V3__tag="CREATE TABLE tag (id int);"
    )
    result = site.run(phase="expand")
    assert [one["script"] for one in result["applied"]] == ["V3__tag.sql"]
    assert result["lint"] == []
    result = site.run(phase="contract")
    assert [one["script"] for one in result["applied"]] == ["V2__drop.sql"]
    assert [(one["rule"], one["overruled"]) for one in result["lint"]] == [("drop-column", "phase=contract")]
    assert result["phases"] == {"V2__drop.sql": "contract"}
    assert "warnings" not in result


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ("phase=expand", "phase=expand"),
        ("allow=drop-table,drop-column reason=nobody reads it", "allow=drop-column reason=nobody reads it"),
    ],
)
def test_an_annotation_overrules_and_is_told(site: Site, annotation: str, told: str) -> None:
    site.write(V2__drop=f"-- slipway: {annotation}\nALTER TABLE item DROP COLUMN price;")
    result = site.run(phase="expand")
    assert result["changed"]
    assert [one["overruled"] for one in result["lint"]] == [told]
    assert result["lint_by"] == ["slipway"]


def test_phase_expand_does_not_allow_a_lock() -> None:
    sql = "ALTER TABLE item DROP COLUMN a; CREATE INDEX i ON item (b);"
    notes = Notes(phase="expand")
    found = lint(Sources([Text("V2.sql", [sql], notes)], "postgresql", 15))
    assert [one.rule for one in found.standing] == ["index-blocks-writes"]
    allowed = Notes(allowed=(Allowed("index-blocks-writes", "ten rows", 1),))
    found = lint(Sources([Text("V2.sql", [sql], allowed)], "postgresql", 15))
    assert [one.rule for one in found.standing] == ["drop-column"]


def test_a_rule_that_there_is_not_is_an_error(site: Site) -> None:
    site.write(V2__drop="-- slipway: allow=drop-colum reason=x\nALTER TABLE item DROP COLUMN price;")
    before = site.dump()
    result = site.run(phase="expand")
    assert result["error"]["cause"] == "bad_input"
    assert "V2__drop.sql:1" in result["msg"]
    assert "did you mean drop-column?" in result["msg"]
    assert site.dump() == before


def test_all_phases_only_warn_unless_told_otherwise(site: Site) -> None:
    site.write(V2__drop="ALTER TABLE item DROP COLUMN price;")
    assert site.run(lint="refuse")["error"]["cause"] == "contract"
    status = site.run(state="status", phase="expand")
    assert [one["rule"] for one in status["lint"]] == ["drop-column"]
    assert "warnings" not in status
    checked = site.run(check=True)
    assert [one["rule"] for one in checked["lint"]] == ["drop-column"]
    result = site.run()
    assert result["changed"]
    assert "V2__drop.sql:1: drops the column item.price" in result["warnings"][0]


def test_a_release_is_refused_and_what_it_allows_is_in_its_journal(site: Site, tmp_path: pathlib.Path) -> None:
    machine = Machine(System(), root=str(tmp_path), platform="shop", environment="production")
    machine.grant(ReleaseToken("r1", 1, {}), 600.0)
    release = {"id": "r1", "token": 1, "holder": {}, "stage": "migrate", "deadline": 60.0}
    params = {
        "release": release,
        "platform": "shop",
        "environment": "production",
        "root": str(tmp_path),
        "phase": "expand",
    }
    site.write(V2__drop="ALTER TABLE item DROP COLUMN price;")
    before = site.dump()
    assert site.run(**params)["error"]["cause"] == "contract"
    assert site.dump() == before
    site.write(V2__drop="-- slipway: phase=expand\nALTER TABLE item DROP COLUMN price;")
    assert site.run(**params)["changed"]
    (note,) = machine.read().journal.releases[-1].notes
    assert note["lint_overruled"] == ["V2__drop.sql:2 drop-column: phase=expand"]


def test_off_does_not_look(site: Site) -> None:
    site.write(V2__drop="-- slipway: allow=nonsense reason=x\nALTER TABLE item DROP COLUMN price;")
    result = site.run(phase="expand", lint="off")
    assert (result["changed"], result["lint"], result["lint_by"]) == (True, [], [])


def test_nothing_breaks_where_nothing_runs_yet(tmp_path: pathlib.Path) -> None:
    site = Site(tmp_path)
    site.write(V2__drop="DROP TABLE IF EXISTS old; ALTER TABLE item RENAME TO product; DROP TABLE product;")
    assert site.run(phase="expand")["changed"]


def test_what_an_earlier_pending_migration_makes_is_nobodys_yet(site: Site) -> None:
    site.write(
        V2__tag="CREATE TABLE tag (id int, name text); ALTER TABLE item ADD COLUMN tag int;",
        V3__tag="ALTER TABLE tag RENAME TO label; ALTER TABLE item RENAME COLUMN tag TO label; ALTER TABLE label DROP COLUMN name;",
    )
    assert site.run(phase="expand")["lint"] == []


def test_if_not_exists_makes_nothing_that_is_there(site: Site) -> None:
    site.write(V2__item="CREATE TABLE IF NOT EXISTS item (id int); ALTER TABLE item DROP COLUMN price;")
    assert site.run(phase="expand")["error"]["cause"] == "contract"


@pytest.mark.parametrize(
    ("scripts", "rules"),
    [
        (
            ["ALTER TABLE item RENAME TO product; CREATE VIEW item AS SELECT * FROM product;", "DROP VIEW item;"],
            ["drop-view"],
        ),
        (["DROP VIEW v; CREATE VIEW v AS SELECT 1;", "DROP VIEW v;"], ["drop-view"]),
        (
            ["CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';", "DROP FUNCTION f;"],
            ["drop-routine"],
        ),
        (["CREATE TABLE archive.item (a int);", "ALTER TABLE item DROP a;"], ["drop-column"]),
        (["CREATE TABLE public.item (a int);", "ALTER TABLE item DROP a;"], []),
        (["ALTER TABLE item ADD IF NOT EXISTS a int;", "ALTER TABLE item DROP a;"], ["drop-column"]),
        (["ALTER TABLE item ADD a int;", "ALTER TABLE tag DROP a;"], ["drop-column"]),
        (
            [
                "ALTER TABLE item DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
                "ALTER TABLE item DROP CONSTRAINT c;",
            ],
            ["drop-constraint"],
        ),
        (["CREATE INDEX CONCURRENTLY i ON item (a);", "DROP INDEX i;"], []),
        (["CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON item (a);", "DROP INDEX CONCURRENTLY i;"], ["drop-index"]),
        (
            ["CREATE TABLE n (a int); DROP TABLE item; ALTER TABLE n RENAME TO item;", "DROP TABLE item;"],
            ["rebuild-table", "drop-table"],
        ),
    ],
)
def test_what_bears_the_name_of_something_live_is_live(scripts: list[str], rules: list[str]) -> None:
    texts = [Text(f"V{number}.sql", [sql]) for number, sql in enumerate(scripts, 2)]
    assert [one.rule for one in lint(Sources(texts, "postgresql", 15)).findings] == rules


def test_what_keeps_migrations_from_being_applied_goes_first(site: Site) -> None:
    site.write(V1__item="CREATE TABLE item (id integer);", V2__drop="ALTER TABLE item DROP COLUMN price;")
    assert site.run(phase="expand")["error"]["cause"] == "edited"


def test_a_check_that_is_valid_makes_not_null_cheap() -> None:
    first = Text("V2.sql", ["ALTER TABLE item ADD CONSTRAINT c CHECK (price IS NOT NULL) NOT VALID;"])
    second = Text("V3.sql", ["ALTER TABLE item VALIDATE CONSTRAINT c;"])
    third = Text("V4.sql", ["ALTER TABLE item ALTER price SET NOT NULL; ALTER TABLE item DROP CONSTRAINT c;"])
    assert [one.rule for one in lint(Sources([first, second, third], "postgresql", 15)).findings] == 2 * [
        "set-not-null"
    ]
    without = [one.rule for one in lint(Sources([first, third], "postgresql", 15)).findings]
    assert without == ["set-not-null", "set-not-null", "not-null-scan"]


def test_a_check_is_not_validated_under_the_lock_of_its_own_transaction() -> None:
    sql = ["ALTER TABLE item ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE item VALIDATE CONSTRAINT c;"]
    for whole, rules in ((True, ["validate-in-transaction"]), (False, [])):
        found = lint(Sources([Text("V2.sql", sql, whole=whole)], "postgresql", 15)).findings
        assert [one.rule for one in found] == rules


def test_what_a_tool_shows_is_taken_apart() -> None:
    sql = "BEGIN;\n-- Running upgrade  -> 1a\nDROP TABLE a;\n\n"
    sql += "-- Running upgrade 1a -> 2b\n-- 3c is not ours\nDROP TABLE b;\nCOMMIT;\n"
    wanted = [
        Migration(model.VERSIONED, version, "", f"{version}_x.py", model.PENDING, phase=phase)
        for version, phase in (("1a", "expand"), ("2b", "contract"), ("3c", "expand"))
    ]
    found = lint(Sources(texts_of(sql, wanted), "postgresql", 15)).findings
    assert [(one.script, one.line, one.overruled) for one in found] == [
        ("1a_x.py", 3, ""),
        ("2b_x.py", 3, "phase=contract"),
    ]


def test_an_unreadable_script_is_told_as_the_runner_tells_it(site: Site) -> None:
    site.write(V2__x="ALTER TABLE item DROP COLUMN 'price;")
    result = site.run(phase="expand")
    assert result["error"]["cause"] == "bad_input"
    with pytest.raises(SlipwayError, match="V2"):
        lint(Sources([Text("V2", ["DROP TABLE 'x"])], "sqlite"))
