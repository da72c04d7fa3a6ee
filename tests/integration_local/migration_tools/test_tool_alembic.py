# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic as projects have it: a small one with branches, and the history of a published package."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import threading
import typing as t

import pytest

from tests.integration_local.backup.conftest import PASSWORD, Server
from tests.integration_local.mysql.conftest import Server as MariaDBServer

from .outside import PYTHON, MariaDBProject, Project, states

ENV = """
import sys
from alembic import context
from sqlalchemy import create_engine
print("a project that prints")
url = context.config.get_main_option("sqlalchemy.url")
def run(**given):
    context.configure(**given, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
if context.is_offline_mode():
    run(url=url, literal_binds=True)
else:
    with create_engine(url).connect() as connection:
        run(connection=connection)
"""
ELSEWHERE = ENV.replace('context.config.get_main_option("sqlalchemy.url")', "OTHER")
REVISION = '''"""{doc}"""
from alembic import op
revision, down_revision, branch_labels, depends_on = {name!r}, {down!r}, None, None
def upgrade():
    op.execute("""{sql}""")
def downgrade():
    op.execute("""{undo}""")
'''


def write_revision(project: Project, name: str, down: t.Any, sql: str, undo: str) -> pathlib.Path:
    text = REVISION.format(doc=f"make {name}", name=name, down=down, sql=sql, undo=undo)
    return project.write(f"scripts/versions/{name}.py", text)


class Alembic(Project):
    """Revisions a, b, c, each with a table of its own."""

    def __init__(self, server: Server, directory: pathlib.Path) -> None:
        super().__init__(server, directory, "alembic", program=[PYTHON])
        self.write("alembic.ini", "[alembic]\nscript_location = %(here)s/scripts\n")
        self.write("scripts/env.py", ENV)
        self.revision("a", None)
        self.revision("b", "a")
        self.revision("c", "b")

    def revision(self, name: str, down: t.Any, sql: str = "", undo: str = "") -> pathlib.Path:
        return write_revision(self, name, down, sql or f"CREATE TABLE {name} ()", undo or f"DROP TABLE {name}")


rest = pytest.mark.sample(1)  # the first one always runs


@pytest.fixture(name="project")
def _project(tool_server: Server, tmp_path: pathlib.Path) -> Alembic:
    return Alembic(tool_server, tmp_path)


def test_it_is_applied_once(project: Alembic) -> None:
    told = project.run("status")
    assert states(told) == {"a": "pending", "b": "pending", "c": "pending"} and not told["recorded"]
    shown = project.run(check=True)
    assert "CREATE TABLE c" in shown["sql"] and shown["changed"]
    assert project.empty()  # neither of both has made anything
    told = project.run()
    assert [one["version"] for one in told["applied"]] == ["a", "b", "c"]
    assert told["applied"][0]["description"] == "make a" and told["current_after"] == "c"
    assert told["changed"] and project.tables() == {"a", "b", "c"}
    again = project.run()
    assert not again["changed"] and again["applied"] == []
    assert not project.run(check=True)["changed"]


@rest
def test_the_sql_that_is_shown_is_the_sql_that_runs(project: Alembic) -> None:
    sql = project.run(check=True)["sql"]
    other = Project(project.server, project.directory, "alembic")
    other.ask(sql)
    project.run()
    assert project.schema() == other.schema()


@rest
def test_up_to_a_target_and_back(project: Alembic) -> None:
    told = project.run("target", target="b")
    assert [one["version"] for one in told["applied"]] == ["a", "b"]
    assert states(told)["c"] == "above_target"
    project.run()
    shown = project.run("undone", check=True)
    assert "DROP TABLE c" in shown["sql"] and "DROP TABLE b" not in shown["sql"]
    assert [one["version"] for one in project.run("undone")["applied"]] == ["c"]
    assert [one["version"] for one in project.run("undone", target="base")["applied"]] == ["b", "a"]
    assert project.tables() == set()


