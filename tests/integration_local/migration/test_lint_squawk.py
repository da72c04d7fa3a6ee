# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real squawk, asked for a second opinion: what it adds, what is not heard, and what happens when it is broken."""

from __future__ import annotations

import pathlib
import sys

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.conf import Allowed, Notes
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint import check, squawk
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.check import Linted, lint
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.rules import NAMES
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.squawk import SAME, Squawk
from ansible_collections.slipway.deploy.plugins.module_utils.migration.splitter import Statement
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Sources, Text
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

# Each breaks something, in its own line, and both see it.
BOTH = """\
ALTER TABLE item ADD COLUMN a bigint NOT NULL;

ALTER TABLE item
    ADD COLUMN b uuid DEFAULT gen_random_uuid(),
    DROP COLUMN c;
ALTER TABLE item RENAME COLUMN d TO e; ALTER TABLE item ALTER COLUMN f TYPE text;
ALTER TABLE item ALTER COLUMN g SET NOT NULL;
ALTER TABLE item ADD CONSTRAINT h FOREIGN KEY (a) REFERENCES tag (id);
ALTER TABLE item ADD CONSTRAINT i CHECK (a > 0);
ALTER TABLE item ADD CONSTRAINT j UNIQUE (a);
CREATE INDEX k ON item (a); DROP INDEX l;
DROP TABLE tag;
TRUNCATE item CASCADE;
ALTER TABLE item RENAME TO product;
ALTER TYPE mood RENAME VALUE 'a' TO 'b';
REINDEX TABLE label;
"""
NONE = Notes()
SQUAWK = (
    pathlib.Path(sys.executable).parent / "squawk"
)  # of the environment that the tests run in, whatever is on the path


def asked(*scripts: str, program: str | None = str(SQUAWK), whole: bool = True, notes: Notes = NONE) -> Linted:
    """What the lint says of scripts, squawk included."""
    texts = [Text(f"V{number}.sql", [sql], notes, whole) for number, sql in enumerate(scripts, 1)]
    return lint(Sources(texts, "postgresql", 15), lambda: Squawk.found(program, System()))


def test_squawk_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(SQUAWK.parent))
    assert asked(BOTH, program=None).by == ("slipway", "squawk 2.70.0")


def test_what_both_see_is_told_once() -> None:
    alone = asked(BOTH, program="")
    assert alone.by == ("slipway",)
    assert asked(BOTH).findings == alone.findings


def test_what_it_sees_and_we_do_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(statement: Statement, dialect: str) -> list[object]:
        return []

    monkeypatch.setattr(check, "read", blind)
    assert asked(BOTH, program="").findings == ()
    found = asked("SELECT 1;\n" + BOTH).findings
    said = {(one.rule, one.line) for one in found}
    wanted = {
        ("add-column-not-null", 2),
        ("add-column-rewrites", 5),
        ("drop-column", 6),
        ("rename-column", 7),
        ("change-type", 7),
    }
    wanted |= {
        ("not-null-scan", 8),
        ("add-foreign-key", 9),
        ("add-check", 10),
        ("add-unique", 11),
        ("index-blocks-writes", 12),
    }
    wanted |= {("drop-index-locks", 12), ("drop-table", 13), ("truncate", 14), ("rename-table", 15), ("reindex", 17)}
    assert wanted - said == set()
    assert {rule for rule, _line in said} <= NAMES
    assert all(one.message and one.recipe for one in found)


def test_the_rest_of_its_rules_is_style() -> None:
    sql = "CREATE TABLE item (id serial PRIMARY KEY, name varchar(9), made timestamp, n int);\nINSERT INTO item (n) VALUES (1);"
    assert asked(sql).findings == ()


@pytest.mark.parametrize(
    "scripts",
    [
        ["CREATE TABLE item (a bigint); CREATE INDEX i ON item (a); ALTER TABLE item DROP COLUMN a;"],
        [
            "CREATE TABLE item (a bigint);",
            "CREATE INDEX i ON item (a);\nALTER TABLE item ADD CONSTRAINT c CHECK (a > 0);",
        ],
        ["ALTER TABLE item RENAME TO product;\nCREATE VIEW item AS SELECT * FROM product;"],
        ["ALTER TABLE item ADD COLUMN a bigint;", "ALTER TABLE item RENAME COLUMN a TO b;"],
        ["ALTER TABLE item DROP CONSTRAINT c;\nALTER TABLE item ADD CONSTRAINT c CHECK (a > 0) NOT VALID;"],
        ["ALTER TABLE item ADD CONSTRAINT c CHECK (a > 0) NOT VALID;", "ALTER TABLE item VALIDATE CONSTRAINT c;"],
    ],
)
def test_where_we_know_better_it_is_not_heard(scripts: list[str]) -> None:
    assert asked(*scripts).findings == ()


def test_it_is_told_what_runs_in_a_transaction() -> None:
    sql = "ALTER TABLE item ADD CONSTRAINT c CHECK (a > 0) NOT VALID;\nALTER TABLE item VALIDATE CONSTRAINT c;"
    assert [one.rule for one in asked(sql).findings] == ["validate-in-transaction"]
    assert asked(sql, whole=False).findings == ()


def test_annotations_hold_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "read", lambda statement, dialect: [])
    notes = Notes(phase="contract", allowed=(Allowed("index-blocks-writes", "ten rows", 1),))
    found = asked("ALTER TABLE item DROP COLUMN a;\nCREATE INDEX i ON item (b);", notes=notes)
    assert [one.overruled for one in found.findings] == ["phase=contract", "allow=index-blocks-writes reason=ten rows"]


def test_its_own_settings_are_not_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "read", lambda statement, dialect: [])
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-column"]\n')
    monkeypatch.chdir(tmp_path)
    assert [one.rule for one in asked("-- squawk-ignore ban-drop-column\nALTER TABLE item DROP a;").findings] == [
        "drop-column"
    ]


def test_without_it_our_rules_stand_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = asked("ALTER TABLE item DROP a;", program=None)
    assert found.by == ("slipway",)
    assert [one.rule for one in found.findings] == ["drop-column"]
    with pytest.raises(SlipwayError) as caught:
        asked("DROP TABLE item;", program=str(tmp_path / "squawk"))
    assert caught.value.cause == "command_missing"


@pytest.mark.parametrize("answer", ["echo nonsense", "echo '{}'", "echo '[1]'", "kill -9 $$", "exit 3"])
def test_one_that_is_broken_is_named(answer: str, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "squawk"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo squawk 9 && exit\n{answer}\n')
    program.chmod(0o755)
    with pytest.raises(SlipwayError) as caught:
        asked("DROP TABLE item;", program=str(program))
    assert (caught.value.cause, caught.value.obj) == ("command_failed", str(program))


def test_nothing_of_it_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(squawk.tempfile, "tempdir", str(tmp_path))
    asked(BOTH)
    assert list(tmp_path.iterdir()) == []


def test_every_rule_that_is_told_for_one_of_its_own_is_ours() -> None:
    assert {rule for rules in SAME.values() for rule in rules} <= NAMES
