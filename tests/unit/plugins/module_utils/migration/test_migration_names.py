# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of migration files."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration import names
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import (
    BASELINE,
    REPEATABLE,
    UNDO,
    VERSIONED,
)
from ansible_collections.slipway.deploy.plugins.module_utils.migration.names import Version, parse, scan
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.lists(st.integers(0, 10**20), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("script", "kind", "version", "description"),
    [
        ("V1__create_shop.sql", VERSIONED, "1", "create shop"),
        ("V1_2__x.sql", VERSIONED, "1.2", "x"),
        ("V1.2__x.sql", VERSIONED, "1.2", "x"),
        ("V002.0__x.SQL", VERSIONED, "002.0", "x"),
        ("V20260131120000__x.sql", VERSIONED, "20260131120000", "x"),
        ("V1___x.sql", VERSIONED, "1", " x"),
        ("V1__a__b.sql", VERSIONED, "1", "a  b"),
        ("V1__.sql", VERSIONED, "1", ""),
        ("V1.sql", VERSIONED, "1", ""),
        ("a/b/V1__x y.sql", VERSIONED, "1", "x y"),
        ("U3__back.sql", UNDO, "3", "back"),
        ("B3__start.sql", BASELINE, "3", "start"),
        ("R__views.sql", REPEATABLE, None, "views"),
        ("R.sql", REPEATABLE, None, ""),
        (f"V1__{'a' * 200}.sql", VERSIONED, "1", "a" * 200),
        (f"V1__{'a' * 201}.sql", VERSIONED, "1", "a" * 197 + "..."),
    ],
)
def test_a_name_is_read_as_flyway_reads_it(script, kind, version, description):
    name = parse(script)
    assert (name.kind, name.version and str(name.version), name.description, name.script) == (
        kind,
        version,
        description,
        script,
    )


@pytest.mark.parametrize(
    "script",
    [
        "README.md",
        "V1__x.sql.bak",
        "V1__x",
        "V1__x.txt",
        "V1__x.sql.conf",
        "helper.py",
        "V1.py.orig",
        "Makefile",
        "R.sh",
        "Vx.sh",
    ],
)
def test_other_files_are_none_of_ours(script):
    assert parse(script) is None


@pytest.mark.parametrize(
    ("script", "what", "should"),
    [
        ("V1_x.sql", "has '1_x' where a version should be", "V1__x.sql"),
        ("V1_2_x.sql", "where a version should be", "V1.2__x.sql"),
        ("V1-2__x.sql", "where a version should be", "__"),
        ("V1.__x.sql", "where a version should be", "V1__x.sql"),
        ("V-1__x.sql", "where a version should be", ".sql"),
        ("V\u0661__x.sql", "where a version should be", ".sql"),
        ("V1a__x.sql", "where a version should be", "V1__a_x.sql"),
        ("v1__x.sql", "begins with none of V, U, R, B", "V1__x.sql"),
        ("r__x.sql", "begins with none of", "R__x.sql"),
        ("1__x.sql", "begins with none of", "V1__x.sql"),
        ("create_shop.sql", "begins with none of", "V1.2__create_shop.sql"),
        (".V1__x.sql", "begins with none of", ".sql"),
        ("V__x.sql", "has no version", "V1.2__x.sql"),
        ("V.sql", "has no version", "V1.2__description.sql"),
        ("Views.sql", "where a version should be", "V1.2__Views.sql"),
        ("R1__x.sql", "has a version, and a repeatable migration has none", "R__x.sql"),
        ("README.sql", "has a version", "V1.2__README.sql"),
        (f"V{'1' * 51}__x.sql", "has a version of 51 characters", "50"),
        (f"{'d' * 1000}/V1__x.sql", "has a script of 1010 characters", "1000"),
        ("V1__x.sh", "is a program that Flyway would run", "SQL"),
        ("R__x.py", "is a program that Flyway would run", "SQL"),
        ("afterMigrate.sh", "is a program that Flyway would run", "SQL"),
        ("beforeMigrate.sql", "is a callback of Flyway, and callbacks are not run", "migration"),
        ("afterMigrate__x.sql", "is a callback", "migration"),
        ("afterEachMigrateStatementError.sql", "is a callback", "migration"),
        ("createSchema.sql", "is a callback", "migration"),
        ("beforeRepeatables__x.sql", "is a callback", "migration"),
    ],
)
def test_a_wrong_name_is_an_error_that_shows_a_right_one(script, what, should):
    with pytest.raises(SlipwayError) as caught:
        parse(script)
    error = caught.value
    assert (error.obj, error.cause) == (script, "bad_input")
    assert what in error.what and should in error.remedy