@rest
def test_a_later_version_has_been_here(project: Alembic) -> None:
    """Alembic itself ends with "Can't locate revision"."""
    last = project.revision("d", "c")
    project.run()
    last.unlink()
    told = project.run()
    assert not told["changed"] and states(told) == {"a": "success", "b": "success", "c": "success", "d": "ahead"}
    assert [one["version"] for one in told["ahead"]] == ["d"]
    assert project.refused("undone")["cause"] == "unable"


@rest
def test_a_baseline(project: Alembic) -> None:
    project.ask("CREATE TABLE a (); CREATE TABLE b ()")
    told = project.run("baselined", target="b")
    assert told["changed"] and states(told) == {"a": "success", "b": "success", "c": "pending"}
    assert not project.run("baselined", target="b")["changed"]
    assert project.refused("baselined", target="c")["cause"] == "exists"
    assert [one["version"] for one in project.run()["applied"]] == ["c"]


@rest
def test_branches(project: Alembic) -> None:
    project.revision("east", "c")
    project.revision("west", "c")
    told = project.run()
    assert told["current_after"] == "east, west" and len(told["applied"]) == 5
    project.revision("joined", ("east", "west"))
    assert project.run()["current_after"] == "joined"


@rest
def test_a_statement_that_is_refused(project: Alembic) -> None:
    project.revision("b", "a", sql="CREATE TABLE a ()")
    error = project.refused()
    assert error["cause"] == "migration_failed" and error["evidence"]["code"] == "42P07"
    assert error["evidence"]["script"].endswith("versions/b.py") and error["evidence"]["line"]
    assert [one["version"] for one in error["evidence"]["applied"]] == ["a"]
    assert project.tables() == {"a"}


@rest
def test_a_table_that_the_program_in_use_holds(project: Alembic) -> None:
    project.ask("CREATE TABLE held ()")
    project.revision("b", "a", sql="ALTER TABLE held ADD COLUMN x int")
    holder = project.server.connect(project.database)
    with contextlib.closing(holder), holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE held")
        error = project.refused(lock_timeout=0.05, retry=0)
        assert error["cause"] == "lock_timeout"
        told: list[dict[str, t.Any]] = []
        run = threading.Thread(target=lambda: told.append(project.run(lock_timeout=0.05, retry=600)))
        run.start()
        cursor.execute("ROLLBACK")
    run.join()
    assert told[0]["current_after"] == "c"


@rest
def test_contract_waits_for_its_own_run(project: Alembic) -> None:
    path = project.revision("b", "a")
    path.write_text("# slipway: phase=contract\n" + path.read_text())
    assert [one["version"] for one in project.run(phase="expand")["applied"]] == ["a"]
    assert not project.run(phase="expand")["changed"]
    assert [one["version"] for one in project.run(phase="contract")["applied"]] == ["b"]
    assert [one["version"] for one in project.run(phase="expand")["applied"]] == ["c"]


@rest
def test_its_sql_is_linted(project: Alembic) -> None:
    project.run("target", target="b")
    project.revision("c", "b", sql="ALTER TABLE a ADD COLUMN x int")
    project.revision("d", "c", sql="DROP TABLE a")
    error = project.refused(phase="expand", lint="refuse", lint_squawk="")
    assert error["cause"] == "contract" and "d.py" in str(error)
    path = project.directory / "scripts/versions/d.py"
    path.write_text("# slipway: phase=contract\n" + path.read_text())
    told = project.run(phase="expand", lint="refuse", lint_squawk="")
    assert [one["version"] for one in told["applied"]] == ["c"]


@rest
def test_a_project_that_connects_elsewhere(project: Alembic) -> None:
    other = Project(project.server, project.directory, "alembic")
    url = f"postgresql+psycopg2://admin@127.0.0.1:{project.server.port}/{other.database}"
    project.write("scripts/env.py", ELSEWHERE.replace("OTHER", repr(url)))
    assert other.database in project.refused()["what"]
    assert project.empty() and other.empty()


