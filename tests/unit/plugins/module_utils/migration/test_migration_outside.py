# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same for every migration tool that is a program of its own."""

from __future__ import annotations

import pathlib
import sys
import urllib.parse

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration import model
from ansible_collections.slipway.deploy.plugins.module_utils.migration.address import Address, address, session
from ansible_collections.slipway.deploy.plugins.module_utils.migration.child import TAIL, Child
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Settings
from ansible_collections.slipway.deploy.plugins.module_utils.migration.liquibase import PASSED
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import Migration, Status
from ansible_collections.slipway.deploy.plugins.module_utils.migration.outside import changes, compared, notes_of
from ansible_collections.slipway.deploy.plugins.module_utils.migration.python_child import notes

HERE = Address("postgresql", "db", 5433, "us:er", "p@s/ s", "shop", {"sslmode": "require"})


def test_a_uri_says_the_same_as_its_parts() -> None:
    found = urllib.parse.urlsplit(HERE.uri("postgresql+psycopg"))
    assert (found.scheme, found.hostname, found.port, found.path) == ("postgresql+psycopg", "db", 5433, "/shop")
    assert urllib.parse.unquote(found.username or "") == "us:er"
    assert urllib.parse.unquote(found.password or "") == "p@s/ s"
    assert found.query == "sslmode=require"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "postgresql://us%3Aer:p%40s%2F%20s@/shop"),
        ("::1", "postgresql://us%3Aer:p%40s%2F%20s@[::1]:5433/shop"),
        ("/run/pg", "postgresql://us%3Aer:p%40s%2F%20s@/shop?host=%2Frun%2Fpg"),
    ],
)
def test_hosts_of_a_uri(host: str, expected: str) -> None:
    assert HERE._replace(host=host, options={}).uri() == expected


def test_java_gets_no_login_and_no_socket() -> None:
    assert HERE.jdbc(options="-c a=1") == "jdbc:postgresql://db:5433/shop?sslmode=require&options=-c%20a%3D1"
    with pytest.raises(SlipwayError, match="socket"):
        HERE._replace(host="/run/pg").jdbc()


def test_a_session_begins_with_the_timeouts_and_the_schema() -> None:
    settings = Settings(schema="my shop", lock_timeout=1.5, statement_timeout=0)
    assert session(HERE, settings) == '-c lock_timeout=1500 -c search_path="my\\ shop"'
    mine = HERE._replace(options={"options": "-c geqo=off"})
    assert session(mine, settings).startswith("-c geqo=off -c lock_timeout=1500")
    assert session(HERE._replace(engine="mysql"), settings) == ""
    assert HERE.variables(settings)["PGPASSWORD"] == "p@s/ s"


def test_addresses_of_other_databases(tmp_path: pathlib.Path) -> None:
    found = address("mysql", "mysql://u:p%40@h:3307/shop")
    assert (found.host, found.port, found.user, found.password, found.database) == ("h", 3307, "u", "p@", "shop")
    assert found.uri() == "mysql://u:p%40@h:3307/shop"
    assert address("sqlite", str(tmp_path / "a.db")).uri() == f"sqlite:///{tmp_path}/a.db"


def _one(version: str, rank: int = 0, applied: str = "") -> Migration:
    return Migration(model.VERSIONED, version, "", version, model.PENDING, rank=rank, applied=applied)


def test_what_the_project_and_the_history_have_is_compared() -> None:
    found = compared([_one("a"), _one("b"), _one("c")], [_one("a", 1), _one("x", 2)], {"a", "b"})
    assert [(one.version, one.state, one.rank) for one in found] == [
        ("a", model.SUCCESS, 1),
        ("x", model.AHEAD, 2),
        ("b", model.PENDING, 0),
        ("c", model.ABOVE_TARGET, 0),
    ]


def test_what_was_done_is_the_difference_of_two_histories() -> None:
    def status(*migrations: Migration) -> Status:
        return Status("", True, migrations)

    one, two, again = _one("a", 1, "x"), _one("b", 2), _one("a", 1, "y")
    assert [(done.version, done.ms) for done in changes(status(one), status(one, two), {"b": 5})] == [("b", 5)]
    assert [done.version for done in changes(status(one, two), status(), {})] == ["b", "a"]  # the last one first
    assert [done.version for done in changes(status(one), status(again), {})] == ["a"]
    assert changes(status(one), status(one), {}) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ChangeSet db/a.xml::1::ann ran successfully in 8ms", []),
        (
            "Continuing past: db/a.xml::2::bob smith despite precondition failure due to onFail='CONTINUE': ",
            ["db/a.xml::2::bob smith"],
        ),
        ("Marking ChangeSet: \"a.xml::3::ann\" as ran despite precondition failure due to onFail='MARK_RAN': ", []),
        ("Changeset a.xml::4 b::ann failed, but failOnError was false.  Error: Column", ["a.xml::4 b::ann"]),
    ],
)
def test_what_liquibase_says_it_has_passed_over(line: str, expected: list[str]) -> None:
    log = f"[2026-11-28 23:06:04] INFO [liquibase.changelog] {line}"
    assert [name for found in PASSED.finditer(log) for name in found.groups() if name] == expected


@pytest.mark.parametrize(
    "line", ["# slipway: phase=contract", "  // slipway: phase=contract", "-- slipway: phase=contract"]
)
def test_notes_in_a_file_of_any_language(tmp_path: pathlib.Path, line: str) -> None:
    path = tmp_path / "one.py"
    path.write_text(f'"""doc"""\n{line}\nx = 1\n')
    assert notes_of(notes(str(path)), "one.py").phase == "contract"
    assert notes(str(tmp_path / "missing.py")) == [] and notes_of([], "one.py").phase == ""
    with pytest.raises(SlipwayError):
        notes_of(["# slipway: phase=contrakt\n"], "one.py")


def _python(code: str, **given: object) -> Child:
    return Child((sys.executable, "-c", code), **given)  # type: ignore[arg-type]


def test_of_much_output_the_end_is_kept_without_secrets() -> None:
    code = "import sys; [sys.stderr.write('x' * 1000 + '\\n') for _ in range(5000)]; sys.stderr.write('secret-word at the end')"
    ended = _python(code, secrets=frozenset({"secret-word"})).run()
    assert ended.rc == 0 and len(ended.said) <= TAIL
    assert ended.said.endswith("at the end") and "secret-word" not in ended.said


def test_a_program_that_reads_nothing() -> None:
    assert _python("import sys; print(1); sys.exit(3)").run(stdin="x" * 1_000_000).rc == 3


def test_its_words_and_variables_and_directory(tmp_path: pathlib.Path) -> None:
    code = "import os, sys; print(sys.argv[1], os.environ['A'], os.environ['B'], os.getcwd())"
    ended = _python(code, directory=str(tmp_path), env={"A": "1", "B": "2"}).run("word", env={"B": "3"})
    assert ended.stdout == f"word 1 3 {tmp_path}\n"


def test_a_program_that_is_not_there_is_named_with_how_to_get_it() -> None:
    with pytest.raises(SlipwayError) as caught:
        Child(("/nowhere/tool",), install="Get it there.").run()
    assert caught.value.cause == "tool_missing" and caught.value.remedy == "Get it there."


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(SlipwayError) as caught:
        _python("import time; time.sleep(86400)").run(timeout=0.1)
    assert caught.value.cause == "timeout"