@given(NUMBERS, NUMBERS)
def test_versions_are_compared_by_their_numbers(one, other):
    left, right = (Version(".".join(map(str, numbers))) for numbers in (one, other))
    longest = max(len(one), len(other))
    padded = [numbers + [0] * (longest - len(numbers)) for numbers in (one, other)]
    assert (left < right, left == right, left > right) == (
        padded[0] < padded[1],
        padded[0] == padded[1],
        padded[0] > padded[1],
    )
    assert (hash(left) == hash(right)) or left != right


def test_versions_that_are_one():
    assert len({Version("1"), Version("1.0"), Version("01"), Version("1_0_0")}) == 1
    assert sorted(map(Version, ["1.10", "1.9", "1", "0.9"])) == list(map(Version, ["0.9", "1.0", "1.9", "1.10"]))


@given(NUMBERS, st.text(st.characters(blacklist_characters="/\x00", blacklist_categories=("Cs",)), max_size=60))
def test_any_name_that_is_made_by_the_rule_is_read(numbers, words):
    name = parse(f"V{numbers[0]}__{words}.sql")
    assert (name.kind, str(name.version), name.description) == (VERSIONED, str(numbers[0]), words.replace("_", " "))


@given(st.text("VURBvr_.019x-sqlfmigate ", max_size=20))
def test_every_file_of_sql_is_a_migration_or_an_error(stem):
    try:
        name = parse(stem + ".sql")
    except SlipwayError as error:
        assert error.obj == stem + ".sql" and error.remedy
    else:
        assert stem.startswith({kind: letter for letter, kind in names.KINDS.items()}[name.kind])


def laid(place, *scripts):
    for script in scripts:
        path = place / script
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SELECT 1;\n", encoding="utf-8")
    return str(place)


def test_a_directory_is_read_in_the_order_of_flyway(tmp_path):
    place = laid(tmp_path, "R__b.sql", "R__a.sql", "U2__x.sql", "V10__x.sql", "V2__x.sql", "B1__x.sql", "a/V3__x.sql")
    laid(tmp_path, ".git/V4__x.sql", "a/..data/V5__x.sql", "a/.x/nonsense.sql", "README.md")
    found = [name.script for name in scan(place)]
    assert found == ["B1__x.sql", "V2__x.sql", "U2__x.sql", "a/V3__x.sql", "V10__x.sql", "R__a.sql", "R__b.sql"]


def test_a_config_map_of_kubernetes_is_read_once(tmp_path):
    laid(tmp_path, "..2026_01_31/V1__x.sql")
    os.symlink("..2026_01_31", tmp_path / "..data")
    os.symlink("..data/V1__x.sql", tmp_path / "V1__x.sql")
    assert [name.script for name in scan(str(tmp_path))] == ["V1__x.sql"]


def test_a_circle_of_links_ends(tmp_path):
    place = laid(tmp_path, "a/V1__x.sql")
    os.symlink("..", tmp_path / "a/up")
    assert [name.script for name in scan(place)] == ["a/V1__x.sql"]


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("V1__x.sql", "V1.0__y.sql", "two versioned migrations have the version"),
        ("V1__x.sql", "a/V1__x.sql", "two versioned"),
        ("U1_0__x.sql", "U01__y.sql", "two undo"),
        ("B1__x.sql", "B1.0__x.sql", "two baseline"),
        ("R__a_b.sql", "R__a b.sql", "two repeatable migrations have the description 'a b'"),
        (f"R__{'a' * 197}bbbb.sql", f"R__{'a' * 197}cccc.sql", "two repeatable"),
    ],
)
def test_two_files_for_one_migration(tmp_path, one, other, what):
    with pytest.raises(SlipwayError, match=what) as caught:
        scan(laid(tmp_path, one, other))
    assert sorted(caught.value.actual) == sorted([one, other])


def test_one_version_may_have_a_file_of_each_kind(tmp_path):
    assert len(scan(laid(tmp_path, "V1__x.sql", "U1__x.sql", "B1__x.sql", "R__x.sql"))) == 4


def test_a_configuration_without_its_script(tmp_path):
    with pytest.raises(SlipwayError, match="configures a migration that is not there"):
        scan(laid(tmp_path, "V1__x.sql", "V1__y.sql.conf"))


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(SlipwayError) as caught:
        scan(str(tmp_path / "none"))
    assert caught.value.cause == "missing"