@rest
def test_what_is_not_there(project: Alembic, tmp_path: pathlib.Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(bare)], check=True)
    error = project.refused(project={**project.project, "program": [str(bare / "bin/python")]})
    assert error["cause"] == "tool_missing" and "pip install alembic" in error["remedy"]
    error = project.refused(project={**project.project, "program": ["/nowhere/python"]})
    assert error["cause"] == "tool_missing"
    error = project.refused(project={**project.project, "config": "other.ini"})
    assert error["cause"] == "bad_input" and "other.ini" in error["what"]
    assert project.refused("target", target="nothing")["cause"] == "migration_failed"
    assert project.empty()


@rest
def test_eight_at_once(project: Alembic) -> None:
    told: list[dict[str, t.Any]] = []
    runs = [threading.Thread(target=lambda: told.append(project.run())) for _number in range(8)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(one["version"] for each in told for one in each["applied"]) == ["a", "b", "c"]


@rest
def test_on_mariadb(tool_mariadb: MariaDBServer, tmp_path: pathlib.Path) -> None:
    """Where each statement stands alone; with a password that PyMySQL can encode."""
    project, word = MariaDBProject(tool_mariadb, tmp_path, "alembic", program=[PYTHON]), "p@ss: w%rd'#;"
    tool_mariadb.execute(None, f'CREATE USER alembic IDENTIFIED BY "{word}"', "GRANT ALL ON *.* TO alembic")
    project.url = tool_mariadb.url(project.database, "alembic", word)
    project.write("alembic.ini", "[alembic]\nscript_location = %(here)s/scripts\n")
    project.write("scripts/env.py", ENV)
    write_revision(project, "a", None, "CREATE TABLE a (id int)", "DROP TABLE a")
    write_revision(project, "b", "a", "ALTER TABLE a ADD COLUMN b int", "ALTER TABLE a DROP COLUMN b")
    shown = project.run(check=True)
    assert "ADD COLUMN b" in shown["sql"] and shown["changed"] and project.empty()
    assert [one["version"] for one in project.run()["applied"]] == ["a", "b"]
    schema = project.schema()
    assert not project.run()["changed"]
    assert [one["version"] for one in project.run("undone")["applied"]] == ["b"]
    path = write_revision(project, "b", "a", "ALTER TABLE a ADD COLUMN b int, ADD COLUMN id int", "")
    error = project.refused()
    assert error["cause"] == "migration_failed" and "Duplicate column" in error["actual"]
    assert error["evidence"]["script"] == str(path)
    write_revision(project, "b", "a", "ALTER TABLE a ADD COLUMN b int", "")
    assert [one["version"] for one in project.run()["applied"]] == ["b"]
    assert project.schema() == schema and project.tables() == {"a"}


@rest
def test_the_history_of_a_published_package(tool_server: Server, tmp_path: pathlib.Path) -> None:
    """Optuna makes its tables by itself and marks them; then some revisions back, and forth again."""
    code = "import optuna.storages._rdb as o; print(o.__path__[0])"
    place = subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    project = Project(tool_server, pathlib.Path(place), "alembic", program=[PYTHON], config="alembic.ini")
    make = "import os, optuna; optuna.storages.RDBStorage(os.environ['URL'])"
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(tool_server.port), "PGUSER": "admin", "PGDATABASE": project.database}
    subprocess.run(
        [PYTHON, "-c", make],
        check=True,
        capture_output=True,
        env={**where, "PGPASSWORD": PASSWORD, "URL": "postgresql+psycopg2://"},
    )
    told = project.run()
    assert not told["changed"] and len(told["migrations"]) == 10
    project.ask("ALTER INDEX ix_trials_study_id RENAME TO trials_study_id_key")  # as its own migration calls it
    schema = project.schema()
    back = project.run("undone", target="v3.0.0.c")  # those before it fail in Optuna's own code
    assert [one["version"] for one in back["applied"]] == ["v3.2.0.a", "v3.0.0.d"]
    assert len(project.run()["applied"]) == 2
    assert project.schema() == schema
